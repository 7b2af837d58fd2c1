"""Trunks: who carries our calls to the telephone network, and which one a call goes to first.

Pure: what is asked of a trunk is plain data, the time and the calls in progress are handed in.
"""

from __future__ import annotations

import ipaddress
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, ClassVar, Literal

from trunkline.errors import ConfigError, ParseError
from trunkline.sip.digest import Credentials
from trunkline.sip.fields import NameAddress
from trunkline.sip.identity import Shown, shown_as
from trunkline.sip.uri import Uri, escape_user, parse_uri

PRESETS: dict[str, dict[str, Any]] = {
    "twilio": {"plus": "add"},
    "telnyx": {"server": "sip:sip.telnyx.com", "plus": "add"},
    "vonage": {"server": "sip:sip.nexmo.com", "plus": "strip"},
    "asterisk": {"register": True},
    "freeswitch": {"register": True},
}
"""What each of these wants that differs from our defaults; whatever is written beside it counts more."""
NO_TRUNK = "none"
"""What a route calls the trunk of a caller who came by none."""
_NAMES = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


@dataclass(frozen=True, slots=True)
class Trunk:
    """One `[[trunks]]` of the configuration."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    name: str
    """For the log, letters, digits, - and _."""
    preset: str = ""
    """twilio, telnyx, vonage, asterisk or freeswitch: what that one usually wants."""
    server: str = ""
    """Where calls go: `sip:HOST[:PORT][;transport=udp|tcp|tls]`, or the host alone."""
    user: str = ""
    """Whom to log in as, where the trunk asks for that."""
    password: str = field(default="", repr=False)
    register: bool = False
    """Tell the trunk where calls to us go (REGISTER); else it has to know our address."""
    expires: int = 3600
    """Seconds to register for."""
    callers: tuple[str, ...] = ()
    """Numbers that may be shown as the caller's; the first is shown where a call names none of them."""
    prefixes: tuple[str, ...] = ()
    """How the numbers begin that this trunk takes; none: it takes all."""
    priority: int = 0
    """The lowest is tried first."""
    weight: int = 1
    """Among trunks of one priority: its share of the calls; 0: only where the others cannot."""
    max_calls: int = 0
    """Calls of ours at once on this trunk; 0: any."""
    calls_per_second: float = 0.0
    """Calls of ours a second on this trunk; 0: any."""
    peers: tuple[str, ...] = ()
    """Addresses and networks that its calls to us come from, beside its server's: `192.0.2.0/24`."""
    plus: Literal["keep", "strip", "add"] = "keep"
    """Whether numbers go with their +."""
    user_phone: bool = False
    """Mark numbers with `user=phone`, which some trunks want and others refuse."""
    from_user: str = ""
    """What stands as the user in From, whatever number is shown; empty: that number."""
    from_host: str = ""
    """What stands as the host in From; empty: the server's."""
    identity: Shown = Shown.FROM
    """How the trunk is told the caller's number: `from` alone, `asserted` (P-Asserted-Identity),
    `preferred` (P-Preferred-Identity) or `remote-party` (Remote-Party-ID)."""
    hide_caller: bool = False
    """Whether the people called are not to see our number (Privacy)."""
    reply_within: float = 10.0
    """Seconds without any answer to a call after which the next server, or the next trunk, is tried."""
    options_every: float = 0.0
    """Seconds between two OPTIONS that ask whether it is there; 0: it is not asked. One that does not
    answer is tried after the others."""
    empty_lines_every: float = 0.0
    """Seconds between two empty lines sent over UDP, so that a NAT on the way keeps its mapping; 0: none."""

    def __post_init__(self) -> None:
        """Raises `ConfigError` for what cannot be."""
        if not self.name or not set(self.name) <= _NAMES:
            raise _wrong(self.name, f"{self.name!r} cannot be a trunk's name")
        if self.preset and self.preset not in PRESETS:
            raise _wrong(self.name, f"no preset is called {self.preset!r}; there are {', '.join(PRESETS)}")
        for peer in self.peers:
            try:
                ipaddress.ip_network(peer, strict=False)
            except ValueError as error:
                raise _wrong(self.name, f"{peer!r} is no address or network") from error
        if self.expires < 1 or min(self.max_calls, self.calls_per_second, self.weight) < 0:
            raise _wrong(self.name, "expires must be at least 1, limits and weight 0 or more")
        if not 1 <= self.reply_within <= 32 or min(self.options_every, self.empty_lines_every) < 0:
            raise _wrong(self.name, "reply_within must be 1 to 32 s, and the times between 0 or more")
        if self.from_host:
            try:
                parse_uri(f"sip:{self.from_host}")
            except ParseError as error:
                raise _wrong(self.name, f"from_host {self.from_host!r} is no host") from error
        if self.name == NO_TRUNK:
            raise _wrong(self.name, f"no trunk may be called {NO_TRUNK!r}: routes call strangers so")
        _ = self.settled.uri
        if self.settled.register and not self.user:
            raise _wrong(self.name, "to register it needs a user")

    @property
    def settled(self) -> Trunk:
        """With its preset's values where it names none of its own."""
        if not self.preset:
            return self
        plain = Trunk.__dataclass_fields__
        given = {
            name: value
            for name, value in PRESETS[self.preset].items()
            if getattr(self, name) == plain[name].default
        }
        return replace(self, preset="", **given)

    @property
    def uri(self) -> Uri:
        """Its server's address."""
        text = self.server
        try:
            uri = parse_uri(text if text.startswith(("sip:", "sips:")) else f"sip:{text}")
        except ParseError as error:
            raise _wrong(self.name, f"its server {text!r} is no address") from error
        return replace(uri, user="", headers="")

    @property
    def credentials(self) -> tuple[Credentials, ...]:
        """Whom we are to it."""
        return (Credentials(self.user, self.password),) if self.user and self.password else ()

    def takes(self, number: str) -> bool:
        """Whether calls to this number may go this way."""
        return not self.prefixes or number.startswith(self.prefixes)

    def target(self, number: str) -> Uri:
        """The address by which it knows a number."""
        uri = self.uri
        params = {**uri.params, "user": "phone"} if self.user_phone else uri.params
        return replace(uri, user=escape_user(self._written(number)), params=params)

    def caller(self, wanted: str) -> Uri:
        """Whom a call comes from: the number that is wanted where it is one of ours, else the first of
        them, else the login, at the trunk's own domain."""
        shown = wanted if wanted in self.callers else next(iter(self.callers), "")
        user = self._written(shown) if shown else self.user or "anonymous"
        params: dict[str, str | None] = {"user": "phone"} if self.user_phone and shown else {}
        return Uri("sip", escape_user(user), self.from_host or self.uri.host, None, params)

    def sender(self, wanted: str, *, hidden: bool = False) -> tuple[NameAddress, dict[str, str]]:
        """From, and what stands beside it, for a call that shows this number."""
        caller = self.caller(wanted)
        address, headers = shown_as(NameAddress(caller), self.identity, hidden=hidden or self.hide_caller)
        if self.from_user and address.uri == caller:
            address = NameAddress(replace(caller, user=escape_user(self.from_user)))
        return address, headers

    def is_peer(self, host: str) -> bool:
        """Whether this address is one that its calls come from."""
        return is_within(host, self.peers)

    def _written(self, number: str) -> str:
        bare = number.removeprefix("+")
        if self.plus == "strip":
            return bare
        return f"+{bare}" if self.plus == "add" and bare.isdigit() else number


