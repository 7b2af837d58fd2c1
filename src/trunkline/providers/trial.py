"""One engine tried by itself: what `trunkline engines try` and `trunkline say` measure.

Times are seconds on the clock that is handed in, counted from the moment the engine was asked. They are
what this machine sees; what a caller hears is measured by `trunkline lab bench`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

from trunkline.audio.frame import Frame, frame_bytes
from trunkline.audio.resample import resampled
from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineTimeout
from trunkline.events import Expectation, Final, Partial
from trunkline.prompt import Message, Prompt, Token, ToolCall, Usage
from trunkline.providers.protocols import (
    LanguageModel,
    ListenOptions,
    Recognition,
    SpeechToText,
    TextToSpeech,
    VoiceOptions,
)

T = TypeVar("T")

SENTENCE = "Good morning, this is a short trial of one engine."
_LAST_WORDS = 2.0
"""Seconds after the speech in which last words are waited for."""
_PIECES = 0.3
"""Seconds between pieces of last words."""
_NOTHING = 6.0
"""Seconds after the speech in which one that has heard nothing so far is waited for."""
_LONGEST = 30.0
"""Seconds that any trial may take beside what it hears; an engine's own limits are shorter."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A model's answer. `first`: until its first token or tool call; `whole`: until its end."""

    text: str
    first: float
    whole: float
    usage: Usage


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence's sound, 16-bit mono PCM. `first`: until its first sound; `whole`: until all had come."""

    pcm: bytes
    rate: int
    marks: tuple[tuple[float, int], ...]
    opened: float
    """How long opening the voice took, before anything was asked of it."""
    first: float
    whole: float

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / self.rate


@dataclass(frozen=True, slots=True)
class Understood:
    """What a recogniser made of a sentence. `first`: from the speech's beginning to the first words;
    `final`: from its end to the last ones, which is what a caller waits for."""

    text: str
    first: float
    final: float


async def answered(model: LanguageModel, question: str, clock: Clock) -> Answered:
    """The answer of a started model. Raises an `EngineError`."""
    prompt = Prompt((Message("system", "Answer in one short sentence."), Message("user", question)))
    return await _limited(_answered(model, prompt, clock), model.name)


async def _answered(model: LanguageModel, prompt: Prompt, clock: Clock) -> Answered:
    asked, first, words, usage = clock.now(), None, [], Usage()  # type: float, float | None, list[str], Usage
    async with aclosing(model.stream(prompt)) as stream:
        async for delta in stream:
            if first is None and not isinstance(delta, Usage):
                first = clock.now() - asked
            match delta:
                case Token():
                    words.append(delta.text)
                case ToolCall():
                    words.append(f"[{delta.name}]")
                case Usage():
                    usage = delta
    if first is None:
        raise EngineDown("the model gave nothing", where=model.name)
    return Answered("".join(words), first, clock.now() - asked, usage)


async def said(engine: TextToSpeech, text: str, options: VoiceOptions, clock: Clock) -> Said:
    """The sentence by a started engine. Raises an `EngineError`."""
    return await _limited(_said(engine, text, options, clock), engine.name)


async def _said(engine: TextToSpeech, text: str, options: VoiceOptions, clock: Clock) -> Said:
    began = clock.now()
    voice = await engine.open(options)
    try:
        asked, first, pcm = clock.now(), None, b""  # type: float, float | None, bytes
        marks: tuple[tuple[float, int], ...] = ()
        async with aclosing(voice.say(text)) as stream:
            async for piece in stream:
                if first is None and piece.pcm:
                    first = clock.now() - asked
                pcm, marks = pcm + piece.pcm, marks + piece.marks
        if first is None:
            raise EngineDown("the voice gave no sound", where=engine.name)
        return Said(pcm, voice.rate, marks, asked - began, first, clock.now() - asked)
    finally:
        await voice.close()


async def understood(
    engine: SpeechToText,
    speech: Said,
    clock: Clock,
    language: str = "en",
    rate: int = 8000,
    asked: Expectation | None = None,
) -> Understood:
    """What a started recogniser makes of this speech, heard at its own pace over a leg of `rate`, as the
    answer to what was `asked`. Raises an `EngineError`."""
    trial = _understood(engine, speech, clock, ListenOptions(rate, language), asked)
    return await _limited(trial, engine.name, _LONGEST + speech.seconds)


async def _understood(
    engine: SpeechToText, speech: Said, clock: Clock, options: ListenOptions, asked: Expectation | None
) -> Understood:
    recognition = await engine.open(options)
    if asked is not None:
        recognition.expect(asked)
    trial = _Listening(recognition, resampled(speech.pcm, speech.rate, options.rate), clock, options.rate)
    tasks: list[asyncio.Task[Any]] = [
        asyncio.create_task(each) for each in (trial.speak(), trial.listen(), trial.over.wait())
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # raises what the engine failed with
        if not trial.over.is_set():
            raise EngineDown("it ended before the speech did", where=engine.name)
        return trial.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await recognition.close()


class _Listening:
    """A recogniser, and the line that it listens to."""

    def __init__(self, recognition: Recognition, pcm: bytes, clock: Clock, rate: int) -> None:
        self.over = asyncio.Event()
        """The speech is over and the last words are there, or have been waited for."""
        self._recognition = recognition
        self._pcm = pcm
        self._clock = clock
        self._rate = rate
        self._began = clock.now()
        self._stopped: float | None = None
        self._after: float | None = None
        """When the last words after the end of the speech came."""
        self._first: float | None = None
        self._last = self._began
        self._words: list[str] = []

    async def speak(self) -> None:
        """The speech at its own pace; after it the line goes on with silence, as a telephone's does."""
        size = frame_bytes(self._rate)
        self._recognition.speech_started(self._began)
        for number in itertools.count():
            await self._clock.sleep(self._began + 0.02 * (number + 1) - self._clock.now())
            now = self._clock.now()
            piece = self._pcm[number * size : (number + 1) * size]
            if not piece and self._stopped is None:
                self._stopped = now
                self._recognition.speech_stopped(now)
                self._recognition.finalise()
            self._recognition.push(Frame(piece.ljust(size, b"\0"), self._rate, now))
            if self._stopped is not None and self._silent(now, self._stopped):
                self.over.set()

    def _silent(self, now: float, stopped: float) -> bool:
        """Whether all has been said. Last words may come in several pieces; one that has said all before the
        end of the speech says nothing after it; one that has heard nothing may never."""
        if self._after is not None:
            return now > self._after + _PIECES
        return now > stopped + (_LAST_WORDS if self._words else _NOTHING)

    async def listen(self) -> None:
        async for heard in self._recognition:
            if isinstance(heard, Partial | Final) and heard.text and self._first is None:
                self._first = self._clock.now() - self._began
            if isinstance(heard, Final):
                if heard.text:
                    self._words.append(heard.text)
                self._last = self._clock.now()
                if self._stopped is not None:
                    self._after = self._last

    def result(self) -> Understood:
        waited = self._last - (self._stopped if self._stopped is not None else self._last)
        return Understood(" ".join(self._words).strip(), self._first or 0.0, max(0.0, waited))


async def _limited(trial: Awaitable[T], name: str, limit: float = _LONGEST) -> T:
    try:
        async with asyncio.timeout(limit):
            return await trial
    except TimeoutError:
        raise EngineTimeout(f"the trial took longer than {limit:g} s", where=name) from None
