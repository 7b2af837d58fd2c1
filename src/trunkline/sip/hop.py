"""Where a message goes next, and where answers to it go (RFC 3261 §18, RFC 3581)."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import NamedTuple

from trunkline.sip.fields import Via, split_list
from trunkline.sip.message import Request
from trunkline.sip.uri import DEFAULT_PORTS, Uri


class Hop(NamedTuple):
    """A transport and an address. `host`: a name or an address, IPv6 without brackets. `port` 0, for a
    name alone: where DNS says (RFC 3263), or the transport's own."""

    transport: str
    """In lower case: "udp", "tcp", "tls"."""
    host: str
    port: int
    flow: int = 0
    """Which connection, where it must be that one (answers over TCP and TLS); 0 where any will do."""
    name: str = ""
    """The name that `host` was found under, which a certificate has to be for; empty: `host` itself."""

    @property
    def reliable(self) -> bool:
        return self.transport != "udp"


def hop_to(uri: Uri) -> Hop:
    """The hop that an address names, as far as it can be told without asking DNS."""
    host, port = uri.address
    # Where a name stands alone, DNS may name the port too (RFC 3263 §4.2).
    return Hop(uri.transport, host, port if uri.port or is_address(host) else 0)


@lru_cache(maxsize=1024)
def is_address(host: str) -> bool:
    """Whether this is an IP address and no name."""
    if not host[:1].isdigit() and ":" not in host:
        return False  # Most names need no more than this look.
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1024)
def plain_address(host: str) -> str:
    """An IP address as the system writes it, without its zone; names as they are."""
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return host


def host_text(host: str) -> str:
    """A host as it stands in an address: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def note_source(request: Request, source: Hop) -> None:
    """Write into the topmost Via where the request really came from (§18.2.1, RFC 3581 §4)."""
    via = request.via
    asked = "rport" in via.params
    if not asked and via.host.strip("[]") == source.host:
        return
    params = dict(via.params)
    params["received"] = source.host
    if asked:
        params["rport"] = str(source.port)
    seen = Via(via.transport, via.host, via.port, params)
    # Only its own line: what stands in others' is theirs, and goes back byte for byte (§8.2.6.2).
    beside = split_list(request.headers.get("Via") or "")[1:]
    request.headers.set_first("Via", ", ".join([str(seen), *beside]))
    request._via = seen


def answer_hop(request: Request, source: Hop) -> Hop:
    """Where responses to `request` go: back to its source, at the port its Via names if it does not
    ask for the source's own (§18.2.2, RFC 3581 §4)."""
    if source.reliable:
        # The connection it came by; should that be gone, where its Via says (§18.2.2).
        return source._replace(port=request.via.port or DEFAULT_PORTS[source.transport])
    if "rport" in request.via.params:
        return source
    return source._replace(port=request.via.port or DEFAULT_PORTS["udp"])
