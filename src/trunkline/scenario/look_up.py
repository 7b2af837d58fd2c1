"""Steps that call a tool: what it is given, what is kept of its answer, what is said meanwhile. Pure.

The engine asks with `CallTool` and goes on with `ToolResult`; who carries it out is in `call/`, and where
the tools are is in the configuration. While a tool works the caller may still talk: what ends or moves the
call (a wish for a person, "stop calling me") is heeded at once, the rest is asked to wait.
"""

from __future__ import annotations

import math
import re
from typing import Any

from trunkline.scenario.actions import CallTool
from trunkline.scenario.edge_cases import nth
from trunkline.scenario.expression import compile_expression
from trunkline.scenario.findings import VARIABLE
from trunkline.scenario.model import Scenario
from trunkline.scenario.spoken import fill
from trunkline.scenario.state import State

TOOL_SECONDS = 8.0
"""How long a tool may take where its step does not say."""
LONGEST_VALUE = 500
"""Characters of a tool's text that are kept: it is to be spoken, or compared."""
MOST_LISTED = 10
"""Items of a list that are kept, as one text."""

Scalar = str | float | bool

WHILE_WAITING = frozenset({"opt_out", "transfer", "end_call", "schedule_callback"})
"""What a caller may ask for while a tool works, and have at once."""


def call_tool(scenario: Scenario, state: State) -> CallTool:
    """The present step's tool with its arguments."""
    step = scenario.steps[state.step]
    assert step.tool is not None
    arguments = {name: argument(text, scenario, state) for name, text in step.arguments.items()}
    return CallTool(state.visit, step.tool, arguments, dict(step.results), step.seconds or TOOL_SECONDS)


def argument(text: str, scenario: Scenario, state: State) -> Scalar:
    """A text with its variables as data, not as said aloud. One variable alone keeps its type; what is not
    known is its fallback, or empty."""
    values = {**scenario.facts, **state.values()}

    def value(match: re.Match[str]) -> Scalar:
        known = values.get(match[1])
        if isinstance(known, str) and "{" in known and match[1] not in state.facts:
            known = fill(known, scenario, state)
        if isinstance(known, str | int | float):
            return known
        return match[2][1:] if match[2] else ""

    alone = VARIABLE.fullmatch(text)
    return value(alone) if alone else VARIABLE.sub(lambda match: str(value(match)), text)


def picked(results: dict[str, str], answer: Any) -> dict[str, Scalar]:
    """The values at these places of a tool's answer. What is not there, or is no value, is left out."""
    found = {name: _value(_at(answer, place)) for name, place in results.items()}
    return {name: value for name, value in found.items() if value is not None}


def _at(answer: Any, place: str) -> Any:
    for part in place.split(".") if place else ():
        if isinstance(answer, dict):
            answer = answer.get(part)
        elif isinstance(answer, list) and part.isdecimal() and int(part) < len(answer):
            answer = answer[int(part)]
        else:
            return None
    return answer


def _value(found: Any) -> Scalar | None:
    if isinstance(found, str):
        # What comes from outside is words to be said, never variables to be filled in.
        return " ".join(found.replace("{", " ").replace("}", " ").split())[:LONGEST_VALUE]
    if isinstance(found, bool):
        return found
    if isinstance(found, int | float):
        return float(found) if abs(found) < 1e15 and math.isfinite(found) else None
    if isinstance(found, list) and found and all(isinstance(item, str | int | float) for item in found):
        return _value(", ".join(str(item) for item in found[:MOST_LISTED]))
    return None


def answered_edge(scenario: Scenario, state: State) -> str:
    """Where a tool's answer leads: the first edge that is for it, or whose condition holds."""
    values = state.values()
    for edge in scenario.steps[state.step].edges:
        if edge.event == "tool_result" or edge.default:
            return edge.to
        if edge.when is not None and compile_expression(edge.when).holds(values):
            return edge.to
    return ""


def waiting_words(scenario: Scenario, state: State) -> str:
    """What is said while a tool works: another line each time."""
    times = state.count("case:working") + 1
    return fill(nth(scenario.case("working").words, times), scenario, state)
