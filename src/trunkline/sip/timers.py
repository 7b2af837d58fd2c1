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


class Timer:
    """One deadline. `stop` it when it is no longer wanted."""

    __slots__ = ("fire", "when")

    def __init__(self, when: float, fire: Callable[[float], None]) -> None:
        self.when = when
        self.fire: Callable[[float], None] | None = fire

    def stop(self) -> None:
        self.fire = None


class Timers:
    """All deadlines of one user agent, the nearest first."""

    __slots__ = ("_count", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = 0

    def __len__(self) -> int:
        return sum(timer.fire is not None for _, _, timer in self._heap)

    def start(self, when: float, fire: Callable[[float], None]) -> Timer:
        """`fire(at)` will be called by the first `advance` at or after `when`."""
        timer = Timer(when, fire)
        self._count += 1
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

    def next_deadline(self) -> float | None:
        """When `advance` has something to do next."""
        heap = self._heap
        while heap and heap[0][2].fire is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else None
