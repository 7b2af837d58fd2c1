"""The vocabulary makes the round trip through JSON, and refuses what it does not know."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline import events
from trunkline.events import (
    Answer,
    Expectation,
    Expecting,
    Final,
    ToolCalled,
    Word,
    from_json,
    log_form,
    to_json,
)

times = st.floats(min_value=0, max_value=1e6, allow_nan=False)
words = st.builds(Word, st.text(), times, times, st.floats(0, 1))


@given(times, st.text(), st.lists(words, max_size=4))
def test_a_final_makes_the_round_trip(at: float, text: str, spoken: list[Word]) -> None:
    event = Final(at, text, tuple(spoken), 0.5, True)
    assert from_json(json.loads(json.dumps(to_json(event)))) == event


def test_nested_values_come_back_with_their_types() -> None:
    event = Expecting(1.0, Expectation(Answer.PHONE, ("my number is <number>",), digits=10))
    assert from_json(json.loads(json.dumps(to_json(event)))) == event


def test_dictionaries_are_kept() -> None:
    event = ToolCalled(1.0, 3, "set_field", {"name": "budget", "value": [1, 2]})
    assert from_json(json.loads(json.dumps(to_json(event)))) == event


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"type": "Nonsense", "at": 1.0},
        {"type": "Dtmf", "at": 1.0},
        {"type": "Dtmf", "at": 1.0, "key": "5"},
    ],
)
def test_what_is_not_an_event_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"event|Dtmf"):
        from_json(data)


def test_every_event_is_frozen_and_slotted() -> None:
    for kind in log_form._kinds().values():
        assert not hasattr(kind, "__dict__") or "__slots__" in vars(kind), kind


def test_every_event_is_imported_from_the_vocabulary_itself() -> None:
    ours = {name for name, kind in log_form._kinds().items() if kind.__module__.startswith("trunkline.")}
    assert ours <= set(events.__all__), "a new event needs its name in trunkline/events/__init__.py"
    assert all(hasattr(events, name) for name in events.__all__)
