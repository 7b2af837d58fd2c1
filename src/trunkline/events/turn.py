"""Whose turn it is: what turn-taking is told beside the above, and what it decides."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.events.event import Event
from trunkline.events.values import Expectation


@dataclass(frozen=True, slots=True)
class Expecting(Event):
    """The agent's latest words ask for this."""

    expectation: Expectation
    silence: float = 0.0
    """Seconds after which nobody having answered counts as silence; 0 for the policy's own."""


@dataclass(frozen=True, slots=True)
class TimePassed(Event):
    """A deadline that turn-taking asked for has come."""


@dataclass(frozen=True, slots=True)
class TurnStarted(Event):
    """The caller has taken the turn."""

    turn: int
    since: float


@dataclass(frozen=True, slots=True)
class TurnLikely(Event):
    """The words so far look complete: an answer may be prepared, not spoken."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class TurnResumed(Event):
    """The caller goes on, or the words changed: what was prepared on TurnLikely is worthless."""

    turn: int


@dataclass(frozen=True, slots=True)
class TurnEnded(Event):
    """The caller has finished; the agent may speak."""

    turn: int
    text: str
    speech_end: float
    """When the caller's last speech was heard."""
    why: str
    """The policy that decided: "silence", "complete", "engine", "keypad", "limit", …"""
    confidence: float = 1.0
    garbled: bool = False
    """Speech was heard and no words were understood."""
    keys: str = ""
    """Digits, where the caller answered on the keypad."""


@dataclass(frozen=True, slots=True)
class CallerSilent(Event):
    """The agent asked, and nobody answered for `seconds`. `count` rises until the caller speaks."""

    seconds: float
    count: int
