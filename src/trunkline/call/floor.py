"""Who has the floor: the shell around turn-taking.

Every event of the call that turn-taking knows goes through `feed`, in order; its decisions are
logged, carried out, and its next deadline armed on the call's clock. What a decision causes at once
(a cut gives `SpeakingStopped`) is fed after the decision, never inside it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from trunkline.clock import Clock
from trunkline.events import Event, TimePassed
from trunkline.turn.taking import TurnTaking


class Floor:
    """`log` gets every event once, `act` each decision after it is logged."""

    def __init__(
        self,
        taking: TurnTaking,
        clock: Clock,
        log: Callable[[Event], None],
        act: Callable[[Event], None],
    ) -> None:
        self._taking = taking
        self._clock = clock
        self._log = log
        self._act = act
        self._queue: deque[Event] = deque()
        self._feeding = False
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for: float | None = None
        self._closed = False

    @property
    def wants_tones(self) -> bool:
        """Whether turn-taking would learn something from a tone."""
        return self._taking.wants_tones

    def feed(self, event: Event) -> None:
        """Log an event, let turn-taking decide, carry the decisions out."""
        if self._closed:
            return
        self._queue.append(event)
        if self._feeding:
            return
        self._feeding = True
        try:
            while self._queue:
                event = self._queue.popleft()
                self._log(event)
                for decision in self._taking.handle(event):
                    self._log(decision)
                    self._act(decision)
        finally:
            self._feeding = False
        self._arm()

    def _arm(self) -> None:
        deadline = self._taking.deadline()
        if deadline == self._armed_for and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed_for = deadline
        if deadline is not None and not self._closed:
            self._timer = self._clock.call_at(deadline, self._time_passed)

    def _time_passed(self) -> None:
        self._timer = None
        deadline = self._armed_for
        now = self._clock.now()
        if deadline is not None and now < deadline:
            # The loop's timers are coarser than the clock: not yet.
            self._timer = self._clock.call_at(deadline, self._time_passed)
            return
        self._armed_for = None
        self.feed(TimePassed(now))

    def close(self) -> None:
        """No more decisions; the timer is gone, and whoever was told of them is let go of."""
        self._closed = True
        self._log = self._act = _nobody
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _nobody(_: Event) -> None:
    """The call is over."""
