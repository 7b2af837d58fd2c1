"""Twilio Media Streams: what is set for an account, and the messages of a stream.

Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages. The caller's audio and ours
are mu-law at 8 kHz, base64 in JSON, about 20 ms a message. Webhooks and calls: `twilio_calls.py`.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass

from trunkline.audio.codecs import pcmu
from trunkline.errors import ParseError
from trunkline.legs.stream import (
    Happening,
    Heard,
    Message,
    Opened,
    Played,
    Stopped,
    key,
    number,
    part,
    payload,
    read_object,
    text,
    texts,
)

TICKET = "trunkline_ticket"
"""The custom parameter with which a stream shows that our answer to a webhook asked for it."""


@dataclass(frozen=True, slots=True)
class TwilioSettings:
    """One Twilio account."""

    bind: str = ""
    """Where to listen for its webhooks and streams, `HOST:PORT`; empty: not at all."""
    public_url: str = ""
    """How Twilio reaches that: `https://HOST`. Signatures are made over it. Empty: `http://` and `bind`."""
    account_sid: str = ""
    auth_token: str = ""
    """Signs webhooks, and lets us place, hand over and end calls."""
    number: str = ""
    """The number that outbound calls come from, as +15551234567."""
    trust_loopback: bool = False
    """Take streams from loopback addresses that no webhook announced: for load tests on one machine."""
    ring_timeout: int = 60
    """Seconds that an outbound call may ring."""
    api: str = "https://api.twilio.com"


class TwilioStream:
    """The pure half of one Media Streams socket. Messages of the outbound track, which only
    one-way streams have, are passed over."""

    name = "twilio"
    rate = 8000
    buffers = True

    def __init__(self) -> None:
        self._stream = ""

    def receive(self, message: Message) -> list[Happening]:
        value = read_object(message, self.name)
        match value.get("event"):
            case "media":
                media = part(value, "media", self.name)
                if text(media, "track") == "outbound":
                    return []
                return [Heard(pcmu.decode(payload(media, self.name)), number(media, "chunk"))]
            case "mark":
                return [Played(text(part(value, "mark", self.name), "name"))]
            case "dtmf":
                return [key(part(value, "dtmf", self.name), self.name)]
            case "start":
                return [self._start(value, part(value, "start", self.name))]
            case "stop":
                return [Stopped("hung up")]
            case "connected":
                return []
            case str():
                return []  # Twilio may add events; what we do not know does not concern us.
            case _:
                raise ParseError("a message without an event", where=self.name)

    def _start(self, value: object, start: object) -> Opened:
        assert isinstance(value, dict)
        assert isinstance(start, dict)
        media = part(start, "mediaFormat", self.name)
        if text(media, "encoding") != "audio/x-mulaw" or number(media, "sampleRate") != self.rate:
            raise ParseError("a stream in another format than mu-law at 8 kHz", where=self.name)
        self._stream = text(start, "streamSid") or text(value, "streamSid")
        call = text(start, "callSid")
        if not self._stream or not call:
            raise ParseError("a start without its streamSid or callSid", where=self.name)
        variables = texts(start.get("customParameters"))
        ticket = variables.pop(TICKET, "")
        return Opened(self._stream, call, "PCMU", self.rate, ticket, variables=variables)

    def audio(self, pcm: bytes) -> Message:
        # Written out: json.dumps costs three times as much, fifty times a second for each call.
        sound = b64encode(pcmu.encode(pcm)).decode()
        return f'{{"event":"media","streamSid":{json.dumps(self._stream)},"media":{{"payload":"{sound}"}}}}'

    def clear(self) -> Message | None:
        return json.dumps({"event": "clear", "streamSid": self._stream})

    def mark(self, name: str) -> Message | None:
        return json.dumps({"event": "mark", "streamSid": self._stream, "mark": {"name": name}})

    def goodbye(self) -> Message | None:
        return None
