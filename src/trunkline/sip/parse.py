"""Bytes to a message (RFC 3261 §7, §25). Whatever cannot be read raises `Malformed`.

Strict where two readers could disagree about the meaning (lengths, repeated single headers, CSeq),
forgiving where they could not (folding, white space, case, unknown headers with odd values).
"""

from __future__ import annotations

import re

from trunkline.errors import ParseError
from trunkline.sip.fields import TOKEN
from trunkline.sip.message import Headers, Message, Request, Response, header_key
from trunkline.sip.uri import parse_uri

MAX_MESSAGE = 65_536
MAX_HEADERS = 256

_SINGLE = frozenset({"from", "to", "call-id", "cseq", "max-forwards", "content-length", "content-type"})
_FORWARDS = re.compile(r"0*(?:[0-9]{1,2}|1[0-9]{2}|2[0-4][0-9]|25[0-5])")
_STATUS = re.compile(r"(?i:SIP)/2\.0 ([1-6][0-9][0-9])(?: (.*))?", re.DOTALL)


class Malformed(ParseError):
    """A message that cannot be read.

    `status` is what a request like this should be answered with; `request` holds as much of it as
    could be read, or is None where there is nobody to answer.
    """

    def __init__(self, what: str, *, status: int = 400, request: Request | None = None) -> None:
        super().__init__(what, where="sip")
        self.status = status
        self.request = request


def parse_message(data: bytes) -> Message:
    """The one message in a datagram. What follows its Content-Length is ignored (§18.3)."""
    message, rest = _split(data)
    length = message.headers.get("Content-Length")
    if length is None:
        message.body = rest
        return message
    wanted = _content_length(message, length)
    if wanted > len(rest):
        raise _broken(message, f"Content-Length {wanted}, but only {len(rest)} bytes follow")
    message.body = rest[:wanted]
    return message


def _split(data: bytes) -> tuple[Message, bytes]:
    """Start line and headers checked, and the bytes after the empty line."""
    if len(data) > MAX_MESSAGE:
        raise Malformed("longer than 64 KiB")
    data = data.lstrip(b"\r\n")
    head, ended, rest = data.partition(b"\r\n\r\n")
    if b"\r\n" not in head and b"\n" in head:
        # Typed by hand or sent by something that knows only LF: then it is LF throughout.
        head, ended, rest = data.partition(b"\n\n")
        head = head.replace(b"\n", b"\r\n")
    lines = head.decode("utf-8", "surrogateescape").split("\r\n")
    message = _start(lines[0])
    message.headers = _headers(message, lines)
    if not ended and not head.endswith(b"\r\n"):
        raise _broken(message, "the headers do not end with an empty line")
    _check(message)
    return message, rest


def _start(line: str) -> Message:
    if line[:4].upper() == "SIP/":
        found = _STATUS.fullmatch(line)
        if found is None:
            raise Malformed(f"a bad status line: {line[:60]!r}")
        return Response(Headers(), status=int(found[1]), reason=found[2] or "")
    method, _, rest = line.partition(" ")
    uri, _, version = rest.rpartition(" ")
    # White space errors are judged with the headers at hand, so that they can be answered.
    if not TOKEN.fullmatch(method) or "SIP/" not in rest.upper():
        raise Malformed(f"neither a request nor a response: {line[:60]!r}")
    request = Request(Headers(), method=method, uri=uri)
    request.version = version
    return request


def _headers(message: Message, lines: list[str]) -> Headers:
    if len(lines) > MAX_HEADERS * 4:
        raise _broken(message, "too many header lines")
    headers = Headers()
    fields = headers._fields
    seen: set[str] = set()
    problem = ""
    for line in _unfold(lines):
        found = line.find(":")
        name = line[:found].rstrip(" \t")
        if found < 1 or not TOKEN.fullmatch(name):
            problem = problem or f"a line that is no header: {line[:60]!r}"
            continue
        key = header_key(name)
        value = line[found + 1 :].strip(" \t")
        if "\r" in value or "\n" in value:
            problem = problem or f"a bare line break in {name}"
            continue
        if key in _SINGLE:
            if key in seen:
                problem = problem or f"{name} stands twice"
                continue
            seen.add(key)
        fields.append((key, name, value))
    if len(fields) > MAX_HEADERS:
        problem = "too many headers"
    message.headers = headers
    if problem:
        raise _broken(message, problem)
    return headers


def _unfold(lines: list[str]) -> list[str]:
    """Header lines, each with its continuations (§7.3.1) joined by one space."""
    whole: list[str] = []
    for line in lines[1:]:
        if line[:1] in (" ", "\t"):
            if not whole:
                raise Malformed("the headers begin with a continuation")
            whole[-1] = whole[-1].rstrip(" \t") + " " + line.strip(" \t")
        elif line:
            whole.append(line)
    return whole


def _check(message: Message) -> None:
    """What every message must have, readable (§8.1.1)."""
    if isinstance(message, Request) and message.version.upper() != "SIP/2.0":
        another = re.fullmatch(r"(?i:SIP)/[0-9]+\.[0-9]+", message.version)
        raise _broken(message, f"version {message.version[:20]!r}", 505 if another else 400)
    try:
        number_method = message.cseq
        _ = message.via, message.from_, message.to
        if not message.call_id:
            raise ParseError("an empty Call-ID")
        forwards = message.headers.get("Max-Forwards")
        if forwards is not None and not (
            forwards.isascii() and forwards.isdigit() and int(forwards[:9]) < 256
        ):
            raise ParseError(f"a bad Max-Forwards: {forwards[:20]!r}")
    except ParseError as error:
        raise _broken(message, error.what) from error
    if not isinstance(message, Request):
        return
    try:
        parse_uri(message.uri)
    except ParseError as error:
        raise _broken(message, f"Request-URI: {error.what}") from error
    if number_method[1] != message.method:
        raise _broken(message, f"CSeq is of {number_method[1]}, the request is {message.method}")


def _content_length(message: Message, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise _broken(message, f"a bad Content-Length: {text[:20]!r}")
    return int(text)


def _broken(message: Message, what: str, status: int = 400) -> Malformed:
    """The error for `message`; it carries a request that says by its Via that it wants an answer."""
    if isinstance(message, Request) and message.method != "ACK" and "Via" in message.headers:
        return Malformed(what, status=status, request=message)
    return Malformed(what)
