"""Failover down a list, in virtual time: who is asked, what is heard, what is told."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from providers.llm_conformance import PROMPT, answer, assert_in_order, text_of
from providers.tts_conformance import say
from trunkline.clock import VirtualClock, run_virtual
from trunkline.errors import (
    ConfigError,
    EngineDown,
    EngineError,
    EngineKeyWrong,
    EngineNetwork,
    EngineTimeout,
)
from trunkline.prompt import Delta, Prompt, Token, Usage
from trunkline.providers.failover import FailoverLanguageModel, FailoverTextToSpeech
from trunkline.providers.llm.fake import FakeLanguageModel
from trunkline.providers.protocols import LanguageModel, Spoken, VoiceOptions
from trunkline.providers.tts.fake import FakeTextToSpeech


class Model:
    """Gives these things, then its error; counts how often it was asked."""

    def __init__(
        self, name: str, *given: Delta, fails: EngineError | None = None, start: EngineError | None = None
    ) -> None:
        self.name = name
        self.asked = 0
        self.given = given
        self.fails = fails
        self._start = start

    async def start(self) -> None:
        if self._start is not None:
            raise self._start

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        self.asked += 1
        for delta in self.given:
            yield delta
        if self.fails is not None:
            raise self.fails

    async def close(self) -> None:
        """Nothing is held."""


HI = (Token("Hi."), Usage(1, 1))


def told_by(models: Sequence[LanguageModel], clock: VirtualClock) -> tuple[FailoverLanguageModel, list[str]]:
    told: list[str] = []
    row = FailoverLanguageModel(models, clock)
    return row.reporting_to(lambda name, error: told.append(f"{name}: {type(error).__name__}")), told


def test_the_next_model_answers_and_the_reason_is_told() -> None:
    async def story(clock: VirtualClock) -> None:
        first, second = Model("a", fails=EngineDown("x")), Model("b", *HI)
        row, told = told_by([first, second], clock)
        await row.start()
        deltas = await answer(row)
        assert_in_order(deltas)
        assert text_of(deltas) == "Hi."
        assert told == ["a: EngineDown"]
        await row.close()

    run_virtual(story)


def test_a_model_that_hangs_is_given_its_time_and_the_last_one_the_rest() -> None:
    async def story(clock: VirtualClock) -> None:
        slow = FakeLanguageModel(clock=clock, delay_ms=60_000, reply="slow")
        late = FakeLanguageModel(clock=clock, delay_ms=2_500, reply="late")
        row, told = told_by([slow, late], clock)
        await row.start()
        began = clock.now()
        assert "late" in text_of(await answer(row))
        assert clock.now() - began == pytest.approx(4.0, abs=0.2)
        assert told == ["fake: EngineTimeout"]

    run_virtual(story)


def test_what_was_said_is_not_said_again_by_another() -> None:
    async def story(clock: VirtualClock) -> None:
        first, second = Model("a", Token("I can"), fails=EngineNetwork("x")), Model("b", *HI)
        row, told = told_by([first, second], clock)
        await row.start()
        got: list[Delta] = []
        with pytest.raises(EngineNetwork):
            await collect(row, got)
        assert got == [Token("I can")]
        assert second.asked == 0
        assert told == ["a: EngineNetwork"]

    run_virtual(story)


async def collect(row: FailoverLanguageModel, got: list[Delta]) -> None:
    async with aclosing(row.stream(PROMPT)) as stream:
        async for delta in stream:
            got.append(delta)  # noqa: PERF401 - what came before a failure is to be kept


def test_an_empty_answer_is_a_failure() -> None:
    async def story(clock: VirtualClock) -> None:
        row, told = told_by([Model("a"), Model("b", Usage(5)), Model("c", *HI)], clock)
        await row.start()
        assert await answer(row) == [Token("Hi."), Usage(1, 1, model="c")]
        assert told == ["a: EngineDown", "b: EngineDown"]

    run_virtual(story)


@pytest.mark.parametrize(("error", "times"), [(EngineNetwork("x"), 2), (EngineDown("x"), 1)])
def test_the_last_one_is_asked_again_where_that_may_help(error: EngineError, times: int) -> None:
    async def story(clock: VirtualClock) -> None:
        only = Model("a", fails=error)
        row, _ = told_by([only], clock)
        await row.start()
        with pytest.raises(type(error)):
            await answer(row)
        assert only.asked == times

    run_virtual(story)


def test_a_broken_engine_is_left_alone_by_all_calls_and_tried_again_later() -> None:
    async def story(clock: VirtualClock) -> None:
        first, second = Model("a", fails=EngineDown("x")), Model("b", *HI)
        row = FailoverLanguageModel([first, second], clock)
        await row.start()
        calls = [row.reporting_to(lambda name, error: None) for _ in range(10)]
        for call in calls:
            await answer(call)
        assert first.asked == 3
        await clock.sleep(15)
        first.given, first.fails = (Token("I am back."), Usage()), None
        assert text_of(await answer(calls[0])) == "I am back."
        assert text_of(await answer(calls[1])) == "I am back."

    run_virtual(story)


def test_one_that_was_not_needed_is_there_when_it_is() -> None:
    async def story(clock: VirtualClock) -> None:
        first, second = Model("a", *HI), Model("b", *HI)
        row = FailoverLanguageModel([first, second], clock)
        await row.start()
        for _ in range(3):
            row._row.engines[1].breaker.failed(clock.now(), EngineDown("x"))
        await clock.sleep(16)
        await answer(row)  # the second is not asked, so this was not its trial
        first.given, first.fails = (), EngineDown("x")
        assert text_of(await answer(row)) == "Hi."
        assert second.asked == 1

    run_virtual(story)


def test_where_all_are_broken_all_are_asked() -> None:
    async def story(clock: VirtualClock) -> None:
        first, second = Model("a", fails=EngineDown("x")), Model("b", fails=EngineDown("y"))
        row = FailoverLanguageModel([first, second], clock)
        await row.start()
        for _ in range(5):
            with pytest.raises(EngineDown, match="y"):
                await answer(row)
        assert first.asked == second.asked == 5

    run_virtual(story)


def test_one_that_starts_is_enough_and_none_is_not() -> None:
    async def story(clock: VirtualClock) -> None:
        broken, good = Model("a", start=EngineKeyWrong("no key")), Model("b", *HI)
        row, told = told_by([broken, good], clock)
        await row.start()
        assert text_of(await answer(row)) == "Hi."
        assert (broken.asked, told) == (0, ["a: EngineKeyWrong"])
        row, _ = told_by([broken], clock)
        with pytest.raises(EngineKeyWrong):
            await row.start()
        with pytest.raises(ConfigError):
            FailoverLanguageModel([], clock)

    run_virtual(story)


def test_closing_early_frees_a_trial() -> None:
    async def story(clock: VirtualClock) -> None:
        slow = FakeLanguageModel(clock=clock, delay_ms=60_000)
        row = FailoverLanguageModel([slow], clock)
        await row.start()
        for _ in range(20):
            asking = asyncio.create_task(answer(row))
            await clock.sleep(0.5)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        slow._delay = 0.0
        assert text_of(await answer(row))

    run_virtual(story)


# --- voices ----------------------------------------------------------------------------------------


def voices(*engines: FakeTextToSpeech, clock: VirtualClock) -> tuple[FailoverTextToSpeech, list[str]]:
    told: list[str] = []
    row = FailoverTextToSpeech(engines, clock)
    return row.reporting_to(lambda name, error: told.append(type(error).__name__)), told


def fake(clock: VirtualClock, **options: Any) -> FakeTextToSpeech:
    return FakeTextToSpeech(clock=clock, **{"words_per_minute": 120, **options})


def test_the_next_voice_speaks_and_the_rate_stays() -> None:
    async def story(clock: VirtualClock) -> None:
        row, told = voices(fake(clock, fail_after=0), fake(clock, rate=16000), clock=clock)
        await row.start()
        voice = await row.open(VoiceOptions(rate=8000))
        before = voice.speaks_first
        said = await say(voice, "one two three four")
        assert (before, voice.speaks_first) == (True, False)
        assert voice.rate == 8000
        assert said.seconds == pytest.approx(2.0, abs=0.01)
        assert said.marks[-1] == (2.0, 18)
        assert told == ["EngineDown"]
        await voice.close()
        with pytest.raises(EngineDown):
            await say(voice, "five")

    run_virtual(story)


def test_a_sentence_that_breaks_off_is_gone_on_with() -> None:
    async def story(clock: VirtualClock) -> None:
        first, second = fake(clock, fail_after=12), fake(clock)  # pieces of 100 ms, words of 500 ms
        row, told = voices(first, second, clock=clock)
        await row.start()
        voice = await row.open(VoiceOptions(rate=24000))
        assert (await say(voice, "one")).seconds
        alone = voice.speaks_first
        said = await say(voice, "one two three four")
        assert (alone, voice.speaks_first) == (True, False)
        assert second.said == [" three four"]
        assert said.seconds == pytest.approx(1.2 + 1.0, abs=0.01)
        assert [place for _, place in said.marks] == [3, 7, 13, 18]
        assert said.marks[-1][0] == pytest.approx(2.2)
        assert told == ["EngineDown"]

    run_virtual(story)


class WithoutMarks(FakeTextToSpeech):
    """A voice that tells no times."""

    async def open(self, options: VoiceOptions) -> Any:
        voice = await super().open(options)
        voice._marks = lambda ends, start, stop: ()  # type: ignore[method-assign]
        return voice


def test_where_no_times_are_told_a_broken_sentence_is_not_begun_again() -> None:
    async def story(clock: VirtualClock) -> None:
        second = fake(clock)
        first = WithoutMarks(clock=clock, fail_after=3)
        row, _ = voices(first, second, clock=clock)
        await row.start()
        voice = await row.open(VoiceOptions(rate=24000))
        with pytest.raises(EngineDown):
            await say(voice, "one two three four")
        assert second.said == []

    run_virtual(story)


def test_a_silent_voice_is_given_its_time() -> None:
    async def story(clock: VirtualClock) -> None:
        row, told = voices(fake(clock, hang=True), fake(clock, delay_ms=100), clock=clock)
        await row.start()
        voice = await row.open(VoiceOptions(rate=24000))
        began = clock.now()
        stream = voice.say("one")
        piece = await anext(stream)
        assert isinstance(piece, Spoken)
        assert clock.now() - began == pytest.approx(1.1)
        await stream.aclose()
        assert told == [EngineTimeout.__name__]

    run_virtual(story)
