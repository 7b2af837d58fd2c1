"""SIP, SIPS and TEL addresses (RFC 3261 §19.1, RFC 3966), parsed and printed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache

from trunkline.errors import ParseError

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*)|\[[0-9A-Fa-f:.%]+\]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_BAD = re.compile(r"[\x00-\x20\x7f<>\"]")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_USER_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()&=+$,;?/")
DEFAULT_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class Uri:
    """An address. `user` is kept as it was written, escapes and all; `host` keeps IPv6 brackets.

    For schemes other than sip and sips all after the colon is in `host`, and nothing else is set.
    """

    scheme: str
    user: str
    host: str
    port: int | None = None
    params: dict[str, str | None] = field(default_factory=dict)
    headers: str = ""
    """What follows the question mark, unparsed. Never in a request's own address."""

    def __str__(self) -> str:
        text = [self.scheme, ":"]
        if self.user:
            text += [self.user, "@"]
        text.append(self.host)
        if self.port is not None:
            text.append(f":{self.port}")
        text += [f";{name}" if value is None else f";{name}={value}" for name, value in self.params.items()]
        if self.headers:
            text += ["?", self.headers]
        return "".join(text)

    @property
    def transport(self) -> str:
        """The transport this address asks for, in lower case: TLS for sips, UDP where none is named."""
        named = (self.params.get("transport") or "").lower()
        if self.scheme == "sips":
            return "wss" if named in ("ws", "wss") else "tls"
        return named or "udp"

    @property
    def address(self) -> tuple[str, int]:
        """Host (without brackets) and port (the transport's own where none is written)."""
        return self.host.strip("[]"), self.port or DEFAULT_PORTS.get(self.transport, 5060)

    @property
    def number(self) -> str:
        """The user part (or telephone number) unescaped and without parameters."""
        user = self.host if self.scheme == "tel" else self.user
        return unescape(user.partition(";")[0].partition(":")[0])

    def without_headers(self) -> Uri:
        """This address fit for a request line or a Contact (RFC 3261 table 1)."""
        return replace(self, headers="") if self.headers else self


def escape_user(text: str) -> str:
    """Text made fit for a user part: every byte that §25.1 does not allow there becomes %XX."""
    raw = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in _USER_SAFE else f"%{byte:02X}" for byte in raw)


def unescape(text: str) -> str:
    """%XX turned back into text; anything else, a lone % too, stays as it is."""
    if "%" not in text:
        return text
    raw = text.encode("utf-8", "surrogateescape")
    raw = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), raw)
    return raw.decode("utf-8", "surrogateescape")


def parse_params(text: str, what: str) -> dict[str, str | None]:
    """`;a=b;c` as a dict with names in lower case. Raises `ParseError` for empty or repeated names."""
    params: dict[str, str | None] = {}
    for piece in text.split(";"):
        name, equals, value = piece.partition("=")
        name = name.strip().lower()
        if not name:
            raise ParseError(f"an empty parameter in {what}")
        if name in params:
            raise ParseError(f"parameter {name!r} twice in {what}")
        params[name] = value.strip() if equals else None
    return params


def parse_uri(text: str) -> Uri:
    """The address that `text` is. Raises `ParseError`. Treat the result as frozen: it is shared."""
    # Long ones are not kept: strangers choose what they send, and memory stays bounded.
    return _remembered(text) if len(text) <= 256 else _parse(text)


def _parse(text: str) -> Uri:
    scheme, colon, rest = text.partition(":")
    if not colon or not _SCHEME.fullmatch(scheme):
        hint = "Write sip:NAME@HOST[:PORT]; a number alone needs a trunk"
        raise ParseError(f"an address without a scheme: {text[:80]!r}", hint=hint)
    if _BAD.search(rest) or not rest:
        raise ParseError(f"a character that no address may hold, or nothing: {text[:80]!r}")
    scheme = scheme.lower()
    if scheme not in ("sip", "sips"):
        return Uri(scheme, "", rest)
    # The user part may hold ; and ?, so the last @ before any header part decides (§25.1: neither
    # the host nor its parameters may hold an unescaped @).
    user, at, rest = rest.rpartition("@") if "@" in rest else ("", "", rest)
    if at and not user:
        raise ParseError(f"an empty user before the @: {text[:80]!r}")
    rest, _, headers = rest.partition("?")
    hostport, semicolon, tail = rest.partition(";")
    params = parse_params(tail, "an address") if semicolon else {}
    found = _HOST.match(hostport)
    if found is None:
        raise ParseError(f"no host in {text[:80]!r}")
    port = None
    if after := hostport[found.end() :]:
        digits = after[1:]
        if after[0] != ":" or not (digits.isascii() and digits.isdigit()) or len(digits) > 5:
            raise ParseError(f"a bad port in {text[:80]!r}")
        port = int(digits)
        if not 0 < port < 65536:
            raise ParseError(f"port {port} is out of range")
    return Uri(scheme, user, found[0], port, params, headers)


_remembered = lru_cache(maxsize=512)(_parse)
