"""The engine's rules: a model can not leave the graph, `end` ends, whatever happens is answered."""

from typing import Any

import pytest

from scenario.talks import MONDAY, SMALL, call, conversation, small
from trunkline.events import Answer
from trunkline.scenario import expect
from trunkline.scenario.actions import (
    Action,
    AgentHeard,
    AudioLost,
    CallBegan,
    CallerQuiet,
    CallerSaid,
    End,
    Expect,
    Generate,
    ModelCalled,
    ModelDone,
    ModelFailed,
    MustEnd,
    Say,
    ToolAnswer,
    TransferEnded,
)
from trunkline.scenario.load import load_scenario, parse_scenario
from trunkline.scenario.model import Scenario
from trunkline.scenario.state import State
from trunkline.scenario.step import begin, step

LEAD = load_scenario("lead_qualification")


def at(scenario: Scenario, *lines: str) -> State:
    """The state in which the model is asked about the last of these lines; those before were answered
    by the scenario's own words."""
    state, _ = begin(scenario, CallBegan(MONDAY))
    for turn, line in enumerate(lines, 1):
        state, actions = step(scenario, state, CallerSaid(turn, line, MONDAY))
        if turn < len(lines) and any(isinstance(action, Generate) for action in actions):
            state, _ = step(scenario, state, ModelFailed("not here"))
    return state


def called(scenario: Scenario, state: State, tool: str, /, **arguments: Any) -> tuple[State, ToolAnswer]:
    state, actions = step(scenario, state, ModelCalled("1", tool, arguments, MONDAY))
    [answer] = [action for action in actions if isinstance(action, ToolAnswer)]
    return state, answer


def said(actions: list[Action]) -> str:
    return " ".join(action.text for action in actions if isinstance(action, Say))


REFUSALS: list[tuple[tuple[str, ...], str, dict[str, Any], str]] = [
    (("yes",), "launch_rocket", {}, "there is no tool 'launch_rocket'"),
    (("yes",), "go_to_step", {"step": "end_qualified"}, "no way leads from here to"),
    (("yes",), "set_field", {"name": "shoe_size", "value": 1}, "there is no field 'shoe_size'"),
    (("yes",), "set_field", {"name": "team_size", "value": "lots"}, "give a number"),
    (("yes",), "set_field", {"name": "team_size", "value": 40}, "the caller has not said 40"),
    (("yes",), "confirm_field", {"name": "team_size"}, "not known yet"),
    (("yes",), "clear_field", {"name": "team_size"}, "was not read back"),
    (("yes",), "decline_field", {"name": "team_size"}, "is needed"),
    (("yes",), "decline_field", {"name": "timeline"}, "was not asked for yet"),
    (("yes",), "answer_objection", {"name": "weather"}, "there is no objection 'weather'"),
    (("yes",), "end_call", {"reason": "bored"}, "needs one of the reasons"),
    (("yes",), "schedule_callback", {"when": "2020-01-01T10:00:00+00:00"}, "in the past"),
    (("yes",), "set_field", {}, "there is no field None"),
    (("yes", "12"), "confirm_field", {"name": ["team_size"]}, "there is no field"),
]


@pytest.mark.parametrize(("lines", "tool", "arguments", "says"), REFUSALS)
def test_a_tool_is_refused_with_the_reason(
    lines: tuple[str, ...], tool: str, arguments: dict[str, Any], says: str
) -> None:
    state = at(LEAD, *lines)
    after, answer = called(LEAD, state, tool, **arguments)
    assert answer.refused
    assert says in answer.content
    assert (after.step, after.fields, after.closing) == (state.step, state.fields, "")


def test_a_value_can_not_be_confirmed_in_the_turn_in_which_it_was_heard() -> None:
    state = at(LEAD, "yes", "twelve")
    state, answer = called(LEAD, state, "set_field", name="team_size", value=12)
    assert not answer.refused
    assert "Twelve people. Is that right?" in answer.content
    state, answer = called(LEAD, state, "confirm_field", name="team_size")
    assert answer.refused
    assert "read it back first" in answer.content


def test_a_model_may_record_and_ask_the_next_question_in_one_answer() -> None:
    state = at(LEAD, "yes")
    state, answer = called(LEAD, state, "set_field", name="good_time", value=True)
    assert "How many people at your company" in answer.content
    state, actions = step(LEAD, state, ModelDone("Lovely! And how many of you are on the phone?"))
    assert said(actions) == ""
    [expected] = [action for action in actions if isinstance(action, Expect)]
    assert expected.expectation.kind is Answer.NUMBER


