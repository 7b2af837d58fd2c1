"""How a pause sounded: the features, the model where it is installed, and what the policy makes of it."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.errors import EngineMissing
from trunkline.events import Answer, Expectation
from trunkline.lab.recordings import Recordings
from trunkline.turn import smart_turn
from trunkline.turn.end_of_turn import silence_wanted
from trunkline.turn.policy import TurnPolicy
from trunkline.turn.rhythm import Rhythm
from trunkline.turn.smart_turn import SmartTurn, installed_model
from trunkline.turn.sounded import by_sound
from trunkline.turn.whisper_features import SAMPLES, features

MODEL = Path(os.environ["SMART_TURN_MODEL"]) if "SMART_TURN_MODEL" in os.environ else installed_model()
needs_model = pytest.mark.skipif(
    MODEL is None,
    reason="pipecat-ai is not installed here, and SMART_TURN_MODEL names no file out of its wheel",
)


@given(st.integers(0, SAMPLES + 4000), st.integers(0, 5))
@settings(max_examples=15, deadline=None)
def test_features_have_one_shape_and_are_finite(samples: int, seed: int) -> None:
    sound = np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)
    found = features(sound)
    assert found.shape == (80, 800)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


@pytest.mark.parametrize(("hertz", "lowest", "highest"), [(200.0, 0, 10), (4000.0, 50, 79)])
def test_a_tone_is_found_where_it_lies(hertz: float, lowest: int, highest: int) -> None:
    tone = np.sin(2 * np.pi * hertz * np.arange(SAMPLES) / 16000).astype(np.float32)
    assert lowest <= int(features(tone).mean(axis=1).argmax()) <= highest


def test_what_came_before_the_last_eight_seconds_is_not_heard() -> None:
    sound = np.random.default_rng(1).normal(0, 0.1, SAMPLES).astype(np.float32)
    longer: npt.NDArray[np.float32] = np.pad(sound, (5000, 0), constant_values=1.0)
    assert (features(longer) == features(sound)).all()


@needs_model
def test_the_features_are_those_that_the_model_was_made_for() -> None:
    assert MODEL is not None
    theirs = MODEL.parent.parent / "_whisper_features.py"
    spec = importlib.util.spec_from_file_location("whisper_features_of_the_package", theirs)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    recordings = Recordings()
    for words in sorted(recordings.lines)[:5]:
        doubled = np.repeat(recordings.samples(words), 2)[-SAMPLES:] / 32768
        sound = doubled.astype(np.float32)
        whole = np.concatenate((np.zeros(SAMPLES - len(sound), np.float32), sound))
        assert np.allclose(features(sound), module.compute_whisper_log_mel_features(whole), atol=1e-4)


@needs_model
@pytest.mark.parametrize("rate", [8000, 16000])
def test_the_model_answers_with_a_probability_whatever_it_hears(rate: int) -> None:
    model = SmartTurn(MODEL)
    said = Recordings().samples("About twelve people.").astype("<i2")
    whole = model.probability(said.tobytes(), rate)
    torn = model.probability(said[: len(said) // 2].tobytes(), rate)
    assert 0 <= torn < 1
    assert 0 < whole <= 1
    if rate == 8000:  # at its own rate it is a sentence, and half of it is none
        assert torn < whole
    for nothing in (b"", bytes(200), bytes(20 * 2 * rate)):
        assert 0 <= model.probability(nothing, rate) <= 1


def test_without_the_package_it_says_what_to_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(smart_turn, "PACKAGE", "no-such-package-anywhere")
    assert installed_model() is None
    with pytest.raises(EngineMissing, match="smart-turn"):
        SmartTurn()
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(EngineMissing, match="cannot be loaded"):
        SmartTurn(broken)


POLICY = TurnPolicy()


@pytest.mark.parametrize(
    ("seconds", "why", "whole", "sounded", "expected"),
    [
        (0.5, "silence", 0.6, None, (0.5, "silence")),
        (0.5, "silence", 0.6, 0.9, (POLICY.sounded_silence, "sound")),
        (1.0, "unfinished", 0.4, 0.7, (POLICY.sounded_silence, "sound")),
        (0.5, "silence", 0.6, 0.5, (0.5, "silence")),
        (0.2, "complete", 0.9, 0.9, (0.2, "complete")),
        (0.2, "complete", 0.9, 0.1, (POLICY.silence, "sound")),
        (1.3, "unfinished", 0.1, 0.99, (1.3, "unfinished")),
        (1.6, "asked", 0.6, 0.99, (1.6, "asked")),
        (1.3, "unfinished", 0.1, 0.0, (1.3, "unfinished")),
    ],
)
def test_what_the_sound_changes(
    seconds: float, why: str, whole: float, sounded: float | None, expected: tuple[float, str]
) -> None:
    assert by_sound(seconds, why, whole, sounded, POLICY) == expected


@given(
    st.sampled_from(["", "yes", "I think we", "we are about forty people", "my number is oh two oh"]),
    st.sampled_from(list(Answer)),
    st.floats(0, 1),
)
def test_no_sound_makes_a_turn_longer_than_the_words_could(text: str, kind: Answer, sounded: float) -> None:
    asked, rhythm = Expectation(kind), Rhythm()
    plain, _ = silence_wanted(text, asked, rhythm, POLICY)
    heard, _ = silence_wanted(text, asked, rhythm, POLICY, sounded)
    assert heard <= max(plain, POLICY.silence)
    assert heard >= min(plain, POLICY.complete)


def test_a_fixed_silence_is_obeyed_whatever_it_sounded_like() -> None:
    fixed = TurnPolicy(adaptive=False, silence=0.4)
    assert silence_wanted("we are forty", Expectation(), Rhythm(), fixed, 0.99) == (0.4, "silence")
