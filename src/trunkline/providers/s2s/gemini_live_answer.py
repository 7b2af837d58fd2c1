"""One answer's connection to Gemini's Live API: opened ahead where that is possible, asked, read, left.

A task reads the socket for as long as the answer lasts, so that its sound comes as it is sent, whatever the
reader of the words does meanwhile. Leaving tells the service to stop, and stays a moment for its last
message, in which it says what was used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineError, EngineNetwork, EngineTimeout
from trunkline.prompt import Delta, Token
from trunkline.providers.gemini_live_messages import activity_start, ended, read
from trunkline.providers.s2s.gemini_live_wire import AnswerReader, Asked
from trunkline.providers.s2s.protocol import Ear, Late
from trunkline.providers.socket_line import SocketLine, connected

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

STALE = 480.0
"""Seconds after which a session that nobody used is too old: a connection lasts ten minutes or so."""
LINGER = 2.0
"""Seconds that are waited for the last message of an answer."""
_MOST_PARTING = 8
"""Connections that may wait so at once; others are cut."""
_MOST_DELTAS = 4096
"""Words that may wait to be read; beyond them nobody reads."""
_BEAT = 0.9
"""Seconds after which sound without words is told of."""
_SEND_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds until an answer begins, and between two of its messages."""

    first: float
    between: float


async def begun(line: SocketLine, setup: str) -> ClientConnection:
    """A session that is ready. Raises an `EngineError`."""
    from websockets.exceptions import WebSocketException

    socket = await connected(line)
    try:
        async with asyncio.timeout(line.connect_s):
            await socket.send(setup)
            while not read(await socket.recv()).ready:
                pass
    except BaseException as error:
        socket.transport.abort()
        if isinstance(error, TimeoutError):
            raise EngineTimeout("it did not begin in its time", where=line.where) from error
        if isinstance(error, WebSocketException | OSError):
            raise ended(error, line) from error
        if isinstance(error, ValueError | LookupError | TypeError | AttributeError | RecursionError):
            raise EngineDown("it answered what is not its protocol", where=line.where) from error
        raise
    return socket


class Ahead:
    """A session that is begun before it is needed, for the next answer with the same setup."""

    def __init__(
        self, begin: Callable[[str], Awaitable[ClientConnection]], clock: Clock, wanted: bool
    ) -> None:
        self._begin = begin
        self._clock = clock
        self._wanted = wanted
        self._setup = ""
        self._task: asyncio.Task[tuple[ClientConnection, float]] | None = None

    def prepare(self, setup: str) -> None:
        """Begin one, unless one is there already."""
        if not self._wanted or (self._task is not None and self._setup == setup and self._fresh()):
            return
        self._drop()
        self._setup = setup
        self._task = asyncio.create_task(self._begun(setup), name="gemini: session ahead")

    async def _begun(self, setup: str) -> tuple[ClientConnection, float]:
        return await self._begin(setup), self._clock.now()

    def _fresh(self) -> bool:
        """It is on its way, or there and not too old."""
        task = self._task
        if task is None or not task.done():
            return task is not None
        if task.cancelled() or task.exception() is not None:
            return False
        socket, at = task.result()
        return socket.close_code is None and self._clock.now() - at < STALE

    async def take(self, setup: str) -> tuple[ClientConnection, bool]:
        """A session with this setup, and whether it was begun ahead. Raises an `EngineError`."""
        if self._task is None or self._setup != setup or not self._fresh():
            return await self._begin(setup), False
        task, self._task = self._task, None
        try:
            return (await task)[0], True
        except EngineError:
            return await self._begin(setup), False
        except asyncio.CancelledError:
            _discard(task)
            raise

    def _drop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            _discard(task)

    async def close(self) -> None:
        self._wanted = False
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        result = (await asyncio.gather(task, return_exceptions=True))[0]
        if isinstance(result, tuple):
            await _closed(result[0])


def _discard(task: asyncio.Task[tuple[ClientConnection, float]]) -> None:
    """Not wanted any more, there or on its way."""

    def abort(done: asyncio.Task[tuple[ClientConnection, float]]) -> None:
        if not done.cancelled() and done.exception() is None:
            done.result()[0].transport.abort()

    task.cancel()
    task.add_done_callback(abort)


async def _closed(socket: ClientConnection) -> None:
    # The service owes nothing more: its side of the farewell is not waited for.
    socket.transport.abort()
    with suppress(Exception):
        await socket.wait_closed()


