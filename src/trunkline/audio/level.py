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
    """Seconds from the start of the piece to its first sample at or above the floor; None if none is."""
    floor = from_dbfs(floor_dbfs)
    if audioop.max(pcm, 2) < floor:  # most pieces asked about are silent: 0.5 µs instead of 6
        return None
    loud = np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)) >= floor
    return int(loud.argmax()) / rate


def last_audible(pcm: bytes, rate: int, floor_dbfs: float = -45) -> float | None:
    """Seconds from the start of the piece to the end of its last sample at or above the floor."""
    floor = from_dbfs(floor_dbfs)
    if audioop.max(pcm, 2) < floor:
        return None
    loud = np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)) >= floor
    return (len(loud) - int(loud[::-1].argmax())) / rate
