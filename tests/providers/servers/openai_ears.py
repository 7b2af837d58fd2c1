"""OpenAI's Realtime WebSocket as it transcribes, and its file transcription, by a pretended ear."""

from __future__ import annotations

import base64
import email
import email.policy
import io
import json
import wave
from collections import deque
from typing import Any

from websockets.asyncio.server import ServerConnection

from providers.servers.hearing_sockets import HearingServer
from providers.servers.http_server import Asked, HttpServer, Reply, refused
from providers.servers.pretend_ear import PretendEar, Told
from trunkline.audio.codecs.pcmu import decode as decode_mulaw


class OpenAIEars(HearingServer):
    """`/v1/realtime?intent=transcription` with turn detection off: words while they come, final on commit."""

    def __init__(self) -> None:
        super().__init__()
        for model in ("gpt-live-transcribe", "gpt-4o-transcribe"):
            self.cards[f"/v1/models/{model}"] = {"id": model, "object": "model"}
        self.sessions: list[dict[str, Any]] = []

    @property
    def address(self) -> str:
        return f"{super().address}/v1"

    def odd(self) -> Any:
        return {"type": "conversation.item.input_audio_transcription.completed", "item_id": "item_1"}

    def error(self) -> Any:
        error = {"type": "server_error", "code": None, "message": "The server had an error"}
        return {"type": "error", "event_id": "e", "error": error}

    async def listen(
        self, connection: ServerConnection, query: dict[str, str], fault: str, number: int
    ) -> None:
        assert query["intent"] == "transcription"
        await Talk(self, connection, fault, number).go()


class Talk:
    def __init__(self, server: OpenAIEars, connection: ServerConnection, fault: str, number: int) -> None:
        self.server = server
        self.connection = connection
        self.fault = fault
        self.number = number
        self.ear = PretendEar(24000, gap=1e9)
        self.mulaw = False
        self.item = 1
        self.buffered = 0.0
        self.told = 0
        self.mute = False

    async def send(self, kind: str, **more: Any) -> None:
        if not self.mute:
            await self.connection.send(json.dumps({"type": kind, "event_id": "e", **more}))

    async def go(self) -> None:
        await self.send("session.created", session={"type": "transcription", "id": "s"})
        async for message in self.connection:
            said = json.loads(message)
            await self.take(said)
            if said["type"] != "input_audio_buffer.append":
                self.server.messages.append(said)

    async def take(self, said: dict[str, Any]) -> None:
        match said["type"]:
            case "session.update":
                await self.update(said["session"])
            case "input_audio_buffer.append":
                await self.append(base64.b64decode(said["audio"]))
            case "input_audio_buffer.commit":
                await self.commit()
            case "input_audio_buffer.clear":
                self.buffered = 0.0
                self.ear.force()
                await self.send("input_audio_buffer.cleared")

    async def update(self, session: dict[str, Any]) -> None:
        self.server.sessions.append(session)
        listening = session["audio"]["input"]
        detection, model = listening.get("turn_detection"), listening["transcription"]["model"]
        assert detection is None or "live" not in model
        mulaw = listening["format"]["type"] == "audio/pcmu"
        if mulaw != self.mulaw:
            self.mulaw, self.ear = mulaw, PretendEar(8000 if mulaw else 24000, gap=1e9)
        assert mulaw or listening["format"]["rate"] == 24000
        await self.send("session.updated", session={**session, "id": "s"})

    async def append(self, data: bytes) -> None:
        pcm = decode_mulaw(data) if self.mulaw else data
        length = len(pcm) / 2 / (8000 if self.mulaw else 24000)
        self.buffered += length
        self.server.heard(self.number, length)
        for told in self.ear.hear(pcm):
            if told.kind != "partial":
                continue
            if self.fault:
                self.mute = await self.server.befall(self.connection, self.fault) or self.mute
                self.fault = ""
            await self.delta(told)

    async def delta(self, told: Told) -> None:
        for word in told.words[self.told :]:
            await self.send(
                "conversation.item.input_audio_transcription.delta",
                item_id=f"item_{self.item}",
                content_index=0,
                delta=f"{' ' if self.told else ''}{word.text}",
            )
            self.told += 1

    async def commit(self) -> None:
        if self.buffered < 0.1:
            error = {
                "type": "invalid_request_error",
                "code": "input_audio_buffer_commit_empty",
                "message": "buffer too small",
            }
            await self.send("error", error=error)
            return
        item = f"item_{self.item}"
        await self.send("input_audio_buffer.committed", item_id=item, previous_item_id=None)
        forced = self.ear.force()
        await self.send(
            "conversation.item.input_audio_transcription.completed",
            item_id=item,
            content_index=0,
            transcript=forced.text if forced else "",
            usage={"type": "duration", "seconds": self.buffered},
        )
        self.item, self.buffered, self.told = self.item + 1, 0.0, 0


class OpenAIFiles(HttpServer):
    """`POST /v1/audio/transcriptions`: a WAV file in a form. `faults`: "hang", "cut", "garbage", "odd",
    "error", "quota", one for a request."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: deque[str] = deque()
        self.forms: list[dict[str, list[str]]] = []
        for model in ("gpt-transcribe", "whisper-1"):
            self.cards[f"GET /v1/models/{model}"] = Reply([json.dumps({"id": model}).encode()])

    @property
    def address(self) -> str:
        return f"{super().address}/v1"

    def reply_to(self, asked: Asked) -> Reply:
        if asked.path == "/v1/audio/transcriptions" and not self.replies:
            self.replies.append(self._transcribed(asked))
        return super().reply_to(asked)

    def _transcribed(self, asked: Asked) -> Reply:
        form, wav = form_of(asked)
        self.forms.append(form)
        match self.faults.popleft() if self.faults else "":
            case "hang":
                return Reply([], end="hang")
            case "cut":
                return Reply([b'{"te'], end="cut")
            case "garbage":
                return Reply([b"{ not json"])
            case "odd":
                return Reply([b'{"text": 5}'])
            case "error":
                return refused(500, {"error": {"message": "The server had an error"}})
            case "quota":
                return refused(429, {"error": {"message": "You exceeded your current quota"}})
        with wave.open(io.BytesIO(wav)) as file:
            ear = PretendEar(file.getframerate(), gap=1e9)
            ear.hear(file.readframes(file.getnframes()))
        told = ear.force()
        words = told.words if told else []
        body: dict[str, Any] = {"text": " ".join(word.text for word in words)}
        if form["response_format"] == ["verbose_json"]:
            body["words"] = [{"word": word.text, "start": word.start, "end": word.end} for word in words]
        return Reply([json.dumps(body).encode()])


def form_of(asked: Asked) -> tuple[dict[str, list[str]], bytes]:
    """The fields of a multipart form, and its file."""
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    form: dict[str, list[str]] = {}
    wav = b""
    for part in email.message_from_bytes(head + asked.body, policy=email.policy.HTTP).iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if part.get_filename():
            wav = content
        else:
            form.setdefault(name, []).append(content.decode())
    return form, wav
