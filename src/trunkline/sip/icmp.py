"""What the network says of a datagram that it did not deliver (ICMP: RFC 792, RFC 4443; RFC 3261 §18.4).

Linux hands each such error out with where the datagram went, what it began with, and a `sock_extended_err`
(linux/errqueue.h). Whoever knows our addresses can forge one: `TransactionLayer.undelivered` decides what it
may end.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from trunkline.sip.hop import host_text, plain_address

IP_LEVEL, IP_RECVERR = 0, 11
IPV6_LEVEL, IPV6_RECVERR = 41, 25
_ERROR = struct.Struct("=IBBBxII")
"""The errno, whose word it is (`_ICMP`, `_ICMP6`; 1: this machine's own), type, code, and two fields more."""
_ICMP, _ICMP6 = 2, 3
_SAID_BY = {(IP_LEVEL, IP_RECVERR): _ICMP, (IPV6_LEVEL, IPV6_RECVERR): _ICMP6}
"""By the level and type of the ancillary message."""
_PORT = "port unreachable"
_LASTING = {
    (_ICMP, 3, 2): "protocol unreachable",
    (_ICMP, 3, 3): _PORT,
    (_ICMP, 3, 6): "network unknown",
    (_ICMP, 3, 7): "host unknown",
    (_ICMP, 3, 8): "host isolated",
    (_ICMP, 3, 9): "network prohibited",
    (_ICMP, 3, 10): "host prohibited",
    (_ICMP, 3, 13): "prohibited by a filter",
    (_ICMP, 3, 14): "host precedence violation",
    (_ICMP, 3, 15): "precedence cut off",
    (_ICMP6, 1, 1): "prohibited by a filter",
    (_ICMP6, 1, 4): _PORT,
    (_ICMP6, 1, 5): "source address refused",
    (_ICMP6, 1, 6): "route rejected",
}
"""What Linux, too, takes for final. A network or a host may be unreachable only for as long as routes change
(RFC 1122 §3.2.2.1): that the timers tell, as with what took too many hops, or is too large."""
_PARAMETER_PROBLEM = {(_ICMP, 12), (_ICMP6, 4)}
_BRANCH = re.compile(rb"([A-Z]+) [^\r\n]*\r\nVia:[^\r\n]*?;branch=(\w+)[;\r]")


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A datagram of ours did not arrive at `host` and `port`, and another would not. `what`: why."""

    host: str
    port: int
    what: str
    quoted: bytes
    """What it began with; RFC 792 asks for none of it, RFC 4443 for a kilobyte."""

    def __str__(self) -> str:
        there = f"{host_text(self.host)}:{self.port}"
        what = "nobody listens at" if self.what == _PORT else "nothing can be sent to"
        return f"{what} {there} over UDP (ICMP: {self.what})"

    @property
    def branch(self) -> tuple[str, str] | None:
        """Branch and method of the request, as in `client_key`; None where too little of it is quoted."""
        found = _BRANCH.match(self.quoted)
        return (found[2].decode("ascii"), found[1].decode("ascii")) if found is not None else None


def read_undelivered(
    quoted: bytes, ancillary: Iterable[tuple[int, int, bytes]], destination: object
) -> Undelivered | None:
    """Reads what `recvmsg(MSG_ERRQUEUE)` gave. None for what may pass, and for what is no ICMP error."""
    for level, kind, data in ancillary:
        said_by = _SAID_BY.get((level, kind))
        if said_by is None or len(data) < _ERROR.size:
            continue
        _, origin, icmp_type, code, _, _ = _ERROR.unpack_from(data)
        if origin != said_by:
            continue
        what = _LASTING.get((origin, icmp_type, code), "")
        if (origin, icmp_type) in _PARAMETER_PROBLEM:
            what = "parameter problem"
        match destination:
            case (str(host), int(port), *_) if what:
                return Undelivered(plain_address(host), port, what, quoted)
    return None
