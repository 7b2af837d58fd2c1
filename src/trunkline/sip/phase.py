"""How far a call has come."""

from __future__ import annotations

from enum import Enum, auto


class Phase(Enum):
    """Of one session; each is told what it waits for."""

    CALLING = auto()
    """Our INVITE is out, nothing is heard."""
    PROCEEDING = auto()
    """They are trying, or ringing."""
    OFFERED = auto()
    """Their INVITE waits for our answer."""
    ANSWERED = auto()
    """Our 200 waits for its ACK."""
    CONFIRMED = auto()
    CLOSING = auto()
    """Our BYE (or CANCEL) waits for its answer."""
    ENDED = auto()
