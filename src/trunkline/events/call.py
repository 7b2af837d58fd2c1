"""The call itself: from ringing to its end, whom it was handed to, and what went wrong in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trunkline.events.event import Event


@dataclass(frozen=True, slots=True)
class CallStarted(Event):
    """The first event of every log."""

    call_id: str
    direction: str  # "inbound" or "outbound"
    caller: str
    callee: str
    leg: str
    scenario: str
    wall: str  # ISO 8601, UTC
    engines: dict[str, str] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    """The numbers that turn-taking goes by in this call, where they are not its own defaults."""
    variables: dict[str, str] = field(default_factory=dict)
    """What came with the call: headers, the trunk, what carriers say of the caller."""


@dataclass(frozen=True, slots=True)
class CallRinging(Event):
    """An outbound call rings at the other end."""

    early_media: bool = False


@dataclass(frozen=True, slots=True)
class EarlyWords(Event):
    """What was said while it rang (early media): by an announcement or a mailbox, and to nobody."""

    text: str


@dataclass(frozen=True, slots=True)
class CallAnswered(Event):
    """Audio can flow both ways."""

    codec: str
    rate: int
    trunk: str = ""
    """By which of several it is up, where it is by one."""


@dataclass(frozen=True, slots=True)
class HungUp(Event):
    """The other end, or the network, ended the call."""

    reason: str = "hung up"


@dataclass(frozen=True, slots=True)
class CallEnded(Event):
    """The last event of every log."""

    by: str  # "agent", "caller", "person" (whom it was handed to), "network", "drain", "error"
    reason: str
    outcome: str


@dataclass(frozen=True, slots=True)
class TransferStarted(Event):
    """The call is being handed to a person."""

    target: str


@dataclass(frozen=True, slots=True)
class TransferDone(Event):
    """How the hand-over ended: "transferred", "declined", "busy", "no-answer", "failed", …"""

    target: str
    result: str


@dataclass(frozen=True, slots=True)
class OutcomeDecided(Event):
    """What the call came to."""

    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Trouble(Event):
    """Something failed and the call went on. `error` is the error's class, `what` its text."""

    where: str
    error: str
    what: str
    verdict: str
