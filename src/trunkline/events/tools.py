"""Tools: what a model or a step of the scenario called, and what came back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trunkline.events.event import Event


@dataclass(frozen=True, slots=True)
class ToolCalled(Event):
    """The model called a tool; `refused` says why it was not carried out, where it was not."""

    generation: int
    name: str
    arguments: dict[str, Any]
    refused: str = ""


@dataclass(frozen=True, slots=True)
class ToolStarted(Event):
    """A step of the scenario calls a tool (not the model: that is `ToolCalled`)."""

    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolEnded(Event):
    """What came of it: `ok`, or `why` not, after `seconds`."""

    tool: str
    ok: bool
    seconds: float
    why: str = ""
