"""The WebSocket channel of an Asterisk as it looks from here: frames that are played in time, and words.

Written from https://docs.asterisk.org/Configuration/Channel-Drivers/WebSocket/ and from what
`channels/chan_websocket.c` of Asterisk 22.6 and 22.10 does, with nothing of our code but its codecs.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from trunkline.audio.codecs.registry import codec_named

CODECS = {"ulaw": "PCMU", "alaw": "PCMA", "g722": "G722"}
FRAME_BYTES = {
    "ulaw": 160,
    "alaw": 160,
    "g722": 160,
    "slin": 320,
    "slin16": 640,
    "slin24": 960,
    "slin48": 1920,
}
QUEUE_MAX, XOFF, XON = 1000, 900, 800


@dataclass
class MediaChannel:
    """One channel. `words`: plain-text or json; `old`: of a release that has no MARK_MEDIA and does not say
    its channel's id. `xoff`, `xon`: levels of its queue, lower in tests that reach them."""

    channel_id: str
    name: str
    format: str
    heard: bytearray
    words: str = "plain-text"
    old: bool = False
    paused: bool = False
    xoff: int = XOFF
    xon: int = XON
    connection_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    socket: Any = None
    queue: deque[bytes | str] = field(default_factory=deque)
    commands: list[str] = field(default_factory=list)
    dropped: int = 0
    bulk: bool = False
    leftover: bytes = b""
    full: bool = False
    _playing: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        codec = CODECS.get(self.format)
        self._encode = codec_named(codec).make_encoder() if codec else bytes
        self._decode = codec_named(codec).make_decoder() if codec else bytes
        self._size = FRAME_BYTES[self.format]

    @property
    def frames(self) -> int:
        return sum(isinstance(one, bytes) for one in self.queue)

    async def serve(self, socket: Any) -> None:
        """Until the socket is closed, which is the end of the channel."""
        self.socket = socket
        facts = {"connection_id": self.connection_id, "channel": self.name}
        facts |= {} if self.old else {"channel_id": self.channel_id}
        facts |= {"format": self.format, "optimal_frame_size": str(self._size), "ptime": "20"}
        await self.tell("MEDIA_START", **facts)
        self._playing = asyncio.create_task(self._play())
        try:
            async for message in socket:
                if isinstance(message.data, str):
                    await self._command(message.data)
                elif isinstance(message.data, bytes):
                    await self._media(message.data)
        finally:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)

    async def tell(self, event: str, **facts: str) -> None:
        if self.words == "json":
            numbers = {
                name: int(one) for name, one in facts.items() if name in ("optimal_frame_size", "ptime")
            }
            value = {"event": event, "channel_id": self.channel_id, **facts, **numbers}
            if event == "MEDIA_START":
                value["channel_variables"] = {"MEDIA_WEBSOCKET_CONNECTION_ID": self.connection_id}
            await self.socket.send_str(json.dumps(value))
        elif "correlation_id" in facts:
            await self.socket.send_str(f"{event} {facts['correlation_id']}")
        else:
            await self.socket.send_str(" ".join([event, *(f"{name}:{one}" for name, one in facts.items())]))

    async def speak(self, pcm: bytes) -> None:
        await self.socket.send_bytes(self._encode(pcm))

    async def _command(self, message: str) -> None:
        assert 0 < len(message) <= 128, "Asterisk passes over longer ones"
        if self.words == "json":
            value = json.loads(message)
            word, ident = value["command"], value.get("correlation_id", "")
        else:
            word, _, ident = message.partition(" ")
        self.commands.append(word)
        match word:
            case "START_MEDIA_BUFFERING":
                self.bulk = True
            case "STOP_MEDIA_BUFFERING":
                self.bulk = False
                if self.leftover:
                    self.queue.append(self.leftover)
                self.leftover = b""
                self.queue.append(f"MEDIA_BUFFERING_COMPLETED {ident}")
            case "MARK_MEDIA" if not self.old:
                self.queue.append(f"MEDIA_MARK_PROCESSED {ident}")
            case "FLUSH_MEDIA":
                self.queue.clear()
                self.bulk, self.leftover = False, b""
            case _:
                raise AssertionError(f"Asterisk knows no {word}")

    async def _media(self, data: bytes) -> None:
        if self.frames >= QUEUE_MAX:
            self.dropped += 1
            return
        data, self.leftover = self.leftover + data, b""
        whole = len(data) // self._size * self._size
        for start in range(0, whole, self._size):
            self.queue.append(data[start : start + self._size])
        if self.bulk:
            self.leftover = data[whole:]
        elif whole < len(data):
            self.dropped += 1
        if not self.full and self.frames >= self.xoff:
            self.full = True
            await self.tell("MEDIA_XOFF")

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not self.paused:
                await self._play_one()

    async def _play_one(self) -> None:
        if self.full and self.frames < self.xon:
            self.full = False
            await self.tell("MEDIA_XON")
        while self.queue and isinstance(self.queue[0], str):
            event, _, ident = str(self.queue.popleft()).partition(" ")
            await self.tell(event, correlation_id=ident)
        if self.queue:
            frame = self.queue.popleft()
            assert isinstance(frame, bytes)
            self.heard.extend(self._decode(frame))
