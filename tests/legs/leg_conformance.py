"""What every leg must do, whatever carries it. Each leg's tests run these over their own far end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

from legs.far_ends import LIMIT, FarEnd, Open, loudness, tone, until
from trunkline.audio.frame import Frame, frame_bytes
from trunkline.errors import MediaError
from trunkline.events import CallAnswered, Dtmf, HungUp
from trunkline.legs.leg import LegEvent

Check = Callable[[FarEnd], Awaitable[None]]


async def checked(open_call: Open, check: Check) -> None:
    """One check over one call, which leaves nothing running."""
    before = asyncio.all_tasks()
    async with asyncio.timeout(LIMIT), open_call() as far:
        await check(far)
    left = asyncio.all_tasks() - before
    assert not left, left


async def _events(far: FarEnd) -> list[LegEvent]:
    return [event async for event in far.leg.events()]


async def the_caller_is_heard_in_whole_frames(far: FarEnd) -> None:
    frames: list[Frame] = []
    far.leg.start(frames.append, lambda _: None)
    for _ in range(10):
        await far.speak(tone(far.leg.rate))
    await until(lambda: sum(loudness(frame.pcm) > 0.1 for frame in frames) >= 8)
    assert {len(frame.pcm) for frame in frames} == {frame_bytes(far.leg.rate)}
    assert {frame.rate for frame in frames} == {far.leg.rate}
    assert all(one.at <= two.at for one, two in pairwise(frames))


async def the_agent_is_heard(far: FarEnd) -> None:
    sound = tone(far.leg.rate)
    times: list[float] = []

    def next_frame(at: float) -> bytes:
        times.append(at)
        return sound

    far.leg.start(lambda _: None, next_frame)
    loud = 10 * len(sound)
    await until(lambda: len(far.heard) >= loud and loudness(bytes(far.heard[-len(sound) :])) > 0.1)
    # The far end may have concealed a late packet, so that it heard more frames than were sent by then.
    await until(lambda: far.leg.quality().packets_sent >= 10)
    assert times == sorted(times)
    assert far.leg.wire_delay >= 0


async def silence_is_not_sound(far: FarEnd) -> None:
    asked = 0

    def next_frame(_at: float) -> None:
        nonlocal asked
        asked += 1

    far.leg.start(lambda _: None, next_frame)
    await until(lambda: asked >= 5)
    assert loudness(bytes(far.heard)) < 0.01


async def keys_arrive_in_order(far: FarEnd) -> None:
    far.leg.start(lambda _: None, lambda _: None)
    digits: list[str] = []

    async def read() -> None:
        async for event in far.leg.events():
            if isinstance(event, Dtmf):
                digits.append(event.digit)  # noqa: PERF401 - they are looked at meanwhile

    reading = asyncio.create_task(read())
    for digit in "5#":
        await far.press(digit)
    await until(lambda: digits == ["5", "#"])
    await far.leg.hang_up()
    await reading


async def the_other_end_hangs_up(far: FarEnd) -> None:
    far.leg.start(lambda _: None, lambda _: tone(far.leg.rate))
    await far.hang_up()
    events = await _events(far)
    assert isinstance(events[-1], HungUp)
    assert [type(event) for event in events].count(HungUp) == 1
    await far.leg.hang_up()


async def it_says_once_that_it_was_answered(far: FarEnd) -> None:
    await far.leg.hang_up()
    answered = [event for event in await _events(far) if isinstance(event, CallAnswered)]
    assert [event.rate for event in answered] == [far.leg.rate]


async def hanging_up_twice_is_hanging_up_once(far: FarEnd) -> None:
    calls = 0

    def next_frame(_at: float) -> None:
        nonlocal calls
        calls += 1

    far.leg.start(lambda _: None, next_frame)
    await far.leg.hang_up("done")
    after = calls
    await far.leg.hang_up("done")
    assert not any(isinstance(event, HungUp) for event in await _events(far))
    assert calls == after
    far.leg.clear()
    far.leg.quality()


async def clearing_at_any_time_is_harmless(far: FarEnd) -> None:
    far.leg.clear()
    sound = tone(far.leg.rate)
    far.leg.start(lambda _: None, lambda _: sound)
    await until(lambda: len(far.heard) >= 5 * len(sound))
    far.leg.clear()
    far.leg.clear()
    so_far = len(far.heard)
    await until(lambda: len(far.heard) >= so_far + 5 * len(sound))


async def keys_that_are_none_are_refused(far: FarEnd) -> None:
    far.leg.start(lambda _: None, lambda _: None)
    await far.leg.hang_up()
    try:
        await far.leg.send_dtmf("1")
    except MediaError:
        return
    raise AssertionError("a call that is over sent keys")


CHECKS: tuple[Check, ...] = (
    the_caller_is_heard_in_whole_frames,
    the_agent_is_heard,
    silence_is_not_sound,
    keys_arrive_in_order,
    the_other_end_hangs_up,
    it_says_once_that_it_was_answered,
    hanging_up_twice_is_hanging_up_once,
    clearing_at_any_time_is_harmless,
    keys_that_are_none_are_refused,
)
