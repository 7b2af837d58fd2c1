"""What is heard over the agent: speakers by flite, everything else made here from noise and resonances.

Sounds are floats at 8 kHz on the scale of 16 bits. A speaker's level is active (as `record_voices.levelled`
takes it); a cough or a knock is as loud as the caller's voice, what is farther away lies `SNR_DB` below it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from trunkline.errors import ConfigError
from trunkline.lab.overtalk.cases import SNR_DB, Background, Case, Voice
from trunkline.lab.record_voices import HUMMED, LEVEL_DBFS, flite, hum
from trunkline.lab.recordings import RATE

Samples = NDArray[np.float64]
_BABBLE = (
    "we went there on a Sunday and it was closed of course",
    "she never told me where she had put the other keys",
    "and then he asked for another cup of tea and a newspaper",
    "the children are at the pool until half past five",
)
_BABBLE_VOICES = (Voice("slt", 1.04), Voice("rms", 1.05), Voice("awb", 0.9), Voice("kal16", 1.0))


@cache
def spoken(words: str, voice: Voice) -> Samples:
    """The words by this speaker, at the usual level. Raises `EngineMissing` where there is no flite."""
    if words in HUMMED:
        return hum(0.3 / voice.faster + 0.05, voice.faster).astype(np.float64)
    return flite(words, voice.name, voice.faster).astype(np.float64)


def at_level(sound: Samples, dbfs: float) -> Samples:
    """A sound of the usual level, brought to another one."""
    scaled: Samples = sound * 10 ** ((dbfs - LEVEL_DBFS) / 20)
    return scaled


def overlay(case: Case) -> Samples:
    """What the caller, or what is around them, sounds over the agent's sentence; empty for none."""
    if case.caller is not None:
        return at_level(spoken(case.sound, case.caller), case.level)
    if not case.sound:
        return np.zeros(0)
    make = NOISES.get(case.sound)
    if make is None:
        raise ConfigError(f"no noise is called {case.sound!r}", where="cases", hint=", ".join(NOISES))
    own, sound = make(np.random.default_rng(case.seed))
    return at_level(_usual(sound), case.level - (0.0 if own else SNR_DB))


def background(case: Case, seconds: float) -> Samples:
    """The noise of the line and of the room from the call's beginning to its end."""
    chance = np.random.default_rng(case.seed + 1)
    line = chance.normal(0.0, 8.0, round(seconds * RATE))
    if case.background == "clean":
        return line
    return line + at_level(_usual(_steady(case.background, chance, len(line))), case.level - SNR_DB)


def _steady(kind: Background, chance: np.random.Generator, length: int) -> Samples:
    if kind == "babble":
        return _babble(chance, length)
    return chance.normal(0.0, 1.0, length) if kind == "white" else _pink(chance, length)


def _babble(chance: np.random.Generator, length: int) -> Samples:
    together = np.zeros(length)
    for words in _BABBLE:
        for voice in _BABBLE_VOICES:
            said = spoken(words, voice)
            whole = np.tile(said, 2 + length // len(said))
            together += whole[int(chance.integers(len(said))) :][:length]
    return together


def _usual(sound: Samples) -> Samples:
    """Brought to the usual level, measured where it sounds."""
    blocks = sound[: len(sound) // 80 * 80].reshape(-1, 80)
    power = np.mean(blocks**2, axis=1)
    level = np.sqrt(np.mean(power[power > power.max() * 0.01]))
    scaled: Samples = sound * (32768 * 10 ** (LEVEL_DBFS / 20) / level)
    return scaled


def _pink(chance: np.random.Generator, length: int) -> Samples:
    spectrum = np.fft.rfft(chance.normal(0.0, 1.0, length))
    hertz = np.fft.rfftfreq(length, 1 / RATE)
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(hertz, 50.0)), length)


def _shaped(sound: Samples, peaks: tuple[float, ...], width: float) -> Samples:
    """Resonances: what a throat, a door or a plate makes of a noise."""
    spectrum = np.fft.rfft(sound)
    hertz = np.fft.rfftfreq(len(sound), 1 / RATE)
    gain = sum((1 / (1 + ((hertz - peak) / width) ** 2) for peak in peaks), np.zeros(len(hertz)))
    return np.fft.irfft(spectrum * gain, len(sound))


def _burst(chance: np.random.Generator, seconds: float, fall: float, rise: float = 0.005) -> Samples:
    t = np.arange(round(seconds * RATE)) / RATE
    made: Samples = chance.normal(0.0, 1.0, len(t)) * np.minimum(1, t / rise) * np.exp(-t / fall)
    return made


def _silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE))


def _buzz(chance: np.random.Generator, seconds: float, hertz: float) -> Samples:
    """The voiced part: a rough pulse train."""
    steps = hertz * (1 + 0.15 * chance.normal(0.0, 1.0, round(seconds * RATE))) / RATE
    pulses: Samples = np.diff(np.floor(np.cumsum(steps)), prepend=0.0)
    return pulses * np.hanning(len(pulses))


