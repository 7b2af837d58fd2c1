"""The engine: `step(scenario, state, happening) -> (state, actions)`, pure; `begin` gives the first.

One method a happening. What a turn means is decided in `plan.py`, what a tool does in `tools.py`, where
the graph leads in `walk.py`; this file orders them, says what is due and tells the call what to expect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from trunkline.events import Event
from trunkline.prompt import ToolCall
from trunkline.scenario import escalate, recap, taken, tools, walk
from trunkline.scenario.actions import (
    AgentHeard,
    AudioLost,
    CallBegan,
    CallerQuiet,
    CallerSaid,
    CallTaken,
    Generate,
    Happening,
    ModelCalled,
    ModelDone,
    ModelFailed,
    MustEnd,
    Note,
    Recapped,
    Say,
    SentenceJudged,
    TimeUp,
    ToolAnswer,
    ToolResult,
    TransferEnded,
)
from trunkline.scenario.conclude import Result, closed, concluded, ended, expecting
from trunkline.scenario.context import assemble
from trunkline.scenario.edge_cases import nth
from trunkline.scenario.fields import coerce
from trunkline.scenario.look_up import WHILE_WAITING, answered_edge, waiting_words
from trunkline.scenario.model import Scenario
from trunkline.scenario.parsed import Context
from trunkline.scenario.plan import Plan, case_plan, make_plan
from trunkline.scenario.spoken import fill
from trunkline.scenario.state import Exchange, FieldValue, Line, State

MOST_ROUNDS = 2
"""How often the model is asked again within one turn, after tools without words."""
MOST_LINES = 400
"""Lines of the talk that the state keeps."""
LONGEST_TURN = 4000
"""Characters of one caller's turn that are kept."""


def begin(scenario: Scenario, happening: CallBegan) -> Result:
    """The first state, and the first words."""
    return step(scenario, State(), happening)


def step(scenario: Scenario, state: State, happening: Happening) -> Result:
    """What a happening changes, and what to do about it, in order. Once the call has ended nothing does;
    that its last words were heard is still noted."""
    if state.ended and not isinstance(happening, AgentHeard):
        if isinstance(happening, ModelCalled):
            return state, [ToolAnswer(happening.id, "Refused: the call has ended.", refused=True)]
        return state, []
    run: Callable[[Scenario, State, Any], Result] = _HAPPENINGS[type(happening)]
    state, actions = run(scenario, state, happening)
    return state, actions


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _local(scenario: Scenario, state: State, now: datetime) -> datetime:
    """The caller's own time."""
    return now.astimezone(_zone(state.facts.get("time_zone", scenario.time_zone)))


# --- the call begins --------------------------------------------------------------------------------


def _began(scenario: Scenario, state: State, happening: CallBegan) -> Result:
    facts = {name: str(value)[:500] for name, value in happening.facts.items()}
    try:
        now = happening.now.astimezone(_zone(facts.get("time_zone", scenario.time_zone)))
    except (KeyError, ValueError, OSError):  # a zone that nobody knows came with the contact
        facts.pop("time_zone")
        now = happening.now.astimezone(_zone(scenario.time_zone))
    known: dict[str, FieldValue] = {}
    for name in facts.keys() & scenario.fields.keys():
        try:
            value = coerce(scenario.fields[name], facts[name], Context(now))
        except ValueError:
            continue  # what the contact list says is no such value: it will be asked
        known[name] = FieldValue(value, "heard", 0, "known before the call")
    state = State(now=now, facts=facts, fields=known)
    state, notes = walk.entered(scenario, state, scenario.start)
    return concluded(scenario, state, "", notes)


# --- the caller -------------------------------------------------------------------------------------


