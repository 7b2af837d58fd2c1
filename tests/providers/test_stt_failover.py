"""Recognisers in a list, in virtual time: who listens, what they hear again, what is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from trunkline.audio.frame import Frame
from trunkline.clock import VirtualClock, run_virtual
from trunkline.errors import EngineDown, EngineError, EngineKeyWrong, EngineNetwork, EngineTimeout
from trunkline.events import Expectation, Final, Partial, Word
from trunkline.providers.protocols import Heard, ListenOptions
from trunkline.providers.stt.outbox import Outbox
from trunkline.providers.stt_failover import (
    KEPT,
    MOST_FAILURES,
    FailoverSpeechToText,
    recognisers_reporting_to,
)


class Ear:
    """One recognition that the test speaks for."""

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.frames: list[float] = []
        self.told: list[str] = []
        self.closed = False

    def push(self, frame: Frame) -> None:
        self.frames.append(round(frame.at, 2))

    def speech_started(self, since: float) -> None:
        self.told.append("started")

    def speech_stopped(self, until: float) -> None:
        self.told.append("stopped")

    def expect(self, expectation: Expectation) -> None:
        self.told.append(f"expect {expectation.keyterms[0]}")

    def finalise(self) -> None:
        self.told.append("finalise")

    def __aiter__(self) -> AsyncIterator[Heard]:
        return self.outbox

    async def close(self) -> None:
        self.closed = True
        self.outbox.close()


class Engine:
    """Opens `Ear`s, or fails to: `refuses` once for each error in it."""

    def __init__(self, name: str, *refuses: EngineError, start: EngineError | None = None) -> None:
        self.name = name
        self.ears: list[Ear] = []
        self.refuses = list(refuses)
        self._start = start

    async def start(self) -> None:
        if self._start is not None:
            raise self._start

    async def open(self, options: ListenOptions) -> Ear:
        if self.refuses:
            raise self.refuses.pop(0)
        self.ears.append(Ear())
        return self.ears[-1]

    async def close(self) -> None:
        """Nothing is held."""


class Call:
    """A recognition in use, what it gave, and what was told of it."""

    def __init__(self, clock: VirtualClock, *engines: Engine) -> None:
        self.clock = clock
        self.told: list[str] = []
        self.asked: list[tuple[str, float]] = []
        self.heard: list[Heard] = []
        self.error: EngineError | None = None
        self.row = FailoverSpeechToText(engines, clock)
        self.recognition: Any = None

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[Any]:
        await self.row.start()

        def tell(name: str, error: EngineError) -> None:
            self.told.append(f"{name}: {type(error).__name__}")

        def ask(name: str, seconds: float) -> None:
            self.asked.append((name, round(seconds, 1)))

        self.recognition = await self.row.reporting_to(tell, ask).open(ListenOptions())
        task = asyncio.create_task(self.listen())
        yield self.recognition
        await self.recognition.close()
        await self.recognition.close()
        await task
        await self.row.close()

    async def listen(self) -> None:
        try:
            async for heard in self.recognition:
                self.heard.append(heard)
        except EngineError as error:
            self.error = error

    async def speak(self, seconds: float) -> None:
        for _ in range(round(seconds * 50)):
            await self.clock.sleep(0.02)
            self.recognition.push(Frame(bytes(320), 8000, self.clock.now()))

    @property
    def texts(self) -> list[str]:
        return [each.text for each in self.heard if isinstance(each, Final)]


def told(story: Callable[[VirtualClock], Coroutine[Any, Any, None]]) -> None:
    run_virtual(story)


def final(clock: VirtualClock, text: str, until: float) -> Final:
    return Final(clock.now(), text, (Word(text, until - 0.5, until),))


def test_the_next_engine_hears_what_was_not_final_and_nothing_else() -> None:
    async def story(clock: VirtualClock) -> None:
        first, second = Engine("a"), Engine("b")
        call = Call(clock, first, second)
        async with call.talking() as recognition:
            recognition.expect(Expectation(keyterms=("Dana",)))
            began = clock.now()
            recognition.speech_started(began)
            await call.speak(2.0)
            first.ears[0].outbox.put(final(clock, "hello", began + 1.0))
            await call.speak(1.0)
            first.ears[0].outbox.fail(EngineDown("x"))
            await call.speak(0.5)
            assert call.told == ["a: EngineDown"]
            assert first.ears[0].closed
            ear = second.ears[0]
            assert ear.told == ["expect Dana", "started"]
            assert ear.frames[0] == pytest.approx(began + 1.02, abs=0.001), "from the last final word on"
            assert ear.frames == sorted(set(ear.frames)), "no frame is lost or doubled"
            assert ear.frames[-1] == pytest.approx(clock.now(), abs=0.001)
            ear.outbox.put(final(clock, "world", clock.now()))
            await call.speak(0.1)
            assert call.texts == ["hello", "world"]
            assert call.asked == [("b", 2.0)], "with the seconds that it was given once more"

    told(story)


def test_who_listens_from_the_beginning_is_told_where_it_is_not_the_first() -> None:
    async def story(clock: VirtualClock) -> None:
        call = Call(clock, Engine("a", EngineDown("x")), Engine("b"))
        async with call.talking():
            await call.speak(0.1)
        assert call.asked == [("b", 0.0)]
        alone = Call(clock, Engine("a"), Engine("b"))
        async with alone.talking():
            await alone.speak(0.1)
        assert alone.asked == []

    told(story)


def test_frames_wait_while_the_next_engine_opens() -> None:
    async def story(clock: VirtualClock) -> None:
        class Slow(Engine):
            async def open(self, options: ListenOptions) -> Ear:
                await clock.sleep(1.0)
                return await super().open(options)

        first, second = Engine("a"), Slow("b")
        call = Call(clock, first, second)
        async with call.talking() as recognition:
            recognition.speech_started(clock.now())
            await call.speak(0.5)
            first.ears[0].outbox.fail(EngineDown("x"))
            await call.speak(0.6)
            recognition.speech_stopped(clock.now())
            recognition.finalise()
            await call.speak(1.0)
            assert len(second.ears[0].frames) == 105
            assert second.ears[0].told == ["stopped", "finalise"]

    told(story)


def test_a_connection_that_broke_is_tried_again_at_once_and_then_the_next() -> None:
    async def story(clock: VirtualClock) -> None:
        first, second = Engine("a"), Engine("b")
        call = Call(clock, first, second)
        async with call.talking():
            await call.speak(0.1)
            first.ears[0].outbox.fail(EngineNetwork("x"))
            await call.speak(0.1)
            assert (len(first.ears), len(second.ears)) == (2, 0)
            first.ears[1].outbox.fail(EngineNetwork("x"))
            await call.speak(0.1)
            assert (len(first.ears), len(second.ears)) == (2, 1)
            assert call.told == ["a: EngineNetwork"] * 2

    told(story)


def test_a_stream_that_ends_by_itself_is_a_failure() -> None:
    async def story(clock: VirtualClock) -> None:
        first, second = Engine("a"), Engine("b")
        call = Call(clock, first, second)
        async with call.talking():
            first.ears[0].outbox.close()
            await call.speak(0.1)
            assert call.told == ["a: EngineDown"]
            assert second.ears

    told(story)


def test_an_engine_that_says_nothing_to_speech_is_left_for_the_next() -> None:
    async def story(clock: VirtualClock) -> None:
        first, second = Engine("a"), Engine("b")
        call = Call(clock, first, second)
        async with call.talking() as recognition:
            for length, waits, failed in ((0.5, 5.0, False), (2.0, 2.5, False), (2.0, 3.5, True)):
                began = clock.now()
                recognition.speech_started(began)
                await call.speak(length)
                recognition.speech_stopped(clock.now())
                if not failed:
                    first.ears[0].outbox.put(Partial(clock.now(), "hm"))
                await call.speak(waits)
                assert bool(call.told) is failed
            assert call.told == ["a: EngineTimeout"]
            assert "stopped" in second.ears[0].told
            # The last one has all the time there is.
            began = clock.now()
            recognition.speech_started(began)
            await call.speak(2.0)
            recognition.speech_stopped(clock.now())
            for _ in range(3):
                call.row._row.engines[0].breaker.failed(clock.now(), EngineTimeout("x"))
            await call.speak(10.0)
            assert len(call.told) == 1

    told(story)


def test_a_call_gives_up_after_some_failures_in_a_row() -> None:
    async def story(clock: VirtualClock) -> None:
        errors = [EngineDown(str(number)) for number in range(20)]
        only = Engine("a")
        call = Call(clock, only)
        async with call.talking():
            only.refuses = list(errors)
            only.ears[0].outbox.fail(EngineDown("x"))
            await call.speak(20.0)
            assert len(call.told) == MOST_FAILURES
            assert isinstance(call.error, EngineDown)

    told(story)


def test_words_between_failures_begin_the_count_again() -> None:
    async def story(clock: VirtualClock) -> None:
        only = Engine("a")
        call = Call(clock, only)
        async with call.talking():
            for number in range(MOST_FAILURES * 2):
                await call.speak(0.1)
                only.ears[-1].outbox.put(final(clock, str(number), clock.now()))
                await call.speak(0.1)
                only.ears[-1].outbox.fail(EngineDown("x"))
                await call.speak(5.0)
            assert call.error is None
            assert len(call.texts) == MOST_FAILURES * 2

    told(story)


def test_a_broken_engine_is_left_alone_by_the_next_calls() -> None:
    async def story(clock: VirtualClock) -> None:
        first, second = Engine("a"), Engine("b")
        row = FailoverSpeechToText([first, second], clock)
        await row.start()
        for _ in range(3):
            first.refuses.append(EngineDown("x"))
            recognition = await row.open(ListenOptions())
            await recognition.close()
        recognition = await row.open(ListenOptions())
        await recognition.close()
        assert (len(first.ears), len(second.ears)) == (0, 4)
        await clock.sleep(15)
        recognition = await row.open(ListenOptions())
        await recognition.close()
        assert len(first.ears) == 1, "and tried again later"

    told(story)


def test_what_is_missing_is_told_at_start_and_one_engine_is_enough() -> None:
    async def story(clock: VirtualClock) -> None:
        names: list[str] = []
        broken, good = Engine("a", start=EngineKeyWrong("no key")), Engine("b")
        row = FailoverSpeechToText([broken, good], clock, tell=lambda name, error: names.append(name))
        await row.start()
        assert names == ["a"]
        await (await row.open(ListenOptions())).close()
        assert (len(broken.ears), len(good.ears)) == (0, 1)
        with pytest.raises(EngineKeyWrong):
            await FailoverSpeechToText([Engine("a", start=EngineKeyWrong("no key"))], clock).start()
        good.refuses = [EngineDown("x")]
        with pytest.raises(EngineDown):
            await row.open(ListenOptions())

    told(story)


def test_what_is_kept_is_bounded() -> None:
    async def story(clock: VirtualClock) -> None:
        first, second = Engine("a"), Engine("b")
        call = Call(clock, first, second)
        async with call.talking():
            await call.speak(60.0)
            first.ears[0].outbox.fail(EngineDown("x"))
            await call.speak(0.02)
            assert len(second.ears[0].frames) <= KEPT * 50 + 2

    told(story)


def test_closing_while_the_next_one_opens_leaves_nothing_open() -> None:
    async def story(clock: VirtualClock) -> None:
        class Slow(Engine):
            async def open(self, options: ListenOptions) -> Ear:
                await clock.sleep(1.0)
                return await super().open(options)

        first, second = Engine("a"), Slow("b")
        call = Call(clock, first, second)
        async with call.talking() as recognition:
            first.ears[0].outbox.fail(EngineDown("x"))
            await call.speak(0.5)
            await recognition.close()
        assert second.ears[0].closed

    told(story)


def test_a_list_of_engines_becomes_one_for_a_call() -> None:
    async def story(clock: VirtualClock) -> None:
        engines = [Engine("a"), Engine("b")]
        shared = FailoverSpeechToText(engines, clock)
        await shared.start()
        assert recognisers_reporting_to([shared], clock, lambda name, error: None)._row.engines is (
            shared._row.engines
        )
        alone = recognisers_reporting_to(engines, clock, lambda name, error: None)
        await (await alone.open(ListenOptions())).close()
        assert len(engines[0].ears) == 1

    told(story)
