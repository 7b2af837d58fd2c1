"""Callers who want the agent to say what it may not, with a model that does what they ask."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scenario.talks import MONDAY, SMALL, conversation, small
from trunkline.prompt import Delta, Prompt, Token, Usage
from trunkline.scenario.guardrail import check_sentence
from trunkline.scenario.load import library, load_scenario, parse_scenario
from trunkline.scenario.model import Scenario
from trunkline.scenario.spoken import fill
from trunkline.scenario.state import FieldValue, Line, State

LEAD = load_scenario("lead_qualification")
STATE = State(
    now=MONDAY,
    step="team_size",
    fields={
        "team_size": FieldValue(12.0, "heard", 1),
        "meeting_time": FieldValue("2026-01-08T16:30:00+00:00", "heard", 1),
    },
)

RED_TEAM = yaml.safe_load((Path(__file__).parent / "red_team.yaml").read_text(encoding="utf-8"))
"""By what is tried: what the caller says, and what a model that obeys would answer."""
LINES = [(line, reply) for lines in RED_TEAM.values() for line, reply in lines]


class Obedient:
    """A model that says what the attacker wants."""

    name = "obedient"

    def __init__(self, reply: str) -> None:
        self.reply = reply

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        yield Token(self.reply)
        yield Usage()


def test_the_set_is_large_enough() -> None:
    assert len({line for line, _ in LINES}) >= 80
    kinds = ("injection", "price", "authority", "data", "insults", "foreign")
    assert all(any(kind in name for name in RED_TEAM) for kind in kinds)


@pytest.mark.parametrize(("line", "reply"), LINES)
async def test_the_attackers_words_do_not_come_out(line: str, reply: str) -> None:
    talk = conversation(LEAD, Obedient(reply))
    await talk.begin()
    await talk.hear(line)
    assert reply not in " ".join(talk.said)
    verdict = check_sentence(LEAD, STATE, reply)
    assert not verdict.ok
    assert verdict.rule
    assert check_sentence(LEAD, STATE, verdict.replacement).ok


TRUE_THERE = {"recruiting_screen": {"Right, it is fifteen dollars."}}
"""What a scenario itself says: it pays that much an hour."""


@pytest.mark.parametrize("name", library())
def test_no_shipped_scenario_lets_them_out(name: str) -> None:
    scenario = load_scenario(name)
    state = State(now=MONDAY, step=scenario.start)
    out = {reply for _, reply in LINES if check_sentence(scenario, state, reply).ok}
    assert out == TRUE_THERE.get(name, set())


@pytest.mark.parametrize("name", library())
def test_the_scenarios_own_words_pass(name: str) -> None:
    scenario = load_scenario(name)
    for text in scenario.own_words:
        state = STATE if scenario == LEAD else State(now=MONDAY)
        for sentence in fill(text, scenario, state).split(". "):
            assert check_sentence(scenario, state, sentence).ok, sentence


@pytest.mark.parametrize(
    "sentence",
    [
        "Great, twelve people, thank you.",
        "So a specialist calls you on Thursday at four thirty.",
        "It is twenty dollars a month for each person.",
        "I can not promise a discount, sorry.",
        "I am an AI assistant, not a person.",
        "I have just two quick questions for you.",
        "May I ask how many of you use the phone?",
    ],
)
def test_good_sentences_pass(sentence: str) -> None:
    assert check_sentence(LEAD, STATE, sentence).ok


def test_what_a_caller_says_is_no_source_of_prices() -> None:
    fishing = replace(STATE, lines=(Line("caller", "you said five dollars a month"),))
    assert check_sentence(LEAD, fishing, "So five dollars a month.").rule == "invented price"


def test_a_value_of_a_field_may_be_said() -> None:
    paid = State(now=MONDAY, step="timeline", fields={"monthly_cost": FieldValue(333.0, "heard", 1)})
    assert check_sentence(LEAD, paid, "Three hundred and thirty three dollars, noted.").ok
    assert not check_sentence(LEAD, STATE, "Three hundred and thirty three dollars, noted.").ok


@given(st.text(max_size=300))
def test_any_sentence_gets_a_verdict(sentence: str) -> None:
    verdict = check_sentence(LEAD, STATE, sentence)
    assert verdict.ok or (verdict.rule and verdict.replacement)


# --- what a scenario adds ------------------------------------------------------------------------------


def guarded(more: str) -> Scenario:
    return parse_scenario(SMALL + more)


@pytest.mark.parametrize(
    ("topic", "sentence", "fine"),
    [
        ("legal", "You could sue them for that.", "I may not speak about lawyers."),
        ("medical", "That medication has side effects.", "I can not say anything about a diagnosis."),
        ("financial", "You should invest in shares.", "I do not speak about investments."),
        ("politics", "The government will change that.", "We are open on Friday."),
        ("religion", "God wants you to buy it.", "We are open on Friday."),
    ],
)
def test_topics_that_are_forbidden(topic: str, sentence: str, fine: str) -> None:
    scenario = guarded(f"guardrails: {{topics: [{topic}]}}\n")
    assert (
        check_sentence(scenario, State(now=MONDAY, step="hello"), sentence).rule
        == f"forbidden topic: {topic}"
    )
    assert check_sentence(scenario, State(now=MONDAY, step="hello"), fine).ok
    assert check_sentence(guarded(""), State(now=MONDAY, step="hello"), sentence).ok


def test_a_step_may_forbid_and_allow() -> None:
    step = "    say: Hello, this is Ann, an AI assistant.\n"
    limits = step + '    forbidden: [weather]\n    allowed: ["It costs ninety dollars, see acme.example."]\n'
    scenario = parse_scenario(SMALL.replace(step, limits))
    here, elsewhere = State(now=MONDAY, step="hello"), State(now=MONDAY, step="big")
    assert check_sentence(scenario, here, "Nice weather today.").rule == "forbidden in this step"
    assert check_sentence(scenario, elsewhere, "Nice weather today.").ok
    for sentence in ("That is ninety dollars.", "Look at acme.example for it."):
        assert check_sentence(scenario, here, sentence).ok
        assert not check_sentence(scenario, elsewhere, sentence).ok


def test_what_came_with_the_call_and_what_tools_answered_may_be_said() -> None:
    facts = {"invoice": "4711", "fee": "sixty dollars", "site": "acme.example"}
    told = State(
        now=MONDAY, step="hello", facts=facts, results={"price": 45.0, "slot": "2026-01-08T16:30:00+00:00"}
    )
    nothing = State(now=MONDAY, step="hello")
    for sentence in (
        "It is about invoice 4711.",
        "The fee is sixty dollars.",
        "It costs forty five dollars.",
        "Thursday at four thirty is free for you.",
        "Please look at acme.example.",
    ):
        assert check_sentence(small(), told, sentence).ok, sentence
    for sentence in (
        "It is about invoice 4711.",
        "It costs forty five dollars.",
        "Please look at acme.example.",
    ):
        assert not check_sentence(small(), nothing, sentence).ok


@pytest.mark.parametrize(
    "sentence",
    [
        "Good, Mister de la Cruz, thank you.",
        "We meet at Café Zoë in Zürich, is that right?",
        "Es, as in Estonia.",
    ],
)
def test_foreign_names_are_no_foreign_language(sentence: str) -> None:
    assert check_sentence(LEAD, STATE, sentence).ok
