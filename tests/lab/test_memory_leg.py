"""Two ends in memory behave as a call does: answer, sound on a 20 ms grid, keys, hanging up."""

import asyncio
import itertools

import pytest

from trunkline.audio.frame import Frame, frame_bytes
from trunkline.clock import VirtualClock, run_virtual
from trunkline.errors import CallRefused
from trunkline.events import CallAnswered, Dtmf, HungUp
from trunkline.lab.memory_leg import MemoryLeg
from trunkline.legs.leg import Leg

SIZE = frame_bytes(8000)


def _same_type(leg: Leg) -> Leg:
    return leg


def test_sound_moves_both_ways_on_an_absolute_grid() -> None:
    async def story(clock: VirtualClock) -> tuple[list[Frame], list[Frame]]:
        caller, called = MemoryLeg.pair(clock)
        _same_type(caller)
        at_caller: list[Frame] = []
        at_called: list[Frame] = []
        began = clock.now()
        caller.start(
            at_caller.append, lambda now: bytes([round((now - began) / 0.02)]) * SIZE if now > began else None
        )
        called.start(at_called.append, lambda _: b"\x07" * SIZE)
        await called.answer()
        await caller.answer()
        await clock.sleep(0.1)
        await caller.hang_up("done")
        await clock.sleep(1)
        return at_caller, at_called

    at_caller, at_called = run_virtual(story)
    assert [frame.pcm[0] for frame in at_called] == [0, 1, 2, 3, 4, 5][: len(at_called)]
    assert len(at_called) in (5, 6)
    assert at_called[0].concealed
    assert not at_called[1].concealed
    steps = [b.at - a.at for a, b in itertools.pairwise(at_called)]
    assert steps == pytest.approx([0.02] * len(steps))
    assert {frame.pcm[0] for frame in at_caller} == {7}


def test_a_frame_arrives_after_the_delay_and_neither_side_sees_this_ticks_reaction() -> None:
    async def story(clock: VirtualClock) -> tuple[float, float]:
        caller, called = MemoryLeg.pair(clock, delay=0.03)
        heard: list[float] = []
        answered: list[float] = []
        caller.start(lambda f: None if f.concealed else answered.append(f.at), lambda _: b"\1" * SIZE)
        called.start(lambda f: heard.append(f.at), lambda _: b"\2" * SIZE if heard else None)
        began = clock.now()
        await called.answer()
        await clock.sleep(0.5)
        await called.hang_up()
        return heard[0] - began, answered[0] - began

    heard, answered = run_virtual(story)
    assert heard == pytest.approx(0.03)
    # Known at 0.03, so it leaves on the tick at 0.04 and is back at 0.07.
    assert answered == pytest.approx(0.07)


def test_lost_ticks_arrive_as_concealed_silence_and_are_counted() -> None:
    async def story(clock: VirtualClock) -> tuple[list[bool], int]:
        caller, called = MemoryLeg.pair(clock, lost=lambda n: n in {1, 2})
        frames: list[bool] = []
        called.start(lambda f: frames.append(f.concealed), lambda _: None)
        caller.start(lambda _: None, lambda _: b"\1" * SIZE)
        await called.answer()
        await clock.sleep(0.09)
        await called.hang_up()
        return frames, called.quality().packets_lost

    frames, lost = run_virtual(story)
    assert frames == [False, True, True, False, False]
    assert lost == 2


def test_events_end_after_the_other_end_hangs_up() -> None:
    async def story(clock: VirtualClock) -> tuple[list[object], list[object]]:
        caller, called = MemoryLeg.pair(clock)
        await called.answer()
        await caller.send_dtmf("4#")
        await caller.hang_up("goodbye")
        await caller.hang_up("twice is allowed")
        return [event async for event in called.events()], [event async for event in caller.events()]

    at_called, at_caller = run_virtual(story)
    assert [type(event) for event in at_called] == [CallAnswered, Dtmf, Dtmf, HungUp]
    assert isinstance(at_called[-1], HungUp)
    assert at_called[-1].reason == "goodbye"
    assert [type(event) for event in at_caller] == [CallAnswered]


def test_a_call_that_is_refused_or_not_answered_raises() -> None:
    async def refused(clock: VirtualClock) -> None:
        caller, called = MemoryLeg.pair(clock)
        clock.call_at(clock.now() + 1, lambda: asyncio.ensure_future(called.hang_up("busy")))
        await caller.answer()

    async def not_answered(clock: VirtualClock) -> None:
        caller, _ = MemoryLeg.pair(clock, ring_timeout=5)
        await caller.answer()

    with pytest.raises(CallRefused, match="busy"):
        run_virtual(refused)
    with pytest.raises(CallRefused, match="nobody answered"):
        run_virtual(not_answered)
