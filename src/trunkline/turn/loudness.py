"""How loud, in slices of 5 ms: fine enough to date the beginning and end of speech."""

from __future__ import annotations

import audioop
from collections import deque

SLICE = 0.005
"""Seconds."""
LEAST = 60
"""Root mean square (of 32,768) below which nothing is speech: -55 dB of full scale."""
_BLOCK = 25
_BLOCKS = 4


def loudness(pcm: bytes, rate: int) -> tuple[int, ...]:
    """The root mean square, 0 to 32,768, of each whole 5 ms of 16-bit mono PCM."""
    step = rate // 200 * 2
    rms = audioop.rms
    return tuple([rms(pcm[start : start + step], 2) for start in range(0, len(pcm) - step + 1, step)])


class NoiseFloor:
    """The line's own noise: the quietest slice of the last two seconds.

    Speech has gaps well within that; steady noise has none, and so becomes the floor by itself.
    """

    __slots__ = ("_count", "_least", "_past", "level")

    def __init__(self) -> None:
        self._past: deque[int] = deque(maxlen=_BLOCKS)
        self._least = 1 << 15
        self._count = 0
        self.level = 0

    def hear(self, levels: tuple[int, ...]) -> None:
        """Take a frame's slices."""
        quietest = min(levels)
        self._least = min(self._least, quietest)
        self._count += 1
        if not self._past:
            self.level = self._least
        elif quietest < self.level:
            self.level = quietest
        if self._count >= _BLOCK:
            self._past.append(self._least)
            self.level = min(self._past)
            self._least, self._count = 1 << 15, 0
