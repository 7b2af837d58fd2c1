"""The agent's side of a stream: how much to send now, and how far the other end has played.

A carrier that buffers plays what it has got and falls silent when it has nothing. So a clock is kept
of what it must be playing: frames are sent up to `lead` seconds ahead of that, which hides an uneven
network and a late wake, and no further, because what is sent ahead has to be cleared at an
interruption and cannot be changed any more. The first frame of an utterance never waits.
"""

from __future__ import annotations

from collections import deque

from trunkline.audio.frame import FRAME_SECONDS

BURST = 8
"""Frames at one tick at most, after a late wake."""
MARK_EVERY = 25
"""Frames between marks: twice a second."""
MARKS_BOUND = 64
"""Marks that are on their way at most; a carrier that answers none is asked no more."""
_TRIPS = 16
_GAPS = 500
_EDGE = 1e-6


class Playout:
    """Of one stream. Times are seconds on the monotonic clock, handed in."""

    def __init__(self, lead: float) -> None:
        self.lead = lead
        """Seconds that frames may be ahead of their playing; 0 for ends that play at once."""
        # Without a lead a frame belongs to each tick, also to one that comes a little early after a late one.
        self._slack = _EDGE if lead else FRAME_SECONDS / 2
        self.sent = 0
        self._until: float | None = None
        """When all that was sent will have been played, as far as known."""
        self._marks: dict[str, float] = {}
        self._trips: deque[float] = deque(maxlen=_TRIPS)
        self._since_mark = 0
        self._count = 0
        self._sent_at: float | None = None
        self._gaps: deque[float] = deque(maxlen=_GAPS)

    def next_at(self, now: float) -> float | None:
        """When a frame that is sent now would begin to play; None where enough was sent."""
        begins = now if self._until is None else max(self._until, now)
        return begins if begins - now <= self.lead + self._slack else None

    def note_sent(self, begins: float, now: float) -> str | None:
        """A frame was sent, to play at `begins`. Gives the name of a mark where one is due now."""
        if self._sent_at is not None and self._until is not None and self._until + _EDGE >= begins:
            self._gaps.append(now - self._sent_at)
        self._sent_at = now
        self._until = begins + FRAME_SECONDS
        self.sent += 1
        self._since_mark += 1
        if self._since_mark < MARK_EVERY or len(self._marks) >= MARKS_BOUND:
            return None
        self._since_mark = 0
        self._count += 1
        name = f"t{self._count}"
        self._marks[name] = self._until
        return name

    def note_played(self, name: str, at: float) -> None:
        """The carrier says that everything before this mark is played."""
        due = self._marks.pop(name, None)
        if due is not None:
            self._trips.append(max(0.0, at - due))

    def cut(self, now: float) -> float:
        """Everything that was sent and not played is thrown away; gives its length in seconds.
        Marks that come back after a clear say nothing about playing, so they are forgotten."""
        unplayed = self.unplayed(now)
        self._until = None
        self._marks.clear()
        self._since_mark = 0
        return unplayed

    def unplayed(self, now: float) -> float:
        """Seconds of sound that were sent and are still to be played."""
        return 0.0 if self._until is None else max(0.0, self._until - now)

    @property
    def delay(self) -> float:
        """Seconds from a frame's sending to its playing: half the quickest of the last marks' trips,
        since that is the way there and the way back; 0 while none has come back."""
        return min(self._trips) / 2 if self._trips else 0.0

    @property
    def round_trip(self) -> float | None:
        """Seconds of the quickest of the last marks' trips, from the end of its sound."""
        return min(self._trips) if self._trips else None

    @property
    def gap_p99(self) -> float:
        """Seconds between two frames of one utterance as they leave, the 99th percentile of the last."""
        return sorted(self._gaps)[int(0.99 * (len(self._gaps) - 1))] if self._gaps else 0.0