def test_what_a_model_forgets_to_ask_is_asked_for_it() -> None:
    state, _ = called(LEAD, at(LEAD, "yes"), "set_field", name="good_time", value=True)
    state, actions = step(LEAD, state, ModelDone("Lovely."))
    assert said(actions) == "How many people at your company use the phone?"


def test_tools_without_words_ask_the_model_again_and_not_for_ever() -> None:
    state = at(LEAD, "yes")
    for _ in range(2):
        state, _ = called(LEAD, state, "set_field", name="good_time", value=True)
        state, actions = step(LEAD, state, ModelDone(""))
        [again] = actions
        assert isinstance(again, Generate)
        assert any(message.role == "tool" for message in again.prompt.messages)
    state, _ = called(LEAD, state, "set_field", name="good_time", value=True)
    state, actions = step(LEAD, state, ModelDone(""))
    assert said(actions) == "How many people at your company use the phone?"


@pytest.mark.parametrize("happening", [ModelFailed("no answer in 3 s"), ModelDone("")])
def test_a_model_that_gives_nothing_is_replaced_by_the_scenarios_own_words(happening: Any) -> None:
    state, actions = step(LEAD, at(LEAD, "yes", "twelve"), happening)
    assert said(actions) == "Twelve people. Is that right?"
    assert state.fields["team_size"].value == 12


def test_a_model_that_fails_after_its_tools_does_not_do_them_twice() -> None:
    state, _ = called(LEAD, at(LEAD, "yes"), "answer_objection", name="price")
    state, actions = step(LEAD, state, ModelFailed("connection lost"))
    assert said(actions).startswith("It is twenty dollars a month")
    assert state.count("objection:price") == 1


def test_the_end_ends() -> None:
    scenario = small()
    state = at(scenario, "three", "yes")
    assert state.outcome == "little"
    for happening in (
        CallerSaid(3, "wait", MONDAY),
        CallerQuiet(6, 1, MONDAY),
        ModelDone("hello"),
        ModelFailed("x"),
        MustEnd("drain"),
        AudioLost(5),
        TransferEnded("busy"),
    ):
        assert step(scenario, state, happening) == (state, [])
    after, actions = step(scenario, state, AgentHeard("Goodbye to few."))
    assert (after.last_said(), after.outcome, actions) == ("Goodbye to few.", "little", [])
    _, answer = called(scenario, state, "set_field", name="size", value=3)
    assert answer.refused


def test_a_sure_answer_to_a_fixed_step_needs_no_model() -> None:
    scenario = small()
    state, actions = begin(scenario, CallBegan(MONDAY))
    assert said(actions) == "Hello, this is Ann, an AI assistant. How many are you?"
    state, actions = step(scenario, state, CallerSaid(1, "three people", MONDAY))
    assert [type(action) for action in actions] == [Generate]
    state, _ = called(scenario, state, "set_field", name="size", value=3)
    state, _ = step(scenario, state, ModelDone("Three people, is that right?"))
    state, actions = step(scenario, state, CallerSaid(2, "yes", MONDAY))
    assert said(actions) == "Goodbye to few."
    assert isinstance(actions[-1], End)


def test_a_speculative_turn_leaves_the_state_alone() -> None:
    state = at(LEAD, "yes")
    before = repr(state)
    step(LEAD, state, CallerSaid(2, "twelve", MONDAY, speculative=True))
    assert repr(state) == before


def test_the_same_happenings_give_the_same_actions() -> None:
    def run() -> list[str]:
        state, actions = begin(LEAD, CallBegan(MONDAY))
        told = [repr(actions)]
        for turn, line in enumerate(("yes", "how much is it", "twelve"), 1):
            state, actions = step(LEAD, state, CallerSaid(turn, line, MONDAY))
            told.append(repr([action for action in actions if not isinstance(action, Generate)]))
            state, actions = step(LEAD, state, ModelFailed(""))
            told.append(repr(actions))
        return told

    assert run() == run()


def test_silence_is_met_in_other_words_each_time() -> None:
    state, _ = begin(LEAD, CallBegan(MONDAY))
    words = []
    for count in (1, 2, 3):
        state, actions = step(LEAD, state, CallerQuiet(6.0 * count, count, MONDAY))
        words.append(said(actions))
    assert len(set(words)) == 3
    assert words[0].endswith("two minutes for me now?")
    assert state.outcome == "no_answer"


