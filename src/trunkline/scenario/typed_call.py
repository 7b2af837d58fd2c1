"""A call that a person types: the conversation with its way back, and itself as a test file.

`TypedCall` holds the talk; every turn can be undone; `as_test` writes down what was typed and where it led.
The terminal around it is `cli/scenario_chat.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import yaml

from trunkline.events import StepEntered
from trunkline.scenario.actions import CallTool
from trunkline.scenario.conversation import Conversation, Streams
from trunkline.scenario.model import Scenario
from trunkline.scenario.rehearsal import SILENCE, VERSION, CallerLine
from trunkline.scenario.rehearse import do_line

MOST_UNDONE = 200
"""Turns that can be taken back."""


@dataclass(frozen=True, slots=True)
class _Moment:
    talk: Conversation
    lines: tuple[CallerLine, ...]


class TypedCall:
    """One call. `begin` first, then a `CallerLine` a turn."""

    def __init__(self, scenario: Scenario, model: Streams, now: datetime, facts: dict[str, str]) -> None:
        self.talk = Conversation(scenario, model, now)
        self.lines: tuple[CallerLine, ...] = ()
        self._facts = facts
        self._began = now
        self._before: list[_Moment] = []

    async def begin(self) -> str:
        """The agent's first words."""
        return await self.talk.begin(self._facts)

    async def do(self, line: CallerLine) -> str:
        """The caller says or does this; gives what the agent says. A turn that fails changes nothing."""
        moment = _Moment(_copied(self.talk), self.lines)
        silences = 0
        for earlier in reversed((*self.lines, line)):
            if earlier.say != SILENCE:
                break
            silences += 1
        try:
            words = await do_line(self.talk, line, silences)
        except BaseException:
            self.talk = moment.talk
            raise
        self._before = [*self._before, moment][-MOST_UNDONE:]
        self.lines = (*self.lines, line)
        return words

    def newly_called(self) -> list[CallTool]:
        """The tools that the latest turn called."""
        before = len(self._before[-1].talk.called) if self._before else 0
        return self.talk.called[before:]

    def undo(self) -> bool:
        """Take the last turn back; False where there is none."""
        if not self._before:
            return False
        moment = self._before.pop()
        self.talk, self.lines = moment.talk, moment.lines
        return True

    def as_test(self, scenario: str, name: str) -> str:
        """This call as a test file: what was typed, and what it came to. `scenario`: a shipped name, or a
        path from where the file will stand."""
        state = self.talk.state
        entered = [note.step for note in self.talk.notes if isinstance(note, StepEntered)]
        expected: dict[str, Any] = {"outcome": state.outcome} if state.outcome else {"step": state.step}
        if entered:
            expected["steps"] = entered
        known = {field: held.value for field, held in state.fields.items() if held.value is not None}
        if known:
            expected["fields"] = known
        if state.objections:
            expected["objections"] = list(state.objections)
        if self.talk.transferred_to:
            expected["transferred_to"] = self.talk.transferred_to
        talk: dict[str, Any] = {"name": name, "caller": [_plain(line) for line in self.lines]}
        if self._facts:
            talk["facts"] = dict(self._facts)
        data = {
            "trunkline_test": VERSION,
            "scenario": scenario,
            "now": self._began.isoformat(),
            "conversations": [{**talk, "expect": expected}],
        }
        return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100))


def _copied(talk: Conversation) -> Conversation:
    """The talk as it stands: the state is frozen, its lists are not."""
    return replace(
        talk,
        said=list(talk.said),
        notes=list(talk.notes),
        refusals=list(talk.refusals),
        blocked=list(talk.blocked),
        called=list(talk.called),
        timers=list(talk.timers),
    )


def _plain(line: CallerLine) -> str | dict[str, Any]:
    if line.say is not None:
        return line.say
    if line.wait is not None:
        return {"wait": line.wait}
    return {"keys": line.keys} if line.keys is not None else {"transfer": line.transfer or ""}
