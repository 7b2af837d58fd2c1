"""Who may open a call from a browser. Pure: what is known of a request in, the facts of its call out.

Three things keep strangers out. A page of another site is refused by its origin, which browsers send and
pages cannot forge. A program that sends no origin, and a browser that is not on this machine, has to show a
ticket, which only a server that knows the token can have got for it. And there are never more calls than
the settings say.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from trunkline.errors import CallRefused, ConfigError
from trunkline.legs.browser import BrowserSettings

TICKET_SECONDS = 60.0
TICKETS_BOUND = 10_000
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class Knock:
    """What is known of a request. `origin`, `host`: its headers, "" where it has none. `peer`: the address
    that it came from. `local`: that is a loopback address, and nothing speaks of a proxy on the way."""

    origin: str = ""
    host: str = ""
    peer: str = ""
    local: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What a ticket says of the call that it is for."""

    caller: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


class Door:
    """Of one process. Times are seconds on the monotonic clock, handed in."""

    def __init__(self, settings: BrowserSettings) -> None:
        self._settings = settings
        self._origins = frozenset(_origin(one) for one in settings.origins)
        self._bound_host = settings.bind.rpartition(":")[0]
        self._tickets: dict[str, tuple[Facts, float]] = {}

    def check_origin(self, knock: Knock) -> None:
        """Raises `CallRefused` for a request from a page that may not open calls."""
        if knock.origin and knock.origin.lower() not in self._origins and not self._is_our_own_page(knock):
            raise CallRefused("a page of an origin that is not allowed", where="browser")

    def may_read(self, origin: str) -> bool:
        """Whether a page of this origin may read our answers (CORS)."""
        return origin.lower() in self._origins

    def admit(self, knock: Knock, token: str, now: float) -> Facts:
        """Whose call this may be. A ticket is used up by it. Raises `CallRefused`."""
        self.check_origin(knock)
        if token and token in self._tickets:
            facts, until = self._tickets.pop(token)
            if until >= now:
                return facts
            raise CallRefused("a ticket that is too old", where="browser")
        if self._settings.token:
            if _same(token, self._settings.token):
                return Facts()
            raise CallRefused("no ticket, or a wrong one", where="browser")
        if not knock.local:
            raise CallRefused("no token is set, so only this machine may open calls", where="browser")
        return Facts()

    def ticket(self, knock: Knock, token: str, facts: Facts, now: float) -> str:
        """A word with which one page may open one call within a minute. Raises `CallRefused` for who does
        not know the token; a page never does, so none may ask."""
        if knock.origin:
            raise CallRefused("tickets are asked for by a server, not by a page", where="browser")
        if not self._settings.token or not _same(token, self._settings.token):
            raise CallRefused("a wrong token, or none is set", where="browser")
        for word in [word for word, (_, until) in self._tickets.items() if until < now]:
            del self._tickets[word]
        if len(self._tickets) >= TICKETS_BOUND:
            raise CallRefused("too many tickets are waiting", where="browser")
        word = secrets.token_urlsafe(24)
        self._tickets[word] = (facts, now + TICKET_SECONDS)
        return word

    def _is_our_own_page(self, knock: Knock) -> bool:
        """A page that we served, under a name that nobody else can have pointed at us: behind any other
        could stand a site whose name was made to lead to this machine."""
        scheme, _, host = knock.origin.lower().partition("://")
        name = host.rpartition(":")[0] or host
        ours = name in _LOOPBACK_NAMES or (name == self._bound_host and _is_address(name))
        return scheme in ("http", "https") and host == knock.host.lower() and ours


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _origin(written: str) -> str:
    """An origin as browsers send it. Raises `ConfigError` for what cannot be one."""
    scheme, found, host = written.lower().rstrip("/").partition("://")
    if scheme not in ("http", "https") or not found or not host or set("/?#*") & set(host):
        raise ConfigError(
            f"{written!r} is no origin", where="browser.origins", hint="Such as https://shop.example.com"
        )
    return f"{scheme}://{host}"
