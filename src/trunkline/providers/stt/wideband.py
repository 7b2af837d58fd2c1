"""Telephone sound brought to the 16 kHz that the acoustic model was trained on.

The band above 4 kHz, which a telephone does not carry, is filled by spectral folding: a mirror image
of the lower band at `GAIN`. With the upper band left empty the model makes half as many errors again
(measured: 11 against 7.5 % of words on one synthetic voice, 77 against 63 % on a human one).
"""

from __future__ import annotations

import numpy as np

from trunkline.audio.resample import Resampler

MODEL_RATE = 16000
GAIN = 0.4


class Wideband:
    """One stream from `rate` to 16 kHz, 16-bit samples. Folds what comes at 8 kHz or below it."""

    def __init__(self, rate: int) -> None:
        self._resampler = Resampler(rate, MODEL_RATE)
        self._fold = rate <= MODEL_RATE // 2
        self._odd = False
        """Whether the next sample is one that the mirror turns over."""

    def push(self, pcm: bytes) -> bytes:
        """The next piece, any number of bytes; gives what can be said so far."""
        wide = self._resampler.push(pcm)
        if not self._fold:
            return wide
        samples = np.frombuffer(wide, "<i2").astype(np.float32)
        # Turning every second sample over moves frequency f to 8 kHz - f.
        mirrored = samples.copy()
        mirrored[0 if self._odd else 1 :: 2] *= -1
        self._odd ^= bool(len(samples) % 2)
        both = np.rint(samples + GAIN * mirrored)
        return bytes(np.clip(both, -32768, 32767).astype("<i2").data)
