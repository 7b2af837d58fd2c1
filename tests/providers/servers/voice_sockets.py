"""Local servers that speak the published WebSocket protocols of ElevenLabs, Cartesia and Deepgram.

`faults` tells what befalls the next sentences, one word each: "hang" after the first piece of sound,
"silent" before it, "cut" the connection after it, "garbage", "error", "quota". They note what they were
asked and which sentences were cancelled.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from contextlib import suppress
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from providers.servers.voice_sounds import PIECE_SECONDS, pieces_of, words_of


class VoiceSocketServer:
    """The ground the three stand on. Plain GETs are answered from `cards`, like the vendors' own hosts."""

    def __init__(self) -> None:
        self.faults: deque[str] = deque()
        self.texts: list[str] = []
        self.cancelled: list[str] = []
        self.messages: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.queries: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.cards: dict[str, Any] = {}
        self.refuse: tuple[int, Any] | None = None
        """The status and body that every connection is refused with."""
        self.something_cancelled = asyncio.Event()
        self._server: Server | None = None

    @property
    def address(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._talk, "127.0.0.1", 0, process_request=self._process, max_size=2**24, close_timeout=0.2
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def _process(self, connection: ServerConnection, request: Request) -> Response | None:
        self.headers.append({name.lower(): value for name, value in request.headers.raw_items()})
        path = urlsplit(request.path).path
        if self.refuse is not None:
            status, body = self.refuse
            return connection.respond(HTTPStatus(status), json.dumps(body))
        if "upgrade" not in request.headers:
            known = path in self.cards
            return connection.respond(
                HTTPStatus.OK if known else HTTPStatus.NOT_FOUND, json.dumps(self.cards.get(path, {}))
            )
        self.paths.append(path)
        self.queries.append(
            {name: values[-1] for name, values in parse_qs(urlsplit(request.path).query).items()}
        )
        return None

    async def _talk(self, connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            await self.talk(connection, self.queries[-1])

    async def talk(self, connection: ServerConnection, query: dict[str, str]) -> None:
        raise NotImplementedError

    def fault(self) -> str:
        return self.faults.popleft() if self.faults else ""

    def cancel(self, what: str) -> None:
        self.cancelled.append(what)
        self.something_cancelled.set()

    async def mishap(self, connection: ServerConnection, fault: str) -> bool:
        """Carry out a fault that is the same on every socket; whether the sentence ends here."""
        if fault == "garbage":
            await connection.send("{ not json")
        elif fault == "cut":
            connection.transport.abort()
        elif fault == "quota":
            await connection.close(1008, "This request exceeds your quota")
        elif fault not in ("hang", "silent"):
            return False
        return True


class ElevenLabsServer(VoiceSocketServer):
    """`/v1/text-to-speech/{voice_id}/multi-stream-input`: contexts that are opened with a blank, given text,
    flushed and closed; sound with character times counted from the start of each piece."""

    def __init__(self) -> None:
        super().__init__()
        voice = {"voice_id": "v1", "name": "Rachel", "category": "cloned", "labels": {"language": "en"}}
        self.cards["/v1/voices"] = {"voices": [voice]}

    async def talk(self, connection: ServerConnection, query: dict[str, str]) -> None:
        contexts: dict[str, str] = {}
        async for message in connection:
            said = json.loads(message)
            self.messages.append(said)
            context = said["context_id"]
            if said.get("close_context"):
                await self.speak(connection, query, context, contexts.pop(context, ""))
                continue
            if context not in contexts:
                assert said["text"] == " ", "a context is opened with a blank"
                contexts[context] = ""
            contexts[context] += said["text"].strip(" ") and said["text"]

    async def speak(
        self, connection: ServerConnection, query: dict[str, str], context: str, text: str
    ) -> None:
        self.texts.append(text)
        encoding, rate = query["output_format"].split("_")[:2]
        fault = self.fault()
        if fault == "error":
            return await connection.send(
                json.dumps({"error": "invalid_voice", "message": "no", "context_id": context})
            )
        at = 0.0
        pieces = pieces_of(text.strip(), int(rate), mulaw=encoding == "ulaw") if text.strip() else []
        letters = letters_of(text)
        for piece in pieces:
            if fault == "silent":
                return None
            here = [
                (letter, start, end) for letter, start, end in letters if at <= start < at + PIECE_SECONDS
            ]
            alignment = {
                "chars": [letter for letter, _, _ in here],
                "charStartTimesMs": [round((start - at) * 1000) for _, start, _ in here],
                "charDurationsMs": [round((end - start) * 1000) for _, start, end in here],
            }
            await connection.send(
                json.dumps(
                    {
                        "audio": base64.b64encode(piece).decode(),
                        "isFinal": None,
                        "contextId": context,
                        "alignment": alignment if here else None,
                        "normalizedAlignment": alignment if here else None,
                    }
                )
            )
            at += PIECE_SECONDS
            if await self.mishap(connection, fault):
                return None
        await connection.send(json.dumps({"isFinal": True, "contextId": context}))
        return None


def letters_of(text: str) -> list[tuple[str, float, float]]:
    """Each character with its seconds; a blank takes none."""
    found: list[tuple[str, float, float]] = []
    for word in words_of(text):
        if found:
            found.append((" ", word.start, word.start))
        step = (word.end - word.start) / len(word.text)
        found += [
            (letter, word.start + n * step, word.start + (n + 1) * step) for n, letter in enumerate(word.text)
        ]
    return found


class CartesiaServer(VoiceSocketServer):
    """`/tts/websocket`: a context a request, chunks, word times, `done`; `cancel` by context."""

    def __init__(self) -> None:
        super().__init__()
        voice = {"id": "v1", "name": "Katie", "language": "en", "description": "warm"}
        self.cards["/voices"] = {"data": [voice], "has_more": False}

    async def talk(self, connection: ServerConnection, query: dict[str, str]) -> None:
        said_in: dict[str, str] = {}
        async for message in connection:
            said = json.loads(message)
            self.messages.append(said)
            if said.get("cancel"):
                self.cancel(said["context_id"])
                continue
            context = said["context_id"]
            said_in[context] = said_in.get(context, "") + said["transcript"]
            if not said.get("continue"):
                await self.speak(connection, said, said_in.pop(context))

    async def speak(self, connection: ServerConnection, said: dict[str, Any], text: str) -> None:
        context = said["context_id"]
        self.texts.append(text)
        form = said["output_format"]
        fault = self.fault()

        async def tell(kind: str, **more: Any) -> None:
            whole = {"type": kind, "done": kind == "done", "status_code": 206, "context_id": context, **more}
            await connection.send(json.dumps(whole))

        if fault == "error":
            message = "The model is not valid"
            return await tell("error", title="Invalid model", message=message, status_code=400)
        for number, piece in enumerate(
            pieces_of(text.strip(), form["sample_rate"], mulaw=form["encoding"] == "pcm_mulaw")
        ):
            if fault == "silent":
                return None
            await tell("chunk", data=base64.b64encode(piece).decode(), step_time=1)
            if await self.mishap(connection, fault):
                return None
            if number == 0 and said.get("add_timestamps"):
                words = words_of(text.strip())
                times = {
                    "words": [word.text for word in words],
                    "start": [word.start for word in words],
                    "end": [word.end for word in words],
                }
                await tell("timestamps", word_timestamps=times)
        await tell("done")
        return None


class DeepgramServer(VoiceSocketServer):
    """`/v1/speak`: Speak, Flush and Clear; sound as binary messages; Flushed and Cleared."""

    def __init__(self) -> None:
        super().__init__()
        voice = {
            "name": "thalia",
            "canonical_name": "aura-2-thalia-en",
            "languages": ["en", "en-US"],
            "metadata": {"tags": ["feminine"]},
        }
        self.cards["/v1/models"] = {"stt": [], "tts": [voice]}

    async def talk(self, connection: ServerConnection, query: dict[str, str]) -> None:
        text, flushes = "", 0
        await connection.send(
            json.dumps({"type": "Metadata", "request_id": "r", "model_name": query["model"]})
        )
        async for message in connection:
            said = json.loads(message)
            self.messages.append(said)
            match said["type"]:
                case "Speak":
                    text += said["text"]
                case "Flush":
                    flushes += 1
                    if flushes > 20:
                        warning = {
                            "type": "Warning",
                            "description": "Too many Flush messages",
                            "code": "EXCESSIVE_FLUSH",
                        }
                        await connection.send(json.dumps(warning))
                        continue
                    await self.speak(connection, query, text)
                    text = ""
                case "Clear":
                    self.cancel(self.texts[-1])
                    await connection.send(json.dumps({"type": "Cleared", "sequence_id": 0}))
                case "Close":
                    return

    async def speak(self, connection: ServerConnection, query: dict[str, str], text: str) -> None:
        self.texts.append(text)
        fault = self.fault()
        if fault == "error":
            return await connection.send(json.dumps({"type": "Error", "description": "no", "code": "X"}))
        mulaw, rate = query["encoding"] == "mulaw", int(query["sample_rate"])
        for piece in pieces_of(text.strip(), rate, mulaw=mulaw) if text.strip() else []:
            if fault == "silent":
                return None
            await connection.send(piece)
            if await self.mishap(connection, fault):
                return None
        return await connection.send(json.dumps({"type": "Flushed", "sequence_id": 0}))
