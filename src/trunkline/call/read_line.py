"""A line read word for word by a session that speaks, and checked: a model may always say something else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress

from trunkline.call.wording import for_speech
from trunkline.errors import EngineDown, EngineError, EngineTimeout
from trunkline.prompt import Token, Usage
from trunkline.providers.protocols import ListenOptions, Spoken, VoiceOptions
from trunkline.providers.s2s.protocol import Session, SpeechToSpeech

READ_SECONDS = 1.8
"""For all of a line's words to be known, so that another voice can still say it before a caller wonders."""
AHEAD_SECONDS = 15.0
"""The same for lines made before they are needed."""
PAUSE = 0.16
"""Seconds of silence after a sentence that was not said in one breath with the next."""


async def read_aloud(
    session: Session, text: str, used: Callable[[Usage], None], limit: float, where: str
) -> AsyncGenerator[bytes, None]:
    """The sound of `text`, once all the words that the session says are known to be its words. Raises
    `EngineDown` where they are others, `EngineTimeout` where they are not known within `limit` seconds."""
    line = _Line(text)
    reading = asyncio.create_task(_follow(session, line, used), name=f"{where}: line")
    try:
        try:
            async with asyncio.timeout(limit):
                await line.judged.wait()
        except TimeoutError:
            raise EngineTimeout(f"a line's words were not known within {limit:g} s", where=where) from None
        if line.failure is not None:
            raise line.failure
        if not line.right:
            raise EngineDown("it read other words than the line's", where=where)
        while True:
            line.news.clear()
            pcm, line.waiting = line.waiting, b""
            if pcm:
                yield pcm
            elif line.ended:
                break
            else:
                await line.news.wait()  # bounded by whoever asks for the sound
        with suppress(EngineError):  # all of its sound is here
            await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


class _Line:
    """What was heard of a line so far; the `Ear` that its sound goes to."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.judged = asyncio.Event()
        self.news = asyncio.Event()
        self.right = False
        self.failure: EngineError | None = None
        self.ended = False
        self.waiting = b""
        self._wanted = _plain(text)
        self._said = ""

    def sound(self, pcm: bytes) -> None:
        self.waiting += pcm
        self.news.set()

    def end(self) -> None:
        self.ended = True
        self.news.set()

    def words(self, text: str) -> None:
        """More of what is being said. It is judged when it is over, or as soon as it goes astray."""
        self._said += text
        over = text.endswith("\n")
        said = _plain(for_speech(self._said).spoken)
        if over or len(said) > len(self._wanted):
            self.right = said == self._wanted
            self.judged.set()

    def fail(self, error: EngineError) -> None:
        self.failure = error
        self.end()
        self.judged.set()


async def _follow(session: Session, line: _Line, used: Callable[[Usage], None]) -> None:
    try:
        async with aclosing(session.read(line.text, line)) as deltas:
            async for delta in deltas:
                if isinstance(delta, Token):
                    line.words(delta.text)
                elif isinstance(delta, Usage):
                    used(delta)
    except EngineError as error:
        line.fail(error)
    else:
        line.words("\n")
        line.end()


def _plain(text: str) -> str:
    """The letters and digits alone: what a transcript spells otherwise is not said otherwise."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())


class LineReader:
    """Sessions as a text-to-speech engine that reads lines before they are needed. Where a session does not
    say a line's words, the line is not made, and is spoken when its time comes."""

    def __init__(self, engine: SpeechToSpeech, used: Callable[[Usage], None]) -> None:
        self.name = engine.name
        self._engine = engine
        self._used = used

    async def start(self) -> None:
        """The engine is started."""

    async def open(self, options: VoiceOptions) -> ReadingVoice:
        listen = ListenOptions(options.rate, options.language)
        return ReadingVoice(await self._engine.open(listen, options, self._used), self._used, self.name)

    async def close(self) -> None:
        """The engine is its service's."""


class ReadingVoice:
    """A session that does nothing but read."""

    def __init__(self, session: Session, used: Callable[[Usage], None], where: str) -> None:
        self.rate = session.rate
        self._session = session
        self._used = used
        self._where = where

    async def say(self, text: str) -> AsyncGenerator[Spoken, None]:
        async with aclosing(read_aloud(self._session, text, self._used, AHEAD_SECONDS, self._where)) as sound:
            async for pcm in sound:
                yield Spoken(pcm)
        yield Spoken(bytes(round(self.rate * PAUSE) * 2))

    async def close(self) -> None:
        await self._session.close()