async def test_after_an_interruption_the_model_is_told() -> None:
    talk = conversation(LEAD)
    await talk.begin()
    await talk.hear("yes")
    talk.interrupt("How many", "people use the phone?")
    _, actions = step(LEAD, talk.state, CallerSaid(2, "what does it cost", MONDAY))
    [action] = actions
    assert isinstance(action, Generate)
    told = action.prompt.messages
    assert any(message.content == "How many … (cut off by the caller)" for message in told)
    assert "Take up what they said first" in told[-1].content


def test_expectations_follow_the_step() -> None:
    state, _ = begin(LEAD, CallBegan(MONDAY, {"first_name": "Dana"}))
    first = expect.expectation(LEAD, state)
    assert first.kind is Answer.YES_NO
    assert {"yes go ahead", "stop calling me", "i'm not interested", "call me <day> at <time>"} <= set(
        first.phrases
    )
    assert {"Clearline", "Dana"} <= set(first.keyterms)
    state, _ = step(LEAD, at(LEAD, "yes"), ModelFailed(""))
    number = expect.expectation(LEAD, state)
    assert (number.kind, number.digits) == (Answer.NUMBER, -1)
    assert {"about <number> people", "there are <number> of us", "how much does it cost"} <= set(
        number.phrases
    )
    state, _ = step(LEAD, at(LEAD, "yes", "twelve"), ModelFailed(""))
    confirming = expect.expectation(LEAD, state)
    assert confirming.kind is Answer.YES_NO
    assert {"yes that's right", "no we are <number>"} <= set(confirming.phrases)


@pytest.mark.parametrize("name", ["lead_qualification", "appointment_reminder"])
def test_phrases_are_plain_words_and_slots(name: str) -> None:
    scenario = load_scenario(name)
    for step_name in scenario.steps:
        phrases = expect.expectation(scenario, State(now=MONDAY, step=step_name)).phrases
        assert 0 < len(phrases) <= expect.MOST
        for phrase in phrases:
            slots = {"<number>", "<money>", "<day>", "<time>", "<name>"}
            bare = [word for word in phrase.split() if word not in slots]
            assert all(word.replace("'", "").isalpha() and word == word.lower() for word in bare), phrase


@pytest.mark.parametrize(
    ("line", "outcome", "words"),
    [
        ("I want to talk to a person", "human_wanted", "Nobody can take over just now"),
        ("I'm busy, call me back later", "call_later", "Of course. Thank you, and goodbye."),
    ],
)
def test_where_a_scenario_has_no_step_for_a_wish_the_call_ends_kindly(
    line: str, outcome: str, words: str
) -> None:
    scenario = small()
    state, actions = step(scenario, begin(scenario, CallBegan(MONDAY))[0], CallerSaid(1, line, MONDAY))
    if any(isinstance(action, Generate) for action in actions):
        state, actions = step(scenario, state, ModelFailed("not here"))
    assert state.outcome == outcome
    assert words in said(actions)


def test_without_anybody_to_hand_over_to_a_callback_is_agreed() -> None:
    cases = LEAD.edge_cases
    alone = LEAD.model_copy(
        update={"edge_cases": cases.model_copy(update={"human": cases.human.model_copy(update={"go": ""})})}
    )
    state, actions = step(alone, begin(alone, CallBegan(MONDAY))[0], CallerSaid(1, "give me a human", MONDAY))
    if any(isinstance(action, Generate) for action in actions):
        state, actions = step(alone, state, ModelFailed("not here"))
    assert state.step == "call_later"
    assert said(actions).endswith("When would be a better time to call you?")


def test_who_calls_is_told_in_any_scenario() -> None:
    talk = call(small(), "Hello, who is this?")
    assert talk.said[-1].startswith("This is Ann, the AI assistant of Acme.")
    assert talk.said[-1].endswith("?")


def test_a_child_is_not_talked_with() -> None:
    talk = call(small(), "I'm only twelve years old.")
    assert talk.state.outcome == "minor"
    assert "grown up" in talk.said[-1]
    assert "size" not in talk.state.fields


def test_who_speaks_no_english_is_told_once() -> None:
    talk = call(small(), "No hablo inglés.")
    assert talk.said[-1] == "I am sorry, I speak English alone. What number is it?"
    assert call(small(), "No hablo inglés.", "No hablo inglés.").state.outcome == "language_not_spoken"


def test_goodbye_is_no_answer_in_the_callers_own_words() -> None:
    text = SMALL.replace("type: number", "type: text").replace("unit: people", "").replace("keypad: true", "")
    talk = call(parse_scenario(text.replace("size > 10", "size == 'x'")), "I am hanging up.")
    assert talk.state.outcome == "caller_ended"
    assert "size" not in talk.state.fields
