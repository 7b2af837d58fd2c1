"""How long nothing may come from a caller before the call counts as over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self

from trunkline.clock import Clock
from trunkline.events import Event, HoldStarted, MediaBack, MediaLost


class LossLimit:
    """Of one call: `end` is called once no packet has come for `seconds`, a hold left out."""

    def __init__(self, clock: Clock, seconds: float, end: Callable[[], None]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._end = end
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def note(self, event: Event) -> None:
        """What happens on the leg."""
        match event:
            case MediaLost() if self._timer is None:
                self._timer = self._clock.call_at(event.at + self._seconds - event.seconds, self._end)
            case MediaBack() | HoldStarted():
                self.stop()

    def stop(self) -> None:
        """The call is over, or something comes again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
