"""The caller's side of a stream: messages put in order, doubles dropped, cut into 20 ms frames.

What comes in order passes at once: nothing waits behind a buffer that nothing needs, since sockets
keep order and carriers seldom break it. A message that comes too early waits for the ones before it,
`PATIENCE` at most; then those count as lost and silence marked `concealed` stands in for them.
"""

from __future__ import annotations

from trunkline.audio.cut import FrameCutter
from trunkline.audio.frame import FRAME_SECONDS, Frame, frame_bytes

PATIENCE = 0.08
"""Seconds that sound waits for what should have come before it."""
HELD_BOUND = 16
"""Messages that wait at most; one more, and the gap before them is given up."""
GAP_BOUND = 25
"""Missing messages that silence stands in for; after a longer gap the stream simply goes on."""
QUIET_AFTER = 0.2
"""Seconds without anything after which silence stands in, so that time goes on for who listens."""
_LOST_KEPT = 256


class Arrivals:
    """One stream's incoming sound. Times are handed in; frames come out, to be passed on at once."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.received = 0
        self.lost = 0
        self.late = 0
        self.doubled = 0
        self.concealed = 0
        """Frames of silence that stood in for something."""
        self.jitter = 0.0
        """Seconds; how unevenly messages arrive, smoothed as RFC 3550 section 6.4.1 does."""
        self._cutter = FrameCutter(rate)
        self._silence = bytes(frame_bytes(rate))
        self._next: int | None = None
        self._held: dict[int, tuple[bytes, float]] = {}
        self._missing: dict[int, None] = {}
        self._length = 0
        """Bytes of the latest message: how much silence stands in for a lost one."""
        self._last_at: float | None = None
        self._given_until: float | None = None

    def push(self, pcm: bytes, at: float, number: int | None = None) -> list[Frame]:
        """The frames that this message completes. `pcm`: 16-bit, any length; `number`: its place in
        the stream, None where the carrier does not count."""
        if number is None:
            return self._take(pcm, at)
        if self._next is None or number >= self._next + GAP_BOUND + HELD_BOUND:
            # The first message, or one from so far ahead that the stream must have begun anew.
            frames = self._release_all(at)
            self._next = number + 1
            return frames + self._take(pcm, at)
        if number == self._next:
            self._next += 1
            return self._take(pcm, at) + self._release(at)
        if number > self._next:
            if number in self._held:
                self.doubled += 1
                return []
            self._held[number] = (pcm, at)
            return self._give_up_gap(at) if len(self._held) > HELD_BOUND else []
        if number in self._missing:
            del self._missing[number]
            self.late += 1
        else:
            self.doubled += 1
        return []

    def advance(self, now: float) -> list[Frame]:
        """What has become of time passing: gaps given up, silence where nothing comes. Each 20 ms."""
        frames: list[Frame] = []
        if self._held and now - min(at for _, at in self._held.values()) > PATIENCE:
            frames = self._give_up_gap(now)
        if not frames and self._given_until is not None and now - self._given_until > QUIET_AFTER:
            # One frame a call keeps step with time, at the distance it is behind already.
            self._given_until += FRAME_SECONDS
            frames = [self._stand_in(now)]
        return frames

    def restart(self) -> None:
        """A new socket: its messages are counted anew. What waited is given up."""
        self.lost += len(self._held)
        self._held.clear()
        self._missing.clear()
        self._next = None
        self._last_at = None
        self._cutter = FrameCutter(self.rate)

    def _give_up_gap(self, at: float) -> list[Frame]:
        assert self._next is not None
        first = min(self._held)
        gap = first - self._next
        self.lost += gap
        for missing in range(self._next, first):
            self._missing[missing] = None
        while len(self._missing) > _LOST_KEPT:
            del self._missing[next(iter(self._missing))]
        self._next = first
        silence = bytes(self._length * min(gap, GAP_BOUND))
        frames = self._cut(silence, at, concealed=True) if silence else []
        return frames + self._release(at)

    def _release(self, at: float) -> list[Frame]:
        """What waited and now is next in order. Frames keep the time at which they arrived."""
        frames: list[Frame] = []
        while self._next is not None and self._next in self._held:
            pcm, arrived = self._held.pop(self._next)
            self._next += 1
            frames += self._take(pcm, arrived)
        if frames:
            self._given_until = at
        return frames

    def _release_all(self, at: float) -> list[Frame]:
        frames: list[Frame] = []
        while self._held:
            frames += self._give_up_gap(at)
        return frames

    def _take(self, pcm: bytes, at: float) -> list[Frame]:
        self.received += 1
        if self._last_at is not None and self._length:
            expected = self._length / (2 * self.rate)
            self.jitter += (abs(at - self._last_at - expected) - self.jitter) / 16
        self._last_at = at
        self._length = len(pcm)
        return self._cut(pcm, at)

    def _cut(self, pcm: bytes, at: float, *, concealed: bool = False) -> list[Frame]:
        frames = [Frame(piece, self.rate, at, concealed) for piece in self._cutter.push(pcm)]
        if concealed:
            self.concealed += len(frames)
        self._given_until = at
        return frames

    def _stand_in(self, at: float) -> Frame:
        self.concealed += 1
        return Frame(self._silence, self.rate, at, concealed=True)
