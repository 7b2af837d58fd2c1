"""Deadlines of the core: started, stopped and fired with the time handed in."""

from __future__ import annotations

import heapq
from collections.abc import Callable

T1 = 0.5
"""Round trip estimate, seconds (RFC 3261 §17.1.1.1)."""
T2 = 4.0
"""Longest interval between retransmissions."""
T4 = 5.0
"""How long a message may stay in the network."""
T64 = 64 * T1
_MOST_STOPPED = 1_000
"""Stopped deadlines below which it is not worth looking for them."""


class Timer:
    """One deadline. `stop` it when it is no longer wanted."""

    __slots__ = ("_timers", "fire", "when")

    def __init__(self, when: float, fire: Callable[[float], None], timers: Timers) -> None:
        self.when = when
        self.fire: Callable[[float], None] | None = fire
        self._timers = timers

    def stop(self) -> None:
        """It will not fire. What it would have done is let go of at once."""
        if self.fire is not None:
            self.fire = None
            self._timers.stopped += 1


class Timers:
    """All deadlines of one user agent, the nearest first.

    One that was stopped keeps its place until its time comes, or until such are more than half of all: a
    session timer would otherwise stay for half an hour after each short call.
    """

    __slots__ = ("_count", "_heap", "stopped")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = 0
        self.stopped = 0
        """Places taken by deadlines that were stopped."""

    def __len__(self) -> int:
        return sum(timer.fire is not None for _, _, timer in self._heap)

    def start(self, when: float, fire: Callable[[float], None]) -> Timer:
        """`fire(at)` will be called by the first `advance` at or after `when`."""
        timer = Timer(when, fire, self)
        self._count += 1
        if self.stopped > _MOST_STOPPED and 2 * self.stopped > len(self._heap):
            self._heap[:] = [entry for entry in self._heap if entry[2].fire is not None]
            heapq.heapify(self._heap)
            self.stopped = 0
        heapq.heappush(self._heap, (when, self._count, timer))
        return timer

    def advance(self, at: float) -> None:
        """Fire all that is due, in order. Each is told the time it is now, not the time it was due: after a
        stall of the machine one repetition is sent, not all that were missed."""
        heap = self._heap
        while heap and heap[0][0] <= at:
            _, _, timer = heapq.heappop(heap)
            if timer.fire is not None:
                fire, timer.fire = timer.fire, None
                fire(at)
            else:
                self.stopped -= 1

    def next_deadline(self) -> float | None:
        """When `advance` has something to do next."""
        heap = self._heap
        while heap and heap[0][2].fire is None:
            heapq.heappop(heap)
            self.stopped -= 1
        return heap[0][0] if heap else None
