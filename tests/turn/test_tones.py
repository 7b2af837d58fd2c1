"""Beeps and the tones of a fax are known; voices, noise, keys and music are none of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.audio.frame import Frame
from trunkline.events import ToneHeard
from trunkline.lab.recordings import Recordings
from trunkline.turn.tones import ToneDetector
from turn.sounds import RATE, Samples, flite, needs_flite, noise, silence, tone


def heard(samples: Samples, rate: int = RATE) -> list[ToneHeard]:
    """What the detector tells of this sound, which begins at time 0."""
    detector, size, found = ToneDetector(rate), rate // 50, []
    for start in range(0, len(samples) - size + 1, size):
        pcm = np.clip(samples[start : start + size], -32768, 32767).astype("<i2").tobytes()
        found += detector.push(Frame(pcm, rate, (start + size) / rate))
    return found


def after(seconds: float, *sounds: Samples, rate: int = RATE) -> Samples:
    return np.concatenate((silence(seconds, rate), *sounds, silence(0.5, rate)))


@given(
    hertz=st.floats(400, 2050).filter(lambda hertz: abs(hertz - 1100) > 45),
    lasts=st.floats(0.2, 1.5),
    offset=st.floats(0, 0.02),
    level=st.sampled_from([300, 3000, 20000]),
    rate=st.sampled_from([8000, 16000]),
)
@settings(max_examples=60, deadline=None)
def test_a_beep_is_known_with_its_place_and_pitch(
    hertz: float, lasts: float, offset: float, level: float, rate: int
) -> None:
    sound = after(0.5 + offset, tone(lasts, level, hertz, rate), rate=rate)
    [beep] = heard(sound + noise(len(sound) / rate, level / 12, rate=rate)[: len(sound)], rate)
    assert beep.kind == "beep"
    assert beep.hertz == pytest.approx(hertz, abs=6)
    assert beep.since == pytest.approx(0.5 + offset, abs=0.045)
    assert beep.until == pytest.approx(0.5 + offset + lasts, abs=0.045)
    # It is told at most three frames after its end: the message begins then.
    assert 0 <= beep.at - (0.5 + offset + lasts) <= 0.1


@pytest.mark.parametrize("hertz", [1062, 1100, 1138])
def test_a_calling_fax_is_known_within_its_tolerance(hertz: float) -> None:
    cng = tone(0.5, 3000, hertz)
    found = heard(after(1.0, cng, silence(3.0), cng))
    assert [tone_.kind for tone_ in found] == ["cng", "cng"]
    assert found[1].since - found[0].since == pytest.approx(3.5, abs=0.03)


def test_an_answering_fax_is_known_while_it_sounds() -> None:
    [ced] = heard(after(1.0, tone(3.0, 3000, 2100)))
    assert ced.kind == "ced"
    assert ced.at == pytest.approx(2.0, abs=0.05)


def test_turns_of_phase_and_loudness_do_not_hide_a_modem() -> None:
    at = np.arange(round(3.3 * RATE)) / RATE
    turned = np.where((at // 0.45) % 2 == 0, 1.0, -1.0)
    ansam = 3000 * turned * (1 + 0.2 * np.sin(2 * np.pi * 15 * at)) * np.sin(2 * np.pi * 2100 * at)
    assert [found.kind for found in heard(after(1.0, ansam))] == ["ced"]


@pytest.mark.parametrize(
    "sound",
    [
        noise(3.0, 3000),
        tone(0.5, 4000, 770) + tone(0.5, 4000, 1336),  # a key
        tone(2.0, 4000, 440) + tone(2.0, 4000, 480),  # it rings, in North America
        tone(0.5, 4000, 480) + tone(0.5, 4000, 620),  # it is busy
        np.concatenate([tone(0.3, 4000, f) + tone(0.3, 3000, 2 * f) for f in (392, 440, 494, 523)]),
        tone(3.0, 4000, 120),
        tone(0.08, 4000, 1000),
        tone(0.4, 4000, 3000),
        8000 * np.sin(2 * np.pi * (400 + 300 * np.arange(RATE) / RATE) * np.arange(RATE) / RATE),
    ],
    ids=["noise", "key", "ringing", "busy", "music", "hum", "click", "whistle", "siren"],
)
def test_what_is_no_single_steady_tone_is_told_as_nothing(sound: Samples) -> None:
    assert heard(after(0.5, sound)) == []


def test_the_recorded_callers_hold_no_tone() -> None:
    recordings = Recordings()
    assert recordings.lines
    for line in sorted(recordings.lines):
        assert heard(recordings.samples(line).astype(float)) == [], line


@needs_flite
@pytest.mark.parametrize("voice", ["rms", "slt", "awb", "kal"])
def test_voices_hold_no_tone(voice: str, tmp_path: Path) -> None:
    said = flite(
        "Who are you? Oooh, I knew you would do it too. Moo. Eee. Mmm. No. One more.", tmp_path, voice
    )
    assert heard(said / np.abs(said).max() * 12000) == []


@given(st.lists(st.binary(max_size=700).filter(lambda raw: len(raw) % 2 == 0), max_size=30))
def test_any_sound_is_taken(pieces: list[bytes]) -> None:
    detector = ToneDetector(RATE)
    for number, pcm in enumerate(pieces):
        detector.push(Frame(pcm, RATE, number * 0.02))
