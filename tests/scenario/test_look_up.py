"""Steps that call a tool, and those that end by a key, by the clock, or on a machine."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenario.talks import MONDAY, conversation
from trunkline.scenario.actions import CallBegan, CallTool, Say, TimeUp, ToolResult
from trunkline.scenario.conversation import Conversation
from trunkline.scenario.load import parse_scenario
from trunkline.scenario.look_up import argument, picked
from trunkline.scenario.model import Scenario
from trunkline.scenario.state import FieldValue, State
from trunkline.scenario.step import begin, step

DESK = """
trunkline: 1
name: desk
start: hello
persona: {name: Ann, company: Acme, role: an AI assistant}
fields:
  size: {type: number, ask: "How many are you?", unit: people}
  fits: {type: yes_no, ask: "Does {slot|then} suit you?"}
tools:
  find_slot:
    about: a free table
    example: {slots: [{start: "2026-01-08T16:00:00+00:00"}], price: 45, deposit: false}
steps:
  hello: {kind: ask, field: size, say: "Hello, this is Ann, an AI assistant.", edges: [{to: look}]}
  look:
    kind: call
    tool: find_slot
    arguments: {people: "{size}", note: "for {size} at {company|us}", who: "{first_name|nobody}"}
    results: {slot: slots.0.start, price: price, deposit: deposit}
    say: Let me look.
    seconds: 5
    edges:
      - {event: tool_failed, to: sorry}
      - {when: not known(slot), to: full}
      - {to: offer}
  offer: {kind: ask, field: fits, edges: [{to: booked}]}
  booked: {kind: end, outcome: booked, say: "See you {slot}. It costs {price} pounds. Goodbye."}
  full: {kind: end, outcome: full, say: "We are full. Goodbye."}
  sorry: {kind: end, outcome: sorry, say: "I can not look just now. Goodbye."}
edge_cases:
  human: {go: sorry}
"""
ANSWER = {"slots": [{"start": "2026-01-08T16:00:00+00:00"}], "price": 45}


def desk(text: str = DESK) -> Scenario:
    return parse_scenario(text)


async def talk(*lines: str, answers: dict[str, Any] | None = None, text: str = DESK) -> Conversation:
    held = conversation(desk(text))
    held.answers = answers or {}
    await held.begin({"company": "Smith"})
    for line in lines:
        await held.hear(line)
    return held


async def test_the_answer_becomes_facts_and_is_said_in_words() -> None:
    held = await talk("Twelve people.", "Yes.")
    [call] = held.called
    assert call.arguments == {"people": 12.0, "note": "for 12.0 at Smith", "who": "nobody"}
    assert call.seconds == 5
    assert held.said[1] == "Let me look."
    assert held.said[2] == "Does on Thursday at four in the afternoon suit you?"
    assert (
        held.said[3] == "See you on Thursday at four in the afternoon. It costs forty five pounds. Goodbye."
    )
    assert held.state.results == {"slot": "2026-01-08T16:00:00+00:00", "price": 45.0, "deposit": False}
    assert held.state.outcome == "booked"


async def test_an_answer_without_the_value_takes_another_edge_and_a_failure_a_third() -> None:
    assert (await talk("Twelve.", answers={"find_slot": {"slots": []}})).state.outcome == "full"
    assert (await talk("Twelve.", answers={"find_slot": None})).state.outcome == "sorry"


async def test_a_failure_without_an_edge_ends_the_call_with_words() -> None:
    text = DESK.replace("      - {event: tool_failed, to: sorry}\n", "")
    held = await talk("Twelve.", answers={"find_slot": None}, text=text)
    assert held.state.outcome == "tool_failed"
    assert held.said[-1].startswith("I am sorry, that does not work")
    gone = text.replace("  human: {go: sorry}", "  tool_failed: {go: full}")
    assert (await talk("Twelve.", answers={"find_slot": None}, text=gone)).state.outcome == "full"


def looking() -> State:
    state, _ = begin(desk(), CallBegan(MONDAY))
    state, actions = step(desk(), state, _said("Twelve."))
    if state.step == "hello":  # the brain is not asked here: record it as it would
        from trunkline.scenario.actions import ModelCalled, ModelDone

        state, _ = step(desk(), state, ModelCalled("1", "set_field", {"name": "size", "value": 12}, MONDAY))
        state, actions = step(desk(), state, ModelDone(""))
    assert any(isinstance(action, CallTool) for action in actions)
    assert state.calling == "look#1"
    return state


def _said(text: str) -> Any:
    from trunkline.scenario.actions import CallerSaid

    return CallerSaid(1, text, MONDAY)


def test_while_it_works_the_caller_is_asked_to_wait_and_it_is_called_once() -> None:
    state, actions = step(desk(), looking(), _said("Are you still there?"))
    assert [action.text for action in actions if isinstance(action, Say)] == ["One moment, please."]
    state, actions = step(desk(), state, _said("No, we are fourteen people."))
    assert not any(isinstance(action, CallTool) for action in actions)
    assert state.fields["size"].value == 14
    state, _ = step(desk(), state, ToolResult("look#1", True, MONDAY, {"slot": "at noon"}))
    assert state.step == "offer"


@pytest.mark.parametrize(
    ("words", "outcome"), [("Stop calling me!", "opted_out"), ("I want to talk to a human.", "sorry")]
)
def test_what_ends_the_call_is_heeded_while_it_works(words: str, outcome: str) -> None:
    state, _ = step(desk(), looking(), _said(words))
    assert state.outcome == outcome
    assert step(desk(), state, ToolResult("look#1", True, MONDAY)) == (state, [])


def test_an_answer_nobody_waits_for_any_more_changes_nothing() -> None:
    state = looking()
    assert step(desk(), state, ToolResult("look#2", True, MONDAY)) == (state, [])
    done, _ = step(desk(), state, ToolResult("look#1", True, MONDAY, {"slot": "noon"}))
    assert step(desk(), done, ToolResult("look#1", True, MONDAY)) == (done, [])


def test_what_a_tool_answers_is_never_filled_in() -> None:
    assert picked({"a": "x"}, {"x": "{first_name} says {size}"}) == {"a": "first_name says size"}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("price", 45.0), ("slots.0.start", "2026-01-08T16:00:00+00:00"), ("slots.9.start", None),
        ("slots", None), ("price.more", None), ("nothing", None), ("", None),
    ],
)  # fmt: skip
def test_places(place: str, value: object) -> None:
    assert picked({"it": place}, ANSWER).get("it") == value


def test_a_list_of_words_is_one_text() -> None:
    assert picked({"it": "names"}, {"names": ["Ann", "Bob"]}) == {"it": "Ann, Bob"}
    assert picked({"it": ""}, "tomorrow") == {"it": "tomorrow"}


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(answer=json_values, place=st.sampled_from(["", "0", "a", "a.0", "a.b.c", ".", "..", "-1"]))
def test_any_answer_gives_a_value_or_none(answer: Any, place: str) -> None:
    value = picked({"it": place}, answer).get("it")
    assert value is None or isinstance(value, str | float | bool)


def test_an_argument_keeps_its_type() -> None:
    state = State(fields={"fits": FieldValue(True, "heard", 1)}, facts={"first_name": "{size}"})
    assert argument("{fits}", desk(), state) is True
    assert argument("{size|none}", desk(), state) == "none"
    assert argument("hello {first_name}", desk(), state) == "hello {size}"


# --- keys, the clock, a machine ------------------------------------------------------------------------

MENU = """
trunkline: 1
name: menu
start: menu
persona: {name: Ann, company: Acme}
fields:
  size: {type: number, ask: "How many are you?", keypad: true}
