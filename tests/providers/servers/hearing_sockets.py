"""What the local servers that listen stand on.

`faults` tells what befalls the next connections, one word each: "late" (the service begins slowly), "silent"
(it hears and says nothing), "cut" the connection after the first words, "garbage", "odd" (JSON of a wrong
shape), "error", "quota", "deaf" (it stops reading).
"""

from __future__ import annotations

import asyncio
import json
from types import TracebackType
from typing import Any

from websockets.asyncio.server import ServerConnection

from providers.servers.voice_sockets import VoiceSocketServer

LATE_SECONDS = 0.2


class HearingServer(VoiceSocketServer):
    """Notes the sound (`received`, seconds), the messages, and how calls were ended."""

    def __init__(self) -> None:
        super().__init__()
        self.received: list[float] = []
        """Of each connection."""
        self.first_sound = asyncio.Event()
        self.ended = asyncio.Event()
        """A client took leave, or its connection is gone."""
        self.goodbyes = 0
        self._stopping = asyncio.Event()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        await super().__aexit__(kind, error, trace)

    async def talk(self, connection: ServerConnection, query: dict[str, str]) -> None:
        fault = self.fault()
        self.received.append(0.0)
        number = len(self.received) - 1
        if fault == "late":
            await asyncio.sleep(LATE_SECONDS)
        try:
            await self.listen(connection, query, fault, number)
        finally:
            self.ended.set()

    async def listen(
        self, connection: ServerConnection, query: dict[str, str], fault: str, number: int
    ) -> None:
        raise NotImplementedError

    def heard(self, number: int, seconds: float) -> None:
        self.received[number] += seconds
        self.first_sound.set()

    async def befall(self, connection: ServerConnection, fault: str) -> bool:
        """Carry out a fault, where the first words would be told; whether nothing more is said."""
        match fault:
            case "silent":
                return True
            case "odd":
                await connection.send(json.dumps(self.odd()))
                return True
            case "error":
                await connection.send(json.dumps(self.error()))
                return True
            case "deaf":
                await self._stopping.wait()
                return True
            case _:
                return await self.mishap(connection, fault)

    def odd(self) -> Any:
        """JSON that has the right kind and the wrong shape."""
        raise NotImplementedError

    def error(self) -> Any:
        """What the service says when it fails."""
        raise NotImplementedError
