"""How much strangers may send: a bucket of tokens for each source, and one for all of them together.

Pure: the time is passed in. Trunks are no strangers and never come here; sources with a call in progress
draw on their own bucket alone, so that a flood of others cannot starve them. Memory is bounded: the sources
that have been silent for longest are forgotten, which can only favour them.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict

_SOURCES = 4_096
_LARGE = 4_096
"""Bytes that count as one more message: a large one costs more to look at."""
BURST_SECONDS = 4.0
"""A bucket holds what comes in so many seconds."""


def source_of(host: str) -> str:
    """Who counts as one source: an IPv4 address, a /64 of IPv6, since one owner has all of that."""
    if ":" not in host:
        return host
    try:
        return str(ipaddress.ip_network((host.partition("%")[0], 64), strict=False).network_address)
    except ValueError:
        return host


class _Bucket:
    """Tokens that come back with time."""

    __slots__ = ("at", "left")

    def __init__(self, left: float, at: float) -> None:
        self.left = left
        self.at = at

    def refill(self, rate: float, at: float) -> None:
        self.left = min(rate * BURST_SECONDS, self.left + max(0.0, at - self.at) * rate)
        self.at = at


class FloodLimit:
    """`per_source` and `together`: messages a second; 0 for no limit."""

    def __init__(self, per_source: float, together: float) -> None:
        self._per_source = per_source
        self._together = together
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._all = _Bucket(together * BURST_SECONDS, 0.0)
        self._calls: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._buckets)

    def begin(self, host: str) -> None:
        """A call with this source is up."""
        self._calls[source_of(host)] += 1

    def end(self, host: str) -> None:
        """That call is over."""
        source = source_of(host)
        self._calls[source] -= 1
        if self._calls[source] <= 0:
            del self._calls[source]

    def admit(self, host: str, size: int, at: float) -> bool:
        """Whether a message of `size` bytes from this stranger is looked at."""
        source = source_of(host)
        cost = 1.0 + size // _LARGE
        if self._per_source:
            bucket = self._buckets.get(source)
            if bucket is None:
                bucket = self._buckets[source] = _Bucket(self._per_source * BURST_SECONDS, at)
                if len(self._buckets) > _SOURCES:
                    self._buckets.popitem(last=False)
            else:
                self._buckets.move_to_end(source)
            bucket.refill(self._per_source, at)
            if bucket.left < cost:
                return False
            bucket.left -= cost
        if self._together and source not in self._calls:
            self._all.refill(self._together, at)
            if self._all.left < cost:
                return False
            self._all.left -= cost
        return True
