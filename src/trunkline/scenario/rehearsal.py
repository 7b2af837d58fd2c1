"""The test file of a scenario: conversations with what each should come to.

A conversation is what the caller says, line by line, or a caller who answers what is asked. Expectations
stand on single lines and on the whole call. Read like a scenario: YAML or JSON, every error with its line.
`rehearse.py` plays it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from trunkline.errors import ScenarioError
from trunkline.scenario.load import explained, library, placed
from trunkline.scenario.model import Name
from trunkline.scenario.plain_yaml import Place, compose, read_text

VERSION = 1
SUFFIX = ".test.yaml"
"""How a test file's name ends; it stands beside its scenario."""
SILENCE = "(silence)"
NOISE = "(noise)"

Words = Annotated[str, StringConstraints(max_length=2000, strip_whitespace=True)]
_BEGINS = f"trunkline_test: {VERSION}"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Expected(_Part):
    """What should be so. Words are compared without case and punctuation."""

    step: Name | None = Field(default=None, description="where the call stands")
    steps: tuple[Name, ...] = Field(default=(), description="entered in this order, others between them")
    fields: dict[Name, Any] = Field(default_factory=dict, description="values; null: not known")
    says: tuple[Words, ...] = Field(default=(), description="the agent says each of these")
    never: tuple[Words, ...] = Field(default=(), description="the agent says none of these")
    objections: tuple[Name, ...] = Field(default=(), description="raised, among others")
    outcome: Words | None = Field(default=None, description="what the call came to; empty: it goes on")
    turns: int | None = Field(default=None, ge=0, description="at most so many turns of the caller")
    transferred_to: Words | None = None


class CallerLine(_Part):
    """One thing the caller does, and what should be so afterwards."""

    say: Words | None = Field(default=None, description="words, or (silence), or (noise)")
    keys: Words | None = Field(default=None, description="pressed on the keypad")
    transfer: Words | None = Field(default=None, description="how the transfer ended: transferred, busy, …")
    wait: float | None = Field(default=None, gt=0, le=3600, description="so many seconds pass in silence")
    expect: Expected = Expected()

    @model_validator(mode="before")
    @classmethod
    def _words_alone(cls, data: Any) -> Any:
        return {"say": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _one_thing(self) -> CallerLine:
        if sum(one is not None for one in (self.say, self.keys, self.transfer, self.wait)) != 1:
            raise ValueError("a line has one of `say`, `keys`, `transfer`, `wait`")
        return self


class Player(_Part):
    """A caller who answers what is asked. Without a model: the answers stand here."""

    character: Words = Field(default="", description="who they are and what they want, for a model")
    answers: dict[Name, Words] = Field(
        default_factory=dict, description="by field or step: what they say when it is asked"
    )
    raises: tuple[Words, ...] = Field(default=(), description="said one a turn, before any answer")
    confirms: Words = Field(default="Yes, that's right.", description="when something is read back")
    otherwise: Words = Field(default="I do not know.", description="when nothing else fits")


class Talk(_Part):
    """One conversation."""

    name: Words
    facts: dict[Name, Words] = Field(default_factory=dict)
    tools: dict[Name, Any] = Field(default_factory=dict, description="what tools answer; null: they fail")
    caller: tuple[CallerLine, ...] = ()
    persona: Player | None = None
    expect: Expected = Expected()

    @model_validator(mode="after")
    def _one_caller(self) -> Talk:
        if bool(self.caller) == (self.persona is not None):
            raise ValueError("a conversation has `caller` (lines) or `persona`, one of the two")
        if not self.expect.model_fields_set and not any(line.expect.model_fields_set for line in self.caller):
            raise ValueError("nothing is expected of it; add `expect:`")
        return self


class Rehearsal(_Part):
    """A whole test file."""

    trunkline_test: int = Field(description="the version of this format")
    scenario: Words = Field(default="", description="a shipped name, or a file beside this one")
    now: datetime = Field(default=datetime(2026, 1, 5, 9, 0, tzinfo=UTC), description="when each call begins")
    facts: dict[Name, Words] = Field(default_factory=dict, description="of every conversation")
    tools: dict[Name, Any] = Field(default_factory=dict, description="what tools answer in all of them")
    never: tuple[Words, ...] = Field(default=(), description="said in none of them")
    conversations: tuple[Talk, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _usable(self) -> Rehearsal:
        if self.trunkline_test != VERSION:
            raise ValueError(f"write {_BEGINS}")
        if self.now.tzinfo is None:
            raise ValueError("`now` needs a zone: 2026-01-05T09:00:00+00:00")
        names = [talk.name for talk in self.conversations]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two conversations are called {twice!r}")
        return self


def load_rehearsal(path: str | Path) -> tuple[Rehearsal, str]:
    """The test file at `path`, or that of the shipped scenario of this name, and the scenario it is for (a
    shipped name or a path). Raises `ScenarioError`."""
    shipped = library().get(str(path))
    file = shipped.with_name(shipped.stem + SUFFIX) if shipped is not None else Path(path)
    if shipped is None and not file.name.endswith(SUFFIX) and file.with_suffix(SUFFIX).exists():
        file = file.with_suffix(SUFFIX)  # the scenario was named: its test stands beside it
    hint = f"Give a test file (…{SUFFIX}), or one of the shipped: {', '.join(library())}."
    rehearsal = parse_rehearsal(read_text(file, hint), str(path))
    beside = file.with_name(file.name.removesuffix(SUFFIX) + ".yaml")
    named = rehearsal.scenario
    if named and named not in library():
        return rehearsal, str(file.parent / named)
    return rehearsal, named or str(beside)


def parse_rehearsal(text: str, where: str = "test") -> Rehearsal:
    """The test file in this text. Raises `ScenarioError` with the line of what is wrong."""
    data, lines = compose(text, where, _BEGINS)
    if isinstance(data, dict) and "trunkline_test" not in data:
        hint = f"A test file begins with {_BEGINS}."
        raise ScenarioError("this is no test file of a scenario", where=f"{where}:1", hint=hint)
    try:
        return Rehearsal.model_validate(data)
    except ValidationError as error:
        first, *others = placed(explained(error, _known_keys), where, lines)
        more = "".join(f"\n{other}" for other in others[:19])
        raise ScenarioError(first.what, where=first.where, hint=first.hint + more) from error


def _known_keys(path: Place) -> list[str]:
    parents = [part for part in path[:-1] if isinstance(part, str)]
    if "expect" in parents:
        return list(Expected.model_fields)
    if "persona" in parents:
        return list(Player.model_fields)
    if "caller" in parents:
        return list(CallerLine.model_fields)
    return list((Talk if "conversations" in parents else Rehearsal).model_fields)
