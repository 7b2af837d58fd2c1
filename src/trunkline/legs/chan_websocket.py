"""Asterisk's WebSocket channel, as external media uses it: sound in binary messages, words in text. Pure.

Source: https://docs.asterisk.org/Configuration/Channel-Drivers/WebSocket/, and `channels/chan_websocket.c` of
Asterisk 22.6 and 22.10. Words are plain or, from 20.18, 22.8 and 23.2 on where its chan_websocket.conf says
so, JSON; we write as the first one, MEDIA_START, was written. Asterisk queues what it gets, 1000 frames of
20 ms at most, and plays it in its own time. Keys come as events of ARI too, even while the media is away; so
they are passed over here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from trunkline.audio.codecs.codec import Decode, Encode
from trunkline.audio.codecs.registry import codec_named
from trunkline.audio.frame import frame_bytes
from trunkline.errors import ParseError
from trunkline.legs.stream import (
    Complained,
    GoOn,
    Happening,
    Heard,
    HoldOff,
    Message,
    Opened,
    Played,
    read_object,
)

SUBPROTOCOL = "media"
TEXT_LIMIT = 4096
"""Characters of a text message: the longest, MEDIA_START with a channel's variables, has a few hundred."""
_VALUE_LIMIT = 256


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """A format as Asterisk names it. `codec`: ours, L16 for plain samples; `rate`: samples a second."""

    codec: str
    rate: int

    @property
    def frame_bytes(self) -> int:
        """What 20 ms of it are."""
        pcm = frame_bytes(self.rate)
        return {"L16": pcm, "G722": pcm // 4}.get(self.codec, pcm // 2)


FORMATS: dict[str, SoundFormat] = {
    "ulaw": SoundFormat("PCMU", 8000),
    "alaw": SoundFormat("PCMA", 8000),
    "g722": SoundFormat("G722", 16000),
    "slin": SoundFormat("L16", 8000),
    "slin16": SoundFormat("L16", 16000),
    "slin24": SoundFormat("L16", 24000),
    "slin48": SoundFormat("L16", 48000),
}
"""Samples (slin) travel in the byte order of Asterisk's machine: little-endian, wherever it runs today."""

_WORD = re.compile(r"[A-Z][A-Z_]{1,39}", re.ASCII)


class ChanWebsocketStream:
    """One socket. `wanted`: the format that was asked for, as Asterisk names it. Raises `MediaError` where
    its codec is not to be had here."""

    name = "ari"
    buffers = True

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted
        self._format = FORMATS[wanted]
        self.rate = self._format.rate
        self._json = False
        self._marks = False
        """It knows MARK_MEDIA; older ones are asked to say when a transfer is done, which is the same."""
        self._encode: Encode | None = None
        self._decode: Decode | None = None
        if self._format.codec != "L16":
            codec = codec_named(self._format.codec)
            self._encode, self._decode = codec.make_encoder(), codec.make_decoder()

    def receive(self, message: Message) -> list[Happening]:
        if isinstance(message, bytes):
            return [Heard(self._heard(message))]
        if len(message) > TEXT_LIMIT:
            raise ParseError(f"a message of {len(message)} characters", where=self.name)
        is_json = message.lstrip().startswith("{")
        word, values = self._of_json(message) if is_json else self._of_text(message)
        match word:
            case "MEDIA_START":
                self._json = is_json
                return [self._start(values)]
            case "MEDIA_XOFF":
                return [HoldOff()]
            case "MEDIA_XON":
                return [GoOn()]
            case "MEDIA_MARK_PROCESSED" | "MEDIA_BUFFERING_COMPLETED":
                return [Played(values.get("correlation_id", ""))]
            case "ERROR":
                return [Complained("ERROR")]
            case _:
                return []  # QUEUE_DRAINED, STATUS, DTMF_END, and what may be added one day.

    def audio(self, pcm: bytes) -> Message:
        return pcm if self._encode is None else self._encode(pcm)

    def clear(self) -> Message | None:
        return self._command("FLUSH_MEDIA")

    def mark(self, name: str) -> Message | None:
        # With whole frames nothing is left over when a transfer stops, so that stopping one only says when
        # all before it is played.
        return self._command("MARK_MEDIA" if self._marks else "STOP_MEDIA_BUFFERING", name)

    def goodbye(self) -> Message | None:
        return None

    # --- within -------------------------------------------------------------------------------------

    def _command(self, word: str, ident: str = "") -> str:
        if self._json:
            return json.dumps({"command": word, **({"correlation_id": ident} if ident else {})})
        return f"{word} {ident}" if ident else word

    def _heard(self, message: bytes) -> bytes:
        if self._decode is not None:
            return self._decode(message)
        if len(message) % 2:
            raise ParseError("sound that is not whole samples", where=self.name)
        return message

    def _of_json(self, message: str) -> tuple[str, Mapping[str, str]]:
        value = read_object(message, self.name)
        word = value.get("event")
        if not isinstance(word, str) or not _WORD.fullmatch(word):
            raise ParseError("a message without its event", where=self.name)
        simple = [(key, one) for key, one in value.items() if isinstance(one, str | int)]
        return word, {key: str(one)[:_VALUE_LIMIT] for key, one in simple}

    def _of_text(self, message: str) -> tuple[str, Mapping[str, str]]:
        word, _, rest = message.strip().partition(" ")
        if not _WORD.fullmatch(word):
            raise ParseError("a message without its event", where=self.name)
        if word in ("MEDIA_MARK_PROCESSED", "MEDIA_BUFFERING_COMPLETED"):
            return word, {"correlation_id": rest[:_VALUE_LIMIT]}
        pairs = [one.partition(":") for one in rest.split()]
        return word, {name: value[:_VALUE_LIMIT] for name, found, value in pairs if found}

    def _start(self, values: Mapping[str, str]) -> Opened:
        name, size = values.get("format", ""), values.get("optimal_frame_size", "")
        if name != self._wanted:
            raise ParseError(
                f"a stream in {name[:20]!r}, where {self._wanted} was asked for",
                where=self.name,
            )
        if size != str(self._format.frame_bytes):
            raise ParseError(
                f"frames of {size[:10]!r} bytes where 20 ms are {self._format.frame_bytes}", where=self.name
            )
        self._marks = bool(values.get("channel_id"))  # It came with the same releases as MARK_MEDIA.
        return Opened(
            values.get("connection_id", ""),
            values.get("channel_id", ""),
            self._format.codec,
            self.rate,
        )
