"""A play whose every step is in the call's log, so that the log can be replayed.

`LoggedPlay` numbers the states that the play gives and logs each step as `ScenarioStepped`: from which
state, what happened, what was asked for. `lab/replay.py` reads that back.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any

from trunkline.call.play import Play
from trunkline.clock import Clock
from trunkline.errors import ParseError
from trunkline.events import Answerer, ScenarioStepped, to_json
from trunkline.prompt import Prompt
from trunkline.scenario.actions import Action, Expect, Generate, Happening, Note, Recap


@dataclass(frozen=True, slots=True, eq=False)
class NumberedState:
    """The play's own state, and its number in the log."""

    number: int
    inner: Any


class LoggedPlay:
    """One for each call. A step that changes nothing gives the very same state back."""

    def __init__(self, play: Play, clock: Clock, log: Callable[[ScenarioStepped], None]) -> None:
        self.name = play.name
        self._play = play
        self._clock = clock
        self._log = log
        self._count = 0

    def initial(self) -> NumberedState:
        """State 0."""
        return NumberedState(0, self._play.initial())

    def step(self, state: NumberedState, happening: Happening) -> tuple[NumberedState, list[Action]]:
        """The play's own step, logged."""
        inner, actions = self._play.step(state.inner, happening)
        after = state
        if inner is not state.inner:
            self._count += 1
            after = NumberedState(self._count, inner)
        self._log(
            ScenarioStepped(
                self._clock.now(),
                state.number,
                after.number,
                plain_happening(happening),
                tuple(plain_action(action) for action in actions),
            )
        )
        return after, actions

    def check_sentence(self, state: NumberedState, sentence: str) -> tuple[str, str]:
        """The play's own."""
        return self._play.check_sentence(state.inner, sentence)


# --- plain data -----------------------------------------------------------------------------------


def plain_happening(happening: Happening) -> dict[str, Any]:
    """What happened, as data that JSON can hold: its `type`, and its values."""
    return {"type": type(happening).__name__, **_fields(happening)}


def plain_action(action: Action) -> dict[str, Any]:
    """What was asked for, as data that JSON can hold. Prompts, and the phrases of an
    expectation, are long: digests tell them apart."""
    name = type(action).__name__
    match action:
        case Generate():
            prompt = digest(action.prompt)
            simple = {"simple": True} if action.simple else {}
            return {"type": name, "prompt": prompt, "interruptible": action.interruptible, **simple}
        case Recap():
            return {"type": name, "prompt": digest(action.prompt), "lines": action.lines}
        case Expect(expectation=expectation, silence=silence):
            heard = _short([expectation.phrases, expectation.keyterms])
            kind, digits = expectation.kind.value, expectation.digits
            return {"type": name, "kind": kind, "digits": digits, "phrases": heard, "silence": silence}
        case Note():
            return {"type": name, "event": _plain(to_json(action.event))}
        case _:
            return {"type": name, **_fields(action)}


def digest(prompt: Prompt) -> str:
    """Sixteen hexadecimal digits over all that a hosted model would be given."""
    return _short([prompt.messages, prompt.tools, prompt.temperature, prompt.max_tokens])


def _short(values: list[Any]) -> str:
    text = json.dumps(_plain(values), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)  # dates, decimals: told apart by their text


@cache
def _kinds() -> dict[str, type[Happening]]:
    return {kind.__name__: kind for kind in typing.get_args(Happening)}


def happening_from(data: dict[str, Any]) -> Happening:
    """The happening that `plain_happening` gave this for. Raises `ParseError` for anything else."""
    values = dict(data)
    kind = _kinds().get(str(values.pop("type", "")))
    if kind is None:
        raise ParseError(f"nothing that happens to a scenario is called {data.get('type')!r}")
    try:
        if "now" in values:
            values["now"] = datetime.fromisoformat(values["now"])
        if "who" in values:
            values["who"] = Answerer(values["who"])
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise ParseError(f"{kind.__name__}: {error}") from error
