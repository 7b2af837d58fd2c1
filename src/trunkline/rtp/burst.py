"""Whether losses come one by one or in bursts: RFC 3611 section 4.7.2.

A burst is the longest stretch that begins and ends with a missing packet and in which fewer than
`MIN_GAP` packets in a row arrived; all else is gap. The same share of loss is far worse to hear in
bursts. A packet that came too late to be used counts as missing here.
"""

from __future__ import annotations

from dataclasses import dataclass

MIN_GAP = 16
"""Gmin: packets in a row that end a burst (the value that the RFC recommends)."""


@dataclass(frozen=True, slots=True)
class BurstGap:
    """Shares are 0 to 1, lengths are in packets on average; 0 where there was none."""

    burst_loss: float = 0.0
    burst_packets: float = 0.0
    gap_loss: float = 0.0
    gap_packets: float = 0.0
    bursts: int = 0
    run_packets: float = 0.0
    """How long an unbroken run of missing packets is on average: what the E-model's BurstR is from."""


class BurstMeter:
    """Sees each packet's fate, in the order in which they were sent."""

    __slots__ = (
        "_burst_lost",
        "_burst_packets",
        "_bursts",
        "_good",
        "_open",
        "_open_lost",
        "_runs",
        "lost",
        "packets",
    )

    def __init__(self) -> None:
        self.packets = 0
        self.lost = 0
        self._good = MIN_GAP
        """Packets that came since the last missing one."""
        self._runs = 0
        self._open = self._open_lost = 0
        """Packets, and missing ones, of a stretch that is a burst if it holds more than one missing."""
        self._bursts = self._burst_packets = self._burst_lost = 0

    def came(self) -> None:
        """The next packet was there."""
        self.packets += 1
        self._good += 1

    def missing(self, count: int = 1) -> None:
        """The next ones were not."""
        if count <= 0:
            return
        self.packets += count
        self.lost += count
        self._runs += bool(self._good)
        if self._good >= MIN_GAP:
            self._close()
            self._open = self._open_lost = count
        else:
            self._open += self._good + count
            self._open_lost += count
        self._good = 0

    def _close(self) -> None:
        if self._open_lost > 1:
            self._bursts += 1
            self._burst_packets += self._open
            self._burst_lost += self._open_lost

    def figures(self) -> BurstGap:
        """Up to now; a burst under way counts as far as it goes."""
        bursts, packets, lost = self._bursts, self._burst_packets, self._burst_lost
        if self._open_lost > 1:
            bursts, packets, lost = bursts + 1, packets + self._open, lost + self._open_lost
        outside = self.packets - packets
        # Between n bursts lie n - 1 gaps, and one before and one after, where there is anything.
        ends_in_burst = self._open_lost > 1 and self._good == 0
        gaps = bursts + (0 if ends_in_burst else 1)
        return BurstGap(
            burst_loss=lost / packets if packets else 0.0,
            burst_packets=packets / bursts if bursts else 0.0,
            gap_loss=(self.lost - lost) / outside if outside else 0.0,
            gap_packets=outside / gaps if gaps else 0.0,
            bursts=bursts,
            run_packets=self.lost / self._runs if self._runs else 0.0,
        )
