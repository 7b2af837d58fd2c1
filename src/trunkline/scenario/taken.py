"""What a scenario does when no person took the call: leave its message after the beep, or hang up.

The cases stand in `edge_cases.py`: `voicemail`, `phone_menu`, `fax`, `mailbox_full`. Each may have words,
lead to a step of the scenario (`go`), or, without either, end the call in silence.
"""

from __future__ import annotations

from dataclasses import replace

from trunkline.events import Answerer
from trunkline.scenario import walk
from trunkline.scenario.actions import Action, CallTaken, Say
from trunkline.scenario.conclude import Result, concluded, ended
from trunkline.scenario.edge_cases import nth
from trunkline.scenario.model import Scenario
from trunkline.scenario.spoken import fill
from trunkline.scenario.state import State

_CASES = {
    Answerer.MACHINE: "voicemail",
    Answerer.IVR: "phone_menu",
    Answerer.FAX: "fax",
    Answerer.MAILBOX_FULL: "mailbox_full",
}
_NO_MESSAGE = "voicemail"
"""The outcome of a call to a machine that was told nothing."""


def taken(scenario: Scenario, state: State, happening: CallTaken) -> Result:
    """It is known who took the call. Nothing is said to a machine before it records."""
    if happening.who is Answerer.HUMAN:
        # They are heard out first: whoever picks up says something.
        return (replace(state, machine=happening.who.value), []) if state.machine else (state, [])
    case = scenario.case(_CASES[happening.who])
    state = replace(state, machine=happening.who.value)
    waits = happening.who is Answerer.MACHINE and not happening.ready and bool(case.words or case.go)
    if waits:
        return state, []
    if case.go:
        state, notes = walk.entered(scenario, state, case.go)
        return concluded(scenario, state, "", notes)
    words = fill(nth(case.words, 1), scenario, state)
    actions: list[Action] = [Say(words, interruptible=False)] if words else []
    silent_machine = happening.who is Answerer.MACHINE and not words
    outcome = _NO_MESSAGE if silent_machine else case.outcome or happening.who.value
    return ended(state, actions, outcome, f"{happening.who.value} took the call")


def ignores(state: State) -> bool:
    """Whether what is heard is a machine's, which nobody answers."""
    return state.machine not in ("", Answerer.HUMAN.value)


def picked_up(state: State) -> bool:
    """Whether a person picked up after a machine and has not been greeted yet."""
    return state.machine == Answerer.HUMAN.value


def begun_again(scenario: Scenario, state: State) -> Result:
    """Greet the person who picked up: nothing said to the machine counts."""
    state = replace(state, machine="", counts={}, exchange=(), closing="", due=(), firm=False, answered="")
    state, notes = walk.entered(scenario, state, scenario.start)
    return concluded(scenario, state, "", notes)
