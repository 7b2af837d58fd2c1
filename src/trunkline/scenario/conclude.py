"""Saying what is due: the end of every answer, and the end of a call.

After a turn was decided (by the engine or a model) `concluded` adds the words that belong to the engine: what
steps passed on the way say, the question that was not put yet, last words, the hand-over.
"""

from __future__ import annotations

from dataclasses import replace

from trunkline.events import Event, OutcomeDecided
from trunkline.scenario import walk
from trunkline.scenario.actions import Action, End, Expect, Note, Say, StartTimer, Transfer
from trunkline.scenario.edge_cases import nth
from trunkline.scenario.expect import expectation
from trunkline.scenario.look_up import call_tool, waiting_words
from trunkline.scenario.model import Scenario
from trunkline.scenario.plan import covers
from trunkline.scenario.spoken import fill, value_words
from trunkline.scenario.state import State

Result = tuple[State, list[Action]]

VOICEMAIL_LEFT = "voicemail_left"
"""The outcome of a step of kind voicemail that names no other."""

_FINAL = ("silence", "abuse")
"""Cases whose last words are the ones to end with; the others of a case were reminders."""


def closed(scenario: Scenario, state: State, case: str, count: int = 99, reason: str = "") -> Result:
    """End the call over an edge case, with its last words."""
    found = scenario.case(case)
    words = nth(found.words, count) if case in _FINAL else ""
    if found.limit == 0 or case in ("human", "callback"):
        words = nth(found.words, 1)
    words = words or nth(scenario.case("goodbye").words, 1)
    actions: list[Action] = [Say(fill(words, scenario, state), interruptible=False)]
    return ended(state, actions, found.outcome or case, reason or case.replace("_", " "))


def ended(state: State, actions: list[Action], outcome: str, reason: str) -> Result:
    """The call is over: nothing follows."""
    state = replace(
        state, outcome=outcome, reason=reason, closing="", due=(), transferring=False, calling="", timed=""
    )
    return state, [*actions, Note(OutcomeDecided(0.0, outcome, reason)), End(outcome, reason)]


def concluded(
    scenario: Scenario,
    state: State,
    text: str,
    notes: list[Event],
    *,
    say: bool = False,
    progress: bool | None = None,
) -> Result:
    """An answer's own words are known (`text`; spoken already unless `say`): add what else is due."""
    actions: list[Action] = [Note(event) for event in notes]
    if progress is None:
        progress = not state.lines or any(not exchange.refused for exchange in state.exchange)
    state = replace(state, counts={**state.counts, "stuck": 0 if progress else state.count("stuck") + 1})
    step = scenario.steps[state.step]
    words = [text] if say else []
    if state.answered and not text.strip():
        words.append(state.answered)
    words += [line for line in state.due if line not in text]
    interruptible = step.interruptible and not state.firm
    state = replace(state, due=(), firm=False, answered="", exchange=(), interrupted=False)
    if state.closing:
        before = " ".join(words)
        state, last = closed(scenario, state, state.closing)
        return state, [*actions, *([Say(before)] if before else []), *last]
    if step.final:
        words.append(fill(step.say, scenario, state))
        actions += _spoken(words, interruptible=False)
        state, last = ended(state, actions, step.outcome or VOICEMAIL_LEFT, f"reached {state.step}")
        return state, last
    if step.kind == "call":
        begins = state.calling != state.visit
        words += [fill(step.say, scenario, state) or waiting_words(scenario, state)] if begins else []
        actions += _spoken(words, interruptible)
        if begins:
            actions.append(call_tool(scenario, state))
        return replace(state, calling=state.visit, arrived=True), actions
    if step.kind == "transfer":
        words.append(fill(step.say, scenario, state))
        target = fill(state.facts.get("target", step.target), scenario, state)
        actions += _spoken(words, interruptible)
        return replace(state, transferring=True), [
            *actions,
            Transfer(target, summary(scenario, state), step.how),
        ]
    if not state.arrived and not covers(text, walk.question(scenario, state)):
        words += [walk.opening(scenario, state), walk.question(scenario, state)]
    state = walk.asked(state) if not state.arrived or covers(text, "") else state
    actions += _spoken(words, interruptible)
    if step.seconds is not None and state.timed != state.visit:
        state = replace(state, timed=state.visit)
        actions.append(StartTimer(state.visit, step.seconds))
    return state, [*actions, expecting(scenario, state)]


def _spoken(words: list[str], interruptible: bool = True) -> list[Action]:
    text = " ".join(word.strip() for word in words if word.strip())
    return [Say(text, interruptible)] if text else []


def expecting(scenario: Scenario, state: State) -> Expect:
    """What the words before this ask for."""
    return Expect(expectation(scenario, state))


def summary(scenario: Scenario, state: State) -> str:
    """What a person who takes over should know, in one line."""
    known = [
        f"{spec.label or name}: {value_words(spec, state.fields[name].value, scenario, state.now)}"
        for name, spec in scenario.fields.items()
        if name in state.fields and state.fields[name].value is not None
    ]
    raised = [f"raised: {', '.join(state.objections).replace('_', ' ')}"] if state.objections else []
    return "; ".join([*known, *raised]) or "nothing is known yet"
