"""Where on the call's clock a second of the sound lies that was sent to a service. Pure.

Services tell when a word was said in seconds of the sound they were given. Frames that were dropped, or
that never came, are not in that sound, so the two clocks drift apart in steps.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

_SLACK = 0.04
"""Seconds by which frames may be early or late without its being a step."""
_MOST_STEPS = 1000


class Timeline:
    """`sent` for each piece of sound in its order; `at` for a place in all of it."""

    __slots__ = ("_steps", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        """How much sound was sent."""
        self._steps: deque[tuple[float, float]] = deque(maxlen=_MOST_STEPS)
        """(up to this second of the sound, what is to be added for the clock's time)."""

    def sent(self, seconds: float, at: float) -> None:
        """A piece was sent whose last sample was heard at `at`."""
        self.seconds += seconds
        offset = at - self.seconds
        if self._steps and abs(self._steps[-1][1] - offset) <= _SLACK:
            self._steps[-1] = (self.seconds, self._steps[-1][1])
        else:
            self._steps.append((self.seconds, offset))

    def at(self, second: float) -> float:
        """The clock's time at this second of the sound; beyond its ends the nearest end."""
        if not self._steps:
            return 0.0
        second = min(max(0.0, second), self.seconds)
        place = bisect_left(self._steps, second, key=lambda step: step[0])
        return second + self._steps[min(place, len(self._steps) - 1)][1]
