"""Keypad digits in RTP: the telephone-event payload of RFC 4733.

A press is a run of packets with one timestamp (its beginning), a growing duration and, on the last
three, the end bit. Any of them may be lost: a digit is reported on the first packet of its press that
comes, and never again.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass

from trunkline.errors import MediaError, ParseError

DIGITS = "0123456789*#ABCD"
"""Event codes 0 to 15 (RFC 4733 section 3.2, table 3)."""
_PAYLOAD = struct.Struct("!BBH")
_ENDS = 3
"""How often the last packet is sent (section 2.5.1.4)."""


@dataclass(frozen=True, slots=True)
class TelephoneEvent:
    """The payload (section 2.3). `volume`: dBm0 below zero, 0 to 63; `duration`: clock units so far."""

    event: int
    end: bool
    volume: int
    duration: int

    @classmethod
    def parse(cls, payload: bytes) -> TelephoneEvent:
        """Raises `ParseError` for less than four bytes; more (redundant events) is left unread."""
        if len(payload) < 4:
            raise ParseError(f"{len(payload)} bytes are too few for an event", where="telephone-event")
        event, flags, duration = _PAYLOAD.unpack_from(payload)
        return cls(event, flags >= 0x80, flags & 0x3F, duration)

    def __bytes__(self) -> bytes:
        return _PAYLOAD.pack(self.event, self.end << 7 | self.volume, self.duration)


@dataclass(slots=True)
class Press:
    """One press of a key: began at `timestamp`, lasted `duration` clock units as far as known."""

    digit: str
    timestamp: int
    duration: int
    ended: bool = False


class DtmfReceiver:
    """Tells presses from the packets about them."""

    __slots__ = ("_recent", "_segment", "last")

    def __init__(self) -> None:
        self._recent: deque[tuple[int, int]] = deque(maxlen=16)
        """(SSRC, timestamp) of presses already reported, for packets that come late."""
        self._segment = 0
        """Timestamp of the last press's latest segment."""
        self.last: Press | None = None

    def push(self, payload: bytes, timestamp: int, ssrc: int) -> str | None:
        """The digit, if this packet is the first to tell of it. Raises `ParseError`."""
        event = TelephoneEvent.parse(payload)
        if event.event >= len(DIGITS):
            return None  # flash, fax and modem tones: not keys
        digit = DIGITS[event.event]
        last = self.last
        if (ssrc, timestamp) in self._recent:
            if last is not None and timestamp == self._segment:
                before = (timestamp - last.timestamp) & 0xFFFFFFFF
                last.duration = max(last.duration, before + event.duration)
                last.ended = last.ended or event.end
            return None
        self._recent.append((ssrc, timestamp))
        if last is not None and last.digit == digit and not last.ended:
            since = (timestamp - last.timestamp) & 0xFFFFFFFF
            # A press longer than 16 bits of duration goes on in segments that start where the one
            # before ended (section 2.5.1.3); and some senders move the timestamp within a press.
            if 0 < since <= last.duration:
                self._segment = timestamp
                last.duration = since + event.duration
                last.ended = event.end
                return None
        self._segment = timestamp
        self.last = Press(digit, timestamp, event.duration, event.end)
        return digit


@dataclass(frozen=True, slots=True)
class EventPacket:
    """What the next packet has to be: `timestamp` is that of the press's beginning."""

    payload: bytes
    timestamp: int
    marker: bool


class DtmfSender:
    """Turns digits into one event packet a tick, presses of 100 ms with 60 ms between them.

    `step`: clock units in one tick, as RTP timestamps count them; `event_step`: as durations do, where
    the events were agreed on at another clock than the sound's.
    """

    __slots__ = (
        "_digits",
        "_elapsed",
        "_ends",
        "_event_step",
        "_pause",
        "_press",
        "_start",
        "_step",
        "_ticks",
    )

    def __init__(self, step: int, *, event_step: int = 0, press_ticks: int = 5, pause_ticks: int = 3) -> None:
        self.count(step, event_step or step)
        self._ticks = press_ticks
        self._pause = pause_ticks
        self._digits: deque[int] = deque()
        self._press: int | None = None
        self._start = self._elapsed = self._ends = 0

    def count(self, step: int, event_step: int) -> None:
        """Other clocks from now on."""
        self._step, self._event_step = step, event_step

    @property
    def busy(self) -> bool:
        """Whether anything is still to be sent, the last pause included."""
        return self._press is not None or bool(self._digits)

    def send(self, digits: str) -> None:
        """Queue these. Raises `MediaError` for what is on no keypad, or more than 64 at once."""
        for digit in digits.upper():
            if digit not in DIGITS:
                raise MediaError(f"{digit!r} is on no keypad", hint=f"Keys are {DIGITS}")
        if len(self._digits) + len(digits) > 64:
            raise MediaError("more than 64 digits wait to be sent")
        self._digits.extend(DIGITS.index(digit) for digit in digits.upper())

    def drop(self) -> None:
        """What was not begun is not pressed; a press under way ends as it would have."""
        self._digits.clear()

    def tick(self, timestamp: int) -> EventPacket | None:
        """The event packet that takes the place of this tick's sound, which begins at `timestamp`."""
        if self._press is None:
            if not self._digits:
                return None
            self._press = self._digits.popleft()
            self._start, self._elapsed, self._ends = timestamp, 0, 0
        if self._ends >= _ENDS:
            self._ends += 1
            if self._ends >= _ENDS + self._pause:
                self._press = None
            return None
        marker = self._elapsed == 0
        if self._ends == 0:
            self._elapsed = (timestamp - self._start & 0xFFFFFFFF) + self._step
        end = self._elapsed >= self._ticks * self._step
        self._ends += end
        duration = self._elapsed * self._event_step // self._step
        event = TelephoneEvent(self._press, end, 10, min(0xFFFF, duration))
        return EventPacket(bytes(event), self._start, marker)
