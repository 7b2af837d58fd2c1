"""The only place that asks what time it is, or waits.

Everything that needs the time is handed a `Clock`. Two ship:

* `SystemClock`: the machine's monotonic clock, on whatever event loop is running.
* `VirtualClock`: the time of a `VirtualLoop`, an event loop whose time jumps to the next timer as
  soon as nothing else is ready, so that a ten-minute call runs in a second, always the same way.

Times are seconds on the monotonic clock, as floats. `wall()` gives the calendar time for people.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """What time it is, and how to wait."""

    def now(self) -> float:
        """Seconds on the monotonic clock; only differences mean anything."""

    def wall(self) -> datetime:
        """The calendar time, in UTC, for records that people read."""

    async def sleep(self, seconds: float) -> None:
        """Wait; at least one turn of the loop passes even for zero or less."""

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Call back once at `when` (as `now()` counts), from the running loop."""


class SystemClock:
    """The machine's own clock. Use one for the whole process."""

    __slots__ = ()

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        # uvloop's own time is cached for each turn of the loop and counts whole milliseconds, so
        # the delay is taken from the clock that `now` reads.
        return asyncio.get_running_loop().call_later(max(0.0, when - time.monotonic()), callback)


class _JumpingSelector(selectors.SelectSelector):
    """A selector that never waits: it moves its loop's time forward instead."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            # Nothing is scheduled: only a thread's call_soon_threadsafe can wake the loop.
            return super().select(0.05)
        ready = super().select(0)
        if not ready and timeout > 0:
            self.skipped += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time: waiting costs nothing and is exact.

    `asyncio.sleep`, `asyncio.timeout` and `call_later` all follow the virtual time. Sockets are
    polled but never waited for, so use it for calls in memory, not for the network.
    """

    def __init__(self, start: float = 1000.0) -> None:
        self._jumping = _JumpingSelector()
        self._start = start
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._start + self._jumping.skipped


class VirtualClock:
    """The time of the running `VirtualLoop`; calendar time starts at `epoch` and moves with it."""

    __slots__ = ("_epoch", "_loop", "_zero")

    def __init__(self, loop: VirtualLoop, epoch: datetime | None = None) -> None:
        self._loop = loop
        self._zero = loop.time()
        self._epoch = epoch or datetime(2026, 1, 5, 9, 0, tzinfo=UTC)

    def now(self) -> float:
        return self._loop.time()

    def wall(self) -> datetime:
        return self._epoch + timedelta(seconds=self._loop.time() - self._zero)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        return self._loop.call_at(when, callback)


def run_virtual(story: Callable[[VirtualClock], Coroutine[Any, Any, T]]) -> T:
    """Run one coroutine to its end in virtual time, on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(story(VirtualClock(loop)))
