"""Sounds that callers of a load make over the agent's sentences, and that must not cost it one.

Signs of listening are the recorded "mm-hm", clean and with noise 10 dB below it. Noises are made here: coughs
(two bursts of noise that die away) and a second of steady noise 10 dB below the "mm-hm". The same every time.
Pure but for numpy.
"""

from __future__ import annotations

import numpy as np

from trunkline.errors import ConfigError
from trunkline.lab.recordings import RATE, Recordings

SNR_DB = 10.0
SIGN = "mm-hm"
VARIANTS = 4


def overlay_sounds(name: str, recordings: Recordings) -> list[np.ndarray]:
    """16-bit samples at 8 kHz: "signs", "noises", or none for "". Raises `ConfigError` for another name."""
    if not name:
        return []
    sign = recordings.samples(SIGN)
    level = _rms(sign)
    chance = np.random.default_rng(7)
    if name == "signs":
        noisy = [_noise(len(sign), level * 10 ** (-SNR_DB / 20), chance) for _ in range(VARIANTS - 1)]
        return [sign, *(_whole(sign + noise) for noise in noisy)]
    if name == "noises":
        coughs = [_cough(level, chance) for _ in range(VARIANTS - 1)]
        return [*coughs, _whole(_noise(RATE, level * 10 ** (-SNR_DB / 20), chance))]
    raise ConfigError(f"there are no sounds called {name!r}", where="bench overlay", hint="signs or noises")


def _cough(level: float, chance: np.random.Generator) -> np.ndarray:
    first, second = (
        _noise(round(seconds * RATE), 2 * level, chance)
        * np.exp(-np.arange(round(seconds * RATE)) / (0.05 * RATE))
        for seconds in (0.12, 0.18)
    )
    return _whole(np.concatenate((first, second)))


def _noise(samples: int, level: float, chance: np.random.Generator) -> np.ndarray:
    return chance.normal(0.0, level, samples)


def _rms(samples: np.ndarray) -> float:
    """Of the sound itself, without the silence around it."""
    wave = samples.astype(float)
    loud = wave[np.abs(wave) > np.abs(wave).max() / 20]
    return float(np.sqrt(np.mean(loud**2)))


def _whole(wave: np.ndarray) -> np.ndarray:
    whole: np.ndarray = np.clip(wave, -32768, 32767).astype(np.int16)
    return whole
