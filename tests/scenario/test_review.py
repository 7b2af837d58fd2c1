"""After the call: what it came to, and which rules were kept, with and without a model."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenario.talks import conversation, played, small
from trunkline.errors import ParseError
from trunkline.scenario.review import Review, read_review, review, review_prompt
from trunkline.scenario.state import Line, State


def by_name(found: Review) -> dict[str, bool]:
    return {check.name: check.kept for check in found.checks}


async def test_a_call_that_kept_every_rule() -> None:
    talk = await played(conversation(small()), "twelve", "yes")
    found = review(talk.scenario, talk.state)
    assert found.summary == "Outcome: big (reached big). Learned: size twelve."
    assert by_name(found) == {
        "disclosure": True,
        "asked:size": True,
        "confirmed:size": True,
        "guardrails": True,
        "goodbye": True,
    }
    assert found.kept


async def test_what_was_not_kept_is_shown_with_the_words() -> None:
    talk = await played(conversation(small()), "twelve")
    lines = (
        Line("agent", "Hello there, how many are you?"),
        Line("caller", "twelve"),
        Line("agent", "I guarantee you a discount."),
    )
    state = replace(talk.state, lines=lines, outcome="hung_up")
    found = review(talk.scenario, state)
    assert not found.kept
    broken = {check.name: check.why for check in found.checks if not check.kept}
    assert set(broken) == {"disclosure", "confirmed:size", "guardrails", "goodbye"}
    assert "I guarantee you a discount" in broken["guardrails"]
    assert "Hello there" in broken["disclosure"]


async def test_a_number_that_the_caller_corrected_was_not_invented() -> None:
    talk = await played(conversation(small()), "twelve", "no, we are twenty", "yes")
    assert "Twelve" in talk.said[1]
    assert by_name(review(talk.scenario, talk.state))["guardrails"]


async def test_who_asks_to_be_left_alone_is() -> None:
    talk = await played(conversation(small()), "stop calling me")
    assert by_name(review(talk.scenario, talk.state))["opt_out"]


async def test_a_model_is_asked_by_number_and_its_word_counts() -> None:
    talk = await played(conversation(small()), "twelve", "yes")
    prompt = review_prompt(talk.scenario, talk.state)
    assert "1. The first words say that it is an AI." in prompt.messages[1].content
    assert "caller: twelve" in prompt.messages[1].content
    answer = {
        "summary": "Twelve people; they want to hear more.",
        "rules": [
            {"number": 2, "kept": False, "why": "it was asked as a statement"},
            {"number": 99, "kept": False},
            {"number": 3, "kept": "perhaps"},
            "nonsense",
        ],
    }
    found = read_review(talk.scenario, talk.state, f"Here you are:\n```json\n{json.dumps(answer)}\n```", "m")
    assert found.by == "m"
    assert found.summary == "Twelve people; they want to hear more."
    assert [check.name for check in found.checks if not check.kept] == ["asked:size"]


async def test_a_model_cannot_mend_what_the_record_shows() -> None:
    talk = await played(conversation(small()), "twelve", "yes")
    state = replace(talk.state, lines=(Line("agent", "Good morning."), *talk.state.lines[1:]))
    answer = json.dumps({"summary": "All well.", "rules": [{"number": 1, "kept": True}]})
    assert not by_name(read_review(talk.scenario, state, answer, "m"))["disclosure"]


@pytest.mark.parametrize("text", ["", "no", "{", "[]", '{"summary": 3}', '{"summary": " "}', "{" * 50_000])
async def test_an_answer_that_is_none_is_refused(text: str) -> None:
    talk = await played(conversation(small()), "twelve", "yes")
    with pytest.raises(ParseError):
        read_review(talk.scenario, talk.state, text, "m")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, JSON)
def test_no_answer_raises_anything_else(rules: object, extra: object) -> None:
    scenario = small()
    state = replace(_STATE, lines=(Line("agent", "Hello, this is Ann, an AI."),), outcome="big")
    text = json.dumps({"summary": "Well.", "rules": rules, "extra": extra})
    assert read_review(scenario, state, text, "m").summary == "Well."


_STATE = State(step="hello", turn=1)
