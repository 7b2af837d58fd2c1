"""Whether what is heard while a call rings is more than the network's own tones. Pure.

Ringing, busy and congestion tones are one frequency or two, from 400 to 620 Hz (ITU-T E.180; 480 and 620 Hz
are North America's), sometimes swelling; the special information tone before an announcement is one at a
time, 950, 1400 and 1800 Hz. Two lines of a spectrum that hold nearly all of its energy are such a
tone. A voice spreads over more of them in most of its frames, and so does music.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache

import numpy as np
import numpy.typing as npt

_QUIETEST = 100.0
"""Root mean square below which a frame is silence: 50 dB below full scale."""
_TONE = 0.9
"""Share of a frame's energy on its two strongest lines that makes it a tone's."""
_LINE_HERTZ = 75.0
"""Half of a line's width in 20 ms, tapered; tones that beat with each other are one line."""
_NEEDED, _WITHIN = 12, 50
"""Frames of 20 ms that are more than a tone, of how many: a quarter of a second in one second. Where a tone
begins and ends there is one now and then."""


class MoreThanTones:
    """One for each call that rings. Push every frame until it says yes."""

    def __init__(self, rate: int) -> None:
        """`rate`: samples a second."""
        self._rate = rate
        self._recent: deque[bool] = deque(maxlen=_WITHIN)

    def push(self, pcm: bytes) -> bool:
        """Take 20 ms, 16 bits; gives whether there is somebody, or something, to listen to."""
        self._recent.append(self._is_more(pcm))
        return sum(self._recent) >= _NEEDED

    def _is_more(self, pcm: bytes) -> bool:
        samples = np.frombuffer(pcm, "<i2").astype(np.float64)
        if not len(samples) or float(np.sqrt(np.mean(samples**2))) < _QUIETEST:
            return False
        power = np.abs(np.fft.rfft(samples * _taper(len(samples)), 2 * len(samples))) ** 2
        width = max(1, round(_LINE_HERTZ * 2 * len(samples) / self._rate))
        total = float(power.sum())
        lines = 0.0
        for _ in range(2):
            peak = int(power.argmax())
            near = slice(max(0, peak - width), peak + width + 1)
            lines += float(power[near].sum())
            power[near] = 0.0
        return lines < _TONE * total


@lru_cache(maxsize=4)
def _taper(count: int) -> npt.NDArray[np.float64]:
    return np.hanning(count)
