"""The ledger folds events into rows, whatever order the stages overlap in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.call.ledger import Ledger, feels_like, percentile
from trunkline.events import (
    CallEnded,
    Event,
    Final,
    FirstAudio,
    FirstToken,
    GenerationDropped,
    GenerationStarted,
    SpeakingStarted,
    SynthesisStarted,
    TurnEnded,
    TurnResumed,
)


def fold(*events: Event, wire_delay: float = 0.0) -> Ledger:
    ledger = Ledger(wire_delay=wire_delay)
    for event in events:
        ledger.add(event)
    return ledger


STRAIGHT: tuple[Event, ...] = (
    Final(10.10, "yes"),
    TurnEnded(10.30, 1, "yes", 10.0, "silence"),
    GenerationStarted(10.30, 1, 1, "fake"),
    FirstToken(10.50, 1),
    SynthesisStarted(10.55, 1, 0, "Good."),
    FirstAudio(10.70, 1, 0),
    SpeakingStarted(10.72, 1),
)


def test_stages_one_after_another() -> None:
    (row,) = fold(*STRAIGHT, wire_delay=0.02).rows
    assert row.stages(0.02) == {
        "sip": pytest.approx(40),
        "end_of_turn": pytest.approx(300),
        "stt": pytest.approx(100),
        "llm": pytest.approx(200),
        "tts": pytest.approx(150),
        "total": pytest.approx(740),
    }


def test_an_answer_prepared_early_counts_its_wire_from_the_decision() -> None:
    (row,) = fold(
        GenerationStarted(10.05, 1, 1, "fake", speculative=True),
        FirstToken(10.10, 1),
        SynthesisStarted(10.10, 1, 0, "Good."),
        FirstAudio(10.15, 1, 0),
        TurnEnded(10.20, 1, "yes", 10.0, "complete"),
        SpeakingStarted(10.21, 1),
    ).rows
    assert row.speculative
    assert row.stages()["sip"] == pytest.approx(10)
    assert row.stages()["total"] == pytest.approx(210)


def test_a_turn_that_went_on_has_one_row() -> None:
    ledger = fold(
        TurnEnded(10.3, 1, "I think", 10.0, "silence"),
        GenerationStarted(10.3, 1, 1, "fake"),
        TurnResumed(10.4, 1),
        GenerationDropped(10.4, 1, "the caller goes on"),
        TurnEnded(12.3, 1, "I think forty", 12.0, "silence"),
        GenerationStarted(12.3, 2, 1, "fake"),
        SpeakingStarted(12.5, 2),
    )
    assert [(row.speech_end, row.generation, row.audible) for row in ledger.rows] == [(12.0, 2, 12.5)]


def test_a_row_without_an_answer_says_why() -> None:
    ledger = fold(TurnEnded(10.3, 1, "bye", 10.0, "silence"), CallEnded(11.0, "caller", "hung up", ""))
    assert ledger.rows[0].incomplete == "the call ended first"
    assert ledger.summary()[-1]["p50"] is None


def test_only_the_first_sound_of_a_turns_answer_counts() -> None:
    ledger = fold(*STRAIGHT, GenerationStarted(20.0, 2, 1, "fake"), SpeakingStarted(21.0, 2))
    assert ledger.rows[0].audible == 10.72


@pytest.mark.parametrize(
    ("ms", "words"),
    [(499, "Feels like talking to a fast-thinking human"), (500, "Feels natural"), (2000, "Unusable")],
)
def test_words_for_latencies(ms: float, words: str) -> None:
    assert feels_like(ms) == words


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_percentile_is_one_of_the_values(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6
