"""Nobody answers: when that is told to the scenario, and the watchdog over answers that never come."""

from __future__ import annotations

from trunkline.events import CallerSilent
from trunkline.turn.policy import TurnPolicy

_AFTER_NOISE = 1.0
"""After a noise that was no speech the caller still has this long, seconds."""


class Patience:
    """Counts the silence from the end of the agent's sound, or from the last thing that happened."""

    __slots__ = ("_count", "_due", "_policy", "_quiet_since", "_wait")

    def __init__(self, policy: TurnPolicy) -> None:
        self._policy = policy
        self._wait = policy.patience
        self._count = 0
        self._quiet_since: float | None = None
        self._due = float("inf")

    def asked(self, seconds: float) -> None:
        """The question in force grants this long; 0 for the policy's own."""
        self._wait = max(0.5, seconds) if seconds > 0 else self._policy.patience

    def quiet(self, since: float) -> None:
        """It is the caller's turn to speak, and nobody does, from `since`."""
        self._quiet_since, self._due = since, since + self._wait

    def preparing(self, since: float) -> None:
        """An answer is being prepared from `since`: only the watchdog runs."""
        self._quiet_since, self._due = since, since + self._policy.answer_limit

    def noise(self, until: float) -> None:
        """Something was heard that was no speech: do not complain in the same breath."""
        if self._quiet_since is not None:
            self._due = max(self._due, until + _AFTER_NOISE)

    def over(self) -> None:
        """Somebody speaks: no silence runs."""
        self._quiet_since, self._due = None, float("inf")

    def answered(self) -> None:
        """The caller has spoken: the count begins anew."""
        self._count = 0

    @property
    def due(self) -> float:
        """When silence will be told; infinite while somebody speaks."""
        return self._due

    def fire(self, at: float) -> CallerSilent:
        """Tell it, and wait once more: where nothing follows, it is told again."""
        since = at if self._quiet_since is None else self._quiet_since
        self._count += 1
        self._due = at + self._wait
        return CallerSilent(at=at, seconds=max(0.0, at - since), count=self._count)
