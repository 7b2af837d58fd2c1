"""A local HTTP/1.1 server whose answers are scripted: the ground that the vendors' servers stand on.

It notes what it was asked, and whether the client closed the connection before the answer was over.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """`parts`: the body, piece by piece, sent as HTTP chunks; floats are pauses in seconds. `end`:
    "done" ends the body, "cut" closes the connection in the middle of it, "hang" stays silent."""

    parts: list[bytes | float] = field(default_factory=list)
    end: str = "done"
    status: int = 200
    kind: str = "application/json"


def refused(status: int, body: Any = None) -> Reply:
    return Reply(
        [json.dumps(body if body is not None else {"error": {"message": "no"}}).encode()], status=status
    )


class HttpServer:
    """`async with HttpServer() as server:` listens on a free port of loopback.

    Each request is answered by `card` where that knows the path, else by the next of `replies`."""

    def __init__(self) -> None:
        self.replies: deque[Reply] = deque()
        self.cards: dict[str, Reply] = {}
        """Answers that are always the same, by "METHOD /path"."""
        self.asked: list[Asked] = []
        """What was answered from `replies`."""
        self.looked_up: list[Asked] = []
        """What was answered from `cards`."""
        self.connections = 0
        self.got_one = asyncio.Event()
        self.dropped = asyncio.Event()
        """The client closed a connection whose answer was not over."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
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

    def reply_to(self, asked: Asked) -> Reply:
        card = self.cards.get(f"{asked.method} {asked.path}")
        if card is not None:
            self.looked_up.append(asked)
            return card
        self.asked.append(asked)
        self.got_one.set()
        return self.replies.popleft()

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
        except asyncio.CancelledError:
            pass  # the server is being closed; Python 3.11 would print a cancelled handler as a fault
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.IncompleteReadError:
            return False  # the client closed an idle connection
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, target, _ = head[0].split(" ")
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        reply = self.reply_to(Asked(method, parts.path, query, headers, body))
        watch = asyncio.create_task(self._watch(reader))
        try:
            return await self._send(writer, reply, watch)
        finally:
            if not watch.done():
                watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def _watch(self, reader: asyncio.StreamReader) -> bytes:
        return await reader.read(1)

    async def _send(self, writer: asyncio.StreamWriter, reply: Reply, watch: asyncio.Task[bytes]) -> bool:
        writer.write(
            f"HTTP/1.1 {reply.status} X\r\nContent-Type: {reply.kind}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        for part in reply.parts:
            if isinstance(part, bytes):
                if watch.done():
                    self.dropped.set()
                    return False
                writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                await writer.drain()
            else:
                await asyncio.wait([watch], timeout=part)
        if reply.end == "hang":
            await watch
            self.dropped.set()
            return False
        if reply.end == "cut":
            writer.transport.abort()
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        # The watcher's read must not swallow the first byte of the next request.
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        return not watch.done() or watch.cancelled()
