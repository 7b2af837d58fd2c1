"""Trunks: who carries our calls to the telephone network, and which one a call goes to first.

Pure: what is asked of a trunk is plain data, the time and the calls in progress are handed in.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from trunkline.errors import ConfigError, ParseError
from trunkline.sip.digest import Credentials
from trunkline.sip.uri import Uri, escape_user, parse_uri

PRESETS: dict[str, dict[str, Any]] = {
    "twilio": {"plus": "add"},
    "telnyx": {"server": "sip:sip.telnyx.com", "plus": "add"},
    "vonage": {"server": "sip:sip.nexmo.com", "plus": "strip"},
    "asterisk": {"register": True},
    "freeswitch": {"register": True},
}
"""What each of these wants that differs from our defaults; whatever is written beside it counts more."""
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
        if self.expires < 1 or self.max_calls < 0 or self.calls_per_second < 0:
            raise _wrong(self.name, "expires must be at least 1, and limits 0 or more")
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
        return Uri("sip", escape_user(user), self.uri.host, None, params)

    def is_peer(self, host: str) -> bool:
        """Whether this address is one that its calls come from."""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in ipaddress.ip_network(peer, strict=False) for peer in self.peers)

    def _written(self, number: str) -> str:
        bare = number.removeprefix("+")
        if self.plus == "strip":
            return bare
        return f"+{bare}" if self.plus == "add" and bare.isdigit() else number


def _wrong(name: str, what: str) -> ConfigError:
    return ConfigError(f"trunk {name}: {what}", where="sip.trunks")


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

    def order(self, number: str) -> list[Trunk]:
        """Those that take this number, the first to be tried first. The longer prefix is the better
        match among equals."""

        def rank(trunk: Trunk) -> tuple[int, int]:
            longest = max((len(p) for p in trunk.prefixes if number.startswith(p)), default=0)
            return trunk.priority, -longest

        return sorted((t for t in self.trunks.values() if t.takes(number)), key=rank)

    def take(self, trunk: Trunk, at: float) -> bool:
        """Count a call on this trunk; False where its limits do not allow one now."""
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
