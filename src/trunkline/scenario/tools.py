"""The tools that a model has, and what each does to the state. A model cannot leave the graph: what is
not offered is refused, and it is told why.

`offered(scenario)` lists them. `apply` carries one out. The local brain, a
hosted model and the engine's own decisions all go through here, so they cannot disagree on the rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Any

from trunkline.events import Event, FieldSet, ObjectionRaised, OptedOut
from trunkline.prompt import Tool
from trunkline.scenario import walk
from trunkline.scenario.edge_cases import nth
from trunkline.scenario.fields import coerce, expected_form, json_schema
from trunkline.scenario.model import ByIdentity, FieldSpec, Scenario
from trunkline.scenario.numbers import find_numbers, plain
from trunkline.scenario.parsed import Context
from trunkline.scenario.spoken import fill
from trunkline.scenario.state import FieldStatus, FieldValue, State

ENDINGS = ("goodbye", "wrong_person", "abuse", "minor", "language")
"""The reasons for which a model may end the call by itself; all else goes through the steps."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a tool call came to: the state after it, what the model is told, what the log notes."""

    state: State
    answer: str
    refused: bool = False
    notes: tuple[Event, ...] = ()


class _RefusedError(Exception):
    """Not carried out; the text tells the model why."""


def apply(scenario: Scenario, state: State, name: str, arguments: Mapping[str, Any]) -> Applied:
    """Carry out one tool call. Never raises for what a model gives: refusals say why."""
    run = _TOOLS.get(name)
    try:
        if state.ended or state.closing or _over(scenario, state):
            raise _RefusedError("the call is ending; say nothing more and call nothing")
        if run is None or name not in {tool.name for tool in offered(scenario)}:
            names = ", ".join(tool.name for tool in offered(scenario))
            raise _RefusedError(f"there is no tool {name!r} at this step; there are: {names}")
        return run(scenario, state, arguments)
    except _RefusedError as refusal:
        return Applied(state, f"Refused: {refusal}.", refused=True)


def _over(scenario: Scenario, state: State) -> bool:
    step = scenario.steps.get(state.step)
    return step is None or step.final or step.kind == "transfer"


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required or properties),
        "additionalProperties": False,
    }


@lru_cache(maxsize=32)
def _everywhere(ref: ByIdentity) -> tuple[Tool, ...]:
    """The tools of one scenario, the same at each of its steps."""
    scenario = ref.scenario
    names = list(scenario.fields)
    tools: list[Tool] = []
    if names:
        forms = "; ".join(f"{name}: {expected_form(spec)}" for name, spec in scenario.fields.items())
        field = {"type": "string", "enum": names}
        value = {"description": f"As the field needs it. {forms}."}
        if len(names) == 1:
            value |= json_schema(scenario.fields[names[0]])
        tools.append(
            Tool(
                "set_field",
                "Record what the caller just said, also when it was not asked for, or correct it.",
                _object({"name": field, "value": value}),
            )
        )
        named = _object({"name": field})
        tools.append(Tool("confirm_field", "The caller said that what you read back is right.", named))
        tools.append(Tool("clear_field", "The caller said that what you read back is wrong.", named))
        tools.append(Tool("decline_field", "The caller does not know it or will not say it.", named))
    if scenario.objections:
        known = {"type": "string", "enum": list(scenario.objections)}
        what = "The caller raised this objection or question. You get the answer to give."
        tools.append(Tool("answer_objection", what, _object({"name": known})))
    edges = [edge for each in scenario.steps.values() for edge in each.edges]
    targets = [edge.to for edge in edges if edge.judge is not None or edge.intent is not None]
    if targets:
        what = "Go on to a step that the present one leads to, for the reason given with it."
        tools.append(
            Tool("go_to_step", what, _object({"step": {"type": "string", "enum": sorted(set(targets))}}))
        )
    tools.append(Tool("transfer", "The caller wants a person.", _object({})))
    when = {"type": "string", "description": "ISO 8601 with zone, or empty where no time was said."}
    tools.append(
        Tool("schedule_callback", "The caller wants to be called another time.", _object({"when": when}))
    )
    tools.append(Tool("opt_out", "The caller does not want to be called any more.", _object({})))
    reason = {"type": "string", "enum": list(ENDINGS)}
    tools.append(
        Tool(
            "end_call",
            "The caller says goodbye, is the wrong person, a child, abusive, or speaks no English.",
            _object({"reason": reason}),
        )
    )
    return tuple(tools)


def offered(scenario: Scenario) -> tuple[Tool, ...]:
    """The tools of this scenario, always the same: providers cache prompts from the tools on, so what
    changed with the step would be paid in full in every step. What the present step does not allow is
    refused (`apply`)."""
    return _everywhere(ByIdentity(scenario))


def _field(scenario: Scenario, arguments: Mapping[str, Any]) -> tuple[str, FieldSpec]:
    name = arguments.get("name")
    spec = scenario.fields.get(name) if isinstance(name, str) else None
    if spec is None:
        raise _RefusedError(f"there is no field {name!r}; there are: {', '.join(scenario.fields)}")
    return str(name), spec


