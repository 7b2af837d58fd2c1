"""Writing to one WebSocket without ever waiting for it: a bounded queue and the task that empties it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from trunkline.legs.stream import Message

AUDIO_BOUND = 50
"""Frames that wait for a socket that does not take them: one second. Then the oldest go."""
CONTROL_BOUND = 200
"""Other messages that wait; a socket that is so far behind is closed."""
_SEND_LIMIT = 10.0
_POLICY_VIOLATION = 1008
_NORMAL = 1000


class SocketWire:
    """A `Wire` over aiohttp's server socket. `finish` it when the socket is done."""

    def __init__(self, socket: Any) -> None:
        self.dropped = 0
        """Frames that the socket never took."""
        self._socket = socket
        self._queue: deque[tuple[Message, bool]] = deque()
        self._audio = 0
        self._wake = asyncio.Event()
        self._closing: tuple[int, str] | None = None
        self._writer = asyncio.get_running_loop().create_task(self._write(), name="stream socket")

    def send(self, message: Message, *, droppable: bool = False) -> None:
        if self._closing is not None:
            return
        if droppable:
            if self._audio >= AUDIO_BOUND:
                self._drop_oldest()
            self._audio += 1
        elif len(self._queue) - self._audio >= CONTROL_BOUND:
            self.close("the other end takes nothing")
            return
        self._queue.append((message, droppable))
        self._wake.set()

    def drop(self) -> None:
        self._queue = deque(entry for entry in self._queue if not entry[1])
        self._audio = 0

    def close(self, why: str, *, refused: bool = False) -> None:
        """What waits still leaves, but for audio."""
        if self._closing is None:
            self.drop()
            self._closing = (_POLICY_VIOLATION if refused else _NORMAL, why[:100])
            self._wake.set()

    async def finish(self) -> None:
        """The socket is done: close it where it is open still, and end the task."""
        self.close("done")
        try:
            async with asyncio.timeout(_SEND_LIMIT + 1):
                await self._writer
        except TimeoutError:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)

    def _drop_oldest(self) -> None:
        for place, (_, droppable) in enumerate(self._queue):
            if droppable:
                del self._queue[place]
                self._audio -= 1
                self.dropped += 1
                return

    async def _write(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    message, droppable = self._queue.popleft()
                    self._audio -= droppable
                    async with asyncio.timeout(_SEND_LIMIT):
                        if isinstance(message, str):
                            await self._socket.send_str(message)
                        else:
                            await self._socket.send_bytes(message)
                if self._closing is not None:
                    code, why = self._closing
                    async with asyncio.timeout(_SEND_LIMIT):
                        await self._socket.close(code=code, message=why.encode()[:120])
                    return
        except (ConnectionError, TimeoutError, RuntimeError):
            # The socket is gone (aiohttp says so with a RuntimeError too); its reader tells the leg.
            self._closing = self._closing or (_NORMAL, "gone")
            self._queue.clear()
