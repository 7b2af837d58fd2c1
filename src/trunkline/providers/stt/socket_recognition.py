"""The recognition of one call over a vendor's WebSocket.

What is said on the socket is a vendor's `Wire`, which is pure: sound and wishes in, messages out; messages
in, words out. This file alone knows sockets, queues and limits. Sound goes out in one task and words come
in in another; both end with `close`, or with the first failure, which the iteration then raises. A socket
that broke is not mended here: whoever listens opens another recognition, and gives it the sound since the
last `Final` (`stt_failover.py`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from trunkline.audio.frame import Frame
from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineError, EngineRequest, EngineTimeout
from trunkline.events import Expectation
from trunkline.providers.protocols import Heard, ListenOptions
from trunkline.providers.refusals import unreachable
from trunkline.providers.socket_line import SocketLine, closing, connected
from trunkline.providers.stt.hearing import keyterms_of
from trunkline.providers.stt.line_sound import SoundEncoder, SoundFormat
from trunkline.providers.stt.outbox import Outbox
from trunkline.providers.stt.timeline import Timeline

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

Message = str | bytes

MOST_BEHIND = 10.0
"""Seconds of sound that may wait to be sent; beyond them the oldest is dropped."""
_MOST_WISHES = 64
"""Wishes (finalise, expect) that may wait beside the sound; nobody has so many."""
_LARGEST_PIECE = 0.5
"""Seconds of sound in one message, where much waits; services refuse a second and more."""
_SEND_SECONDS = 5.0
"""A socket that takes nothing for so long is stuck."""
_LAST_WORDS_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Moment:
    """When a message came, and where the sound's seconds lie."""

    now: float
    timeline: Timeline

    def at(self, second: float) -> float:
        """The clock's time at this second of the sound that was sent; never in the future."""
        return min(self.now, self.timeline.at(second))


class Wire(Protocol):
    """What one call says and hears on a vendor's socket."""

    ready: bool
    """The service has said what it says first; until then the recognition is not open."""
    piece: float
    """Seconds of sound that one message should hold."""
    least: float
    """Seconds below which the service refuses a piece: silence fills it up. 0: it takes any."""
    idle: float
    """After so many seconds without sound something has to be said, so that it stays."""

    def begin(self, keyterms: tuple[str, ...]) -> list[Message]:
        """What is said first."""

    def sound(self, data: bytes) -> list[Message]:
        """The next piece, in the format that was agreed on."""

    def pause(self) -> list[Message]:
        """The caller pauses: a `Final` is wanted soon."""

    def finalise(self) -> list[Message]:
        """The turn is over: a `Final` is wanted now."""

    def expect(self, keyterms: tuple[str, ...]) -> list[Message]:
        """Words worth listening for from now on, all of them."""

    def keep(self) -> list[Message]:
        """Nothing was said for `idle` seconds."""

    def end(self) -> list[Message]:
        """The call is over."""

    def read(self, message: Message, moment: Moment) -> list[Heard]:
        """What a message tells. Raises the `EngineError` that the service tells."""


@dataclass(slots=True)
class _Piece:
    pcm: bytes
    at: float
    """When its last sample was heard."""


_Wish = Callable[[], list[Message]]


