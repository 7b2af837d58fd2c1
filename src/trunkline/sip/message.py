"""SIP messages: a start line, headers in their order, a body (RFC 3261 §7).

Header names compare without regard to case, and short forms are the long ones. Values are text;
bytes that are not UTF-8 survive as surrogates, so that what was read prints back as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from trunkline.errors import ParseError, SipError
from trunkline.sip.fields import NameAddress, Via, parse_cseq, parse_name_address, parse_via, split_list

# The short forms of §7.3.3 and of the extensions that define one.
_SHORT = {
    "a": "accept-contact", "b": "referred-by", "c": "content-type", "d": "request-disposition",
    "e": "content-encoding", "f": "from", "i": "call-id", "j": "reject-contact", "k": "supported",
    "l": "content-length", "m": "contact", "n": "identity-info", "o": "event", "r": "refer-to",
    "s": "subject", "t": "to", "u": "allow-events", "v": "via", "x": "session-expires", "y": "identity",
}  # fmt: skip

REASONS = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress",
    200: "OK", 202: "Accepted", 300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone",
    413: "Request Entity Too Large", 415: "Unsupported Media Type", 416: "Unsupported URI Scheme",
    420: "Bad Extension", 421: "Extension Required", 422: "Session Interval Too Small",
    423: "Interval Too Brief", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist",
    482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete", 486: "Busy Here",
    487: "Request Terminated", 488: "Not Acceptable Here", 489: "Bad Event", 491: "Request Pending",
    500: "Server Internal Error", 501: "Not Implemented", 503: "Service Unavailable", 504: "Server Time-out",
    505: "Version Not Supported", 513: "Message Too Large", 600: "Busy Everywhere", 603: "Decline",
    604: "Does Not Exist Anywhere", 606: "Not Acceptable", 607: "Unwanted", 608: "Rejected",
}  # fmt: skip


_KEYS = {
    name: name.lower()
    for name in (
        "Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq", "Contact", "Allow", "User-Agent", "Server",
        "Require", "Content-Type", "Content-Length", "Record-Route", "Route", "Accept", "Supported",
        "Expires", "Reason", "Authorization", "Proxy-Authorization",
    )
}  # fmt: skip
"""The usual names as they are usually written: a look here is cheaper than making lower case of each."""


def header_key(name: str) -> str:
    """The name by which a header is found: lower case, long form."""
    known = _KEYS.get(name)
    if known is not None:
        return known
    key = name.lower()
    return _SHORT.get(key, key)


class Headers:
    """Headers in order. Several of one name keep their order among themselves (§7.3.1)."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields: list[tuple[str, str, str]] = []
        for name, value in fields:
            self.add(name, value)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((name, value) for _, name, value in self._fields)

    def __contains__(self, name: str) -> bool:
        key = header_key(name)
        return any(field[0] == key for field in self._fields)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return [(k, v) for k, _, v in self._fields] == [(k, v) for k, _, v in other._fields]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Headers({list(self)!r})"

    def add(self, name: str, value: str) -> None:
        """Put one more at the end. Raises `SipError` for a value that would break the message."""
        if "\r" in value or "\n" in value:
            raise SipError(f"a line break within header {name}", where="sip")
        self._fields.append((header_key(name), name, value))

    def set(self, name: str, value: str) -> None:
        """Put this in place of all of that name: where the first stood, or at the end."""
        if "\r" in value or "\n" in value:
            raise SipError(f"a line break within header {name}", where="sip")
        key = header_key(name)
        for place, (other, _, _) in enumerate(self._fields):
            if other == key:
                self._fields[place] = (key, name, value)
                self._fields[place + 1 :] = [f for f in self._fields[place + 1 :] if f[0] != key]
                return
        self._fields.append((key, name, value))

    def set_first(self, name: str, value: str) -> None:
        """Put this in place of the first line of that name, which is there; others stay as written."""
        if "\r" in value or "\n" in value:
            raise SipError(f"a line break within header {name}", where="sip")
        key = header_key(name)
        place = next(place for place, field in enumerate(self._fields) if field[0] == key)
        self._fields[place] = (key, name, value)

    def get(self, name: str) -> str | None:
        """The first value of that name."""
        key = header_key(name)
        for other, _, value in self._fields:
            if other == key:
                return value
        return None

    def all(self, name: str) -> list[str]:
        """Each value of that name as it was written, one for each header line."""
        key = header_key(name)
        return [value for other, _, value in self._fields if other == key]

    def items(self, name: str) -> list[str]:
        """All elements of a comma-separated header, over all its lines. Raises `ParseError`."""
        return [item for value in self.all(name) for item in split_list(value) if item]

    def drop(self, name: str) -> None:
        """Take all of that name out."""
        key = header_key(name)
        self._fields = [field for field in self._fields if field[0] != key]

    def copy(self) -> Headers:
        other = Headers()
        other._fields = self._fields.copy()
        return other


