"""The voice of one call over a vendor's WebSocket: opened before the first turn, kept, opened again
where it broke.

What is said on the socket is a vendor's `Wire`, which is pure: a text in, messages out; messages in,
sound out. This file alone knows sockets, limits and cancelling.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineError, EngineTimeout
from trunkline.providers.protocols import Spoken
from trunkline.providers.refusals import unreachable
from trunkline.providers.socket_line import SocketLine, closing, connected
from trunkline.providers.tts.sentence_sound import Encoding, Mark, SentenceSound, speakable

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

_CANCEL_SECONDS = 0.05


class Wire(Protocol):
    """What one call says and hears on a vendor's socket; one sentence at a time."""

    done: bool
    """All of the sentence's sound has come."""

    def begin(self, text: str) -> list[str]:
        """The messages that ask for a sentence."""

    def read(self, message: str | bytes, received: float) -> list[tuple[bytes, tuple[Mark, ...]]]:
        """Sound and marks in a message; none in one of a sentence that was dropped. `received`: seconds of
        this sentence that came before it. Raises the `EngineError` that the service tells."""

    def drop(self) -> list[str]:
        """The messages that cancel the sentence in progress; what still comes of it is not given."""


@dataclass(frozen=True, slots=True)
class Line(SocketLine):
    """Where and how a voice connects, and how long its sound may take."""

    first_audio_s: float = 5.0
    between_audio_s: float = 3.0


@dataclass(slots=True)
class SocketVoice:
    """Made by an engine's `open`, which awaits `connect` so that the first sentence need not."""

    line: Line
    wire: Wire
    clock: Clock
    encoding: Encoding
    rate: int
    _socket: ClientConnection | None = None
    _closed: bool = False
    _speaking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def connect(self) -> ClientConnection:
        """The open socket; a new one where there is none. Raises an `EngineError`."""
        from websockets.protocol import State

        if self._closed:
            raise EngineDown("the voice was closed", where=self.line.where)
        if self._socket is not None and self._socket.state is State.OPEN:
            return self._socket
        self._socket = await connected(self.line)
        return self._socket

    async def say(self, text: str) -> AsyncGenerator[Spoken, None]:
        """Speak one sentence. Closing the generator cancels, and keeps the socket."""
        if self._closed:
            raise EngineDown("the voice was closed", where=self.line.where)
        words = speakable(text)
        if not words:
            return
        async with self._speaking:
            socket = await self.connect()
            ended = False
            try:
                async for spoken in self._sentence(socket, words):
                    yield spoken
                ended = True
            except EngineError:
                # What else is on its way is anyone's guess: the next sentence gets a socket of its own.
                ended = True
                self._socket = None
                socket.transport.abort()
                raise
            finally:
                if not ended:
                    await asyncio.shield(self._drop(socket))

    async def _sentence(self, socket: ClientConnection, words: str) -> AsyncGenerator[Spoken, None]:
        from websockets.exceptions import ConnectionClosed, WebSocketException

        sound = SentenceSound(self.encoding, self.rate)
        deadline = self.clock.now() + self.line.first_audio_s
        try:
            for message in self.wire.begin(words):
                await self._within(socket.send(message), deadline)
            while not self.wire.done:
                message = await self._within(socket.recv(), deadline)
                for raw, marks in self.wire.read(message, sound.received):
                    if raw:
                        deadline = self.clock.now() + self.line.between_audio_s
                    if spoken := sound.push(raw, marks):
                        yield spoken
        except EngineError:
            raise
        except ConnectionClosed as error:
            raise closing(error, self.line) from error
        except (WebSocketException, OSError) as error:
            raise unreachable(error, self.line.where) from error
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise EngineDown("it answered what is not its protocol", where=self.line.where) from error
        if last := sound.flush():
            yield last

    async def _within(self, waiting: Any, deadline: float) -> Any:
        try:
            async with asyncio.timeout(max(0.0, deadline - self.clock.now())):
                return await waiting
        except TimeoutError:
            raise EngineTimeout("no sound came in its time", where=self.line.where) from None

    async def _drop(self, socket: ClientConnection) -> None:
        """Tell the service to stop, at once; a socket that does not take it is given up."""
        from websockets.exceptions import WebSocketException

        try:
            async with asyncio.timeout(_CANCEL_SECONDS):
                for message in self.wire.drop():
                    await socket.send(message)
        except (TimeoutError, WebSocketException, OSError):
            self._socket = None
            socket.transport.abort()

    @property
    def closed(self) -> bool:
        return self._closed

    async def close(self) -> None:
        """End the call's voice; may be called more than once."""
        self._closed = True
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()
