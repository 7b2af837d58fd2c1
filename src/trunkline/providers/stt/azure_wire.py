"""What is said and heard on Azure's socket: messages with headers, sound in binary ones. Pure.

A request (they call it a turn) lasts until the service ends it; the next one then begins with its own id,
its context and the sound's header again, and its times count from its own first sample.
"""

from __future__ import annotations

import json
import platform
import struct
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

from trunkline import __version__
from trunkline.errors import EngineDown, EngineKeyWrong, EngineRate, EngineRequest
from trunkline.events import Word
from trunkline.providers.protocols import Heard
from trunkline.providers.stt.hearing import final, partial, seconds, spread, trust
from trunkline.providers.stt.line_sound import SoundFormat
from trunkline.providers.stt.socket_recognition import Message, Moment

_WHERE = "azure"
_TICKS = 10_000_000
"""Its times count in units of 100 ns."""
_PCM, _MULAW = 1, 7
_FAILED = {
    "Error": EngineDown,
    "BadRequest": EngineRequest,
    "Forbidden": EngineKeyWrong,
    "TooManyRequests": EngineRate,
}


def wav_header(sound: SoundFormat) -> bytes:
    """Of a stream whose length nobody knows."""
    width = 1 if sound.mulaw else 2
    return struct.pack(
        "<4sI8sIHHIIHH4sI",
        *(b"RIFF", 0, b"WAVEfmt ", 16, _MULAW if sound.mulaw else _PCM, 1, sound.rate),
        *(sound.bytes_a_second, width, width * 8, b"data", 0),
    )


class AzureWire:
    """`wall`: the calendar time, which each message carries."""

    ready = True
    piece = 0.1
    least = 0.0
    idle = 600.0

    def __init__(self, sound: SoundFormat, wall: Callable[[], datetime]) -> None:
        self._format = sound
        self._wall = wall
        self._keyterms: tuple[str, ...] = ()
        self._request = ""
        self._sent = 0.0
        """Seconds of sound so far, in all requests."""
        self._base = 0.0
        """Of them, before the present request."""

    def begin(self, keyterms: tuple[str, ...]) -> list[Message]:
        self._keyterms = keyterms
        told = {
            "context": {
                "system": {"name": "trunkline", "version": __version__, "lang": "Python"},
                "os": {"platform": platform.system(), "name": platform.machine()},
            }
        }
        self._request = _new_id()
        config = self._text("speech.config", told)
        self._request = ""
        return [config]

    def sound(self, data: bytes) -> list[Message]:
        messages: list[Message] = []
        if not self._request:
            self._request, self._base = _new_id(), self._sent
            messages = [
                self._text("speech.context", self._context()),
                self._binary(wav_header(self._format), "audio/x-wav"),
            ]
        self._sent += len(data) / self._format.bytes_a_second
        return [*messages, self._binary(data)]

    def _context(self) -> dict[str, Any]:
        context: dict[str, Any] = {
            "phraseDetection": {"mode": "Conversation"},
            "phraseOutput": {"format": "Detailed", "detailed": {"options": ["WordTimings"]}},
        }
        if self._keyterms:
            items = [{"text": term} for term in self._keyterms]
            context["dgi"] = {"groups": [{"type": "Generic", "items": items}]}
        return context

    def pause(self) -> list[Message]:
        return []

    def finalise(self) -> list[Message]:
        return []

    def expect(self, keyterms: tuple[str, ...]) -> list[Message]:
        self._keyterms = keyterms  # for the next request: the present one has its context
        return []

    def keep(self) -> list[Message]:
        return []

    def end(self) -> list[Message]:
        return [self._binary(b"")] if self._request else []

    def _head(self, path: str, kind: str) -> str:
        when = self._wall().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        head = f"Path: {path}\r\nX-RequestId: {self._request}\r\nX-Timestamp: {when}Z\r\n"
        return head + (f"Content-Type: {kind}\r\n" if kind else "")

    def _text(self, path: str, body: dict[str, Any]) -> str:
        return f"{self._head(path, 'application/json')}\r\n{json.dumps(body)}"

    def _binary(self, data: bytes, kind: str = "") -> bytes:
        head = self._head("audio", kind).encode("ascii")
        return struct.pack("!H", len(head)) + head + data

    def read(self, message: Message, moment: Moment) -> list[Heard]:
        if isinstance(message, bytes):
            return []  # a recogniser is sent no binary messages
        head, _, body = message.partition("\r\n\r\n")
        lines = (line.partition(":") for line in head.split("\r\n"))
        headers = {name.strip().lower(): value.strip() for name, _, value in lines}
        match headers["path"].lower():
            case "speech.hypothesis":
                return self._hypothesis(json.loads(body), moment)
            case "speech.phrase":
                return self._phrase(json.loads(body), moment)
            case "turn.end":
                self._request = ""
            case _:
                pass  # turn.start, speech.startDetected, speech.endDetected
        return []

    def _span(self, said: dict[str, Any], moment: Moment) -> tuple[float, float]:
        begin = self._base + seconds(said["Offset"]) / _TICKS
        return moment.at(begin), moment.at(begin + seconds(said["Duration"]) / _TICKS)

    def _hypothesis(self, said: dict[str, Any], moment: Moment) -> list[Heard]:
        words = spread(str(said["Text"]), *self._span(said, moment))
        return [partial(moment.now, words)] if words else []

    def _phrase(self, said: dict[str, Any], moment: Moment) -> list[Heard]:
        status = said["RecognitionStatus"]
        if failed := _FAILED.get(status):
            raise failed(f"it gave up: {status}", where=_WHERE)
        if status == "NoMatch":
            return [final(moment.now, ())]
        if status != "Success":
            return []  # the end of a request without words
        best = said["NBest"][0] if said.get("NBest") else {}
        text = str(best.get("Display") or said.get("DisplayText") or "")
        sure = trust(best.get("Confidence"))
        timed = [
            Word(str(word["Word"]), *self._span(word, moment), sure)
            for word in best.get("DisplayWords") or best.get("Words") or ()
        ]
        written = text.split()
        if len(written) == len(timed):  # as it is written, with the times of the words as they were said
            timed = [
                Word(shown, word.start, word.end, sure) for shown, word in zip(written, timed, strict=True)
            ]
        elif written:  # "2020" was said in two words
            timed = list(spread(text, *self._span(said, moment), sure))
        return [final(moment.now, timed, sure)]


def _new_id() -> str:
    return uuid4().hex.upper()