class SocketRecognition:
    """Made by an engine's `open`, which awaits `connect`."""

    def __init__(
        self, line: SocketLine, wire: Wire, clock: Clock, options: ListenOptions, sound: SoundFormat
    ) -> None:
        self._line = line
        self._wire = wire
        self._clock = clock
        self._options = options
        self._format = sound
        self._encoder = SoundEncoder(options.rate, sound)
        self._timeline = Timeline()
        self._outbox = Outbox()
        self._waiting: deque[_Piece | _Wish] = deque()
        self._behind = 0.0
        """Seconds of sound in `_waiting`."""
        self._news = asyncio.Event()
        self._keyterms = keyterms_of(options.keyterms)
        self._socket: ClientConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    # --- what a call does with it -----------------------------------------------------------------

    def push(self, frame: Frame) -> None:
        if self._outbox.ended:
            return
        if frame.rate != self._options.rate or len(frame.pcm) % 2:
            error = EngineRequest(f"a frame is not {self._options.rate} Hz", where=self._line.where)
            self._outbox.complain(error)
            return
        self._take(frame)

    def speech_started(self, since: float) -> None:
        """The service hears for itself."""

    def speech_stopped(self, until: float) -> None:  # noqa: ARG002 - all sound up to now belongs to it
        self._wish(self._wire.pause)

    def expect(self, expectation: Expectation) -> None:
        keyterms = keyterms_of(self._options.keyterms, expectation.keyterms)
        if keyterms != self._keyterms:
            self._keyterms = keyterms
            self._wish(lambda: self._wire.expect(keyterms))

    def finalise(self) -> None:
        self._wish(self._wire.finalise)

    def __aiter__(self) -> AsyncIterator[Heard]:
        return self._outbox

    # --- what waits to be sent --------------------------------------------------------------------

    def _take(self, frame: Frame) -> None:
        self._sound(frame.pcm, frame.at)

    def _sound(self, pcm: bytes, at: float) -> None:
        """Sound to be sent; never waits."""
        self._waiting.append(_Piece(pcm, at))
        self._behind += self._seconds(pcm)
        if self._behind > MOST_BEHIND:
            error = EngineDown("it cannot keep up; the oldest sound was dropped", where=self._line.where)
            self._outbox.complain(error)
            self._drop_oldest()
        self._news.set()

    def _drop_oldest(self) -> None:
        kept: deque[_Piece | _Wish] = deque()
        for waiting in self._waiting:
            if isinstance(waiting, _Piece) and self._behind > MOST_BEHIND:
                self._behind -= self._seconds(waiting.pcm)
            else:
                kept.append(waiting)
        self._waiting = kept

    def _wish(self, wish: _Wish) -> None:
        if not self._outbox.ended and sum(callable(each) for each in self._waiting) < _MOST_WISHES:
            self._waiting.append(wish)
            self._news.set()

    def _seconds(self, pcm: bytes) -> float:
        return len(pcm) / 2 / self._options.rate

    def _next(self) -> list[Message] | None:
        """The messages that can go now; None where more sound has to come first."""
        if self._waiting and callable(self._waiting[0]):
            wish = self._waiting.popleft()
            assert callable(wish)
            return wish()
        wished = any(callable(each) for each in self._waiting)
        if not self._waiting or (self._behind < self._wire.piece - 1e-6 and not wished):
            return None
        taken, data = 0.0, b""
        while self._waiting and taken < _LARGEST_PIECE:
            piece = self._waiting[0]
            if not isinstance(piece, _Piece):
                break
            self._waiting.popleft()
            length = self._seconds(piece.pcm)
            taken += length
            self._behind = max(0.0, self._behind - length)
            self._timeline.sent(length, piece.at)
            data += self._encoder.push(piece.pcm)
        if not data:
            return []
        if taken < self._wire.least:
            missing = self._wire.least - taken
            data += self._encoder.silence(missing)
            self._timeline.sent(missing, self._timeline.at(self._timeline.seconds))
        return self._wire.sound(data)

    # --- the socket -------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Open the socket and wait for the service's first words. Raises an `EngineError`."""
        from websockets.exceptions import WebSocketException

        socket = await connected(self._line)
        try:
            async with asyncio.timeout(self._line.connect_s):
                for message in self._wire.begin(self._keyterms):
                    await socket.send(message)
                while not self._wire.ready:
                    self._read(await socket.recv())
        except BaseException as error:
            socket.transport.abort()
            if isinstance(error, TimeoutError):
                raise EngineTimeout("it did not begin in its time", where=self._line.where) from error
            if isinstance(error, WebSocketException | OSError):
                raise self._broken(error) from error
            raise
        self._socket = socket
        self._tasks = [
            asyncio.create_task(work, name=f"{self._line.where}: {name}")
            for name, work in (("sound", self._send_all(socket)), ("words", self._receive_all(socket)))
        ]
        for task in self._tasks:
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A fault of ours must not leave a call waiting for words that never come."""
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._fail(EngineDown(f"its task failed: {fault!r}", where=self._line.where))

    async def _send_all(self, socket: ClientConnection) -> None:
        from websockets.exceptions import ConnectionClosed, WebSocketException

        try:
            while True:
                messages = self._next()
                if messages is None:
                    messages = await self._more()
                for message in messages:
                    async with asyncio.timeout(_SEND_SECONDS):
                        await socket.send(message)
        except TimeoutError:
            self._fail(EngineTimeout("it takes no more sound", where=self._line.where))
        except ConnectionClosed:
            pass  # whoever receives knows why, once what came before it is read
        except (WebSocketException, OSError) as error:
            self._fail(unreachable(error, self._line.where))

    async def _more(self) -> list[Message]:
        """Wait for something to send; gives what keeps the connection where nothing comes."""
        self._news.clear()
        try:
            async with asyncio.timeout(self._wire.idle):
                await self._news.wait()
        except TimeoutError:
            return self._wire.keep()
        return []

    async def _receive_all(self, socket: ClientConnection) -> None:
        from websockets.exceptions import ConnectionClosed, WebSocketException

        try:
            while True:
                # Bounded by the connection's life, which pings check.
                for heard in self._read(await socket.recv()):
                    self._outbox.put(heard)
        except EngineError as error:
            self._fail(error)
        except ConnectionClosed as error:
            self._fail(self._broken(error))
        except (WebSocketException, OSError) as error:
            self._fail(unreachable(error, self._line.where))

    def _read(self, message: Message) -> list[Heard]:
        try:
            return self._wire.read(message, Moment(self._clock.now(), self._timeline))
        except EngineError:
            raise
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise EngineDown("it answered what is not its protocol", where=self._line.where) from error

    def _broken(self, error: Exception) -> EngineError:
        """What the end of the socket means."""
        return closing(error, self._line)

    def _fail(self, error: EngineError) -> None:
        self._outbox.fail(error)
        self._waiting.clear()
        self._behind = 0.0
        for task in self._tasks:
            if not task.done() and task is not asyncio.current_task():
                task.cancel()
        if self._socket is not None:
            self._socket.transport.abort()

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def ended(self) -> bool:
        """It was closed, or has failed."""
        return self._outbox.ended

    async def close(self) -> None:
        """End the call's recognition; may be called more than once."""
        self._closed = True
        failed = self._outbox.ended
        self._outbox.close()
        self._waiting.clear()
        self._behind = 0.0
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        socket, self._socket = self._socket, None
        if socket is not None:
            await _taken_leave(socket, [] if failed else self._wire.end())


async def _taken_leave(socket: ClientConnection, last_words: list[Message]) -> None:
    """Say the last words, which stop the bill, and close."""
    from websockets.exceptions import WebSocketException

    try:
        async with asyncio.timeout(_LAST_WORDS_SECONDS):
            for message in last_words:
                await socket.send(message)
    except (TimeoutError, WebSocketException, OSError):
        socket.transport.abort()
    await socket.close()
