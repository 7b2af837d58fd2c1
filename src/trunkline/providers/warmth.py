"""Keeping a service's connection open from call to call, where it is one that requests share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from trunkline.clock import Clock
from trunkline.errors import EngineError

IDLE_SECONDS = 30.0
"""After so long without a request the other end may have closed the connection: services do so after a
minute or a few."""


class Warmth:
    """When a service was last spoken to. One for each engine object."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._used = -IDLE_SECONDS

    def used(self) -> None:
        """A request was made, or is over."""
        self._used = self._clock.now()

    async def renew(self, look: Callable[[], Awaitable[object]]) -> None:
        """Ask something free of charge where it was silent for long. What fails is told when it is asked
        in earnest."""
        if self._clock.now() - self._used < IDLE_SECONDS:
            return
        self.used()  # many calls that begin at once need it once
        with suppress(EngineError):
            await look()
