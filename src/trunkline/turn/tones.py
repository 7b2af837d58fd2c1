"""Single steady tones in the caller's sound: an answering machine's beep, and the two tones of a fax.

Every 20 ms the last 40 are looked at. A tone has nearly all of its energy at one frequency, keeps that
frequency within a few hertz, and keeps its level. A vowel does each of these for moments, hardly all three
for an eighth of a second.

A fax that calls sends CNG, 1100 Hz ± 38 Hz for 0.5 s every 3.5 s; one that answers sends CED, 2100 Hz ± 15
Hz for 2.6 to 4 s (ITU-T T.30, 4.2; V.8's ANSam is the same with a turn of phase every 450 ms).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from trunkline.audio.frame import Frame
from trunkline.events import ToneHeard

_RATE = 8000
"""Samples a second that are looked at: nothing above 2.2 kHz is asked for."""
_WINDOW = 320
"""40 ms: a tone's energy lies within 25 Hz of it."""
_SIZE = 1024
"""Bins of 7.8 Hz."""
_LOWEST, _HIGHEST = 350.0, 2250.0
"""Beeps are in between; below lie the voice's own fundamentals and the mains."""
_PURE = 0.75
"""Share of the energy at one frequency that makes a window a tone's."""
_QUIETEST = 100.0
"""Root mean square below which nobody looks: 50 dB below full scale."""
_STEADY_HERTZ = 14.0
_STEADY_LEVEL = 1.6
"""Loudest to quietest window of one tone, in amplitude (4 dB)."""
_SHORTEST, _LONGEST = 0.12, 1.7
"""Seconds of a beep. Ringing tones last longer (2 s in North America, 440 and 480 Hz, which 40 ms do not
part)."""
_CNG, _CNG_TOLERANCE = 1100.0, 38.0
_CED, _CED_TOLERANCE = 2100.0, 15.0
_UNSURE = 4.0
"""Hertz by which a frequency may be measured wrong, in noise."""
_TURN_OF_PHASE = 3
"""Windows that a turn of the tone's phase may spoil."""
_CED_SURE = 1.0
"""Seconds after which 2100 Hz are an answering fax or modem. No beep is so long and so high."""

Samples = npt.NDArray[np.float64]


@lru_cache(maxsize=1)
def _taper() -> Samples:
    return np.hanning(_WINDOW)


def purest(window: Samples) -> tuple[float, float]:
    """The frequency at which most of this window's energy lies, in hertz, and the share of the energy within
    40 Hz of it, 0 to 1. (0, 0) where it lies outside the beeps' band."""
    power = np.abs(np.fft.rfft(window * _taper(), _SIZE)) ** 2
    total = float(power.sum())
    peak = int(power.argmax())
    hertz = peak * _RATE / _SIZE
    if total <= 0 or not _LOWEST <= hertz <= _HIGHEST:
        return 0.0, 0.0
    near = 5  # bins: the main lobe of the taper is ± 50 Hz wide
    share = float(power[max(0, peak - near) : peak + near + 1].sum()) / total
    # A parabola through the three highest bins finds the frequency between them.
    left, middle, right = (float(np.log(power[at] + 1e-9)) for at in (peak - 1, peak, peak + 1))
    bend = left - 2 * middle + right
    offset = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return (peak + max(-0.5, min(0.5, offset))) * _RATE / _SIZE, share


class ToneDetector:
    """One for each call. Push every frame: 23 µs for one that sounds, 6 for one that does not (8 kHz)."""

    def __init__(self, rate: int) -> None:
        """`rate`: samples a second of the frames, a multiple of 8000."""
        self._factor = max(1, rate // _RATE)
        self._window: Samples = np.zeros(_WINDOW)
        self._since: float | None = None
        self._until = 0.0
        self._hertz = 0.0
        self._levels = (0.0, 0.0)
        self._spoilt = 0
        self._told = False

    def push(self, frame: Frame) -> list[ToneHeard]:
        """Take 20 ms; gives the tone that ended with them, or the CED that goes on."""
        samples = np.frombuffer(frame.pcm, "<i2").astype(np.float64)
        if self._factor > 1:
            whole = samples[: len(samples) // self._factor * self._factor]
            samples = whole.reshape(-1, self._factor).mean(axis=1)
        self._window = np.concatenate((self._window, samples))[-_WINDOW:]
        level = float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0
        if level < _QUIETEST or frame.concealed:
            return self._over(frame.at)
        hertz, share = purest(self._window)
        if share < _PURE:
            return self._spoil(frame.at)
        if self._since is not None and not self._continues(hertz, level):
            ended = self._over(frame.at)
            self._begin(frame, hertz, level)
            return ended
        if self._since is None:
            self._begin(frame, hertz, level)
        self._spoilt = 0
        self._until = frame.at
        return self._answering(frame.at)

    def _begin(self, frame: Frame, hertz: float, level: float) -> None:
        self._since, self._until = frame.at - frame.seconds, frame.at
        self._hertz, self._levels, self._told = hertz, (level, level), False

    def _continues(self, hertz: float, level: float) -> bool:
        low, high = min(self._levels[0], level), max(self._levels[1], level)
        if abs(hertz - self._hertz) > _STEADY_HERTZ or high > low * _STEADY_LEVEL:
            # Its first window may hold only the beginning of it.
            return False
        self._hertz += (hertz - self._hertz) / 8
        self._levels = low, high
        return True

    def _answering(self, at: float) -> list[ToneHeard]:
        assert self._since is not None
        if self._told or at - self._since < _CED_SURE or abs(self._hertz - _CED) > _CED_TOLERANCE + _UNSURE:
            return []
        self._told = True
        return [ToneHeard(at, "ced", round(self._hertz, 1), self._since, at)]

    def _spoil(self, at: float) -> list[ToneHeard]:
        self._spoilt += 1
        return self._over(at) if self._spoilt > _TURN_OF_PHASE else []

    def _over(self, at: float) -> list[ToneHeard]:
        since, self._since, self._spoilt = self._since, None, 0
        if since is None or self._told:
            return []
        lasted = self._until - since
        if not _SHORTEST <= lasted <= _LONGEST:
            return []
        called = abs(self._hertz - _CNG) <= _CNG_TOLERANCE + _UNSURE and 0.38 <= lasted <= 0.62
        kind = "cng" if called else "beep"
        return [ToneHeard(at, kind, round(self._hertz, 1), since, self._until)]
