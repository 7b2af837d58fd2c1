"""Log-mel features as Whisper takes them, in numpy: what the acoustic model of end of turn reads.

The definition is that of openai/whisper (`whisper/audio.py`: 25 ms windows every 10 ms, Slaney's mel
filters, the last 80 dB of log power, scaled by (x + 4) / 4) over sound brought to zero mean and unit
variance, as Hugging Face's `WhisperFeatureExtractor(do_normalize=True)` does it. The published formulas,
written anew; a test compares them with the package that carries the model, where that is installed.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

RATE = 16000
SECONDS = 8
SAMPLES = RATE * SECONDS
_FFT, _HOP, _MELS = 400, 160, 80
_KNEE_HERTZ, _KNEE_MEL = 1000.0, 15.0
"""Slaney's scale is linear (200/3 Hz a mel) up to here, and logarithmic above: 27 mels for a factor of
6.4."""

Floats = npt.NDArray[np.float64]


def _hertz(mels: Floats) -> Floats:
    above = _KNEE_HERTZ * 6.4 ** ((mels - _KNEE_MEL) / 27.0)
    return np.where(mels < _KNEE_MEL, mels * 200.0 / 3.0, above)


@lru_cache(maxsize=1)
def _filters() -> Floats:
    """80 triangles over the 201 bins of the spectrum, each of the same area."""
    highest = _KNEE_MEL + 27.0 * np.log(RATE / 2 / _KNEE_HERTZ) / np.log(6.4)
    points = _hertz(np.linspace(0.0, highest, _MELS + 2))[:, None]
    bins = np.linspace(0, RATE / 2, _FFT // 2 + 1)[None, :]
    low, middle, high = points[:-2], points[1:-1], points[2:]
    triangles = np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle))
    return np.asarray(np.maximum(0.0, triangles) * 2.0 / (high - low))


def features(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """80 by 800 values of the last 8 s of `samples` (16 kHz, -1 to 1); less is filled with silence before."""
    sound = samples[-SAMPLES:].astype(np.float32)
    sound = np.concatenate((np.zeros(SAMPLES - len(sound), np.float32), sound))
    sound = (sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)
    padded = np.pad(sound.astype(np.float64), _FFT // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::_HOP]
    taper = np.hanning(_FFT + 1)[:-1]
    power = np.abs(np.fft.rfft(windows * taper, axis=1)[:-1]) ** 2
    mels = np.log10(np.maximum(1e-10, _filters() @ power.T))
    scaled: npt.NDArray[np.float32] = ((np.maximum(mels, mels.max() - 8.0) + 4.0) / 4.0).astype(np.float32)
    return scaled
