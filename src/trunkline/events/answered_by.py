"""Who or what took the call: a person, a machine, a menu."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from trunkline.events.event import Event


class Answerer(StrEnum):
    """Who, or what, took the call."""

    HUMAN = "human"
    MACHINE = "machine"
    """A mailbox or an answering machine: a message can be left after its beep."""
    IVR = "ivr"
    """A menu: "press one for sales"."""
    FAX = "fax"
    MAILBOX_FULL = "mailbox-full"
    """A mailbox that takes no message."""


@dataclass(frozen=True, slots=True)
class AnsweredBy(Event):
    """What seems to have taken the call. May be taken back by another one: a person picks up."""

    who: Answerer
    why: str
    """The evidence, strongest first: "words", "long greeting", "beep", …"""
    confidence: float = 1.0
    """0 to 1."""


@dataclass(frozen=True, slots=True)
class MailboxReady(Event):
    """The machine records from now on: it has beeped, or has been silent for long after its greeting."""

    why: str  # "beep", "silence", "limit"
