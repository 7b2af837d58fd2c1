"""What the scenario did: its steps, its fields, what callers said no or yes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trunkline.events.event import Event


@dataclass(frozen=True, slots=True)
class ScenarioStepped(Event):
    """Something happened to the scenario, and this is what it asked for: what a replay compares.

    States have numbers in the order in which they came to be; 0 is the one before anything happened.
    A state may be stepped from more than once: an answer prepared too early leaves its own behind."""

    before: int
    after: int
    happening: dict[str, Any]
    actions: tuple[dict[str, Any], ...]
    """Each with its `type` and values; of a prompt, and of the phrases expected, only a digest."""


@dataclass(frozen=True, slots=True)
class StepEntered(Event):
    """The scenario moved to `step`."""

    step: str


@dataclass(frozen=True, slots=True)
class FieldSet(Event):
    """A field was learned, confirmed or corrected."""

    name: str
    value: Any
    status: str  # "heard", "confirmed", "corrected", "cleared"
    turn: int
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class ObjectionRaised(Event):
    """The caller raised an objection or question that the scenario knows."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class CallbackAgreed(Event):
    """The caller is to be called again at `when` (ISO 8601 with zone)."""

    when: str


@dataclass(frozen=True, slots=True)
class OptedOut(Event):
    """The caller does not want to be called again."""

    evidence: str
