"""MRCPv2 messages (RFC 6787 section 5): bytes to values and back.

    request   MRCP/2.0 LENGTH METHOD ID
    response  MRCP/2.0 LENGTH ID STATUS STATE
    event     MRCP/2.0 LENGTH NAME ID STATE

then header fields, an empty line and a body. LENGTH counts the whole message, itself included.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from trunkline.errors import ParseError

VERSION = "MRCP/2.0"
LONGEST = 1_000_000
"""Bytes of one message; a grammar with a long list is a tenth of it."""
_START_LINE = 200
_FIELDS = 200
_NAME = re.compile(r"[A-Z][A-Z-]{0,63}")
_FIELD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_REQUEST_ID = re.compile(r"[0-9]{1,10}")
_LENGTH = re.compile(rb"MRCP/[0-9]\.[0-9] ([0-9]{1,19}) ")

Fields = tuple[tuple[str, str], ...]
"""Header fields in their order; names keep the case they were written in, and mean the same in any."""


class State(StrEnum):
    """How far a request has come (section 5.3)."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN-PROGRESS"
    COMPLETE = "COMPLETE"


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks of a resource."""

    method: str
    id: int
    fields: Fields = ()
    body: bytes = b""

    def __bytes__(self) -> bytes:
        return _printed(f"{self.method} {self.id}", self.fields, self.body)


@dataclass(frozen=True, slots=True)
class Response:
    """What a resource answers. `status`: 2xx for yes (section 5.4)."""

    id: int
    status: int
    state: State
    fields: Fields = ()
    body: bytes = b""

    def __bytes__(self) -> bytes:
        return _printed(f"{self.id} {self.status} {self.state}", self.fields, self.body)


@dataclass(frozen=True, slots=True)
class Event:
    """What a resource tells about a request in progress."""

    name: str
    id: int
    state: State
    fields: Fields = ()
    body: bytes = b""

    def __bytes__(self) -> bytes:
        return _printed(f"{self.name} {self.id} {self.state}", self.fields, self.body)


Message = Request | Response | Event


def field(message: Message, name: str) -> str:
    """The value of a header field, "" where there is none."""
    wanted = name.lower()
    return next((value for other, value in message.fields if other.lower() == wanted), "")


def content(message: Message) -> str:
    """The media type of the body, in lower case and without parameters."""
    return field(message, "Content-Type").partition(";")[0].strip().lower()


def _printed(rest: str, fields: Fields, body: bytes) -> bytes:
    lines = [f"{name}: {' '.join(value.split())}" for name, value in fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    head = "".join(f"{line}\r\n" for line in lines)
    tail = f" {rest}\r\n{head}\r\n".encode() + body
    least = len(VERSION) + 1 + len(tail)
    length = least + len(str(least))
    length += len(str(length)) - len(str(least))  # the length counts its own digits
    return f"{VERSION} {length}".encode() + tail


def parse_message(data: bytes) -> Message:
    """The message that is all of `data`. Raises `ParseError`."""
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        head, found, body = data.partition(b"\n\n")
    if not found:
        raise ParseError("a message without the line that ends its fields", where="mrcp")
    lines = head.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    if len(lines) > _FIELDS:
        raise ParseError("a message with too many fields", where="mrcp")
    start = lines[0].split()
    if len(start) < 4 or start[0] != VERSION:
        raise ParseError(f"not a message of {VERSION}", where="mrcp")
    fields = _fields(lines[1:])
    body = _cut(body, fields)
    match start[2:]:
        case [ident, status, state] if ident.isdigit():
            return Response(_id(ident), _status(status), _state(state), fields, body)
        case [name, ident, state]:
            return Event(_named(name), _id(ident), _state(state), fields, body)
        case [method, ident]:
            return Request(_named(method), _id(ident), fields, body)
        case _:
            raise ParseError("a first line of no known form", where="mrcp")


def _fields(lines: list[str]) -> Fields:
    fields: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and fields:  # a field that goes on in the next line
            fields[-1] = (fields[-1][0], f"{fields[-1][1]} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if not colon or not _FIELD.fullmatch(name.strip()):
            raise ParseError("a line that is no header field", where="mrcp")
        fields.append((name.strip(), value.strip()))
    return tuple(fields)


def _cut(body: bytes, fields: Fields) -> bytes:
    """The body as its field says; what is missing is an error, what is too much is dropped."""
    said = next((value for name, value in fields if name.lower() == "content-length"), "")
    if not said:
        return body
    if not said.isascii() or not said.isdigit() or len(said) > 9 or int(said) > len(body):
        raise ParseError("a body shorter than its Content-Length", where="mrcp")
    return body[: int(said)]


def _id(text: str) -> int:
    if not _REQUEST_ID.fullmatch(text):
        raise ParseError("a request-id that is none", where="mrcp")
    return int(text)


def _status(text: str) -> int:
    if not re.fullmatch(r"[1-5][0-9][0-9]", text):
        raise ParseError("a status that is none", where="mrcp")
    return int(text)


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        raise ParseError("a state that no request has", where="mrcp") from None


def _named(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ParseError("a name that no method or event has", where="mrcp")
    return text


class MessageCutter:
    """Cuts what a connection delivers, in pieces of any size, into messages by the lengths they say."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def push(self, data: bytes) -> list[bytes]:
        """The messages that this piece completes. Raises `ParseError` where what comes cannot be cut any
        more: the connection is of no use then."""
        rest = self._rest + data
        found: list[bytes] = []
        while rest:
            start = _LENGTH.match(rest)
            if start is None:
                if len(rest) > _START_LINE or b"\n" in rest:
                    raise ParseError("something that is no message", where="mrcp")
                break
            length = int(start[1])
            if not start.end() < length <= LONGEST:
                raise ParseError(f"a message of {length} bytes", where="mrcp")
            if len(rest) < length:
                break
            found.append(rest[:length])
            rest = rest[length:]
        self._rest = rest
        return found
