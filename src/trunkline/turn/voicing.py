"""What made a sound: a voice or not, an open mouth or a hum.

"Mm-hm" is nasal: its energy lies below about 500 Hz. Words open the mouth: their first and second
formants bring energy above that. A cough or a rustle has no pitch. So pitch (autocorrelation) and
the mean frequency (energy of the first difference) tell an interruption from a sign of listening,
before any word is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_PITCH_HZ = (75, 400)
_PERIODIC = 0.55
_HUM, _HISS = 0.07, 1.5
"""Energy of the first difference over energy at 8 kHz: 340 Hz alone gives 0.07, white noise 2."""
_RATE = 8000


@dataclass(frozen=True, slots=True)
class Sound:
    """One frame's nature."""

    voiced: bool
    open: bool


NOTHING = Sound(voiced=False, open=False)


class Voicing:
    """One stream's look at pitch and spectrum, over the latest 40 ms. About 30 µs a frame, so it is
    asked only while a sound is new."""

    __slots__ = ("_past", "_step")

    def __init__(self, rate: int) -> None:
        self._step = rate // _RATE
        self._past: npt.NDArray[np.float32] = np.zeros(0, np.float32)

    def reset(self) -> None:
        """Forget: the next frame does not follow the last."""
        self._past = self._past[:0]

    def look(self, pcm: bytes) -> Sound:
        """What the 20 ms in `pcm` (16-bit mono at the stream's rate) are."""
        now = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
        if self._step > 1:
            now = now[: len(now) // self._step * self._step].reshape(-1, self._step).mean(axis=1)
        sound = np.concatenate((self._past, now))
        self._past = now
        energy = float(now @ now)
        if energy <= 0 or len(now) < 2:
            return NOTHING
        step = now[1:] - now[:-1]
        brightness = float(step @ step) / energy
        return Sound(voiced=_pitch(sound) >= _PERIODIC, open=_HUM <= brightness <= _HISS)


def _pitch(sound: npt.NDArray[np.float32]) -> float:
    """The highest normalised autocorrelation at the lag of a voice's pitch, at half the rate."""
    # Sums instead of means, and slices instead of tables of places: the same figures for half the work.
    whole = len(sound) // 2 * 2
    half = (sound[0:whole:2] + sound[1:whole:2]) / np.float32(2)
    count = len(half)
    rate = _RATE // 2
    low, high = rate // _PITCH_HZ[1], min(rate // _PITCH_HZ[0], count - 20)
    if high <= low:
        return 0.0
    half -= half.sum() / np.float32(count)
    squares = np.empty(count + 1)
    squares[0] = 0.0
    exact = half.astype(np.float64)
    np.cumsum(exact * exact, out=squares[1:])
    products = np.correlate(half, half, "full")[count - 1 + low : count + high]
    ahead = squares[count - high : count - low + 1][::-1]
    behind = squares[count] - squares[low : high + 1]
    scale = np.sqrt(ahead * behind)
    good = scale > 1.0
    if not good.any():
        return 0.0
    return float((products[good] / scale[good]).max())
