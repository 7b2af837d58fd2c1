"""Finding the servers behind a SIP address: which questions to ask DNS, and what their answers mean
(RFC 3263, RFC 2782, RFC 7984).

Pure: `places_of` is a generator that yields questions and is sent the records found, so that whoever drives
it may ask a name server, a cache or a table:

    finding = places_of(uri, families=("A", "AAAA"), transports=("udp", "tcp", "tls"), chance=random.random)
    question = next(finding)
    question = finding.send(records)        # until StopIteration, whose value is the list of hops

`Bench` remembers which servers do not answer, so that the next call does not wait for them again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import NamedTuple

from trunkline.errors import SipError
from trunkline.sip.hop import Hop, is_address
from trunkline.sip.uri import DEFAULT_PORTS, Uri

MOST_PLACES = 16
"""Servers that are kept of one answer; who publishes more is not tried to the end."""
_MOST_SETS = 8
"""NAPTR records and SRV names that are followed for one address."""
BENCHED_SECONDS = 30.0
"""For so long a server that did not answer is tried last, at first; it doubles with each failure."""
_LONGEST_BENCHED = 600.0
_BENCH_SIZE = 256

_SERVICES = {"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls"}
"""NAPTR services (RFC 3263 §4.1) that mean a transport of ours."""
_PREFIXES = {"udp": "_sip._udp.", "tcp": "_sip._tcp.", "tls": "_sips._tcp."}


class Question(NamedTuple):
    """What to ask: "NAPTR", "SRV", "A" or "AAAA" records of a name."""

    kind: str
    name: str


class Naptr(NamedTuple):
    """One NAPTR record (RFC 3403 §4.1), as far as SIP uses it."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


