"""A circuit breaker: an engine that fails again and again is left alone for a while. Pure: time passed in.

    CLOSED   asked as usual; enough failures within the window open it
    OPEN     not asked; after its rest the next one who wants it may try
    TRYING   one call tries it: success closes it, failure opens it again

One for each engine object, shared by all calls: what the first calls suffered, the others need not.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from trunkline.errors import EngineError, EngineKeyWrong, EngineMissing, EngineQuota, EngineRequest


class Circuit(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    TRYING = "trying"


_PERSON_NEEDED = (EngineKeyWrong, EngineQuota, EngineMissing)
"""A person has to change something: asking again soon is useless."""


@dataclass(slots=True)
class Breaker:
    """`failures` within `window` seconds open it for `rest` seconds; what only a person can mend opens it at
    once, for ten times as long. A trial that never comes back counts as failed after `rest`."""

    failures: int = 3
    window: float = 30.0
    rest: float = 15.0
    circuit: Circuit = Circuit.CLOSED
    _failed_at: deque[float] = field(default_factory=deque)
    _until: float = 0.0

    def ready(self, now: float) -> bool:
        """Whether the engine may be asked now."""
        return self.circuit is Circuit.CLOSED or now >= self._until

    def allows(self, now: float) -> bool:
        """The same, by one who asks at once if so: where it was OPEN this is the trial, and how it went
        must be told."""
        if not self.ready(now):
            return False
        if self.circuit is not Circuit.CLOSED:
            self.circuit = Circuit.TRYING
            self._until = now + self.rest
        return True

    def succeeded(self) -> None:
        """It answered."""
        self.circuit = Circuit.CLOSED
        self._failed_at.clear()

    def failed(self, now: float, error: EngineError) -> None:
        """It did not. A request that the engine refuses is the request's fault, and counts for nothing."""
        if isinstance(error, EngineRequest):
            if self.circuit is Circuit.TRYING:
                self.succeeded()  # it was there to refuse
            return
        self._failed_at.append(now)
        while self._failed_at[0] < now - self.window or len(self._failed_at) > self.failures:
            self._failed_at.popleft()
        lasting = isinstance(error, _PERSON_NEEDED)
        if lasting or self.circuit is Circuit.TRYING or len(self._failed_at) >= self.failures:
            self.circuit = Circuit.OPEN
            self._until = now + self.rest * (10 if lasting else 1)

    def let_go(self) -> None:
        """The one who asked went away before it was known: a trial is open for the next one."""
        if self.circuit is Circuit.TRYING:
            self.circuit = Circuit.OPEN
            self._until = 0.0
