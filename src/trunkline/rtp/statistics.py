"""How well a source is received, as RFC 3550 counts it: loss (appendix A.3), jitter (A.8), round trip."""

from __future__ import annotations

from trunkline.rtp.rtcp import ReportBlock

NTP_EPOCH = 2_208_988_800
"""Seconds from 1900, where NTP begins, to 1970."""


def to_ntp(wall: float) -> int:
    """Seconds since 1970 as a 64-bit NTP time."""
    return int((wall + NTP_EPOCH) * 2**32) & 0xFFFFFFFFFFFFFFFF


def round_trip(block: ReportBlock, wall: float) -> float | None:
    """Seconds there and back, from a report about us that came at `wall` (section 6.4.1, figure 2)."""
    if block.last_sr == 0:
        return None
    middle = to_ntp(wall) >> 16 & 0xFFFFFFFF
    units = (middle - block.last_sr - block.delay) & 0xFFFFFFFF
    # Clocks that tick differently can make a fast round trip negative; nothing takes an hour.
    return units / 65536 if units < 3600 * 65536 else 0.0


class ReceiveStatistics:
    """Counts one source after the other; figures for the call go over all of them."""

    __slots__ = (
        "_before",
        "_clock_rate",
        "_first",
        "_highest",
        "_jitter",
        "_last_report",
        "_last_sr",
        "_last_sr_at",
        "_received",
        "_received_before",
        "_transit",
        "ssrc",
    )

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self.ssrc: int | None = None
        self._first = self._highest = self._received = 0
        self._before = self._received_before = 0
        self._transit = self._jitter = 0.0
        self._last_report = (0, 0)
        self._last_sr, self._last_sr_at = 0, 0.0

    def set_clock_rate(self, clock_rate: int) -> None:
        """Another codec, whose timestamps count otherwise; the counts of packets go on."""
        if clock_rate != self._clock_rate:
            self._jitter *= clock_rate / self._clock_rate
            self._clock_rate = clock_rate
            self._transit = 0.0  # too far from anything to be taken for jitter

    def received(self, ssrc: int, sequence: int, timestamp: int, at: float, timed: bool = True) -> None:
        """A packet came. `timed`: its timestamp tells when it was sent (a keypad event's does not)."""
        units = at * self._clock_rate - timestamp
        if ssrc != self.ssrc:
            self._restart(ssrc, sequence, units)
            return
        step = (sequence - self._highest) & 0xFFFF
        if step < 0x8000:
            if step > 3000:  # the source began its count anew (appendix A.1's MAX_DROPOUT)
                self._restart(ssrc, sequence, units)
                return
            self._highest += step
        elif step < 0x10000 - 3000:
            self._restart(ssrc, sequence, units)
            return
        self._received += 1
        if timed:
            change = abs(units - self._transit)
            self._transit = units
            if change < self._clock_rate:  # more is a jump of the timestamps (or their wrap), not jitter
                self._jitter += (change - self._jitter) / 16

    def _restart(self, ssrc: int, sequence: int, units: float) -> None:
        self._before += self.expected
        self._received_before += self._received
        self.ssrc = ssrc
        self._first = self._highest = sequence
        self._received = 1
        self._transit = units
        self._last_report = (0, 0)
        self._last_sr = 0

    def sender_report(self, ntp: int, at: float) -> None:
        """A sender report of this source came."""
        self._last_sr, self._last_sr_at = ntp >> 16 & 0xFFFFFFFF, at

    @property
    def expected(self) -> int:
        """Packets of the present source that should have come."""
        return self._highest - self._first + 1 if self.ssrc is not None else 0

    @property
    def lost(self) -> int:
        """Packets that did not come, over all sources; doubles do not make it negative."""
        return max(0, self._before + self.expected - self._received_before - self._received)

    @property
    def packets(self) -> int:
        """Packets that came, over all sources."""
        return self._received_before + self._received

    @property
    def jitter_seconds(self) -> float:
        return self._jitter / self._clock_rate

    def report(self, at: float) -> tuple[ReportBlock, ...]:
        """The block for the next report; none where nothing was received. Begins the next interval."""
        if self.ssrc is None:
            return ()
        expected_before, received_before = self._last_report
        expected = self.expected - expected_before
        lost = expected - (self._received - received_before)
        self._last_report = (self.expected, self._received)
        return (
            ReportBlock(
                ssrc=self.ssrc,
                fraction_lost=min(255, lost * 256 // expected) if expected > 0 and lost > 0 else 0,
                lost=self.expected - self._received,
                highest=self._highest & 0xFFFFFFFF,
                jitter=min(0xFFFFFFFF, int(self._jitter)),
                last_sr=self._last_sr,
                delay=int((at - self._last_sr_at) * 65536) & 0xFFFFFFFF if self._last_sr else 0,
            ),
        )