def _one_cough(chance: np.random.Generator) -> Samples:
    """An explosion, a breath, and in some a voiced end: the three phases of Korpas et al., "Analysis of the
    cough sound: an overview", Pulmonary Pharmacology 9 (1996)."""
    throat = tuple(float(peak * chance.uniform(0.85, 1.15)) for peak in (600, 1400, 2600))
    sound = np.concatenate((_burst(chance, 0.06, 0.03), 0.4 * _burst(chance, 0.15, 0.08)))
    if chance.random() < 0.5:
        sound = np.concatenate((sound, 3 * _buzz(chance, 0.12, float(chance.uniform(110, 260)))))
    return _shaped(sound, throat, 300)


def _cough(chance: np.random.Generator) -> tuple[bool, Samples]:
    return True, _one_cough(chance)


def _coughs(chance: np.random.Generator) -> tuple[bool, Samples]:
    pieces: list[Samples] = []
    for _ in range(int(chance.integers(2, 4))):
        pieces += [_one_cough(chance), _silence(float(chance.uniform(0.05, 0.2)))]
    return True, np.concatenate(pieces)


def _throat(chance: np.random.Generator) -> tuple[bool, Samples]:
    seconds = float(chance.uniform(0.25, 0.6))
    rough = 4 * _buzz(chance, seconds, float(chance.uniform(60, 100)))
    return True, _shaped(rough + 0.2 * chance.normal(0.0, 1.0, len(rough)), (500, 1200), 250)


def _sneeze(chance: np.random.Generator) -> tuple[bool, Samples]:
    breath = 0.15 * _burst(chance, 0.3, 0.4, rise=0.2)
    return True, _shaped(np.concatenate((breath, _burst(chance, 0.3, 0.09))), (1800, 3000), 600)


def _sniff(chance: np.random.Generator) -> tuple[bool, Samples]:
    return True, _shaped(_burst(chance, 0.25, 0.15, rise=0.1), (2200, 3200), 500)


def _knocks(chance: np.random.Generator) -> tuple[bool, Samples]:
    body = (float(chance.uniform(180, 320)), float(chance.uniform(500, 700)))
    pieces: list[Samples] = []
    for _ in range(int(chance.integers(2, 5))):
        knock = _shaped(_burst(chance, 0.1, 0.02, 0.001), body, 60)
        pieces += [knock, _silence(float(chance.uniform(0.1, 0.3)))]
    return True, np.concatenate(pieces)


def _clatter(chance: np.random.Generator) -> tuple[bool, Samples]:
    """Dishes: plates ring in partials that are no harmonics."""
    sound = _silence(1.2)
    for _ in range(6):
        at = int(chance.integers(0, len(sound) - 2400))
        t = np.arange(2400) / RATE
        for hertz in chance.uniform(900, 3400, 4):
            sound[at : at + 2400] += np.sin(2 * np.pi * hertz * t) * np.exp(-t / chance.uniform(0.02, 0.08))
    return True, sound


def _typing(chance: np.random.Generator) -> tuple[bool, Samples]:
    keys = [
        np.concatenate((_burst(chance, 0.02, 0.004, 0.001), _silence(float(chance.uniform(0.06, 0.22)))))
        for _ in range(10)
    ]
    return False, np.concatenate(keys)


def _door(chance: np.random.Generator) -> tuple[bool, Samples]:
    return True, _shaped(_burst(chance, 0.5, 0.07, 0.002), (90, 160, 350), 60)


def _hiss(chance: np.random.Generator) -> tuple[bool, Samples]:
    return False, chance.normal(0.0, 1.0, round(chance.uniform(0.4, 3.0) * RATE))


def _car(chance: np.random.Generator) -> tuple[bool, Samples]:
    length = round(chance.uniform(1.5, 3.5) * RATE)
    swell: Samples = np.hanning(length) * _pink(chance, length)
    return False, swell


def _passers_by(chance: np.random.Generator) -> tuple[bool, Samples]:
    return False, _babble(chance, round(chance.uniform(1.0, 3.0) * RATE))


def _ringing(chance: np.random.Generator) -> tuple[bool, Samples]:
    """Another telephone in the room: two tones in turn."""
    t = np.arange(RATE) / RATE
    low = float(chance.uniform(700, 1000))
    hertz = np.where((t * 20).astype(int) % 2, low, low * 1.25)
    ringing: Samples = np.sin(2 * np.pi * np.cumsum(hertz) / RATE)
    return False, ringing


NOISES: dict[str, Callable[[np.random.Generator], tuple[bool, Samples]]] = {
    "cough": _cough,
    "coughs": _coughs,
    "throat": _throat,
    "sneeze": _sneeze,
    "sniff": _sniff,
    "knocks": _knocks,
    "clatter": _clatter,
    "typing": _typing,
    "door": _door,
    "hiss": _hiss,
    "car": _car,
    "babble": _passers_by,
    "ringing": _ringing,
}
"""By kind: whether it is as loud as the caller's voice (else `SNR_DB` below), and the sound."""
