"""This speaker's own pauses in this call: somebody who speaks slowly is given more time."""

from __future__ import annotations

from collections import deque

_SHORTEST, _LONGEST = 0.15, 3.0
_MEMORY = 24


class Rhythm:
    """Learns the pauses that turned out to lie within a turn."""

    __slots__ = ("_pauses",)

    def __init__(self) -> None:
        self._pauses: deque[float] = deque(maxlen=_MEMORY)

    def paused(self, seconds: float) -> None:
        """The caller paused this long and then went on with the same turn."""
        if _SHORTEST <= seconds <= _LONGEST:
            self._pauses.append(seconds)

    def usual(self) -> float:
        """A pause that nine in ten of this speaker's stay below; 0 while too few are known."""
        if len(self._pauses) < 3:
            return 0.0
        ordered = sorted(self._pauses)
        return ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]
