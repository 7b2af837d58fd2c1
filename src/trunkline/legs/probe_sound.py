"""A sound that is known again when it comes back, through any telephone codec. Pure."""

from __future__ import annotations

import numpy as np

SECONDS = 0.6
_FROM_HERTZ, _TO_HERTZ = 400.0, 3_200.0
_PEAK = 9_000.0
_LEAST = 1e-3
"""Of the sound's own energy: below it there is nothing to compare with."""


def sweep(rate: int) -> np.ndarray:
    """A tone that rises through the telephone band, as 16-bit samples: its like occurs in no speech."""
    time = np.arange(round(SECONDS * rate)) / rate
    phase = 2 * np.pi * (_FROM_HERTZ * time + (_TO_HERTZ - _FROM_HERTZ) / (2 * SECONDS) * time**2)
    fade = np.clip(np.minimum(time, SECONDS - time) / 0.02, 0, 1)
    sound: np.ndarray = np.rint(_PEAK * fade * np.sin(phase)).astype(np.int16)
    return sound


def own_sound(sent: np.ndarray, heard: np.ndarray) -> tuple[float, int]:
    """How much like `sent` the likest part of `heard` is (0 to 1), and at which sample that begins."""
    if len(heard) < len(sent):
        return 0.0, 0
    one, other = sent.astype(np.float64), heard.astype(np.float64)
    size = 1 << (len(other) + len(one)).bit_length()
    product = np.fft.irfft(np.fft.rfft(other, size) * np.conj(np.fft.rfft(one, size)), size)
    alike = np.abs(product[: len(other) - len(one) + 1])
    sums = np.concatenate(([0.0], np.cumsum(other**2)))
    energy = sums[len(one) :] - sums[: -len(one)]
    own = float(np.sum(one**2))
    share = np.where(energy > _LEAST * own, alike / np.sqrt(np.maximum(energy, 1.0) * own), 0.0)
    place = int(np.argmax(share))
    return float(min(1.0, share[place])), place


def loudest_dbfs(heard: np.ndarray, rate: int) -> float:
    """The level of its loudest tenth of a second, in dB below full scale; -120 for none."""
    size = rate // 10
    pieces = [
        heard[start : start + size].astype(np.float64) for start in range(0, len(heard) - size + 1, size)
    ]
    power = max((float(np.mean(piece**2)) for piece in pieces), default=0.0)
    return float(10 * np.log10(power / 32_768.0**2)) if power > 1e-3 else -120.0


def clock_ppm(arrivals: list[tuple[float, int]], rate: int) -> float | None:
    """How much faster than ours the clock of packets runs, from their arrival and RTP timestamp; None
    where they span less than two seconds."""
    if len(arrivals) < 50 or arrivals[-1][0] - arrivals[0][0] < 2.0:
        return None
    at = np.array([one[0] for one in arrivals])
    stamps = np.unwrap(np.array([one[1] for one in arrivals], np.float64), period=2.0**32) / rate
    slope = float(np.polyfit(at - at[0], stamps - stamps[0], 1)[0])
    return (slope - 1) * 1e6
