"""What every speech-to-text engine must do, whoever made it. Each engine's tests call these.

Sound is pushed either paced by a clock (virtual time) or all at once with the times it would have had;
`LIMIT` is only there so that a hang is a failure and not a stopped test run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources

import pytest

from trunkline.audio.frame import Frame
from trunkline.clock import Clock
from trunkline.errors import EngineError
from trunkline.events import Answer, EngineEndOfTurn, Expectation, Final, Partial
from trunkline.lab.recordings import read_wav
from trunkline.providers.protocols import Heard, ListenOptions, Recognition, SpeechToText

RATE = 8000
LIMIT = 60.0
FRAME = RATE // 50 * 2


def recording(name: str) -> bytes:
    """A line that ships with the demonstration: telephone band, 8 kHz, a synthetic voice."""
    data = (resources.files("trunkline.lab") / "voices" / f"{name}.wav").read_bytes()
    return read_wav(data, name).astype("<i2").tobytes()


@dataclass
class Ear:
    """What came out of a recognition, and the error it ended with."""

    heard: list[Heard] = field(default_factory=list)
    errors: list[EngineError] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def finals(self) -> list[Final]:
        return [each for each in self.heard if isinstance(each, Final)]

    async def listen(self, recognition: Recognition) -> None:
        iteration = aiter(recognition)
        while True:
            try:
                self.heard.append(await anext(iteration))
            except StopAsyncIteration:
                self.ended.set()
                return
            except EngineError as error:
                self.errors.append(error)
            finally:
                self._news.set()

    async def until_finals(self, count: int) -> None:
        async with asyncio.timeout(LIMIT):
            while len(self.finals) < count:
                assert not self.ended.is_set(), f"it ended after {self.heard}, {self.errors}"
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def listening(engine: SpeechToText) -> AsyncIterator[tuple[Recognition, Ear]]:
    """A recognition and what comes out of it; both are gone afterwards."""
    recognition = await engine.open(ListenOptions(rate=RATE))
    ear = Ear()
    task = asyncio.create_task(ear.listen(recognition))
    try:
        yield recognition, ear
    finally:
        async with asyncio.timeout(LIMIT):
            await recognition.close()
            await task


async def speak(
    recognition: Recognition, pcm: bytes, clock: Clock, at: float, *, paced: bool, hints: bool = True
) -> float:
    """Push a line with half a second of silence on each side, from time `at`; gives the time after it."""
    silence = bytes(RATE)
    whole = silence + pcm + silence
    start, end = at + 0.5, at + 0.5 + len(pcm) / 2 / RATE
    started = stopped = False
    for place in range(0, len(whole), FRAME):
        at += 0.02
        if paced:
            await clock.sleep(at - clock.now())
        recognition.push(Frame(whole[place : place + FRAME].ljust(FRAME, b"\0"), RATE, at))
        if hints and not started and at >= start + 0.06:
            recognition.speech_started(start)
            started = True
        if hints and not stopped and at >= end + 0.1:
            recognition.speech_stopped(end)
            stopped = True
    return at


async def assert_tells_in_order(
    engine: SpeechToText, pcm: bytes, clock: Clock, *, paced: bool
) -> list[Heard]:
    """Partials, then the Final that replaces them; times never run backwards; the end after close."""
    async with listening(engine) as (recognition, ear):
        began = clock.now()
        ended = await speak(recognition, pcm, clock, began, paced=paced)
        await ear.until_finals(1)
    assert ear.ended.is_set()
    assert not ear.errors
    times = [each.at for each in ear.heard]
    assert times == sorted(times)
    assert isinstance(ear.heard[0], Partial)
    assert isinstance([each for each in ear.heard if not isinstance(each, EngineEndOfTurn)][-1], Final)
    for each in ear.heard:
        if isinstance(each, Partial | Final):
            assert " ".join(word.text for word in each.words) == each.text
            bounds = [bound for word in each.words for bound in (word.start, word.end)]
            assert bounds == sorted(bounds)
            assert all(began - 1e-6 <= bound <= ended + 0.1 for bound in bounds)
            assert all(0 <= word.confidence <= 1 for word in each.words)
    return ear.heard


async def assert_hears_without_hints(engine: SpeechToText, pcm: bytes, clock: Clock, *, paced: bool) -> None:
    """Nobody says when speech begins: `finalise` gets a Final all the same."""
    async with listening(engine) as (recognition, ear):
        await speak(recognition, pcm, clock, clock.now(), paced=paced, hints=False)
        recognition.finalise()
        await ear.until_finals(1)


async def assert_closes_at_any_time(engine: SpeechToText, pcm: bytes, clock: Clock) -> None:
    """Before the first frame, in the middle, twice; afterwards everything is quietly ignored."""
    for frames in (0, 1, 25, 60):
        async with listening(engine) as (recognition, ear):
            at = clock.now()
            recognition.speech_started(at)
            for place in range(frames):
                at += 0.02
                recognition.push(Frame(pcm[place * FRAME : (place + 1) * FRAME].ljust(FRAME), RATE, at))
            await recognition.close()
            await recognition.close()
            recognition.push(Frame(bytes(FRAME), RATE, at))
            recognition.speech_started(at)
            recognition.speech_stopped(at)
            recognition.expect(Expectation())
            recognition.finalise()
        assert ear.ended.is_set()
        assert not ear.errors


async def assert_reading_can_be_cancelled(engine: SpeechToText, pcm: bytes, clock: Clock) -> None:
    """A reader that is cancelled takes nothing down; the stream can still be closed, and reopened."""
    recognition = await engine.open(ListenOptions(rate=RATE))
    task = asyncio.create_task(Ear().listen(recognition))
    at = clock.now()
    for place in range(20):
        recognition.push(
            Frame(pcm[place * FRAME : (place + 1) * FRAME].ljust(FRAME), RATE, at + place * 0.02)
        )
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(LIMIT):
        await recognition.close()
    async with listening(engine):
        pass


async def assert_bounded_under_a_flood(engine: SpeechToText, pcm: bytes, clock: Clock, seconds: int) -> None:
    """Much more sound at once than anybody can recognise, and nobody reads: at most one error."""
    recognition = await engine.open(ListenOptions(rate=RATE))
    at = clock.now()
    for place in range(seconds * 50):
        at += 0.02
        cut = place * FRAME % (len(pcm) - FRAME)
        recognition.push(Frame(pcm[cut : cut + FRAME], RATE, at))
    async with asyncio.timeout(LIMIT):
        ear = Ear()
        task = asyncio.create_task(ear.listen(recognition))
        await asyncio.sleep(0)
        await recognition.close()
        await task
    assert len(ear.errors) <= 1
    assert len(ear.heard) <= 256


async def assert_takes_odd_frames(engine: SpeechToText, clock: Clock) -> None:
    """Empty, odd, huge, of another rate, from the past: an `EngineError` at most, from the iteration."""
    async with listening(engine) as (recognition, ear):
        now = clock.now()
        for frame in (
            Frame(b"", RATE, now),
            Frame(b"\1", RATE, now),
            Frame(bytes(FRAME), 44100, now),
            Frame(b"\xff\x7f" * 8000, RATE, now),
            Frame(bytes(FRAME), RATE, now - 1e6),
            Frame(bytes(FRAME), RATE, now, concealed=True),
        ):
            recognition.push(frame)
        recognition.speech_stopped(now)
        recognition.speech_started(now - 1e6)
        recognition.speech_stopped(now + 1e6)
        recognition.finalise()
        recognition.finalise()
    assert len(ear.errors) <= 1


async def assert_expects_at_any_time(engine: SpeechToText, pcm: bytes, clock: Clock, *, paced: bool) -> None:
    """Hostile and late expectations: before, within and after an utterance."""
    odd = Expectation(
        Answer.NUMBER,
        (
            "",
            "<nosuch> thing",
            "\x00",
            "[[[",
            "; grammar x;",
            "café ☃",
            "a" * 10_000,
            "<number> people",
            "no",
        ),
        keyterms=("Zwölf", "CRM", "x" * 500, "99"),
        digits=-1,
    )
    async with listening(engine) as (recognition, ear):
        recognition.expect(odd)
        at = clock.now()
        recognition.speech_started(at)
        for place in range(30):
            recognition.push(
                Frame(pcm[place * FRAME : (place + 1) * FRAME].ljust(FRAME, b"\0"), RATE, at + place * 0.02)
            )
            recognition.expect(odd if place % 2 else Expectation())
        recognition.finalise()
        heard_before = len(ear.finals)
        await speak(recognition, pcm, clock, at + 1.0, paced=paced)
        await ear.until_finals(heard_before + 1)
    assert not ear.errors