steps:
  menu:
    kind: talk
    say: "This is an AI. Press one for sales, two for a message, or tell me."
    goal: Find out what they want.
    seconds: 20
    edges:
      - {event: key_1, to: size}
      - {event: key_2, to: message}
      - {event: key_star, to: bye}
      - {event: time, to: bye}
      - {to: bye}
  size:
    kind: ask
    field: size
    seconds: 30
    edges: [{event: key_1, to: bye}, {event: key_hash, to: message}, {to: bye}]
  message: {kind: voicemail, say: "This is an AI calling for Acme. Please call us back. Goodbye."}
  bye: {kind: end, outcome: bye, say: Goodbye.}
"""


async def test_keys_choose() -> None:
    held = conversation(parse_scenario(MENU))
    await held.begin()
    assert held.expectation is not None
    assert held.expectation.digits == 1
    await held.hear("", keys="1")
    assert held.state.step == "size"
    # Where a number is typed, digits are its answer and only * and # choose.
    await held.hear("", keys="1")
    assert held.state.fields["size"].value == 1
    assert held.state.outcome == "bye"


async def test_a_key_that_chooses_nothing_is_asked_again() -> None:
    held = conversation(parse_scenario(MENU))
    await held.begin()
    assert "did not catch" in await held.hear("", keys="7")
    assert held.state.step == "menu"


async def test_a_message_is_said_whole_and_ends_the_call() -> None:
    held = conversation(parse_scenario(MENU))
    await held.begin()
    assert await held.hear("", keys="2") == "This is an AI calling for Acme. Please call us back. Goodbye."
    assert held.state.outcome == "voicemail_left"
    state = State(step="menu", turn=1, now=MONDAY, counts={"step:menu": 1})
    _, actions = step(parse_scenario(MENU), state, _keys("2"))
    assert [action.interruptible for action in actions if isinstance(action, Say)] == [False]


def _keys(keys: str) -> Any:
    from trunkline.scenario.actions import CallerSaid

    return CallerSaid(1, "", MONDAY, keys=keys)


async def test_a_step_whose_time_is_up_takes_its_edge() -> None:
    held = conversation(parse_scenario(MENU))
    await held.begin()
    assert await held.wait(19) == ""
    assert await held.wait(2) == "Goodbye."
    assert held.state.reason == "reached bye"


async def test_a_step_that_was_left_does_not_end_by_its_clock_and_one_without_an_edge_gives_up() -> None:
    held = conversation(parse_scenario(MENU))
    await held.begin()
    await held.hear("", keys="1")
    assert await held.wait(25) == ""
    assert (await held.wait(10)).startswith("I have kept you long enough")
    assert held.state.outcome == "too_long"


def test_time_that_is_up_for_another_visit_changes_nothing() -> None:
    state, _ = begin(parse_scenario(MENU), CallBegan(MONDAY))
    assert step(parse_scenario(MENU), state, TimeUp("menu#2", MONDAY)) == (state, [])
