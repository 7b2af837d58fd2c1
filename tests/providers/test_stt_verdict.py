"""Whom to believe, by tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.providers.stt.verdict import NOTHING, Reading, Segment, agreement, judge


def reading(text: str, fit: float, *, complete: bool = True, frames: int = 20) -> Reading:
    words = text.split()
    return Reading(
        tuple(
            Segment(word, place * frames, (place + 1) * frames - 1, fit * frames)
            for place, word in enumerate(words)
        ),
        complete,
    )


@pytest.mark.parametrize(
    ("grammar", "free", "source"),
    [
        (reading("yes please", -2.0), reading("guess fleas", -2.0), "grammar"),
        (reading("yes please", -2.0), NOTHING, "grammar"),
        (reading("yes please", -5.0), reading("my dog ate", -2.0), "free"),
        (reading("yes please", -4.3), reading("my dog ate", -2.0), "free"),
        (reading("yes please", -4.3), reading("yes please", -2.0), "grammar"),
        (reading("yes please", -6.0), reading("yes please", -2.0), "free"),
        (reading("yes", -2.0, complete=False), reading("yes", -2.0), "free"),
        (reading("yes please", -5.0), NOTHING, "none"),
        (NOTHING, NOTHING, "none"),
        (NOTHING, reading("a", -2.0, frames=5), "none"),
        (NOTHING, reading("hello", -2.0), "free"),
    ],
)
def test_whom_to_believe(grammar: Reading, free: Reading, source: str) -> None:
    verdict = judge(grammar, free)
    assert verdict.source == source
    assert bool(verdict.reading.words) == (source != "none")
    assert (verdict.confidence >= 0.6) == (source == "grammar")


def test_what_hides_in_silence_counts_against_a_sentence() -> None:
    good = reading("we are looking", -2.5)
    hidden = Reading((*good.segments, Segment("<sil>", 60, 120, -9.0 * 61, filler=True)))
    assert judge(good, NOTHING).source == "grammar"
    assert judge(hidden, NOTHING).source == "none"
    between = Reading(
        (good.segments[0], Segment("<sil>", 20, 99, -6.0 * 80, filler=True), *good.segments[1:])
    )
    assert judge(between, NOTHING).source == "none"


@given(st.floats(-20, 0), st.floats(-20, 0), st.booleans())
def test_a_better_fit_is_never_trusted_less(one: float, other: float, agreed: bool) -> None:
    free = reading("yes please", -2.0) if agreed else NOTHING
    worse, better = (judge(reading("yes please", fit), free) for fit in sorted((one, other)))
    if worse.source == "grammar":
        assert better.source == "grammar"
        assert better.confidence >= worse.confidence
    assert 0 <= better.confidence <= 1


def test_agreement_is_of_words() -> None:
    assert agreement(["a", "b"], ["a", "b"]) == 1
    assert agreement(["a", "b"], ["c", "d"]) == 0
    assert agreement([], []) == 0
