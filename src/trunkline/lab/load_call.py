"""One call of a load: what its caller says and when, and what it measures. Pure but for numpy.

The caller waits for the greeting, then says one of its lines; it lets the agent finish or, every
`INTERRUPT_EVERY`th time, speaks into its answer. Its `Ear` measures as the demonstration's does.
Everything that is done 50 times a second a call is a lookup or a slice: lines are mu-law payloads
cut beforehand, and a received packet of silence is known by its bytes alone.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from trunkline.audio.frame import FRAME_SECONDS, Frame
from trunkline.lab.audible import FLOOR_DBFS, amplitude
from trunkline.lab.ear import Ear
from trunkline.lab.recordings import DECODED, RATE, encode

SAMPLES = round(RATE * FRAME_SECONDS)
QUIET = bytes(np.flatnonzero(np.abs(DECODED.astype(int)) < amplitude(FLOOR_DBFS)).astype(np.uint8))
"""The mu-law codes that no audible sound consists of alone."""
SILENCE = b"\xff" * SAMPLES
INTERRUPT_EVERY = 3
INTERRUPT_AFTER = 1.2
AGENT_DONE = 0.6
"""Seconds of silence after which the agent has finished."""
AGENT_DONE_OVERLAID = 2.2
"""The same where sounds are made over it: it may hold its place for as long as one lasts, and more."""
OVERLAY_EVERY = 2
LOST_PACKETS = 30
"""A sentence that is this much shorter or longer than the one before, in packets of sound, was cut."""
NO_ANSWER = 6.0
"""Seconds without an answer after which the caller speaks again."""
WORST_LATENESS = 10.0


def payloads(samples: np.ndarray) -> tuple[bytes, ...]:
    """A line as mu-law payloads of 20 ms."""
    data = encode(samples)
    data += b"\xff" * (-len(data) % SAMPLES)
    return tuple(data[at : at + SAMPLES] for at in range(0, len(data), SAMPLES))


class LoadCall:
    """One caller. `next_packet` gives what leaves now, `packet` takes what came."""

    def __init__(
        self,
        number: int,
        lines: Sequence[tuple[bytes, ...]],
        decoded: Sequence[Sequence[bytes]],
        overlays: Sequence[tuple[bytes, ...]] = (),
    ) -> None:
        self.ear = Ear()
        self.lateness: list[float] = []
        """Of each received packet, in seconds, against the steadiest line through all arrivals."""
        self.received = 0
        self.lost = 0
        self.overlaid = 0
        """Overlays whose sentence was heard to its end, or lost."""
        self.lost_sentences = 0
        self._lines = (*lines, *overlays)
        self._says = len(lines)
        self._overlay_at = number
        self._overlaying = False
        self._sounded = 0
        """Packets of the agent's sound since the caller last said something."""
        self._usual = 0
        self._greeted = False
        self._overlay_due = bool(overlays)
        self._done_after = AGENT_DONE_OVERLAID if overlays else AGENT_DONE
        self._decoded = decoded
        self._ssrc = 0x10AD0000 + number
        self._sequence = number * 37 & 0xFFFF
        self._timestamp = number * 1601 & 0xFFFFFFFF
        self._line = self._next_line = number % len(lines)
        self._place: int | None = None
        self._said = number
        self._agent_began: float | None = None
        self._agent_last: float | None = None
        self._quiet_since: float | None = None
        self._interrupts = False
        self._expected: int | None = None
        self._zero: tuple[int, float] | None = None
        self._offset = 0.0

    def forget(self) -> None:
        """Begin measuring anew; the conversation goes on."""
        self.ear = Ear()
        self.lateness = []
        self.received = self.lost = 0
        self._zero, self._offset = None, 0.0
        self.overlaid = self.lost_sentences = 0

    def next_packet(self, now: float) -> bytes:
        """The RTP packet (RFC 3550) that leaves at `now`, 20 ms after the last."""
        if self._place is None:
            self._decide(now)
        payload = SILENCE
        if self._place is not None:
            payload = self._lines[self._line][self._place]
            self.ear.sent(self._decoded[self._line][self._place], RATE, now)
            self._place += 1
            if self._place == len(self._lines[self._line]):
                self._place = None
                if self._line < self._says:
                    self._next_line = (self._line + 1) % self._says
                    self._quiet_since = now
                    self._agent_began = None
        header = struct.pack(">BBHII", 0x80, 0, self._sequence, self._timestamp, self._ssrc)
        self._sequence = self._sequence + 1 & 0xFFFF
        self._timestamp = self._timestamp + SAMPLES & 0xFFFFFFFF
        return header + payload

    def packet(self, data: bytes, at: float) -> None:
        """An RTP packet that arrived at `at`. What is not PCMU without extras is left alone."""
        if len(data) < 12 or data[0] != 0x80 or data[1] & 0x7F:
            return
        self._time(int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:8], "big"), at)
        payload = data[12:]
        if not payload.translate(None, QUIET):
            return
        self.ear.received(Frame(DECODED[np.frombuffer(payload, np.uint8)].tobytes(), RATE, at))
        self._sounded += 1
        if self.ear.agent.sounds_at(at, 0.0):
            anew = self._agent_last is None or at - self._agent_last > AGENT_DONE
            if anew or (self._agent_began is None and self._place is None):
                self._agent_began = at
            self._agent_last = at

    def _decide(self, now: float) -> None:
        last, began = self._agent_last, self._agent_began
        if last is None:
            return
        sounding = now - last < 2 * FRAME_SECONDS
        if self._interrupts and began is not None and sounding and now - began >= INTERRUPT_AFTER:
            self._speak(now, "backchannel" if self._overlay_due else "interrupt")
            return
        finished = began is not None and not sounding and now - last >= self._done_after
        waited = 0.0 if began is not None or self._quiet_since is None else now - self._quiet_since
        if finished or waited > NO_ANSWER:
            self._judge_sentence()
            self._speak(now, "say")

    def _judge_sentence(self) -> None:
        """The agent is done: was the sentence with a sound over it as long as the others?"""
        sounded, self._sounded = self._sounded, 0
        greeting, self._greeted = not self._greeted, True
        if not self._overlaying:
            self._usual = 0 if greeting else sounded
        elif self._usual:
            self.overlaid += 1
            self.lost_sentences += abs(sounded - self._usual) > LOST_PACKETS
        self._overlaying = False

    def _speak(self, now: float, kind: str) -> None:
        self.ear.meant(now, kind, kind)
        self._place = 0
        if kind == "backchannel":
            self._overlaying, self._interrupts = True, False
            self._line = self._says + self._overlay_at % (len(self._lines) - self._says)
            self._overlay_at += 1
            return
        self._line = self._next_line
        self._said += 1
        every = OVERLAY_EVERY if self._overlay_due else INTERRUPT_EVERY
        self._interrupts = self._said % every == 0

    def _time(self, sequence: int, timestamp: int, at: float) -> None:
        self.received += 1
        if self._expected is not None:
            gap = sequence - self._expected & 0xFFFF
            if gap < 0x8000:
                self.lost += gap
        if self._expected is None or (sequence - self._expected & 0xFFFF) < 0x8000:
            self._expected = sequence + 1 & 0xFFFF
        if self._zero is None:
            self._zero = (timestamp, at)
        due = self._zero[1] + ((timestamp - self._zero[0] & 0xFFFFFFFF) / RATE)
        late = at - due
        if late > WORST_LATENESS:
            # The agent began a new time line: not a late packet.
            self._zero, self._offset, late = (timestamp, at), 0.0, 0.0
        # The earliest packet so far is the measure: whatever comes later than it is late.
        self._offset = min(self._offset, late)
        self.lateness.append(late - self._offset)
