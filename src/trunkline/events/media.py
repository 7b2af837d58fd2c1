"""What the leg tells of its sound: keys, silence of the network, hold."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.events.event import Event


@dataclass(frozen=True, slots=True)
class Dtmf(Event):
    """The caller pressed a key."""

    digit: str


@dataclass(frozen=True, slots=True)
class MediaLost(Event):
    """No packet has come for `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class MediaBack(Event):
    """Packets come again after MediaLost."""


@dataclass(frozen=True, slots=True)
class HoldStarted(Event):
    """The other end has put us on hold: it does not listen, and what it sends is music at best."""


@dataclass(frozen=True, slots=True)
class HoldEnded(Event):
    """It listens again."""
