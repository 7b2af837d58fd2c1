"""Walking the graph: which edge is taken, what is due to be said on the way, what a step asks now.

Pure functions on `State`. Steps in which the caller has no turn (`say`, `decide`, and `ask` for what is
known already) are passed at once; the walk stops where the caller is asked, handed over or left.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime

from trunkline.events import CallbackAgreed, Event, StepEntered
from trunkline.scenario import escalate
from trunkline.scenario.expression import compile_expression
from trunkline.scenario.model import FieldSpec, Scenario, Step
from trunkline.scenario.spoken import fill, moment_words, value_words
from trunkline.scenario.state import State

LONGEST_WALK = 100
"""Steps passed at once; `check` refuses circles, so this is never met by a checked scenario."""
KEY_NAMES = {"*": "star", "#": "hash"}
"""Keys that are no digits, in the names of events: key_star, key_hash."""
MOST_VISITS = 12
"""How often one step is entered in a call."""


def entered(scenario: Scenario, state: State, name: str) -> tuple[State, list[Event]]:
    """Enter a step, and walk on as far as nobody needs to be asked."""
    notes: list[Event] = []
    for _ in range(LONGEST_WALK):
        visits = state.count(f"step:{name}") + 1
        if visits > MOST_VISITS:
            return replace(state, closing="too_long"), notes
        counts = {**state.counts, f"step:{name}": visits, f"turns:{name}": 0, "stuck": 0}
        state = replace(
            state,
            step=name,
            entered_turn=state.turn,
            counts=counts,
            arrived=False,
            unconfirmed="",
            day="",
            calling="",
        )
        notes.append(StepEntered(0.0, name))
        onward = _onward(scenario, state, notes)
        step = scenario.steps[name]
        if step.kind == "say":
            due = (*state.due, fill(step.say, scenario, state))
            state = replace(state, due=due, firm=state.firm or not step.interruptible)
        if not onward:
            return _reading_back(scenario, state), notes
        name = onward
    return replace(state, closing="too_long"), notes


def settled(scenario: Scenario, state: State) -> tuple[State, list[Event]]:
    """Leave the present step if its purpose is fulfilled; otherwise see what it asks now."""
    notes: list[Event] = []
    state, away = escalate.by_values(scenario, state)
    onward = away or _onward(scenario, state, notes)
    if not onward:
        return _reading_back(scenario, state), notes
    state, more = entered(scenario, state, onward)
    return state, notes + more


def _onward(scenario: Scenario, state: State, notes: list[Event]) -> str:
    step = scenario.steps[state.step]
    if step.steps_aside or (step.asks and not _fulfilled(scenario, state, step)):
        return ""
    if step.kind == "callback" and step.field and state.fields[step.field].value is not None:
        notes.append(CallbackAgreed(0.0, str(state.fields[step.field].value)))
    return chosen_edge(scenario, state, conditions_only=step.kind == "talk")


def _fulfilled(scenario: Scenario, state: State, step: Step) -> bool:
    if step.kind == "talk":
        return state.turn > state.entered_turn
    assert step.field is not None
    held = state.fields.get(step.field)
    if held is None:
        return False
    return not needs_read_back(step, scenario.fields[step.field]) or held.status in ("confirmed", "declined")


def needs_read_back(step: Step, spec: FieldSpec) -> bool:
    """Moments agreed for a call back are read back always; other fields where they say so."""
    return spec.confirm or step.kind == "callback"


def _reading_back(scenario: Scenario, state: State) -> State:
    step = scenario.steps[state.step]
    if step.field and step.field in state.fields and step.asks:
        return replace(state, unconfirmed=step.field)
    return state


def chosen_edge(scenario: Scenario, state: State, *, conditions_only: bool = False) -> str:
    """The first edge whose condition holds, or the default; empty where there is none."""
    values = state.values()
    for edge in scenario.steps[state.step].edges:
        if edge.when is not None:
            if compile_expression(edge.when).holds(values):
                return edge.to
        elif edge.default and not conditions_only:
            return edge.to
    return ""


def event_edge(scenario: Scenario, state: State, event: str) -> str:
    """Where this step's edge for an event leads, or empty."""
    step = scenario.steps.get(state.step)
    return next((edge.to for edge in (step.edges if step else ()) if edge.event == event), "")


def key_event(keys: str) -> str:
    """The event that pressing this one key is; empty for several."""
    return f"key_{KEY_NAMES.get(keys, keys)}" if len(keys) == 1 else ""


def question(scenario: Scenario, state: State) -> str:
    """What this step asks now: its read-back, its question, or that in other words when it was asked."""
    step = scenario.steps[state.step]
    if not step.asks:
        return ""
    if step.kind == "talk":
        said = fill(step.say, scenario, state)
        # The whole text the first time; to come back to it, its question alone.
        return _last_question(said) if state.count(f"asked:{state.step}") else said
    assert step.field is not None
    spec = scenario.fields[step.field]
    if state.unconfirmed:
        return read_back(scenario, state, spec, step.field)
    if state.day:
        noon = datetime.combine(date.fromisoformat(state.day), datetime.min.time(), state.now.tzinfo)
        return f"At what time {moment_words(noon.replace(hour=12), state.now).removesuffix(' at noon')}?"
    times = state.count(f"asked:{state.step}")
    again = (*spec.reask, spec.ask)
    return fill(spec.ask if times == 0 else again[(times - 1) % len(again)], scenario, state)


def _last_question(text: str) -> str:
    sentences = re.split(r"(?<=[.!?])\s+", text)
    return next((sentence for sentence in reversed(sentences) if sentence.endswith("?")), "")


def opening(scenario: Scenario, state: State) -> str:
    """What this step says before its question, the first time it is entered."""
    step = scenario.steps[state.step]
    first = not state.count(f"opened:{state.step}")
    return fill(step.say, scenario, state) if first and step.kind in ("ask", "callback") else ""


def read_back(scenario: Scenario, state: State, spec: FieldSpec, name: str) -> str:
    """The value aloud, with the question whether it is right."""
    held = state.fields[name]
    words = value_words(spec, held.value, scenario, state.now)
    said = (spec.read_back or "{value}, is that right?").replace("{value}", words)
    said = fill(said, scenario, state)
    return said[:1].upper() + said[1:]


def asked(state: State) -> State:
    """The step's question is put now."""
    key = f"asked:{state.step}"
    plus = 0 if state.unconfirmed or state.day else 1
    counts = {**state.counts, key: state.count(key) + plus, f"opened:{state.step}": 1}
    return replace(state, arrived=True, counts=counts)


def counted(state: State, what: str) -> State:
    """One more of these."""
    return replace(state, counts={**state.counts, what: state.count(what) + 1})