@dataclass(slots=True, eq=False)
class Message:
    """What requests and responses share. Fields are parsed when first asked for, and remembered."""

    headers: Headers
    body: bytes = b""
    _via: Via | None = field(default=None, init=False, repr=False)
    _from: NameAddress | None = field(default=None, init=False, repr=False)
    _to: NameAddress | None = field(default=None, init=False, repr=False)
    _cseq: tuple[int, str] | None = field(default=None, init=False, repr=False)

    def _needed(self, name: str) -> str:
        value = self.headers.get(name)
        if value is None:
            raise ParseError(f"no {name}")
        return value

    @property
    def via(self) -> Via:
        """The topmost Via."""
        if self._via is None:
            self._via = parse_via(split_list(self._needed("Via"))[0])
        return self._via

    @property
    def from_(self) -> NameAddress:
        if self._from is None:
            self._from = parse_name_address(self._needed("From"))
        return self._from

    @property
    def to(self) -> NameAddress:
        if self._to is None:
            self._to = parse_name_address(self._needed("To"))
        return self._to

    @property
    def call_id(self) -> str:
        return self._needed("Call-ID")

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method."""
        if self._cseq is None:
            self._cseq = parse_cseq(self._needed("CSeq"))
        return self._cseq

    @property
    def contact(self) -> NameAddress | None:
        """The first Contact, if any. Raises `ParseError`; a lone * is one too."""
        contacts = self.headers.items("Contact")
        return parse_name_address(contacts[0]) if contacts else None

    @property
    def content_type(self) -> str:
        """The media type in lower case without its parameters; empty where none is given."""
        return (self.headers.get("Content-Type") or "").partition(";")[0].strip().lower()

    def start_line(self) -> str:
        raise NotImplementedError

    def __bytes__(self) -> bytes:
        """The message as it goes on the wire; Content-Length is what the body is long."""
        lines = [self.start_line()]
        lines += [f"{name}: {value}" for key, name, value in self.headers._fields if key != "content-length"]
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body


@dataclass(slots=True, eq=False)
class Request(Message):
    """A request. `uri` is the Request-URI as written."""

    method: str = ""
    uri: str = ""
    version: str = "SIP/2.0"
    """As written; anything else than this never passes the parser."""

    def start_line(self) -> str:
        return f"{self.method} {self.uri} SIP/2.0"


@dataclass(slots=True, eq=False)
class Response(Message):
    """A response; `status` from 100 to 699."""

    status: int = 0
    reason: str = ""

    def start_line(self) -> str:
        return f"SIP/2.0 {self.status} {self.reason}"


_COPIED = frozenset({"via", "from", "to", "call-id", "cseq"})


def _has_tag(request: Request) -> bool:
    try:
        return bool(request.to.tag)
    except ParseError:
        return True  # A To that cannot be read goes back as it came.


def respond(request: Request, status: int, *, reason: str = "", to_tag: str = "") -> Response:
    """A response to `request` with what §8.2.6.2 has it copy: Vias, From, To (tagged), Call-ID, CSeq."""
    headers = Headers()
    for key, name, value in request.headers._fields:
        if key in _COPIED:
            tagged = f"{value};tag={to_tag}" if key == "to" and to_tag and not _has_tag(request) else value
            headers._fields.append((key, name, tagged))
    return Response(headers, status=status, reason=reason or REASONS.get(status, "Unknown"))
