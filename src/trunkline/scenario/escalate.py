"""Reasons to leave the path for another step: what the scenario lists under `escalation`. Pure.

Each leads away once in a call. Conditions are looked at when something was learned; words and counts when
the caller has spoken, before anything else is made of what was said.
"""

from __future__ import annotations

from dataclasses import replace

from trunkline.scenario.expression import compile_expression
from trunkline.scenario.model import Escalation, Scenario
from trunkline.scenario.sentiment import upset
from trunkline.scenario.state import State
from trunkline.scenario.understand import Understanding, understand

BEFORE_ALL = frozenset({"opt_out", "wrong_person", "minor"})
"""What a caller may say that nothing goes before."""


def by_words(scenario: Scenario, state: State, text: str) -> tuple[State, str]:
    """The state and the step that what the caller said, or how often, leads to; or no step."""
    heard = understand(scenario, state, text)
    if heard.first in BEFORE_ALL:
        return state, ""
    if upset(heard.said):
        state = replace(state, counts={**state.counts, "upset": state.count("upset") + 1})
    for number, reason in enumerate(scenario.escalation):
        if _open(scenario, state, number, reason) and _for_words(state, reason, heard):
            return _counted(state, number), reason.to
    return state, ""


def by_values(scenario: Scenario, state: State) -> tuple[State, str]:
    """The state and the step that what is known leads to, or no step."""
    values = {**state.values(), **dict.fromkeys(_unsure(scenario, state))} if scenario.escalation else {}
    for number, reason in enumerate(scenario.escalation):
        if reason.when is None or not _open(scenario, state, number, reason):
            continue
        if compile_expression(reason.when).holds(values):
            return _counted(state, number), reason.to
    return state, ""


def _unsure(scenario: Scenario, state: State) -> list[str]:
    """Fields that are still to be read back: nobody is handed over for a number that was misheard."""
    held = state.fields.items()
    return [name for name, value in held if value.status == "heard" and scenario.fields[name].confirm]


def _open(scenario: Scenario, state: State, number: int, reason: Escalation) -> bool:
    step = scenario.steps.get(state.step)
    away = step is None or step.final or step.kind == "transfer" or state.step == reason.to
    return not away and state.turn > 0 and not state.count(f"escalated:{number}")


def _for_words(state: State, reason: Escalation, heard: Understanding) -> bool:
    if reason.intent is not None:
        meant = {match.name for match in (heard.intent, heard.topic) if match is not None and match.sure}
        return reason.intent in meant | {heard.first}
    if reason.upset is not None:
        return state.count("upset") >= reason.upset
    return reason.turns is not None and state.turn >= reason.turns


def _counted(state: State, number: int) -> State:
    return replace(state, counts={**state.counts, f"escalated:{number}": 1})