def _note(name: str, value: Any, status: str, state: State) -> FieldSet:
    return FieldSet(0.0, name, value, status, state.turn, state.last_heard()[:500])


def _settle(scenario: Scenario, state: State, said: str, *notes: Event) -> Applied:
    before = state.step
    state, more = walk.settled(scenario, state)
    return Applied(state, f"{said} {guidance(scenario, state, before)}".strip(), notes=(*notes, *more))


def guidance(scenario: Scenario, state: State, before: str) -> str:
    """What the model should do now, after a tool changed something."""
    step = scenario.steps[state.step]
    if state.closing or step.steps_aside or (step.fixed and state.step != before):
        return "What comes now is said for you: add at most a short word of thanks."
    asks = walk.question(scenario, state)
    return f'Now ask, in these or like words: "{asks}"' if asks else f"Goal now: {step.goal}"


def _set_field(scenario: Scenario, state: State, arguments: Mapping[str, Any]) -> Applied:
    name, spec = _field(scenario, arguments)
    value = arguments.get("value")
    here = name == scenario.steps[state.step].field
    if (
        spec.type == "datetime"
        and isinstance(value, str)
        and re.fullmatch(r"\d{4}-\d\d-\d\d", value)
        and here
    ):
        return _set_day(scenario, state, value)
    try:
        day = date.fromisoformat(state.day) if state.day else None
        value = coerce(spec, value, Context(state.now, day=day))
    except ValueError as error:
        raise _RefusedError(str(error)) from error
    if spec.type in ("number", "money") and not _was_said(float(value), state):
        raise _RefusedError(f"the caller has not said {value:g}; record only what was said")
    held = state.fields.get(name)
    if held is not None and held.value == value and held.status in ("confirmed", "corrected"):
        return _settle(scenario, state, "That is known already.")
    if here and held is not None and held.value == value and held.turn < state.turn:
        return _confirm(scenario, state, {"name": name})
    corrected = held is not None and held.value is not None and held.value != value
    status = "corrected" if corrected or (held is None and state.count(f"cleared:{name}")) else "heard"
    # Where it is asked now, a corrected value still waits for its yes; what is corrected later in
    # passing is repeated in the answer, and not asked again.
    kept: FieldStatus = "corrected" if corrected and not here else "heard"
    fields = {**state.fields, name: FieldValue(value, kept, state.turn, state.last_heard()[:500])}
    state = replace(state, fields=fields, day="", counts={**state.counts, f"{status}:{name}": 1, "stuck": 0})
    if here:
        state = replace(state, arrived=False)
    return _settle(scenario, state, "Recorded.", _note(name, value, status, state))


def _set_day(scenario: Scenario, state: State, value: str) -> Applied:
    state = replace(state, day=_day_ahead(state, value), unconfirmed="", arrived=False)
    return Applied(state, f'The time is missing. Ask: "{walk.question(scenario, state)}"')


def _day_ahead(state: State, value: str) -> str:
    try:
        day = date.fromisoformat(value)
    except ValueError as error:
        raise _RefusedError(f"{value} is no day; give one as 2026-01-31") from error
    if day < state.now.date():
        raise _RefusedError(f"{value} is in the past")
    return day.isoformat()


def _was_said(value: float, state: State) -> bool:
    for line in state.lines[-8:]:
        if line.who == "caller":
            words = plain(line.text).split()
            if any(found.value == value for found in find_numbers(words, guess=True)):
                return True
            if value in (0, 1) and {"nothing", "me", "zero", "free", "alone"} & set(words):
                return True
    return False


def _confirm(scenario: Scenario, state: State, arguments: Mapping[str, Any]) -> Applied:
    name, _ = _field(scenario, arguments)
    held = state.fields.get(name)
    if held is None:
        raise _RefusedError(f"{name} is not known yet; ask for it and use set_field")
    if held.turn >= state.turn:
        raise _RefusedError("read it back first and wait for the caller's answer")
    if held.status in ("confirmed", "corrected"):
        return _settle(scenario, state, "That was confirmed before.")
    fields = {**state.fields, name: replace(held, status="confirmed")}
    state = replace(state, fields=fields, unconfirmed="", counts={**state.counts, "stuck": 0})
    return _settle(scenario, state, "Confirmed.", _note(name, held.value, "confirmed", state))


def _clear(scenario: Scenario, state: State, arguments: Mapping[str, Any]) -> Applied:
    name, _ = _field(scenario, arguments)
    if name not in state.fields or name != state.unconfirmed:
        raise _RefusedError(f"{name} was not read back")
    fields = {key: held for key, held in state.fields.items() if key != name}
    counts = {**state.counts, f"cleared:{name}": 1}
    state = replace(state, fields=fields, unconfirmed="", day="", arrived=False, counts=counts)
    return _settle(scenario, state, "Cleared.", _note(name, None, "cleared", state))


