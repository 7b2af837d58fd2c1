"""Comfort noise: RFC 3389. The sender tells how loud its background is and then sends nothing."""

from __future__ import annotations

import audioop
from functools import lru_cache

import numpy as np

from trunkline.errors import ParseError


@lru_cache(maxsize=1)
def _hiss() -> bytes:
    """A second (at 8 kHz) of white noise with an rms of 8192, always the same."""
    samples = np.random.default_rng(3389).normal(0, 8192, 8000)
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()


def noise_level(payload: bytes) -> int:
    """The level in the first byte of a payload, in decibels below overload (section 3.1).

    The reflection coefficients that may follow are left unread: the noise made here is white. Raises
    `ParseError` where there is no byte, or its reserved bit is set.
    """
    if not payload or payload[0] > 127:
        raise ParseError("no noise level in it", where="comfort noise")
    return payload[0]


class ComfortNoise:
    """Makes noise of the level last told."""

    __slots__ = ("_gain", "_place")

    def __init__(self) -> None:
        self._gain = 0.0
        self._place = 0

    def set_level(self, below_overload: int) -> None:
        """So many dB below overload (0 to 127)."""
        self._gain = 4 * 10 ** (-below_overload / 20)

    def make(self, samples: int) -> bytes:
        """So many samples of noise."""
        hiss = _hiss()
        size = 2 * samples
        if self._place + size > len(hiss):
            self._place = 0
        piece = hiss[self._place : self._place + size].ljust(size, b"\0")
        self._place += size
        return audioop.mul(piece, 2, self._gain)
