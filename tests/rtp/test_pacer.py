"""The pacer: an absolute beat, no drift, no bursts after a late wake. In virtual time."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from trunkline.clock import VirtualClock, run_virtual
from trunkline.rtp.pacer import Pacer, Ticket


class LateClock(VirtualClock):
    """A virtual clock whose time can be pushed forward, as when the machine stood still."""

    __slots__ = ("stood_still",)
    stood_still: float

    def now(self) -> float:
        return super().now() + getattr(self, "stood_still", 0.0)

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        return super().call_at(when - getattr(self, "stood_still", 0.0), callback)


def test_half_an_hour_has_no_drift_and_no_gap() -> None:
    async def story(clock: VirtualClock) -> list[float]:
        pacer, ticks = Pacer(clock), list[float]()
        pacer.start()
        pacer.add(ticks.append)
        await clock.sleep(1800)
        await pacer.close()
        return ticks

    ticks = run_virtual(story)
    assert len(ticks) == pytest.approx(90_000, abs=1)
    assert ticks[-1] - ticks[0] == pytest.approx((len(ticks) - 1) * 0.02, abs=0.002)
    assert all(0.0189 < later - earlier < 0.0211 for earlier, later in pairwise(ticks))


def test_calls_are_spread_over_the_20_ms() -> None:
    async def story(clock: VirtualClock) -> list[float]:
        pacer, ticks = Pacer(clock), list[float]()
        pacer.start()
        for _ in range(40):
            pacer.add(ticks.append)
        await clock.sleep(0.0201)
        await pacer.close()
        return ticks

    ticks = run_virtual(story)
    assert max(sum(1 for t in ticks if abs(t - one) < 0.0005) for one in ticks) <= 8


def test_after_standing_still_each_call_ticks_once_and_is_told_what_it_missed() -> None:
    async def story(clock: VirtualClock) -> list[tuple[float, int]]:
        late = LateClock(asyncio.get_running_loop())  # type: ignore[arg-type]
        pacer, ticks = Pacer(late), list[tuple[float, int]]()
        pacer.start()
        ticket: Ticket = pacer.add(lambda now: ticks.append((now, ticket.skipped)))
        await clock.sleep(0.1)
        late.stood_still = 0.205
        await clock.sleep(0.1)
        await pacer.close()
        return ticks

    ticks = run_virtual(story)
    skipped = [missed for _, missed in ticks]
    assert sum(skipped) == max(skipped) == 10
    assert len(ticks) + sum(skipped) == pytest.approx((0.2 + 0.205) / 0.02, abs=1)
    # The beat itself did not move: ticks before and after lie on one grid.
    phases = [((now - ticks[0][0]) / 0.02) % 1 for now, missed in ticks if not missed]
    assert all(min(phase, 1 - phase) < 0.06 for phase in phases)


def test_a_call_that_fails_is_told_of_once_and_stops_nobody() -> None:
    async def story(clock: VirtualClock) -> tuple[int, int]:
        told: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
        pacer, ticks = Pacer(clock, slots=1), list[float]()

        def fails(_: float) -> None:
            raise ValueError("mine")

        pacer.start()
        pacer.add(fails)
        pacer.add(ticks.append)
        await clock.sleep(0.2)
        await pacer.close()
        return len(told), len(ticks)

    assert run_virtual(story) == (1, 10)


def test_a_ticket_may_leave_from_within_its_tick_and_another_come() -> None:
    async def story(clock: VirtualClock) -> tuple[int, int]:
        pacer = Pacer(clock)
        first, second = list[float](), list[float]()

        def once(now: float) -> None:
            first.append(now)
            ticket.remove()
            ticket.remove()
            pacer.add(second.append)

        pacer.start()
        ticket = pacer.add(once)
        await clock.sleep(0.2)
        await pacer.close()
        return len(first), len(second)

    first, second = run_virtual(story)
    assert first == 1
    assert second in (9, 10)


def test_nothing_ticks_before_the_start_or_after_the_end() -> None:
    async def story(clock: VirtualClock) -> tuple[int, int, int]:
        pacer, ticks = Pacer(clock), list[float]()
        pacer.add(ticks.append)
        await clock.sleep(0.1)
        before = len(ticks)
        pacer.start()
        await clock.sleep(0.1)
        during = len(ticks)
        await pacer.close()
        await clock.sleep(0.1)
        return before, during, len(ticks) - during

    before, during, after = run_virtual(story)
    assert (before, after) == (0, 0)
    assert during in (4, 5, 6)
