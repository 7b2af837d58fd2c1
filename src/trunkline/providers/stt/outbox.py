"""What a recognition gives, waiting to be read: bounded, in order, ended by `close`."""

from __future__ import annotations

import asyncio
from collections import deque

from trunkline.errors import EngineDown, EngineError
from trunkline.events import Partial
from trunkline.providers.protocols import Heard

MOST_WAITING = 256


class Outbox:
    """An asynchronous iterator that an engine fills from the event loop's thread.

    A `Partial` that nobody has read yet is replaced by the next one, as its meaning is to be
    replaced. When more than `MOST_WAITING` things wait, nobody is reading: the oldest are dropped and
    the reader gets one `EngineDown` first. After an error of `fail` the iteration is over; after one
    of `complain` it goes on with whoever iterates again.
    """

    __slots__ = ("_complained", "_ended", "_error", "_ready", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Heard] = deque()
        self._ready = asyncio.Event()
        self._error: EngineError | None = None
        self._ended = False
        self._complained = False

    @property
    def ended(self) -> bool:
        return self._ended

    def put(self, heard: Heard) -> None:
        """Something was heard. Ignored once the stream is over."""
        if self._ended:
            return
        if self._waiting and isinstance(heard, Partial) and isinstance(self._waiting[-1], Partial):
            self._waiting[-1] = heard
        else:
            self._waiting.append(heard)
        if len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self.complain(EngineDown("nobody reads what was recognised; the oldest was dropped", where="stt"))
        self._ready.set()

    def complain(self, error: EngineError) -> None:
        """Raise `error` from the iteration, once in the stream's life, and go on."""
        if self._ended or self._complained:
            return
        self._complained = True
        self._error = error
        self._ready.set()

    def fail(self, error: EngineError) -> None:
        """The engine is dead: what waits is still given, then `error` is raised, then it ends."""
        if not self._ended:
            self._ended = True
            self._error = error
            self._ready.set()

    def close(self) -> None:
        """Nothing more is wanted: what waits is thrown away and the iteration ends."""
        self._ended = True
        self._error = None
        self._waiting.clear()
        self._ready.set()

    def __aiter__(self) -> Outbox:
        return self

    async def __anext__(self) -> Heard:
        while True:
            if self._error is not None and not (self._ended and self._waiting):
                error, self._error = self._error, None
                raise error
            if self._waiting:
                return self._waiting.popleft()
            if self._ended:
                raise StopAsyncIteration
            self._ready.clear()
            # Bounded by the stream's life: `close` and `fail` set it.
            await self._ready.wait()
