"""What a process can say of itself: how late its loop is, what processor and memory it uses."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

from trunkline.clock import Clock

LAG_EVERY = 0.01
"""Seconds between two looks at how late the event loop is."""


class LoopLag:
    """How late the event loop calls back, in seconds, measured 100 times a second."""

    def __init__(self, clock: Clock) -> None:
        self.late: list[float] = []
        self._clock = clock
        self._due = clock.now()
        self._timer: asyncio.TimerHandle | None = None
        self._next()

    def _next(self) -> None:
        self._due = self._clock.now() + LAG_EVERY
        self._timer = self._clock.call_at(self._due, self._called)

    def _called(self) -> None:
        self.late.append(max(0.0, self._clock.now() - self._due))
        self._next()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def processor_seconds() -> float:
    """Of this process and of its children that have ended, user and system."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def memory_bytes() -> int:
    """The resident memory of this process (Linux, /proc)."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()