class Srv(NamedTuple):
    """One SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


Record = Naptr | Srv | str
"""A and AAAA records are the address itself."""
Finding = Generator[Question, Sequence[Record], list[Hop]]


def places_of(
    uri: Uri, *, families: Sequence[str], transports: Sequence[str], chance: Callable[[], float]
) -> Finding:
    """The hops that lead to `uri`, the first to be tried first. `families`: the address records that are
    any use to us, the preferred first; `transports`: what we speak. Empty where nothing was found. Raises
    `SipError` for a transport that we do not speak."""
    named = "transport" in uri.params
    transport = uri.transport
    if uri.scheme == "sips":
        transports = [kind for kind in transports if kind == transport]
    if transport not in transports:
        raise SipError(f"{transport} is not served", where="sip", hint="Use UDP, TCP or TLS")
    # `host` is what a certificate has to be for, whatever DNS says (RFC 5922 §4).
    host = uri.host.strip("[]").rstrip(".").lower()
    name = "" if is_address(host) else host
    if is_address(host) or uri.port is not None:
        targets = [Srv(0, 0, uri.port or DEFAULT_PORTS[transport], host)]
        return (yield from _addresses(targets, transport, name, families))
    if named:
        found = yield from _by_srv(_PREFIXES[transport] + host, transport, name, families, chance)
    else:
        found = yield from _by_naptr(host, families, transports, chance)
        if not found:
            for kind in ("udp", "tcp", "tls"):
                if kind in transports and not found:
                    found = yield from _by_srv(_PREFIXES[kind] + host, kind, name, families, chance)
    if not found:
        last = [Srv(0, 0, DEFAULT_PORTS[transport], host)]
        found = yield from _addresses(last, transport, name, families)
    return found


def places_at(hop: Hop, *, families: Sequence[str], chance: Callable[[], float]) -> Finding:
    """The same for a hop whose transport is settled and whose host is a name; port 0: as DNS says."""
    params: dict[str, str | None] = {"transport": hop.transport}
    uri = Uri("sip", "", hop.host, hop.port or None, params)
    return places_of(uri, families=families, transports=(hop.transport,), chance=chance)


def _by_naptr(
    host: str, families: Sequence[str], transports: Sequence[str], chance: Callable[[], float]
) -> Finding:
    records = yield Question("NAPTR", host)
    naptrs = [r for r in records if isinstance(r, Naptr) and r.flags.lower() == "s"]
    known = [r for r in naptrs if _SERVICES.get(r.service.upper()) in transports]
    found: list[Hop] = []
    for record in sorted(known, key=lambda r: (r.order, r.preference))[:_MOST_SETS]:
        kind = _SERVICES[record.service.upper()]
        found += yield from _by_srv(record.replacement.rstrip("."), kind, host, families, chance)
    return _once(found)


def _by_srv(
    name: str, transport: str, host: str, families: Sequence[str], chance: Callable[[], float]
) -> Finding:
    records = yield Question("SRV", name)
    targets = ordered([r for r in records if isinstance(r, Srv)], chance)
    # A lone "." says that the service is decidedly not there (RFC 2782).
    targets = [target for target in targets if target.target.rstrip(".") and target.port]
    return (yield from _addresses(targets, transport, host, families))


def ordered(records: Iterable[Srv], chance: Callable[[], float]) -> list[Srv]:
    """SRV records in the order in which they are to be tried: by priority, and among equals by chance in
    proportion to their weights (RFC 2782). `chance` gives numbers from 0 to below 1."""
    waiting = sorted(set(records))[: 4 * MOST_PLACES]
    order: list[Srv] = []
    while waiting:
        group = [record for record in waiting if record.priority == waiting[0].priority]
        # Weight 0 stands first, so that it is chosen hardly ever but not never.
        point = chance() * sum(record.weight for record in group)
        running = 0.0
        chosen = group[-1]
        for record in sorted(group, key=lambda r: r.weight):
            running += record.weight
            if running >= point:
                chosen = record
                break
        order.append(chosen)
        waiting.remove(chosen)
    return order


def _addresses(targets: Sequence[Srv], transport: str, name: str, families: Sequence[str]) -> Finding:
    found: list[Hop] = []
    for target in targets[:MOST_PLACES]:
        host = target.target.rstrip(".")
        if is_address(host):
            addresses: list[str] = [host]
        else:
            addresses = []
            for family in families:
                records = yield Question(family, host)
                addresses += [r for r in records if isinstance(r, str) and is_address(r)]
        found += [Hop(transport, address, target.port, 0, name) for address in addresses]
    return _once(found)


def _once(hops: Iterable[Hop]) -> list[Hop]:
    return list(dict.fromkeys(hops))[:MOST_PLACES]


class Bench:
    """Servers that did not answer of late. They are not given up, only tried after the others."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str, int], tuple[float, int]] = {}
        """By place: until when, and how many failures in a row."""

    def failed(self, hop: Hop, at: float, seconds: float = 0.0) -> None:
        """Nothing came from there, or it said that it is out of order for `seconds` (0: it did not say)."""
        place = hop[:3]
        _, failures = self._until.pop(place, (0.0, 0))
        wait = seconds or BENCHED_SECONDS * 2 ** min(failures, 8)
        if len(self._until) >= _BENCH_SIZE:
            del self._until[next(iter(self._until))]
        self._until[place] = (at + min(wait, _LONGEST_BENCHED), failures + 1)

    def answered(self, hop: Hop) -> None:
        """It is there again."""
        self._until.pop(hop[:3], None)

    def is_out(self, hop: Hop, at: float) -> bool:
        """Whether this place is to be tried last just now."""
        until = self._until.get(hop[:3])
        return until is not None and at < until[0]

    def sort(self, hops: Sequence[Hop], at: float) -> list[Hop]:
        """The same hops, those that are out at the end, the one that comes back first before the others."""
        out = {hop: self._until[hop[:3]][0] for hop in hops if self.is_out(hop, at)}
        return [hop for hop in hops if hop not in out] + sorted(out, key=lambda hop: out[hop])
