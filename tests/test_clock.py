"""Virtual time is exact and costs nothing."""

import asyncio

import pytest

from trunkline.clock import SystemClock, VirtualClock, run_virtual


def test_a_day_passes_at_once_and_exactly() -> None:
    async def story(clock: VirtualClock) -> tuple[float, float]:
        began, wall = clock.now(), clock.wall()
        await clock.sleep(86_400)
        return clock.now() - began, (clock.wall() - wall).total_seconds()

    assert run_virtual(story) == pytest.approx((86_400, 86_400))


def test_timers_fire_in_their_order_at_their_time() -> None:
    async def story(clock: VirtualClock) -> list[tuple[str, float]]:
        fired: list[tuple[str, float]] = []
        began = clock.now()
        for name, after in (("late", 2.0), ("early", 0.5), ("middle", 1.25)):
            clock.call_at(began + after, lambda n=name: fired.append((n, clock.now() - began)))  # type: ignore[misc]
        await clock.sleep(3)
        return fired

    names, times = zip(*run_virtual(story), strict=True)
    assert names == ("early", "middle", "late")
    assert times == pytest.approx((0.5, 1.25, 2.0))


def test_time_limits_follow_virtual_time() -> None:
    async def story(clock: VirtualClock) -> float:
        began = clock.now()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.Event().wait()
        return clock.now() - began

    assert run_virtual(story) == pytest.approx(30)


async def test_the_system_clock_calls_back() -> None:
    clock = SystemClock()
    done = asyncio.Event()
    clock.call_at(clock.now() - 1, done.set)
    await asyncio.wait_for(done.wait(), 5)
