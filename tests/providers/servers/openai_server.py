"""A local server that speaks the published chat-completions streaming protocol over HTTP/1.1.

It answers each POST with the next of its scripted `Answer`s and notes what it was asked, and whether
the client closed the connection before the answer was over. Its models it tells whoever asks.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any


@dataclass
class Answer:
    """`events`: what follows `data: ` line by line: objects are sent as JSON, strings as they are,
    bytes without any framing, floats are pauses in seconds. `end`: "done" sends `[DONE]`, "cut"
    closes the connection in the middle of the body, "hang" keeps it open and silent."""

    events: list[Any] = field(default_factory=list)
    end: str = "done"
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def text_chunk(text: str, finish: str | None = None) -> dict[str, Any]:
    return _chunk({"role": "assistant", "content": text}, finish)


def tool_chunk(
    index: int, *, call_id: str | None = None, name: str | None = None, arguments: str = ""
) -> dict[str, Any]:
    function: dict[str, Any] = {"arguments": arguments}
    if name is not None:
        function["name"] = name
    call: dict[str, Any] = {"index": index, "function": function}
    if call_id is not None:
        call |= {"id": call_id, "type": "function"}
    return _chunk({"tool_calls": [call]}, None)


def finish_chunk(reason: str = "stop") -> dict[str, Any]:
    return _chunk({}, reason)


def usage_chunk(prompt: int, completion: int, cached: int) -> dict[str, Any]:
    chunk = _chunk({}, None)
    chunk["choices"] = []
    chunk["usage"] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    return chunk


def _chunk(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "test",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


MODEL = {"id": "test", "object": "model", "created": 1, "owned_by": "nobody"}


class OpenAIServer:
    """`async with OpenAIServer() as server:` listens on a free port of loopback."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        self.requests: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.keys: list[str] = []
        self.models = Answer(body={"object": "list", "data": [MODEL]})
        """What it answers when it is asked for its models, or for the card of one."""
        self.looked_up: list[str] = []
        """The paths at which it was."""
        self.connections = 0
        self.asked = asyncio.Event()
        """A request has come."""
        self.dropped = asyncio.Event()
        """The client closed a connection whose answer was not over."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def base_url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def __aenter__(self) -> OpenAIServer:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._serve_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.dropped.set()
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.IncompleteReadError:
            return False  # the client closed an idle connection
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if head[0].startswith("GET /v1/models"):
            self.looked_up.append(head[0].split(" ")[1])
            return await self._tell(reader, writer, self.models)
        self.asked.set()
        self.bodies.append(body)
        self.requests.append(json.loads(body))
        self.keys.append(headers.get("authorization", ""))
        assert head[0].startswith("POST /v1/chat/completions "), head[0]
        answer = self.answers.popleft()
        if answer.status != 200:
            return await self._tell(reader, writer, answer)
        watch = asyncio.create_task(self._watch(reader))
        try:
            return await self._stream(writer, answer, watch)
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> bool:
        """An answer in one piece, as all are that refuse."""
        if answer.end == "hang":
            await reader.read(1)
            return False
        body = json.dumps(answer.body or {"error": {"message": "no", "type": "x", "code": None}}).encode()
        extra = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        writer.write(
            f"HTTP/1.1 {answer.status} X\r\nContent-Type: application/json\r\n{extra}"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await writer.drain()
        return True

    async def _watch(self, reader: asyncio.StreamReader) -> None:
        if not await reader.read(1):
            self.dropped.set()

    async def _stream(self, writer: asyncio.StreamWriter, answer: Answer, watch: asyncio.Task[None]) -> bool:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        await writer.drain()
        for event in answer.events:
            if isinstance(event, float):
                await asyncio.wait([watch], timeout=event)
                if watch.done():
                    return False
                continue
            raw = event if isinstance(event, bytes) else f"data: {_line(event)}\n\n".encode()
            await self._send(writer, raw)
        if answer.end == "hang":
            await watch
            return False
        if answer.end == "cut":
            writer.transport.abort()
            return False
        await self._send(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return False

    async def _send(self, writer: asyncio.StreamWriter, raw: bytes) -> None:
        writer.write(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")
        await writer.drain()


def _line(event: Any) -> str:
    return event if isinstance(event, str) else json.dumps(event)
