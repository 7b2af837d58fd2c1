"""The voice of a call whose model speaks by itself: its own sound, or a line read, or another voice.

What a call has of its session is in `duplex.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from trunkline.audio.resample import Resampler
from trunkline.call.passages import Passages, Progress
from trunkline.call.read_line import PAUSE, READ_SECONDS, read_aloud
from trunkline.call.wording import for_speech
from trunkline.errors import EngineDown, EngineError
from trunkline.prompt import Usage
from trunkline.providers.protocols import Spoken, TextToSpeech, Voice, VoiceOptions
from trunkline.providers.s2s.protocol import Session


class Sounding:
    """An answer's passages, and news of them: the `Ear` that its sound goes to."""

    def __init__(self, rate: int, pace: float) -> None:
        self.passages = Passages(rate, pace)
        self.news = asyncio.Event()

    def sound(self, pcm: bytes) -> None:
        self.passages.sound(pcm)
        self.news.set()

    def end(self) -> None:
        self.passages.ended = True
        self.news.set()

    def texts(self, sentences: list[str], *, complete: bool) -> None:
        """More of its text. `complete`: there is no more for now."""
        for sentence in sentences:
            self.passages.text(for_speech(sentence).spoken)
        if complete:
            self.passages.complete = True
        if sentences or complete:
            self.news.set()

    def break_off(self) -> None:
        """What is missing will not come."""
        self.passages.broken = self.passages.ended = True
        self.news.set()


class Claim:
    """A sentence of an answer, whose sound is wanted now."""

    def __init__(self, sounding: Sounding, number: int, where: str) -> None:
        self.sounding = sounding
        self._number = number
        self._where = where

    async def sound(self) -> AsyncGenerator[bytes, None]:
        """Its pieces as they come. Raises `EngineDown` where the answer broke off within it."""
        passages, news = self.sounding.passages, self.sounding.news
        while True:
            news.clear()
            pcm, progress = passages.take(self._number)
            if pcm:
                yield pcm
            if progress is Progress.LOST:
                raise EngineDown("the answer broke off", where=self._where)
            if progress is Progress.OVER:
                return
            if not pcm:
                await news.wait()  # bounded by the speaker's own limits


class Sounds(Protocol):
    """Where the voice finds the session's sound, and the session."""

    name: str

    @property
    def session(self) -> Session:
        """Raises `EngineDown` where there is none."""

    def claim(self, sentence: str) -> Claim | None:
        """This sentence's part of an answer's sound."""

    def drop(self, sounding: Sounding) -> None:
        """The caller will hear no more of this answer."""

    def used(self, usage: Usage, purpose: str) -> None:
        """Tokens that no answer's event will tell of."""

    def failed(self, error: EngineError) -> None:
        """A line could not be read."""

    def close(self) -> None:
        """The call is over."""


class DuplexVoice:
    """The session's own sound for its own sentences; everything else is read by it, or by the spare voice."""

    def __init__(self, sounds: Sounds, spare: TextToSpeech, options: VoiceOptions) -> None:
        self.rate = options.rate
        self._sounds = sounds
        self._spare = spare
        self._options = options
        self._spare_voice: Voice | None = None
        self._closed = False

    async def say(self, text: str) -> AsyncGenerator[Spoken, None]:
        if self._closed:
            raise EngineDown("the voice was closed", where=self._sounds.name)
        given = False
        for way in (self._own, self._read, self._by_spare):
            async with aclosing(way(text)) as sound:
                async for spoken in sound:
                    given = given or bool(spoken.pcm)
                    yield spoken
            if given:
                return

    async def _own(self, text: str) -> AsyncGenerator[Spoken, None]:
        """Where it is a sentence of the session's: nothing at all, or its sound."""
        claim = self._sounds.claim(text)
        if claim is None:
            return
        resampler = Resampler(claim.sounding.passages.rate, self.rate)
        given = over = False
        try:
            async with aclosing(claim.sound()) as sound:
                async for pcm in sound:
                    given = True
                    yield Spoken(resampler.push(pcm))
            if given and (tail := resampler.flush()):
                yield Spoken(tail)
            over = True
        except EngineError:
            over = True
            if given:
                raise
        finally:
            if not over:
                self._sounds.drop(claim.sounding)

    async def _read(self, text: str) -> AsyncGenerator[Spoken, None]:
        """By the session, where it lives, and says these words; else nothing."""
        sounds, given = self._sounds, False
        try:
            session = sounds.session
        except EngineError:
            return
        resampler = Resampler(session.rate, self.rate)
        reading = read_aloud(session, text, lambda used: sounds.used(used, "line"), READ_SECONDS, sounds.name)
        try:
            async with aclosing(reading) as sound:
                async for pcm in sound:
                    given = True
                    yield Spoken(resampler.push(pcm))
            if given:
                yield Spoken(resampler.flush() + self._pause())
        except EngineError as error:
            sounds.failed(error)
            if given:
                raise

    async def _by_spare(self, text: str) -> AsyncGenerator[Spoken, None]:
        if self._spare_voice is None:
            # A voice's name means something to its own engine alone.
            self._spare_voice = await self._spare.open(replace(self._options, voice=""))
        resampler, given = Resampler(self._spare_voice.rate, self.rate), False
        async with aclosing(self._spare_voice.say(text)) as sound:
            async for spoken in sound:
                given = given or bool(spoken.pcm)
                yield Spoken(resampler.push(spoken.pcm), spoken.marks)
        if given:
            yield Spoken(resampler.flush() + self._pause())

    def _pause(self) -> bytes:
        return bytes(round(self.rate * PAUSE) * 2)

    async def close(self) -> None:
        self._closed = True
        self._sounds.close()
        spare, self._spare_voice = self._spare_voice, None
        if spare is not None:
            await spare.close()
