"""The caller sounds while the agent speaks: what turn-taking decides."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.events.event import Event


@dataclass(frozen=True, slots=True)
class Ducked(Event):
    """The caller makes a sound while the agent speaks: the agent goes quieter while it is unclear."""

    generation: int
    since: float
    hold: bool = False
    """The sound is a voice: the agent falls silent and keeps its place. `Resumed` goes on from there,
    `Interrupted` follows when it was more than a sign of listening."""


@dataclass(frozen=True, slots=True)
class Resumed(Event):
    """It was nothing (a noise, a cough): the agent goes on, at full level."""

    generation: int


@dataclass(frozen=True, slots=True)
class Backchannel(Event):
    """ "Mm-hm": the caller listens. The agent goes on."""

    generation: int
    text: str


@dataclass(frozen=True, slots=True)
class Interrupted(Event):
    """The caller takes the turn from the agent, whose audio must stop now. Sound began at `since`."""

    generation: int
    since: float
    why: str
