"""Azure's `/speech/recognition/conversation/cognitiveservices/v1`, by a pretended ear."""

from __future__ import annotations

import json
import struct
from collections import deque
from typing import Any

from websockets.asyncio.server import ServerConnection

from providers.servers.hearing_sockets import HearingServer
from providers.servers.pretend_ear import HeardWord, PretendEar, Told
from trunkline.audio.codecs.pcmu import decode as decode_mulaw

PATH = "/speech/recognition/conversation/cognitiveservices/v1"
_TICKS = 10_000_000


class AzureEars(HearingServer):
    """`turn_seconds`: the service ends a request after so much sound. `status`: instead of "Success"."""

    def __init__(self) -> None:
        super().__init__()
        self.contexts: list[dict[str, Any]] = []
        self.formats: list[tuple[int, int]] = []
        """The WAV format tag and rate of each request."""
        self.turn_seconds = 1e9
        self.statuses: deque[str] = deque()

    def odd(self) -> Any:
        return {"RecognitionStatus": "Success", "NBest": 5}

    def error(self) -> Any:
        return {"RecognitionStatus": "Error", "Offset": 0, "Duration": 0}

    async def befall(self, connection: ServerConnection, fault: str) -> bool:
        if fault in ("odd", "error"):
            body = self.odd() if fault == "odd" else self.error()
            await connection.send(text_message("speech.phrase", "r", body))
            return True
        return await super().befall(connection, fault)

    async def listen(
        self, connection: ServerConnection, query: dict[str, str], fault: str, number: int
    ) -> None:
        await _Talk(self, connection, fault, number).go()


def text_message(path: str, request: str, body: dict[str, Any]) -> str:
    head = f"X-RequestId:{request}\r\nContent-Type:application/json; charset=utf-8\r\nPath:{path}\r\n"
    return f"{head}\r\n{json.dumps(body)}"


def headers_of(text: str) -> dict[str, str]:
    lines = (line.partition(":") for line in text.split("\r\n") if line)
    return {name.strip().lower(): value.strip() for name, _, value in lines}


class _Talk:
    def __init__(self, server: AzureEars, connection: ServerConnection, fault: str, number: int) -> None:
        self.server = server
        self.connection = connection
        self.fault = fault
        self.number = number
        self.request = ""
        self.ear: PretendEar | None = None
        self.mulaw = False
        self.rate = 16000
        self.mute = False

    async def tell(self, path: str, **body: Any) -> None:
        if not self.mute:
            await self.connection.send(text_message(path, self.request, body))

    async def go(self) -> None:
        async for message in self.connection:
            if isinstance(message, str):
                head, _, body = message.partition("\r\n\r\n")
                headers = headers_of(head)
                assert {"path", "x-timestamp"} <= headers.keys(), headers
                # One of the vendor's SDKs names the request here, the other does not.
                assert "x-requestid" in headers or headers["path"] == "speech.config", headers
                self.server.messages.append({"path": headers["path"], **json.loads(body)})
                if headers["path"] == "speech.context":
                    self.server.contexts.append(json.loads(body))
                continue
            (length,) = struct.unpack_from("!H", message)
            headers = headers_of(message[2 : 2 + length].decode())
            assert headers["path"] == "audio", headers
            await self.audio(headers["x-requestid"], message[2 + length :])

    async def audio(self, request: str, data: bytes) -> None:
        if request != self.request:
            self.request = request
            await self.tell("turn.start", context={"serviceTag": "t"})
            if data[:4] == b"RIFF":
                tag, _, self.rate = struct.unpack_from("<HHI", data, 20)
                self.mulaw = tag == 7
                self.server.formats.append((tag, self.rate))
                data = data[44:]
            self.ear = PretendEar(self.rate)
        assert self.ear is not None
        if not data:
            if self.ear.position > 0:
                self.server.goodbyes += 1
                if forced := self.ear.force():
                    await self.phrase(forced.words)
                await self.tell("turn.end")
            return
        pcm = decode_mulaw(data) if self.mulaw else data
        self.server.heard(self.number, len(pcm) / 2 / self.rate)
        for told in self.ear.hear(pcm):
            if self.fault and told.kind == "partial":
                self.mute = await self.server.befall(self.connection, self.fault) or self.mute
                self.fault = ""
            await self.told(told)
            if told.kind == "final" and self.ear.position >= self.server.turn_seconds:
                await self.tell("turn.end")
                return

    async def told(self, told: Told) -> None:
        assert self.ear is not None
        if told.kind == "began":
            await self.tell("speech.startDetected", Offset=ticks(self.ear.position))
        elif told.kind == "partial":
            first, last = told.words[0], told.words[-1]
            span = {"Offset": ticks(first.start), "Duration": ticks(last.end - first.start)}
            await self.tell("speech.hypothesis", Id="i", Text=told.text, **span)
        else:
            await self.phrase(told.words)

    async def phrase(self, words: list[HeardWord]) -> None:
        assert self.ear is not None
        status = self.server.statuses.popleft() if self.server.statuses else "Success"
        span = {"Offset": ticks(words[0].start), "Duration": ticks(words[-1].end - words[0].start)}
        if status != "Success":
            await self.tell("speech.phrase", Id="i", RecognitionStatus=status, **span)
            return
        lexical = " ".join(word.text for word in words)
        display = f"{lexical.capitalize()}."
        best = {
            "Confidence": 0.9,
            "Lexical": lexical,
            "ITN": lexical,
            "MaskedITN": lexical,
            "Display": display,
            "Words": [
                {"Word": word.text, "Offset": ticks(word.start), "Duration": ticks(word.end - word.start)}
                for word in words
            ],
        }
        await self.tell(
            "speech.phrase",
            Id="i",
            RecognitionStatus=status,
            DisplayText=display,
            NBest=[best],
            Channel=0,
            **span,
        )


def ticks(seconds: float) -> int:
    return round(seconds * _TICKS)