class Parting:
    """Connections that are being left."""

    def __init__(self, late: Late) -> None:
        self._late = late
        self._over = False
        self._tasks: set[asyncio.Task[None]] = set()

    def leave(
        self, socket: ClientConnection, reading: asyncio.Task[None], reader: AnswerReader, *, cut: bool
    ) -> None:
        """Stop the answer, where it was `cut`, and hear what it cost, where that is not known. `reading`: who
        read the socket until now, and is about to end."""
        if self._over or len(self._tasks) >= _MOST_PARTING or (not cut and reader.usage is not None):
            socket.transport.abort()
            return
        task = asyncio.create_task(self._left(socket, reading, reader, cut), name="gemini: leaving an answer")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _left(
        self, socket: ClientConnection, reading: asyncio.Task[None], reader: AnswerReader, cut: bool
    ) -> None:
        from websockets.exceptions import WebSocketException

        known = None if not cut else reader.usage
        try:
            async with asyncio.timeout(LINGER):
                if cut:
                    await socket.send(activity_start())
                await asyncio.wait([reading])
                while True:
                    told = read(await socket.recv())
                    known = told.usage or known
                    if told.turn_over or (known is not None and not cut):
                        break
        except (TimeoutError, WebSocketException, OSError):
            pass  # then what it cost stays unknown
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            pass  # nothing of this answer is wanted any more
        finally:
            socket.transport.abort()
            if known is not None:
                self._late(known)

    async def close(self) -> None:
        """Leave at once; what was not told by now stays unknown."""
        self._over = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


_END = object()


class Answer:
    """One answer in progress; `deltas` is what `respond` and `read` give."""

    def __init__(
        self,
        asked: Asked,
        ear: Ear,
        line: SocketLine,
        clock: Clock,
        limits: Limits,
        ahead: Ahead,
        parting: Parting,
        answer_id: str,
    ) -> None:
        self._asked = asked
        self._ear = ear
        self._line = line
        self._clock = clock
        self._limits = limits
        self._ahead = ahead
        self._parting = parting
        self._reader = AnswerReader(line.where, answer_id)
        self._socket: ClientConnection | None = None
        self._news: asyncio.Queue[object] = asyncio.Queue()
        self._sounded = False
        self._task: asyncio.Task[None] | None = None

    def fail(self, error: EngineError) -> None:
        """The session is over."""
        self._news.put_nowait(error)

    async def stopped(self) -> None:
        """Stop at once; whoever reads the words is told by `fail`."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._socket is not None:
            await _closed(self._socket)

    async def deltas(self) -> AsyncGenerator[Delta, None]:
        task = self._task = asyncio.create_task(self._go(), name="gemini: answer")
        task.add_done_callback(self._ended)
        whole, given = False, False
        try:
            while True:
                try:
                    async with asyncio.timeout(_BEAT):
                        news = await self._news.get()
                except TimeoutError:
                    if given and self._sounded:
                        self._sounded = False
                        yield Token("")
                    continue
                if news is _END:
                    break
                if isinstance(news, EngineError):
                    self._ear.end()
                    raise news
                given = True
                yield news  # type: ignore[misc]
            whole = True
            self._ear.end()
            if self._reader.usage is not None and self._socket is not None:
                await _closed(self._socket)
            for delta in self._reader.end():
                yield delta
        finally:
            task.cancel()
            if self._socket is not None:
                self._parting.leave(self._socket, task, self._reader, cut=not whole)

    async def _go(self) -> None:
        from websockets.exceptions import ConnectionClosed, WebSocketException

        try:
            if await self._had_ended():
                self._socket = await begun(self._line, self._asked.setup)
                await self._say(self._socket)
                await self._listen(self._socket)
            self._news.put_nowait(_END)
        except EngineError as error:
            self._news.put_nowait(error)
        except (ConnectionClosed, WebSocketException, OSError) as error:
            self._news.put_nowait(ended(error, self._line))

    async def _had_ended(self) -> bool:
        """Ask and listen; true where a session that was begun ahead had ended before it was asked anything:
        nothing was lost, and a new one can be asked."""
        from websockets.exceptions import ConnectionClosed

        setup = self._asked.setup
        self._socket, ahead = await self._ahead.take(setup)
        self._ahead.prepare(setup)
        try:
            await self._say(self._socket)
            await self._listen(self._socket)
        except ConnectionClosed as error:
            refused = not isinstance(ended(error, self._line), EngineNetwork)
            if ahead and not refused and not self._reader.heard:
                self._socket = None
                return True
            raise
        return False

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A fault of ours must not leave a call waiting for words that never come."""
        if not task.cancelled() and (fault := task.exception()) is not None:
            self.fail(EngineDown(f"its task failed: {fault!r}", where=self._line.where))

    async def _say(self, socket: ClientConnection) -> None:
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                for message in self._asked.messages:
                    await socket.send(message)
        except TimeoutError:
            raise EngineTimeout("it takes no more sound", where=self._line.where) from None

    async def _listen(self, socket: ClientConnection) -> None:
        reader = self._reader
        while True:
            limit = self._limits.between if reader.began else self._limits.first
            if reader.over_at is not None:
                limit = reader.over_at - self._clock.now()
                if limit <= 0:
                    return
            try:
                async with asyncio.timeout(limit):
                    message = await socket.recv()
            except TimeoutError:
                if reader.over_at is not None:
                    return
                what = "it stopped in the middle" if reader.began else "it did not answer in its time"
                raise EngineTimeout(what, where=self._line.where) from None
            for piece in reader.feed(message, self._clock.now()):
                if isinstance(piece, bytes):
                    self._sounded = True
                    self._ear.sound(piece)
                elif self._news.qsize() < _MOST_DELTAS:
                    self._news.put_nowait(piece)
                else:
                    raise EngineDown("nobody reads what it says", where=self._line.where)