def _said(scenario: Scenario, state: State, happening: CallerSaid) -> Result:
    if taken.ignores(state):
        return state, []
    text = (happening.text or happening.keys)[:LONGEST_TURN]
    state = replace(
        state,
        now=_local(scenario, state, happening.now),
        turn=state.turn + 1,
        lines=(*state.lines, Line("caller", text))[-MOST_LINES:],
        exchange=(),
        rounds=0,
        answered="",
        counts={**state.counts, f"turns:{state.step}": state.count(f"turns:{state.step}") + 1},
    )
    if state.transferring:
        return state, []
    if taken.picked_up(state):
        return taken.begun_again(scenario, state)
    if state.turn > scenario.limits.turns:
        return closed(scenario, state, "too_long")
    if state.calling:
        return _said_meanwhile(scenario, state, text)
    if happening.keys:
        return _keyed(scenario, state, happening.keys)
    if happening.garbled or not happening.text.strip():
        return _garbled(scenario, state)
    if scenario.escalation:
        state, away = escalate.by_words(scenario, state, text)
        if away:
            return _entered(scenario, state, away)
    plan = make_plan(scenario, state, text)
    if (plan.unclear and _stuck(scenario, state)) or _too_long_here(scenario, state):
        return _given_up(scenario, state, "unclear")
    if plan.known:  # a question that is answered is no misunderstanding
        state = replace(state, counts={**state.counts, "stuck": 0})
    if plan.local:
        return _carried_out(scenario, state, plan)
    step = scenario.steps[state.step]
    prompt = assemble(scenario, state, text)
    return state, [Generate(prompt, step.interruptible, plan.calls if plan.sure else None, plan.simple)]


def _stuck(scenario: Scenario, state: State) -> bool:
    return state.count("stuck") > scenario.steps[state.step].reasks


def _too_long_here(scenario: Scenario, state: State) -> bool:
    return state.count(f"turns:{state.step}") > scenario.steps[state.step].max_turns


def _keyed(scenario: Scenario, state: State, keys: str) -> Result:
    digits = "".join(key for key in keys if key in "0123456789")
    name = scenario.steps[state.step].field
    typed = bool(name and digits) and scenario.fields[str(name)].keypad
    if not typed and (target := walk.event_edge(scenario, state, walk.key_event(keys))):
        return _entered(scenario, state, target)
    if name and digits and scenario.fields[name].type in ("number", "money", "phone"):
        # On the keypad the digits are the words: they are what the caller "said".
        state = replace(state, lines=(*state.lines[:-1], Line("caller", digits)))
        value: object = digits if scenario.fields[name].type == "phone" else float(digits[:12])
        plan = Plan((("set_field", {"name": name, "value": value}),), local=True)
        if not tools.apply(scenario, state, *plan.calls[0]).refused:
            return _carried_out(scenario, state, plan)
    return _garbled(scenario, state)


def _garbled(scenario: Scenario, state: State) -> Result:
    case = scenario.case("garbled")
    if state.count("case:garbled") >= case.limit or _too_long_here(scenario, state):
        return _given_up(scenario, state, "garbled")
    plan = case_plan(scenario, state, "garbled")
    name = scenario.steps[state.step].field
    spec = scenario.fields[name] if name and not state.unconfirmed else None
    if spec is not None and spec.keypad and state.count("case:garbled"):
        plan = replace(plan, words=f"{plan.words} You can also type it, and then press the hash key.")
    return _carried_out(scenario, state, plan)


def _given_up(scenario: Scenario, state: State, case: str) -> Result:
    """Asked often enough: the step's own way out, or without the field, or goodbye."""
    target = walk.event_edge(scenario, state, "unanswered")
    name = scenario.steps[state.step].field
    if not target and name and not scenario.fields[name].required:
        declined = FieldValue(None, "declined", state.turn, "never understood")
        state = replace(state, fields={**state.fields, name: declined})
        target = walk.chosen_edge(scenario, state)
    if not target and scenario.steps[state.step].kind == "talk":
        target = walk.chosen_edge(scenario, state)
    if not target or state.count(f"gave_up:{state.step}"):
        return closed(scenario, state, case)
    return _entered(scenario, walk.counted(state, f"gave_up:{state.step}"), target)


def _entered(scenario: Scenario, state: State, target: str) -> Result:
    state, notes = walk.entered(scenario, state, target)
    return concluded(scenario, state, "", notes)


def _said_meanwhile(scenario: Scenario, state: State, text: str) -> Result:
    """The caller talks while a tool works."""
    plan = make_plan(scenario, state, text)
    if plan.case or any(name in WHILE_WAITING for name, _ in plan.calls):
        return _carried_out(scenario, state, plan)
    values = tuple(call for call in plan.calls if call[0] == "set_field")
    plan = Plan(values, waiting_words(scenario, state), local=True)
    return _carried_out(scenario, walk.counted(state, "case:working"), plan)


