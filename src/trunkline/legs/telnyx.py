"""Telnyx media streaming: what is set for an account, and the messages of a stream.

Source: https://developers.telnyx.com/api-reference/websockets/stream-call-media-over-websocket. JSON
with base64 payloads, 20 ms a message; the order of messages is not promised, their `chunk` numbers
tell it. The caller's audio may come in another codec than the one we asked for, where Telnyx cannot
transcode: the start message says which. Webhooks and calls: `telnyx_calls.py`.
"""

from __future__ import annotations

import audioop
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from trunkline.audio.codecs import pcma, pcmu
from trunkline.audio.codecs.codec import Decode, Encode
from trunkline.audio.codecs.registry import codec_named
from trunkline.audio.resample import RATES, Resampler
from trunkline.errors import MediaError, ParseError
from trunkline.legs.stream import (
    Complained,
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

_ENCODINGS = {
    "PCMU": "PCMU",
    "AUDIO/X-MULAW": "PCMU",
    "PCMA": "PCMA",
    "AUDIO/X-ALAW": "PCMA",
    "L16": "L16",
    "G722": "G722",
    "OPUS": "OPUS",
}
_CODE = re.compile(r"[0-9]{1,9}")
_OF_ITS_OWN = ("G722", "OPUS")
"""Codecs that are 16 kHz here, whatever rate a message says: that may be the RTP clock's or the call's."""


@dataclass(frozen=True, slots=True)
class TelnyxSettings:
    """One Telnyx account."""

    bind: str = ""
    """Where to listen for its webhooks and streams, `HOST:PORT`; empty: not at all."""
    public_url: str = ""
    """How Telnyx reaches that: `https://HOST`. Empty: `http://` and `bind`."""
    api_key: str = ""
    """Lets us answer, place, hand over and end calls."""
    public_key: str = ""
    """The account's key that webhooks are verified with, in base64."""
    connection_id: str = ""
    """The Voice API application that outbound calls belong to."""
    number: str = ""
    """The number that outbound calls come from, as +15551234567."""
    codec: Literal["PCMU", "PCMA", "L16", "G722", "OPUS"] = "PCMU"
    """What is spoken over the stream. G722 and OPUS need the extra `av`."""
    rate: Literal[8000, 16000, 24000] = 16000
    """Samples a second of L16; PCMU and PCMA have 8000, G722 and OPUS 16000."""
    l16_byte_order: Literal["little", "big"] = "little"
    """Telnyx's pages do not say which bytes of L16 come first; this is as most of its users have it."""
    ring_timeout: int = 60
    """Seconds that an outbound call may ring."""
    api: str = "https://api.telnyx.com/v2"

    @property
    def stream_rate(self) -> int:
        if self.codec in _OF_ITS_OWN:
            return codec_named(self.codec).rate
        return self.rate if self.codec == "L16" else 8000


class TelnyxStream:
    """The pure half of one media streaming socket, `codec` being what we send."""

    name = "telnyx"
    buffers = True

    def __init__(self, settings: TelnyxSettings) -> None:
        self.rate = settings.stream_rate
        self._codec = settings.codec
        self._big = settings.l16_byte_order == "big"
        self._their_codec: str = settings.codec
        self._resampler: Resampler | None = None
        # Made when it is known what is needed: Opus may come to a stream that sends another codec.
        self._decode: Decode | None = None
        self._encode: Encode | None = None
        if settings.codec in _OF_ITS_OWN:
            self._encode = codec_named(settings.codec).make_encoder()

    def receive(self, message: Message) -> list[Happening]:
        value = read_object(message, self.name)
        match value.get("event"):
            case "media":
                media = part(value, "media", self.name)
                if text(media, "track") == "outbound":
                    return []
                return [Heard(self._decoded(payload(media, self.name)), number(media, "chunk"))]
            case "mark":
                return [Played(text(part(value, "mark", self.name), "name"))]
            case "dtmf":
                return [key(part(value, "dtmf", self.name), self.name)]
            case "start":
                return [self._start(value, part(value, "start", self.name))]
            case "stop":
                return [Stopped("hung up")]
            case "error":
                problem = part(value, "payload", self.name)
                code = str(problem.get("code", ""))
                return [Complained(code if _CODE.fullmatch(code) else "")]
            case str():
                return []  # "connected", and what may be added one day.
            case _:
                raise ParseError("a message without an event", where=self.name)

    def _start(self, value: Mapping[str, Any], start: Mapping[str, Any]) -> Opened:
        media = part(start, "media_format", self.name)
        codec = _ENCODINGS.get(text(media, "encoding").upper())
        rate = number(media, "sample_rate")
        if codec in _OF_ITS_OWN and rate in RATES:
            rate = codec_named(codec).rate
            self._decode = _decoder(codec, self.name)
        elif codec is None or rate not in RATES or (codec != "L16" and rate != 8000):
            raise ParseError("a stream in a format that was not asked for", where=self.name)
        self._their_codec = codec
        self._resampler = Resampler(rate, self.rate) if rate != self.rate else None
        stream, call = text(value, "stream_id"), text(start, "call_control_id")
        if not stream or not call:
            raise ParseError("a start without its stream_id or call_control_id", where=self.name)
        return Opened(
            stream,
            call,
            codec,
            self.rate,
            caller=text(start, "from"),
            callee=text(start, "to"),
            variables=texts(start.get("custom_parameters")),
        )

    def _decoded(self, sound: bytes) -> bytes:
        if self._their_codec == "PCMU":
            pcm = pcmu.decode(sound)
        elif self._their_codec == "PCMA":
            pcm = pcma.decode(sound)
        elif self._decode is not None:
            pcm = self._decode(sound)
        elif len(sound) % 2:
            raise ParseError("L16 that is not whole samples", where=self.name)
        else:
            pcm = audioop.byteswap(sound, 2) if self._big else sound
        return pcm if self._resampler is None else self._resampler.push(pcm)

    def audio(self, pcm: bytes) -> Message:
        if self._codec == "PCMU":
            sound = pcmu.encode(pcm)
        elif self._codec == "PCMA":
            sound = pcma.encode(pcm)
        elif self._encode is not None:
            sound = self._encode(pcm)
        else:
            sound = audioop.byteswap(pcm, 2) if self._big else pcm
        return f'{{"event":"media","media":{{"payload":"{b64encode(sound).decode()}"}}}}'

    def clear(self) -> Message | None:
        return '{"event":"clear"}'

    def mark(self, name: str) -> Message | None:
        return json.dumps({"event": "mark", "mark": {"name": name}})

    def goodbye(self) -> Message | None:
        return None


def _decoder(codec: str, where: str) -> Decode:
    """Raises `ParseError` where the stream is of no use without a library that is not here."""
    try:
        return codec_named(codec).make_decoder()
    except MediaError as error:
        raise ParseError(f"a stream in {codec}: {error.what}", where=where) from error
