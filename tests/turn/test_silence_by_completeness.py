"""The silence that is wanted follows how complete the words are: shorter the surer, with no step in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.turn.end_of_turn import silence_by_completeness
from trunkline.turn.policy import TurnPolicy

CERTAIN = 0.9
lengths = st.floats(0, 3)
policies = st.builds(
    TurnPolicy,
    silence=lengths,
    complete=lengths,
    doubtful=lengths,
    unfinished=lengths,
    probable=st.floats(0.05, 0.88),
)


def wanted(whole: float, policy: TurnPolicy) -> float:
    return silence_by_completeness(whole, policy)[0]


@given(policies, st.floats(0, 1), st.floats(0, 1))
def test_surer_words_never_wait_longer(policy: TurnPolicy, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert wanted(more, policy) <= wanted(less, policy) + 1e-9


@given(policies, st.floats(0, 1))
def test_no_word_more_or_less_changes_it_at_once(policy: TurnPolicy, whole: float) -> None:
    assert abs(wanted(whole, policy) - wanted(min(1.0, whole + 1e-7), policy)) < 1e-3


def test_nearly_sure_words_wait_little_more_than_sure_ones() -> None:
    usual = TurnPolicy()
    assert wanted(CERTAIN, usual) == usual.complete
    assert wanted(usual.probable, usual) == pytest.approx(usual.doubtful)
    even = usual.doubtful + (usual.complete - usual.doubtful) * 0.7
    assert usual.complete < wanted(0.87, usual) < even