def _decline(scenario: Scenario, state: State, arguments: Mapping[str, Any]) -> Applied:
    name, spec = _field(scenario, arguments)
    if spec.required:
        raise _RefusedError(f"{name} is needed; ask again in other words")
    if name != scenario.steps[state.step].field or state.turn <= state.entered_turn:
        raise _RefusedError(f"{name} was not asked for yet")
    fields = {**state.fields, name: FieldValue(None, "declined", state.turn, state.last_heard()[:500])}
    state = replace(state, fields=fields, unconfirmed="")
    return _settle(scenario, state, "Noted.", _note(name, None, "declined", state))


def _objection(scenario: Scenario, state: State, arguments: Mapping[str, Any]) -> Applied:
    name = arguments.get("name")
    objection = scenario.objections.get(name) if isinstance(name, str) else None
    if objection is None:
        known = ", ".join(scenario.objections)
        raise _RefusedError(f"there is no objection {name!r}; there are: {known}")
    state = walk.counted(state, f"objection:{name}")
    times = state.count(f"objection:{name}")
    if name not in state.objections:
        state = replace(state, objections=(*state.objections, str(name)))
    note = ObjectionRaised(0.0, str(name), times)
    if times > objection.limit and objection.after:
        state, more = walk.entered(scenario, state, objection.after)
        answer = f"That was answered before. {guidance(scenario, state, '')}"
        return Applied(state, answer, notes=(note, *more))
    words = fill(nth(objection.answers, times), scenario, state)
    state = replace(state, answered=f"{state.answered} {words}".strip())
    then = walk.question(scenario, state)
    return Applied(state, f'Answer: "{words}" Then come back to: "{then}"', notes=(note,))


def _go(scenario: Scenario, state: State, arguments: Mapping[str, Any]) -> Applied:
    target = arguments.get("step")
    allowed = {edge.to for edge in scenario.steps[state.step].edges if edge.judge or edge.intent}
    if not isinstance(target, str) or target not in allowed:
        raise _RefusedError(
            f"no way leads from here to {target!r}; there are: {', '.join(sorted(allowed)) or 'none'}"
        )
    if state.turn <= state.entered_turn:
        raise _RefusedError("the caller has not answered here yet; ask first")
    before = state.step
    state, notes = walk.entered(scenario, state, str(target))
    return Applied(state, guidance(scenario, state, before), notes=tuple(notes))


def _detour(scenario: Scenario, state: State, case: str) -> Applied:
    """An edge case that leads to a step of the scenario, or ends the call with its own words."""
    before, go = state.step, scenario.case(case).go
    if not go:
        return Applied(replace(state, closing=case), "What comes now is said for you.")
    state, notes = walk.entered(scenario, state, go)
    return Applied(state, guidance(scenario, state, before), notes=tuple(notes))


def _transfer(scenario: Scenario, state: State, _: Mapping[str, Any]) -> Applied:
    if not scenario.case("human").go and scenario.case("callback").go:
        return _detour(scenario, state, "callback")  # nobody to hand over to: agree on a time instead
    return _detour(scenario, state, "human")


def _callback(scenario: Scenario, state: State, arguments: Mapping[str, Any]) -> Applied:
    go = scenario.case("callback").go
    if not go or scenario.steps[go].kind != "callback":
        return _detour(scenario, state, "callback")
    when = str(arguments.get("when") or "")
    day = _day_ahead(state, when) if len(when) == 10 else ""
    name = scenario.steps[go].field
    assert name is not None
    if state.step == go and not when:
        return Applied(state, guidance(scenario, state, ""))
    notes: list[Event] = []
    if when and not day:
        try:
            value = coerce(scenario.fields[name], when, Context(state.now))
        except ValueError as error:
            raise _RefusedError(str(error)) from error
        held = FieldValue(value, "heard", state.turn, state.last_heard()[:500])
        state = replace(state, fields={**state.fields, name: held})
        notes.append(_note(name, value, "heard", state))
    before = state.step
    if state.step == go:
        state, more = walk.settled(scenario, replace(state, arrived=False))
    else:
        state, more = walk.entered(scenario, state, go)
    if day and state.step == go and not state.unconfirmed:
        state = replace(state, day=day)
    return Applied(state, guidance(scenario, state, before), notes=(*notes, *more))


def _opt_out(scenario: Scenario, state: State, _: Mapping[str, Any]) -> Applied:
    done = _detour(scenario, state, "opt_out")
    return replace(done, notes=(OptedOut(0.0, state.last_heard()[:500]), *done.notes))


def _end(scenario: Scenario, state: State, arguments: Mapping[str, Any]) -> Applied:
    reason = arguments.get("reason")
    if reason not in ENDINGS:
        raise _RefusedError(f"end_call needs one of the reasons {', '.join(ENDINGS)}")
    if state.turn == 0:
        raise _RefusedError("the caller has not said anything yet")
    return _detour(scenario, state, str(reason))


_TOOLS: dict[str, Callable[[Scenario, State, Mapping[str, Any]], Applied]] = {
    "set_field": _set_field,
    "confirm_field": _confirm,
    "clear_field": _clear,
    "decline_field": _decline,
    "answer_objection": _objection,
    "go_to_step": _go,
    "transfer": _transfer,
    "schedule_callback": _callback,
    "opt_out": _opt_out,
    "end_call": _end,
}
