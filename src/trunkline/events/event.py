"""What every event is: something that happened, and when."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a call."""

    at: float
    """Seconds on the monotonic clock."""
