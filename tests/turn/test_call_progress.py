"""Tones of the network are nobody to listen to; voices and music are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trunkline.turn.call_progress import MoreThanTones
from turn.sounds import Samples, flite, needs_flite


def is_more(samples: Samples, rate: int = 8000) -> bool:
    pcm = samples.clip(-32768, 32767).astype("<i2").tobytes()
    size = rate // 50 * 2
    ear = MoreThanTones(rate)
    return any(ear.push(pcm[at : at + size]) for at in range(0, len(pcm) - size + 1, size))


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize(
    ("hertz", "on", "off", "swells"),
    [
        pytest.param((425,), 1.0, 4.0, 0, id="ringing, Europe"),
        pytest.param((440, 480), 2.0, 4.0, 0, id="ringing, North America"),
        pytest.param((400, 450), 0.4, 0.2, 0, id="ringing, United Kingdom"),
        pytest.param((400,), 1.0, 2.0, 16, id="ringing, Japan"),
        pytest.param((480, 620), 0.5, 0.5, 0, id="busy, North America"),
        pytest.param((950,), 0.33, 1.0, 0, id="special information, first"),
        pytest.param((1800,), 0.33, 1.0, 0, id="special information, last"),
    ],
)
@pytest.mark.parametrize("level", [0.02, 0.5])
def test_the_networks_tones_are_nobody(
    hertz: tuple[int, ...], on: float, off: float, swells: int, level: float, rate: int
) -> None:
    time = np.arange(10 * rate) / rate
    lines = np.array([np.sin(2 * np.pi * each * time) for each in hertz])
    sound = lines.mean(axis=0) * level * 32767
    if swells:
        sound = sound * (0.5 + 0.5 * np.sin(2 * np.pi * swells * time))
    sound[time % (on + off) > on] = 0.0
    assert not is_more(sound + np.random.default_rng(1).normal(0, 8, len(sound)), rate)


def test_silence_and_line_noise_are_nobody() -> None:
    assert not is_more(np.random.default_rng(1).normal(0, 40, 80_000))
    assert not is_more(np.zeros(80_000))
    assert not MoreThanTones(8000).push(b"")


def test_music_is_listened_to() -> None:
    time = np.arange(40_000) / 8000
    chord = sum(np.sin(2 * np.pi * f * k * time) / k for f in (262, 330, 392) for k in (1, 2, 3))
    assert is_more(np.asarray(chord) * 1500)


@needs_flite
@pytest.mark.parametrize("voice", ["slt", "kal", "awb", "rms"])
def test_announcements_are_listened_to(voice: str, tmp_path: Path) -> None:
    assert is_more(flite("The number you have dialed is not in service.", tmp_path, voice))