def _quiet(scenario: Scenario, state: State, happening: CallerQuiet) -> Result:
    state = walk.counted(replace(state, now=_local(scenario, state, happening.now)), "silences")
    if state.transferring or taken.ignores(state):
        return state, []
    if taken.picked_up(state):
        return taken.begun_again(scenario, state)
    if state.calling:  # the tool's own limit ends this
        state, words = walk.counted(state, "case:working"), waiting_words(scenario, state)
        return state, [Say(words)] if words else []
    case = scenario.case("silence")
    step = scenario.steps[state.step]
    if happening.count > case.limit or state.count("silences") > 3 * (case.limit + 1):
        target = walk.event_edge(scenario, state, "silence")
        if target and not state.count(f"gave_up:{state.step}"):
            return _entered(scenario, walk.counted(state, f"gave_up:{state.step}"), target)
        return closed(scenario, state, "silence", happening.count)
    words = fill(nth(case.words, happening.count), scenario, state)
    # The question in other words with the first reminder; the second offers a way on instead.
    again = walk.question(scenario, state) if happening.count == 1 else ""
    state = walk.asked(state) if again else state
    return state, [Say(f"{words} {again}".strip(), step.interruptible), expecting(scenario, state)]


# --- the agent --------------------------------------------------------------------------------------


def _agent_heard(scenario: Scenario, state: State, happening: AgentHeard) -> Result:
    line = Line("agent", happening.heard, happening.unheard)
    lines = state.lines
    if happening.heard or happening.unheard:
        lines = (*lines, line)[-MOST_LINES:]
    state = replace(state, lines=lines, interrupted=happening.interrupted)
    # Between two turns is the time to have older ones summarised.
    wanted = None if state.ended else recap.due(scenario, state)
    if wanted is None:
        return state, []
    return replace(state, recap_asked=wanted.lines), [wanted]


def _recapped(_: Scenario, state: State, happening: Recapped) -> Result:
    if not state.recapped < happening.lines <= len(state.lines):
        return state, []
    return replace(state, recap=happening.text[: recap.LONGEST], recapped=happening.lines), []


# --- the model --------------------------------------------------------------------------------------


def _model_called(scenario: Scenario, state: State, happening: ModelCalled) -> Result:
    state = replace(state, now=_local(scenario, state, happening.now))
    applied = tools.apply(scenario, state, happening.name, happening.arguments)
    call = ToolCall(happening.id, happening.name, happening.arguments)
    exchange = (*applied.state.exchange, Exchange(call, applied.answer, applied.refused))
    state = replace(applied.state, exchange=exchange[-20:])
    answer = ToolAnswer(happening.id, applied.answer, applied.refused)
    return state, [*(Note(event) for event in applied.notes), answer]


def _model_done(scenario: Scenario, state: State, happening: ModelDone) -> Result:
    if happening.text.strip():
        return concluded(scenario, state, happening.text, [])
    if state.exchange and _free_words(scenario, state) and state.rounds < MOST_ROUNDS:
        state = replace(state, rounds=state.rounds + 1)
        step = scenario.steps[state.step]
        return state, [Generate(assemble(scenario, state, state.last_heard()), step.interruptible)]
    return _own_words(scenario, state)


def _free_words(scenario: Scenario, state: State) -> bool:
    step = scenario.steps[state.step]
    return step.asks and not step.fixed and not state.closing


def _model_failed(scenario: Scenario, state: State, _: ModelFailed) -> Result:
    state = walk.counted(state, "case:model_failed")
    if state.count("case:model_failed") > scenario.case("model_failed").limit:
        return closed(scenario, state, "model_failed")
    return _own_words(scenario, state)


def _own_words(scenario: Scenario, state: State) -> Result:
    """The model has nothing to say: the scenario does."""
    if any(not exchange.refused for exchange in state.exchange):
        return concluded(scenario, state, "", [])
    return _carried_out(scenario, state, make_plan(scenario, state, state.last_heard()))


# --- endings and trouble ----------------------------------------------------------------------------


