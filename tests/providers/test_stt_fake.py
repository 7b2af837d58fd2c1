"""The fake recogniser, in virtual time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import stt_conformance as conformance
from providers.stt_conformance import FRAME, RATE, listening, recording, speak
from trunkline.audio.frame import Frame
from trunkline.clock import VirtualClock, run_virtual
from trunkline.errors import ConfigError, EngineDown
from trunkline.events import Expectation, Final, Partial
from trunkline.providers.protocols import Heard, ListenOptions
from trunkline.providers.stt.fake import FakeSpeechToText, Utterance
from trunkline.providers.stt.fake_ear import EnergyEar, ScriptedEar

LOUD = (b"\x00\x20" * (FRAME // 2))[:FRAME]
QUIET = bytes(FRAME)


@pytest.mark.parametrize(
    "assertion",
    [
        lambda engine, clock: conformance.assert_tells_in_order(
            engine, recording("yes-thats-right"), clock, paced=True
        ),
        lambda engine, clock: conformance.assert_hears_without_hints(
            engine, recording("no-thank-you"), clock, paced=True
        ),
        lambda engine, clock: conformance.assert_closes_at_any_time(engine, recording("no-thank-you"), clock),
        lambda engine, clock: conformance.assert_reading_can_be_cancelled(
            engine, recording("no-thank-you"), clock
        ),
        lambda engine, clock: conformance.assert_bounded_under_a_flood(
            engine, recording("no-thank-you"), clock, 600
        ),
        conformance.assert_takes_odd_frames,
        lambda engine, clock: conformance.assert_expects_at_any_time(
            engine, recording("no-thank-you"), clock, paced=True
        ),
    ],
    ids=["order", "no hints", "close", "cancel", "flood", "odd frames", "expect"],
)
def test_it_conforms(assertion: Callable[[FakeSpeechToText, VirtualClock], Awaitable[object]]) -> None:
    async def story(clock: VirtualClock) -> None:
        engine = FakeSpeechToText(clock=clock, text="yes that is right")
        await engine.start()
        try:
            await assertion(engine, clock)
        finally:
            await engine.close()

    run_virtual(story)


async def _heard(engine: FakeSpeechToText, clock: VirtualClock, frames: Sequence[bytes]) -> list[Heard]:
    """What it says to these frames and half a minute of nothing after them."""
    async with listening(engine) as (recognition, ear):
        at = clock.now()
        for pcm in frames:
            at += 0.02
            await clock.sleep(at - clock.now())
            recognition.push(Frame(pcm, RATE, at))
        await clock.sleep(30)
    return ear.heard


def test_the_final_comes_the_set_delay_after_the_last_loud_frame() -> None:
    async def story(clock: VirtualClock) -> tuple[float, list[Heard]]:
        began = clock.now()
        engine = FakeSpeechToText(clock=clock, delay_ms=150, partial_ms=50, text="yes I am")
        return began, await _heard(engine, clock, [QUIET] * 10 + [LOUD] * 50 + [QUIET] * 10)

    began, heard = run_virtual(story)
    assert [each.at - began for each in heard] == pytest.approx([0.55, 0.85, 1.15, 1.35])
    assert [getattr(each, "text", "") for each in heard] == ["yes", "yes I", "yes I am", "yes I am"]
    final = heard[-1]
    assert isinstance(final, Final)
    assert final.words[0].start - began == pytest.approx(0.2)
    assert final.words[-1].end - began == pytest.approx(1.2)


def test_texts_are_used_in_turn() -> None:
    async def story(clock: VirtualClock) -> list[Heard]:
        engine = FakeSpeechToText(clock=clock, text="one|two")
        return await _heard(engine, clock, ([LOUD] * 30 + [QUIET] * 30) * 3)

    finals = [each.text for each in run_virtual(story) if isinstance(each, Final)]
    assert finals == ["one", "two", "one"]


def test_a_click_is_no_utterance() -> None:
    async def story(clock: VirtualClock) -> list[Heard]:
        return await _heard(FakeSpeechToText(clock=clock), clock, ([LOUD] * 2 + [QUIET] * 10) * 5)

    assert run_virtual(story) == []


def test_a_script_is_said_at_its_times() -> None:
    async def story(clock: VirtualClock) -> tuple[float, list[Heard]]:
        zero = clock.now()
        script = [
            Utterance(zero + 1.0, (("yes", zero + 1.4), ("please", zero + 1.9))),
            Utterance(zero + 5.0, (("thanks", zero + 5.5),)),
        ]
        engine = FakeSpeechToText(clock=clock, script=script, delay_ms=200, partial_ms=100)
        return zero, await _heard(engine, clock, [])

    zero, heard = run_virtual(story)
    told = [(round(each.at - zero, 3), type(each), getattr(each, "text", "")) for each in heard]
    assert told == [
        (1.5, Partial, "yes"),
        (2.0, Partial, "yes please"),
        (2.1, Final, "yes please"),
        (5.6, Partial, "thanks"),
        (5.7, Final, "thanks"),
    ]


def test_a_stream_opened_later_says_only_what_is_still_to_come() -> None:
    async def story(clock: VirtualClock) -> list[Heard]:
        zero = clock.now()
        script = [Utterance(zero, (("gone", zero + 0.5),)), Utterance(zero + 5, (("here", zero + 6),))]
        engine = FakeSpeechToText(clock=clock, script=script)
        await clock.sleep(2)
        return await _heard(engine, clock, [])

    assert {each.text for each in run_virtual(story) if isinstance(each, Final)} == {"here"}


def test_finalise_gives_what_was_said_and_leaves_the_rest() -> None:
    async def story(clock: VirtualClock) -> list[Heard]:
        zero = clock.now()
        script = [Utterance(zero, (("one", zero + 1), ("two", zero + 2), ("three", zero + 3)))]
        async with listening(FakeSpeechToText(clock=clock, script=script, partial_ms=0)) as (
            recognition,
            ear,
        ):
            await clock.sleep(2.5)
            recognition.finalise()
            recognition.finalise()
            await clock.sleep(10)
        return ear.heard

    assert [each.text for each in run_virtual(story) if isinstance(each, Final)] == ["one two", "three"]


def test_failures_by_option() -> None:
    frames = ([LOUD] * 40 + [QUIET] * 40) * 3

    async def story(clock: VirtualClock) -> None:
        assert await _heard(FakeSpeechToText(clock=clock, silent=True), clock, frames) == []
        hung = await _heard(FakeSpeechToText(clock=clock, hang=True), clock, frames)
        assert [type(each) for each in hung] == [Partial]
        garbage = await _heard(FakeSpeechToText(clock=clock, garbage=True), clock, frames)
        finals = [each for each in garbage if isinstance(each, Final)]
        assert any(not each.text and not each.rejected for each in finals)
        assert any(math.isnan(each.confidence) or each.confidence > 1 for each in finals)

    run_virtual(story)


def test_it_dies_when_told_to() -> None:
    async def story(clock: VirtualClock) -> None:
        engine = FakeSpeechToText(clock=clock, fail_after=1)
        async with listening(engine) as (recognition, ear):
            at = clock.now()
            for _ in range(2):
                at = await speak(recognition, recording("no-thank-you"), clock, at, paced=True)
            assert len(ear.finals) == 1
            assert [type(error) for error in ear.errors] == [EngineDown]
            async with asyncio.timeout(1):
                await ear.ended.wait()

    run_virtual(story)


def test_closing_the_engine_closes_its_streams() -> None:
    async def story(clock: VirtualClock) -> None:
        engine = FakeSpeechToText(clock=clock)
        recognition = await engine.open(ListenOptions())
        await engine.close()
        assert [each async for each in recognition] == []

    run_virtual(story)


def test_what_was_expected_can_be_read() -> None:
    async def story(clock: VirtualClock) -> None:
        recognition = await FakeSpeechToText(clock=clock).open(ListenOptions())
        recognition.expect(Expectation(phrases=("yes",)))
        assert recognition.expected[-1].phrases == ("yes",)
        await recognition.close()

    run_virtual(story)


def test_negative_times_are_refused() -> None:
    async def story(clock: VirtualClock) -> None:
        with pytest.raises(ConfigError, match="negative"):
            FakeSpeechToText(clock=clock, delay_ms=-1)

    run_virtual(story)


@given(st.lists(st.booleans(), max_size=200), st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0.04, 0.5))
def test_every_stretch_of_speech_has_one_final(
    loud: list[bool], delay: float, partial: float, gap: float
) -> None:
    ear = EnergyEar(["a b c"], delay, partial, gap)
    heard: list[Heard] = []
    for place, each in enumerate(loud + [False] * 60):
        at = 10.0 + place * 0.02
        ear.hear(Frame(LOUD if each else QUIET, RATE, at))
        heard += ear.wake(at)
    assert ear.due() is None
    assert not heard or isinstance(heard[-1], Final)
    ends = -1.0
    for final in (each for each in heard if isinstance(each, Final)):
        assert final.words[0].start >= ends
        ends = final.words[-1].end


@given(
    st.lists(st.lists(st.floats(0, 3), min_size=1, max_size=5), max_size=6), st.floats(0, 1), st.floats(0, 1)
)
def test_a_script_is_said_whole_and_in_order(
    gaps: list[list[float]], final_delay: float, partial_delay: float
) -> None:
    at = 0.0
    script: list[Utterance] = []
    for utterance in gaps:
        start = at
        words: list[tuple[str, float]] = []
        for gap in utterance:
            at += gap
            words.append((f"w{len(words)}", at))
        script.append(Utterance(start, tuple(words)))
    ear = ScriptedEar(script, final_delay, partial_delay, 0.0)
    heard: list[Heard] = []
    while (due := ear.due()) is not None:
        fresh = ear.wake(due)
        assert fresh
        heard += fresh
    finals = [each for each in heard if isinstance(each, Final)]
    assert [each.text.split() for each in finals] == [[w for w, _ in each.words] for each in script]
    times = [each.at for each in heard]
    assert times == sorted(times)
