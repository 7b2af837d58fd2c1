"""How late packets come, and how long it is therefore worth waiting for one that is missing.

The transit of a packet is its arrival less its place on the sender's clock: meaningless in itself, as
the clocks have different zeros, but the smallest of the last seconds is the fastest way there is, and
what a packet needs beyond it is its lateness. The smallest is taken over windows, so it follows clocks
that drift apart (200 ppm are 1 ms in 5 s) and routes that change.
"""

from __future__ import annotations

from collections import deque

SHORTEST_WAIT = 0.02
LONGEST_WAIT = 0.2
_WINDOW = 250
"""Packets: five seconds of 20 ms ones."""
_EVERY = 25
_FALL = 0.01
"""Seconds by which the wait falls each `_EVERY` packets: 20 ms a second."""
_QUANTILE = 0.98


class Lateness:
    """Measures one source. Times in seconds; `transit` is arrival less place on the sender's clock."""

    __slots__ = ("_count", "_low", "_older", "_recent", "base", "wait")

    def __init__(self) -> None:
        self.base = 0.0
        """The transit of the fastest packets."""
        self.wait = SHORTEST_WAIT
        """How long after its due time a missing packet is waited for: `SHORTEST_WAIT` to `LONGEST_WAIT`."""
        self._low = self._older = 0.0
        self._count = 0
        self._recent: deque[float] = deque(maxlen=_WINDOW)

    def restart(self, transit: float) -> None:
        """Another source, or another zero of its clock. What was learned of the wait stays."""
        self.base = self._low = self._older = transit
        self._count = 0
        self._recent.clear()

    def note(self, transit: float) -> float:
        """A packet came. Gives its lateness."""
        if transit < self._low:
            self._low = transit
            if transit < self.base:
                self.base = transit
        late = transit - self.base
        self._recent.append(late)
        if late > self.wait:  # rises at once: the next missing packet may be as late as this one
            self.wait = min(LONGEST_WAIT, late)
        self._count += 1
        if self._count % _EVERY == 0:
            self._settle()
        return late

    def _settle(self) -> None:
        usual = sorted(self._recent)[int(len(self._recent) * _QUANTILE)]
        if usual < self.wait:
            self.wait = max(usual, self.wait - _FALL, SHORTEST_WAIT)
        if self._count >= _WINDOW:
            latest = self.base + self._recent[-1]
            self.base = min(self._older, self._low)
            self._older, self._low = self._low, latest
            self._count = 0