def _transfer_ended(scenario: Scenario, state: State, happening: TransferEnded) -> Result:
    state = replace(state, transferring=False)
    if happening.result == "transferred":
        target = walk.chosen_edge(scenario, state)
        step = scenario.steps.get(target)
        outcome = step.outcome if step is not None and step.outcome else "transferred"
        return ended(state, [], outcome, "handed over to a person")
    target = walk.event_edge(scenario, state, "transfer_failed")
    if not target:
        return closed(scenario, state, "transfer_failed")
    return _entered(scenario, state, target)


def _tool_ended(scenario: Scenario, state: State, happening: ToolResult) -> Result:
    if not state.calling or state.calling != happening.id or taken.ignores(state):
        return state, []  # the call has gone on without it
    state = replace(state, calling="", now=_local(scenario, state, happening.now), exchange=(), answered="")
    if happening.ok:
        state = replace(state, results={**state.results, **happening.values})
        state, away = escalate.by_values(scenario, state)
        target = away or answered_edge(scenario, state)
    else:
        target = walk.event_edge(scenario, state, "tool_failed") or scenario.case("tool_failed").go
    if not target:
        return closed(scenario, state, "tool_failed", reason=happening.why or "no edge for the tool's answer")
    return _entered(scenario, state, target)


def _time_up(scenario: Scenario, state: State, happening: TimeUp) -> Result:
    """The step has taken as long as it may."""
    if happening.key != state.visit or state.transferring or state.calling or state.machine:
        return state, []
    state = replace(state, now=_local(scenario, state, happening.now))
    target = walk.event_edge(scenario, state, "time")
    return _entered(scenario, state, target) if target else _given_up(scenario, state, "too_long")


def _judged(scenario: Scenario, state: State, _: SentenceJudged) -> Result:
    """Take back what was said, and come back to what is asked."""
    if state.transferring or state.calling or taken.ignores(state):
        return state, []
    words = fill(scenario.guardrails.instead, scenario, state)
    again = walk.question(scenario, state)
    step = scenario.steps[state.step]
    said = Say(f"{words} {again}".strip(), step.interruptible)
    return (walk.asked(state) if again else state), [said, expecting(scenario, state)]


def _audio_lost(scenario: Scenario, state: State, happening: AudioLost) -> Result:
    state = walk.counted(state, "case:audio_lost")
    case = scenario.case("audio_lost")
    if state.count("case:audio_lost") > case.limit:
        return ended(state, [], case.outcome, f"no audio for {happening.seconds:.0f} seconds")
    words = fill(nth(case.words, state.count("case:audio_lost")), scenario, state)
    return state, [Say(words), expecting(scenario, state)]


def _call_taken(scenario: Scenario, state: State, happening: CallTaken) -> Result:
    return taken.taken(scenario, replace(state, now=_local(scenario, state, happening.now)), happening)


def _must_end(scenario: Scenario, state: State, happening: MustEnd) -> Result:
    return closed(scenario, state, "must_end", reason=happening.why)


# --- by ourselves ----------------------------------------------------------------------------------


def _carried_out(scenario: Scenario, state: State, plan: Plan) -> Result:
    """Do by ourselves what the plan says."""
    notes: list[Event] = []
    accepted = False
    if plan.case:
        state = walk.counted(state, f"case:{plan.case}")
        case = scenario.case(plan.case)
        if case.outcome and state.count(f"case:{plan.case}") > max(case.limit, 1):
            return closed(scenario, state, plan.case)
    for name, arguments in plan.calls:
        applied = tools.apply(scenario, state, name, arguments)
        state = applied.state
        notes += applied.notes
        accepted = accepted or not applied.refused
    if not plan.words and state.answered:
        plan = replace(plan, words=state.answered)
    return concluded(scenario, state, plan.words, notes, say=True, progress=accepted or bool(plan.case))


_HAPPENINGS: dict[type, Callable[[Scenario, State, Any], Result]] = {
    CallBegan: _began,
    CallerSaid: _said,
    CallerQuiet: _quiet,
    AgentHeard: _agent_heard,
    Recapped: _recapped,
    ModelCalled: _model_called,
    ModelDone: _model_done,
    ModelFailed: _model_failed,
    TransferEnded: _transfer_ended,
    ToolResult: _tool_ended,
    TimeUp: _time_up,
    SentenceJudged: _judged,
    AudioLost: _audio_lost,
    CallTaken: _call_taken,
    MustEnd: _must_end,
}
