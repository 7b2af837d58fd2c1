"""The pure half of a carrier's media stream: messages in, happenings out; frames in, messages out.

Each carrier writes one `StreamProtocol`, which knows no socket, no clock and no task. `StreamLeg`
(`websocket_leg.py`) drives it, and the carrier's front hands it the messages of one socket.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from trunkline.errors import ParseError

Message = str | bytes
"""One message of a WebSocket (text or binary), or one packet of another stream."""

MESSAGE_LIMIT = 256 * 1024
"""Bytes of one message; a second of 48 kHz PCM in base64 is half of it. More is refused unread."""
VARIABLES_LIMIT = 64
_TEXT_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Opened:
    """The stream says whose it is. `token`: what our own answer to the carrier put in, to know the
    stream again. `codec`, `rate` (Hz): what the caller's audio comes in."""

    stream_id: str
    call_id: str
    codec: str
    rate: int
    token: str = ""
    caller: str = ""
    callee: str = ""
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Heard:
    """Sound of the caller: 16-bit PCM at the stream's rate, of any length. `number` counts the
    messages of the caller's track, where the carrier counts them."""

    pcm: bytes
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Pressed:
    """A key: one of 0-9, *, #, A-D."""

    digit: str


@dataclass(frozen=True, slots=True)
class Played:
    """Everything that was sent before this mark has been played, or was thrown away by a clear."""

    mark: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The carrier ends the stream."""

    reason: str


@dataclass(frozen=True, slots=True)
class Complained:
    """The carrier did not like what we sent; the stream goes on."""

    code: str
    """The carrier's own; its words are left out, since they may repeat what we sent."""


@dataclass(frozen=True, slots=True)
class HoldOff:
    """The carrier has more than it can play soon: what is sent now is dropped there, until `GoOn`."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """The carrier takes sound again."""


Happening = Opened | Heard | Pressed | Played | Stopped | Complained | HoldOff | GoOn


class StreamProtocol(Protocol):
    """One stream of one carrier. Made for each socket; `receive` raises `ParseError` for what does
    not follow the format, after which the stream may go on with the next message."""

    name: str
    """The leg's kind, as records show it."""
    rate: int
    """Samples a second both ways; right once `Opened` was given."""
    buffers: bool
    """Whether the other end queues what it gets and plays it in its own time."""

    def receive(self, message: Message) -> list[Happening]: ...

    def audio(self, pcm: bytes) -> Message:
        """20 ms of the agent, 16-bit PCM at `rate`, as the carrier wants it."""
        ...

    def clear(self) -> Message | None:
        """Throw away what was sent and not played; None where the carrier cannot."""
        ...

    def mark(self, name: str) -> Message | None:
        """Ask to be told when everything before this is played; None where the carrier cannot."""
        ...

    def goodbye(self) -> Message | None:
        """The last message of a stream that we end; None where closing the socket says it all."""
        ...


# --- reading messages that strangers wrote ----------------------------------------------------------


def read_object(message: Message, where: str) -> Mapping[str, Any]:
    """A JSON object. Raises `ParseError` for anything else."""
    if len(message) > MESSAGE_LIMIT:
        raise ParseError(f"a message of {len(message)} characters", where=where)
    try:
        value = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise ParseError("a message that is not JSON", where=where) from error
    if not isinstance(value, dict):
        raise ParseError("a message that is not a JSON object", where=where)
    return value


def part(value: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    """The object under this name."""
    inner = value.get(name)
    if not isinstance(inner, dict):
        raise ParseError(f"a message without its {name!r}", where=where)
    return inner


def text(value: Mapping[str, Any], name: str) -> str:
    """The text under this name, cut to what is sensible; "" where there is none."""
    inner = value.get(name)
    return inner[:_TEXT_LIMIT] if isinstance(inner, str) else ""


def number(value: Mapping[str, Any], name: str) -> int | None:
    """The whole number under this name, written as one or as a text of digits."""
    inner = value.get(name)
    if isinstance(inner, int) and not isinstance(inner, bool):
        return inner if 0 <= inner < 2**53 else None
    if isinstance(inner, str) and inner.isascii() and inner.isdigit() and len(inner) < 16:
        return int(inner)
    return None


def payload(value: Mapping[str, Any], where: str) -> bytes:
    """The base64 under "payload". Raises `ParseError` where it is none."""
    inner = value.get("payload")
    if not isinstance(inner, str):
        raise ParseError("a media message without a payload", where=where)
    try:
        return b64decode(inner, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ParseError("a payload that is not base64", where=where) from error


def texts(value: object) -> dict[str, str]:
    """The entries of an object whose values can be read as text, up to a bound; {} for all else."""
    if not isinstance(value, dict):
        return {}
    readable = [(key, item) for key, item in value.items() if isinstance(item, str | int | float | bool)]
    return {str(key)[:_TEXT_LIMIT]: str(item)[:_TEXT_LIMIT] for key, item in readable[:VARIABLES_LIMIT]}


def key(value: Mapping[str, Any], where: str) -> Pressed:
    """The key under "digit". Raises `ParseError` for what is on no keypad."""
    digit = text(value, "digit").upper()
    if len(digit) != 1 or digit not in "0123456789*#ABCD":
        raise ParseError("a key that is on no keypad", where=where)
    return Pressed(digit)
