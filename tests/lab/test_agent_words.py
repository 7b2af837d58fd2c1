"""The prospect's grammar holds what the agent says."""

import pytest

from trunkline.errors import ConfigError
from trunkline.lab.agent_words import agent_phrases, shipped_scenario
from trunkline.lab.cueing import plain_words
from trunkline.lab.persona import load_persona, shipped
from trunkline.scenario.edge_cases import EdgeCases
from trunkline.scenario.load import library, parse_scenario

SCENARIO = """
trunkline: 1
name: tiny
start: end
persona: {name: Ann, company: Acme}
facts: {price: ten dollars}
fields:
  size: {type: number, ask: "How many?", read_back: "{value} people. Is that right?"}
  when: {type: datetime, read_back: "So that is {value}."}
  kind: {type: choice, choices: {a: [the first]}}
steps:
  end:
    kind: end
    outcome: x
    say: Hello {first_name|there}, we call {kind|you} {when}. Thank you, from {company}.
objections:
  price: {hear: [how much is it], answers: ["It is {price}, all in."]}
edge_cases: {EMPTY}
"""


def phrases_of(text: str) -> set[str]:
    """Its phrases, with every edge case silenced, so that the scenario's own words alone are left."""
    empty = ", ".join(f"{name}: {{words: []}}" for name in EdgeCases.model_fields)
    return set(agent_phrases(parse_scenario(text.replace("EMPTY", empty))))


def test_sentences_and_clauses_with_facts_fallbacks_and_slots() -> None:
    assert phrases_of(SCENARIO) == {
        "how many",
        "<number> people",
        "is that right",
        "so that is <day> at <time>",
        "hello there we call you <day> at <time>",
        "hello there",
        "we call you <day> at <time>",
        "thank you from acme",
        "thank you",
        "from acme",
        "it is ten dollars all in",
        "it is ten dollars",
        "all in",
    }


def test_what_a_person_says_as_no_or_a_time_stays_words() -> None:
    text = SCENARIO.replace("ten dollars", "no").replace("all in.", "16:30 today.")
    assert {"it is no", "16 30 today"} <= phrases_of(text)


def test_the_words_of_edge_cases_are_the_agents_too() -> None:
    assert "are you still there" in agent_phrases(shipped_scenario("lead_qualification"))


@pytest.mark.parametrize("name", library())
def test_no_brace_is_left_of_a_shipped_scenario(name: str) -> None:
    assert not [phrase for phrase in agent_phrases(shipped_scenario(name)) if set("{}|") & set(phrase)]


@pytest.mark.parametrize("name", shipped())
def test_what_a_persona_listens_for_is_something_its_agent_says(name: str) -> None:
    persona = load_persona(name)
    phrases = [plain_words(phrase) for phrase in agent_phrases(shipped_scenario(persona.scenario))]
    for cue in persona.cues:
        if cue.heard:
            heard = [plain_words(phrase) for phrase in cue.heard]
            assert any(phrase in said for phrase in heard for said in phrases), cue.name


@pytest.mark.parametrize("name", ["nothing", "../../etc/passwd", ""])
def test_an_unknown_scenario_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="no shipped scenario"):
        shipped_scenario(name)
