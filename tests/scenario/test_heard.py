"""Every sentence that a shipped scenario promises to the recogniser is also understood."""

import re
from pathlib import Path

import pytest

from scenario.talks import MONDAY
from trunkline.scenario.actions import CallBegan
from trunkline.scenario.expect import expectation
from trunkline.scenario.load import library, load_scenario, parse_scenario
from trunkline.scenario.model import FieldSpec, Scenario
from trunkline.scenario.plan import make_plan
from trunkline.scenario.state import FieldValue, Line, State
from trunkline.scenario.step import begin
from trunkline.scenario.understand import understand

SLOTS = {
    "<number>": "fourteen",
    "<money>": "two hundred dollars",
    "<day>": "thursday",
    "<time>": "four",
    "<name>": "dana",
}
SCENARIOS = [load_scenario(name) for name in library()]


def said(phrase: str, spec: FieldSpec | None = None) -> str:
    """The phrase with its slots filled, with a number that the field allows."""
    few = spec is not None and spec.max is not None and spec.max < 14
    many = spec is not None and spec.min is not None and spec.min > 14
    number = "seven" if few else "five thousand" if many else SLOTS["<number>"]
    return re.sub(r"<\w+>", lambda slot: number if slot[0] == "<number>" else SLOTS[slot[0]], phrase)


def asking(scenario: Scenario, step: str, *, read_back: bool = False) -> State:
    """The state in which this step's question was just put."""
    name = scenario.steps[step].field
    held: dict[str, float | str] = {"number": 12.0, "money": 100.0, "datetime": "2026-01-06T10:00:00+00:00"}
    held |= {"phone": "+442079460018", "email": "dana@example.com"}
    fields = {}
    if read_back and name:
        fields[name] = FieldValue(held[scenario.fields[name].type], "heard", 1)
    return State(
        now=MONDAY,
        step=step,
        entered_turn=1,
        turn=2,
        fields=fields,
        unconfirmed=name if fields and name else "",
    )


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: str(scenario.name))
def test_objections_are_known_by_each_of_their_sentences(scenario: Scenario) -> None:
    state, _ = begin(scenario, CallBegan(MONDAY))
    missed = []
    for name, objection in scenario.objections.items():
        for line in objection.hear:
            heard = understand(scenario, state, line)
            if heard.topic is None or heard.topic.name != name:
                missed.append((name, line, heard.topic))
    assert missed == []


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: str(scenario.name))
def test_whatever_the_recogniser_is_told_to_hear_is_understood(scenario: Scenario) -> None:
    missed = []
    for name, step in scenario.steps.items():
        if not step.asks:
            continue
        spec = scenario.fields[step.field] if step.field else None
        readable = spec is not None and spec.confirm
        for read_back in (False, True) if readable else (False,):
            state = asking(scenario, name, read_back=read_back)
            for phrase in expectation(scenario, state).phrases:
                line = said(phrase, spec)
                heard = State(
                    now=state.now, step=state.step, entered_turn=1, turn=2, fields=state.fields,
                    unconfirmed=state.unconfirmed, lines=(Line("caller", line),),
                )  # fmt: skip
                if make_plan(scenario, heard, line).unclear:
                    missed.append((name, read_back, line))
    # A field that is needed can not be declined: these are asked again, with an apology.
    needed = {"i do not know", "i don't know", "i am not sure", "i'm not sure"}
    missed = [miss for miss in missed if miss[2] not in needed]
    assert missed == [], "\n".join(map(str, missed))


def test_the_example_of_the_documentation_is_a_scenario() -> None:
    text = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text("utf-8")
    example = re.search(r"```yaml\n(trunkline:.*?)```", text, re.DOTALL)
    assert example is not None
    assert parse_scenario(example[1]).name == "small"
