"""Redirected calls (RFC 3261 §8.1.3.4): which addresses are tried next, and when it is enough."""

from __future__ import annotations

from collections import deque

from trunkline.errors import ParseError
from trunkline.sip.fields import NameAddress, parse_name_address
from trunkline.sip.message import Response
from trunkline.sip.uri import Uri

_FOLLOWED = (300, 301, 302)
"""305 would have anybody name a proxy for us, and 380 names another service, not another address."""


class Redirects:
    """Of one call: each address is tried once, `most` of them in all."""

    def __init__(self, first: Uri, most: int) -> None:
        self._secure = first.scheme == "sips"
        self._seen = {_same(first)}
        self._left = most
        self._waiting: deque[Uri] = deque()

    def next_after(self, response: Response) -> Uri | None:
        """The next address to try after this final response; None where there is none, or nobody else
        is to be asked. Whoever was sent on and is refused there may have more addresses to try; 6xx
        speaks for all of them (§21.6)."""
        if response.status >= 600:
            return None
        if response.status in _FOLLOWED:
            # The latest list first: it is what the target asked for.
            self._waiting.extendleft(reversed(self._fresh(response)))
        if not self._waiting or self._left <= 0:
            return None
        self._left -= 1
        return self._waiting.popleft()

    def _fresh(self, response: Response) -> list[Uri]:
        found: list[tuple[float, Uri]] = []
        try:
            values = response.headers.items("Contact")
        except ParseError:
            return []
        for value in values[:20]:
            try:
                contact = parse_name_address(value)
            except ParseError:
                continue  # One that cannot be read does not spoil the others.
            uri = contact.uri.without_headers()
            # A call that was to be secure all the way stays so (§26.2.2).
            served = uri.scheme == "sips" or (uri.scheme == "sip" and not self._secure)
            if served and _same(uri) not in self._seen:
                self._seen.add(_same(uri))
                found.append((_preference(contact), uri))
        return [uri for _, uri in sorted(found, key=lambda item: -item[0])]


def _preference(contact: NameAddress) -> float:
    try:
        q = float(contact.params.get("q") or 1.0)
    except ValueError:
        return 0.0
    return q if 0.0 <= q <= 1.0 else 0.0


def _same(uri: Uri) -> tuple[str, str, tuple[str, int], str]:
    host, port = uri.address
    return uri.scheme, uri.user, (host.lower(), port), uri.transport
