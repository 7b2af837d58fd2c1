"""Where a call is in its scenario: frozen, so that a speculative turn can be thrown away."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from trunkline.prompt import ToolCall

FieldStatus = Literal["heard", "confirmed", "corrected", "declined"]


@dataclass(frozen=True, slots=True)
class FieldValue:
    """A field's value and why we believe it. `value` is None where the caller declined to say."""

    value: Any
    status: FieldStatus
    turn: int
    evidence: str = ""
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the talk. `unheard`: words that an interruption kept the caller from hearing."""

    who: Literal["agent", "caller"]
    text: str
    unheard: str = ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A tool call of the answer in progress, and what it was told."""

    call: ToolCall
    answer: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """All that the engine knows of one call."""

    now: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    """Calendar time with zone, of the latest happening that carried one."""
    step: str = ""
    entered_turn: int = 0
    """The caller's turn in which the step was entered; it can be left after a later one."""
    turn: int = 0
    facts: dict[str, str] = field(default_factory=dict)
    fields: dict[str, FieldValue] = field(default_factory=dict)
    unconfirmed: str = ""
    """The field that was read back and waits for a yes."""
    day: str = ""
    """A day that was named without its time (ISO date), while the time is asked for."""
    counts: dict[str, int] = field(default_factory=dict)
    """How often: "objection:price", "case:silence", "asked:team_size", "step:opening"."""
    lines: tuple[Line, ...] = ()
    recap: str = ""
    """A model's summary of the first `recapped` lines, which prompts no longer hold."""
    recapped: int = 0
    recap_asked: int = 0
    """Up to which line a summary was asked for last."""
    exchange: tuple[Exchange, ...] = ()
    rounds: int = 0
    """How often the model was asked in this turn of the caller."""
    answered: str = ""
    """Words that a tool made due in this answer (an objection's), should the model not say them."""
    due: tuple[str, ...] = ()
    """Words of `say` steps that were passed on the way here and are not spoken yet."""
    firm: bool = False
    """A step among those may not be interrupted (a legal notice): its words are said to their end."""
    closing: str = ""
    """The edge case over which the call ends as soon as this answer is over."""
    arrived: bool = True
    """Whether the present step's own words were said (or the model took that upon itself)."""
    interrupted: bool = False
    """The agent's latest words were cut by the caller."""
    objections: tuple[str, ...] = ()
    """Those raised, in order, each once."""
    transferring: bool = False
    machine: str = ""
    """What took the call where that is no person (`Answerer`'s value): nothing it says is answered. "human"
    where a person picked up after all and was not greeted yet."""
    results: dict[str, str | float | bool] = field(default_factory=dict)
    """What tools answered, by the names that the steps gave it."""
    calling: str = ""
    """The visit (`visit`) of a `call` step whose tool has not answered yet."""
    timed: str = ""
    """The visit whose time limit is running."""
    outcome: str = ""
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether the call is over for the scenario: an `End` was given."""
        return bool(self.outcome)

    def count(self, what: str) -> int:
        return self.counts.get(what, 0)

    def values(self) -> dict[str, object]:
        """Facts, tools' results and fields by name, for conditions."""
        known = {name: held.value for name, held in self.fields.items()}
        return {**self.facts, **self.results, **known}

    @property
    def visit(self) -> str:
        """The present step and the how-manieth time it was entered, as one key: "look_up#2"."""
        return f"{self.step}#{self.count(f'step:{self.step}')}"

    def last_said(self) -> str:
        """The agent's latest words, with those that were cut."""
        for line in reversed(self.lines):
            if line.who == "agent":
                return f"{line.text} {line.unheard}".strip()
        return ""

    def last_heard(self) -> str:
        """The caller's latest words."""
        return next((line.text for line in reversed(self.lines) if line.who == "caller"), "")
