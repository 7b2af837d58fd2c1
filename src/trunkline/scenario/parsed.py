"""What reading a caller's words for a field needs, and gives: the parsers of every type stand on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Context:
    """What parsing depends on besides the words."""

    now: datetime
    """With the caller's zone."""
    expected: bool = True
    """Whether this field was just asked for; a volunteered value needs better evidence."""
    day: date | None = None
    """A day named before, for moments."""
    foreign: tuple[str, ...] = ()
    """Plain words that, beside a number, show that it belongs to another field."""
    region: str = "US"
    """For phone numbers without country code."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A value, the words it came from, and whether we are sure. `partial`: a day without its time."""

    value: Any
    evidence: str
    sure: bool = True
    partial: bool = False
