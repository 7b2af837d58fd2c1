"""How loud a piece of sound is, and where in it something can be heard.

Levels are in dBFS: decibels below the largest 16-bit sample, so 0 is full scale and a sine of full
scale has an rms of -3.
"""

from __future__ import annotations

import audioop
import math

import numpy as np

SILENT = -120.0
"""The level given for digital silence; below that of a single least bit."""
FULL_SCALE = 32768
_AUDIBLE_SECONDS = 0.003
"""How long a sound must carry its level to be heard; less is a click."""


def to_dbfs(amplitude: float) -> float:
    """The level of an amplitude in samples, `SILENT` for nothing at all."""
    return 20 * math.log10(amplitude / FULL_SCALE) if amplitude > 0 else SILENT


def from_dbfs(level: float) -> float:
    """The amplitude in samples of a level."""
    return float(FULL_SCALE * 10 ** (level / 20))


def rms_dbfs(pcm: bytes) -> float:
    """The root mean square of a piece."""
    return to_dbfs(audioop.rms(pcm, 2))


def peak_dbfs(pcm: bytes) -> float:
    """The largest sample of a piece."""
    return to_dbfs(audioop.max(pcm, 2))


def first_audible(pcm: bytes, rate: int, floor_dbfs: float = -45) -> float | None:
    """Seconds from the start of the piece to where it can be heard; None if nowhere.

    That is the first sample at the floor within the first 3 ms whose root mean square reaches it: a voice's
    "t" has single peaks tens of milliseconds before it has sound that a person, or the judging ear, hears.
    """
    floor = from_dbfs(floor_dbfs)
    if audioop.max(pcm, 2) < floor:  # most pieces asked about are silent: 0.5 µs instead of 20
        return None
    wave = np.frombuffer(pcm, "<i2").astype(np.float64)
    width = min(len(wave), max(1, round(_AUDIBLE_SECONDS * rate)))
    energy = np.concatenate(([0.0], np.cumsum(wave * wave)))
    carried = energy[width:] - energy[:-width] >= floor * floor * width
    if not carried.any():
        return None
    start = int(carried.argmax())
    return (start + int((np.abs(wave[start : start + width]) >= floor).argmax())) / rate
