"""Silence cut from the two ends of synthesised sound as it streams. Pure.

Engines begin with 100 to 300 ms of silence, which the caller would hear as latency, and end with as
much. A pause inside is kept; it is held back only until the next sound shows that it was inside.
"""

from __future__ import annotations

import numpy as np

_BLOCK_SECONDS = 0.005
_QUIET = 160
"""Peak below which a block is silence: 46 dB below full scale."""


class SilenceTrimmer:
    """Push 16-bit mono PCM at `rate`; keeps `lead` seconds before the first sound and `trail` after
    the last."""

    def __init__(self, rate: int, *, lead: float = 0.01, trail: float = 0.04) -> None:
        self._rate = rate
        self._block = max(1, round(rate * _BLOCK_SECONDS)) * 2
        self._lead = round(rate * lead) * 2
        self._trail = round(rate * trail) * 2
        self._pending = bytearray()
        self._looked_at = 0
        self.begun = False
        """Sound has been found."""
        self.cut_seconds = 0.0
        """How much was cut from the beginning, known once begun."""
        self._cut_bytes = 0

    def push(self, pcm: bytes) -> bytes:
        """Take the next piece; gives what may be played so far."""
        self._pending += pcm
        start, last = self._find_sound()
        if last is None:
            if not self.begun:
                self._drop(self._looked_at - self._lead)
            return b""
        if not self.begun:
            self.begun = True
            self._drop(start - self._lead)
            last -= max(0, start - self._lead)
            self.cut_seconds = self._cut_bytes / 2 / self._rate
        return self._give(last)

    def flush(self) -> bytes:
        """The sound is over: gives the last of it with a short tail."""
        given = bytes(self._pending[: self._trail]) if self.begun else b""
        self._pending.clear()
        self._looked_at = 0
        return given[: len(given) // 2 * 2]

    def _find_sound(self) -> tuple[int, int | None]:
        """Byte places: where the first loud block not yet looked at begins, where the last ends."""
        whole = (len(self._pending) - self._looked_at) // self._block
        if not whole:
            return 0, None
        at = self._looked_at
        samples = np.frombuffer(bytes(self._pending[at : at + whole * self._block]), dtype="<i2")
        peaks = np.abs(samples.astype(np.int32)).reshape(whole, -1).max(axis=1)
        self._looked_at = at + whole * self._block
        loud = np.flatnonzero(peaks >= _QUIET)
        if not len(loud):
            return 0, None
        return at + int(loud[0]) * self._block, at + (int(loud[-1]) + 1) * self._block

    def _drop(self, count: int) -> None:
        count = max(0, min(count, self._looked_at))
        del self._pending[:count]
        self._looked_at -= count
        self._cut_bytes += count

    def _give(self, count: int) -> bytes:
        given = bytes(self._pending[:count])
        del self._pending[:count]
        self._looked_at = max(0, self._looked_at - count)
        return given
