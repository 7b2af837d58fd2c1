"""How others reach us, as far as that is configured: outside addresses, and who is on our side of a NAT."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

from trunkline.errors import ConfigError, ParseError
from trunkline.sip.hop import Hop
from trunkline.sip.uri import parse_uri

_PLACES = 1_024
"""Places that it is remembered of how they see us; the one not heard of for longest goes first."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How others reach us, where that is not at the addresses that we listen on."""

    host: str = ""
    """In Contact and Via; empty: our own, or what STUN says."""
    port: int = 0
    """The same; 0: where we listen. For UDP and TCP alone: TLS is at its own port."""
    local: tuple[str, ...] = ()
    """Networks that see our own address: they are on our side of the NAT."""
    stun: str = ""
    """A STUN server that says it, `HOST[:PORT]`; those on private addresses are not told its word."""

    def __post_init__(self) -> None:
        """Raises `ConfigError` for what is no network."""
        for network in self.local:
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError as error:
                what = f"{network!r} is no address or network"
                raise ConfigError(what, where="sip.local_networks") from error
        if self.stun:
            try:
                parse_uri(f"sip:{self.stun}")
            except ParseError as error:
                what = f"{self.stun!r} is no server"
                raise ConfigError(what, where="sip.stun_server", hint="Write HOST or HOST:PORT") from error

    def is_local(self, host: str) -> bool:
        if not self.local:
            return False
        address = ipaddress.ip_address(host.partition("%")[0])
        return any(address in ipaddress.ip_network(network, strict=False) for network in self.local)


class SeenAs:
    """By which address and port each place sees us, as its responses say (`received`, `rport`: RFC 3581)."""

    def __init__(self) -> None:
        self._by: dict[Hop, tuple[str, int]] = {}

    def note(self, hop: Hop, address: tuple[str, int], *, ours: tuple[str, int]) -> None:
        """`hop` sees us at `address`; `ours`: the one that this machine has. The same: nothing is between."""
        key = hop._replace(flow=0)
        self._by.pop(key, None)
        if address != ours and (":" in address[0]) == (":" in ours[0]):
            if len(self._by) >= _PLACES:
                del self._by[next(iter(self._by))]
            self._by[key] = address

    def by(self, hop: Hop) -> tuple[str, int] | None:
        """None where it sees us as we are, or has not said."""
        return self._by.get(hop._replace(flow=0))


@lru_cache(maxsize=1024)
def is_private(host: str) -> bool:
    """Whether an address is of a private network, or this machine's own."""
    return ipaddress.ip_address(host.partition("%")[0]).is_private
