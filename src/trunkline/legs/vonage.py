"""Vonage Voice WebSockets: what is set for an application, and the messages of a stream.

Source: https://developer.vonage.com/en/voice/voice-api/guides/websockets. Audio is L16, little-endian,
in binary messages of exactly 20 ms each way; events are JSON in text messages. There is no message for
the end: the socket closes, and an event webhook says why. Webhooks and calls: `vonage_calls.py`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal

from trunkline.errors import ParseError
from trunkline.legs.stream import (
    Happening,
    Heard,
    Message,
    Opened,
    Played,
    key,
    part,
    read_object,
    text,
    texts,
)

CALL = "trunkline_call"
"""The property of the stream's first message that says which call it belongs to: we put it there."""
_CONTENT_TYPE = re.compile(r"audio/l16;\s*rate=(\d{4,5})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class VonageSettings:
    """One Vonage application."""

    bind: str = ""
    """Where to listen for its webhooks and streams, `HOST:PORT`; empty: not at all."""
    public_url: str = ""
    """How Vonage reaches that: `https://HOST`. Empty: `http://` and `bind`."""
    application_id: str = ""
    private_key: str = ""
    """The application's private key, in PEM, or the path of a file that holds it: signs what we ask."""
    signature_secret: str = ""
    """Verifies webhooks."""
    number: str = ""
    """The number that outbound calls come from, as 15551234567."""
    rate: Literal[8000, 16000, 24000] = 16000
    """Samples a second."""
    ring_timeout: int = 60
    """Seconds that an outbound call may ring."""
    api: str = "https://api.nexmo.com"


class VonageStream:
    """The pure half of one WebSocket endpoint."""

    name = "vonage"
    buffers = True

    def __init__(self, rate: int) -> None:
        self.rate = rate

    def receive(self, message: Message) -> list[Happening]:
        if isinstance(message, bytes):
            if len(message) % 2:
                raise ParseError("L16 that is not whole samples", where=self.name)
            return [Heard(message)]
        value = read_object(message, self.name)
        match value.get("event"):
            case "websocket:connected":
                found = _CONTENT_TYPE.fullmatch(text(value, "content-type"))
                if found is None or int(found[1]) != self.rate:
                    raise ParseError("a stream in a format that was not asked for", where=self.name)
                properties = texts(value)
                for own in ("event", "content-type"):
                    del properties[own]
                call = properties.pop(CALL, "")
                return [Opened(call, call, "L16", self.rate, variables=properties)]
            case "websocket:dtmf":
                return [key(value, self.name)]
            case "websocket:notify":
                return [Played(text(part(value, "payload", self.name), "mark"))]
            case str():
                return []  # "websocket:cleared", and what may be added one day.
            case _:
                raise ParseError("a message without an event", where=self.name)

    def audio(self, pcm: bytes) -> Message:
        return pcm

    def clear(self) -> Message | None:
        return '{"action":"clear"}'

    def mark(self, name: str) -> Message | None:
        return json.dumps({"action": "notify", "payload": {"mark": name}})

    def goodbye(self) -> Message | None:
        return None
