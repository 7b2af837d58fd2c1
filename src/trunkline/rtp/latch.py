"""Symmetric RTP (RFC 4961): where to send, when the address in the SDP cannot be reached (NAT).

The signalled address is believed until the other end's first valid packets show another. From then on
only that one counts: a stranger who sends later, or who sends nonsense first, gets nothing. It opens
again when signalling names another address, or names the same one again (a re-INVITE, after a phone
changed its network, say) and the source it was latched to has fallen silent. Whoever sends from the very
address that signalling named takes the place of any other: a stranger who was quicker keeps nothing.

Whoever moves goes on sending from the old address until our answer is there. That is heard, and moves
nothing; only who stays where they were for longer has not moved, whatever their SDP says.
"""

from __future__ import annotations

Address = tuple[str, int]

NEEDED = 3
"""Packets in a row that a source which was not signalled has to send to be believed."""
SILENT_SECONDS = 1.0
"""For so long nothing must have come from the present source, before another may take its place."""
STILL_THERE = 50
"""Packets from the present source after which a permission to replace it lapses; and as many from the one
before a move show that there was none."""


class Latch:
    """Decides whose packets count."""

    __slots__ = (
        "_count",
        "_former",
        "_heard_at",
        "_latched",
        "_next",
        "_permitted",
        "_source",
        "_ssrc",
        "_symmetric",
        "_under_way",
        "remote",
        "strangers",
    )

    def __init__(self) -> None:
        self.remote: Address | None = None
        """Where to send."""
        self.strangers = 0
        """Packets that were refused."""
        self._latched = False
        self._symmetric = True
        self._source: Address | None = None
        self._former: Address | None = None
        """Where they were before signalling named another address."""
        self._under_way = 0
        """Packets that came from there since."""
        self._heard_at = 0.0
        self._permitted = 0
        """Packets from the present source until nobody may replace it any more."""
        self._ssrc = self._next = self._count = 0

    @property
    def latched(self) -> bool:
        """Whether the other end has shown itself."""
        return self._latched

    def signal(self, remote: Address, *, symmetric: bool = True) -> None:
        """Signalling says, or says again, that the other end is at `remote`. `symmetric` False: only
        that address ever counts."""
        if remote == self._source and symmetric == self._symmetric:
            self._permitted = STILL_THERE
            return
        if self._latched:
            self._former = self.remote
        if self._former == remote:
            self._former = None
        self._under_way = 0
        self._source = remote
        self._symmetric = symmetric
        self.remote = remote
        self._latched = False
        self._permitted = self._count = 0

    def may_count(self, source: Address, at: float) -> bool:
        """Whether a packet from there can be the other end's at all. Counts it as a stranger's if not."""
        if source == self.remote or (source == self._source and self.remote is not None):
            return True
        if self.remote is not None and self._symmetric:
            if not self._latched:
                return True
            if self._permitted and at - self._heard_at >= SILENT_SECONDS:
                return True
        self.strangers += 1
        return False

    def admit(self, source: Address, ssrc: int, sequence: int, at: float, *, proven: bool = False) -> bool:
        """Whether a packet from `source`, valid in itself, is the other end's. `proven`: a tag has
        shown that it is, so the first is enough (SRTP)."""
        if source == self.remote:
            self._latched = True
            self._heard_at = at
            if self._permitted:
                self._permitted -= 1
            return True
        if not self.may_count(source, at):
            return False
        if source == self._former and not self._latched:
            self._under_way += 1
            if self._under_way >= STILL_THERE:
                self._believe(source, at)
            return True
        if self._count and ssrc == self._ssrc and sequence == self._next:
            self._count += 1
        else:
            self._count = 1
        self._ssrc, self._next = ssrc, (sequence + 1) & 0xFFFF
        if self._count < NEEDED and not proven:
            self.strangers += 1
            return False
        self._believe(source, at)
        return True

    def _believe(self, source: Address, at: float) -> None:
        self.remote = source
        self._latched = True
        self._heard_at = at
        self._permitted = self._count = 0