def _wrong(name: str, what: str) -> ConfigError:
    return ConfigError(f"trunk {name}: {what}", where="sip.trunks")


@lru_cache(maxsize=4096)
def is_within(host: str, networks: tuple[str, ...]) -> bool:
    """Whether an address is one of these, or in one of these networks."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network, strict=False) for network in networks)


def number_in(text: str) -> str:
    """The number to dial through a trunk, without its spaces and dashes; empty where `text` is none: an
    address with a host of its own, or not a number at all."""
    text = text.strip().removeprefix("tel:").partition(";")[0]
    number = "".join(char for char in text if char not in " -.()/")
    digits = number.removeprefix("+")
    return number if digits.isascii() and digits.replace("*", "").replace("#", "").isdigit() else ""


class TrunkChoice:
    """Which trunks a call may go to, in order; and how busy each is."""

    def __init__(self, trunks: Sequence[Trunk]) -> None:
        names = [trunk.name for trunk in trunks]
        for name in names:
            if names.count(name) > 1:
                raise _wrong(name, "there are two of this name")
        self.trunks: Mapping[str, Trunk] = {trunk.name: trunk.settled for trunk in trunks}
        self._calls = dict.fromkeys(names, 0)
        self._free_at = dict.fromkeys(names, 0.0)

    def order(self, number: str, chance: Callable[[], float] = random.random) -> list[Trunk]:
        """Those that take this number, the first to be tried first. The longer prefix is the better match
        among those of one priority; among equals chance decides, by their weights."""

        def rank(trunk: Trunk) -> tuple[int, int, float]:
            longest = max((len(p) for p in trunk.prefixes if number.startswith(p)), default=0)
            # Drawing the smallest of exponential times of rate `weight` is a draw by weight.
            turn = -math.log(1 - chance()) / trunk.weight if trunk.weight else math.inf
            return trunk.priority, -longest, turn

        return sorted((t for t in self.trunks.values() if t.takes(number)), key=rank)

    def take(self, trunk: Trunk, at: float, *, goes_on: bool = False) -> bool:
        """Count a call on this trunk; False where its limits do not allow one now. `goes_on`: it had its
        place there already, and goes on at another of the trunk's servers."""
        if goes_on:
            self._calls[trunk.name] += 1  # The attempt before is given back when its end is settled.
            return True
        if trunk.max_calls and self._calls[trunk.name] >= trunk.max_calls:
            return False
        if trunk.calls_per_second:
            if at < self._free_at[trunk.name]:
                return False
            self._free_at[trunk.name] = at + 1 / trunk.calls_per_second
        self._calls[trunk.name] += 1
        return True

    def give_back(self, trunk: Trunk) -> None:
        """That call is over."""
        self._calls[trunk.name] -= 1
