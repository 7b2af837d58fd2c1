"""The edge that hosted models share: waiting with limits, cancelling, errors in our tree.

A vendor's file makes a `Reader`, which is pure (events of the vendor in, our deltas out), and says how
to ask, how to close and what its errors mean. Nothing is retried here: whoever asked knows whether a
second try is worth the caller's time.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineError, EngineTimeout
from trunkline.prompt import Delta, Prompt
from trunkline.providers.warmth import Warmth

T = TypeVar("T")

_USAGE_SECONDS = 0.5
"""How long to wait for the token counts, and the stream's end, once the answer itself is complete."""


class Reader(Protocol):
    """Turns one answer's events into deltas."""

    finished: bool
    """The model has said that its answer is complete."""
    moved: int
    """Counts events that carried something of the answer; a stall is this not rising."""

    def feed(self, event: Any) -> list[Delta]:
        """Take the next event. Raises an `EngineError` where it tells of one."""

    def end(self) -> list[Delta]:
        """The stream is over: the tool calls that were put together, then the usage."""


@dataclass(frozen=True, slots=True)
class OpenAnswer:
    """A response whose events are on their way. `close` frees its connection at once."""

    events: AsyncIterator[Any]
    close: Callable[[], Awaitable[None]]


class HostedModel(ABC):
    """`name`: what the ledger and the prices know it by. Times in seconds."""

    def __init__(
        self, clock: Clock, name: str, first_token_s: float, between_tokens_s: float, verify: bool
    ) -> None:
        self.name = name
        self._clock = clock
        self._first_token = first_token_s
        self._between_tokens = between_tokens_s
        self._verify = verify
        self._warmth = Warmth(clock)

    async def _verified(self) -> None:
        """Look at the model, where that is wanted. Raises an `EngineError`, and is closed then."""
        if not self._verify:
            return
        try:
            await self._look_at_the_model()
        except EngineError:
            await self.close()
            raise
        self._warmth.used()

    async def warm(self) -> None:
        """Have a connection open for the call that begins."""
        if self._verify and self._started:
            await self._warmth.renew(self._look_at_the_model)

    @property
    @abstractmethod
    def _started(self) -> bool:
        """There is a client to ask with."""

    @abstractmethod
    async def _look_at_the_model(self) -> None:
        """Ask for the model's card, which costs nothing. Raises an `EngineError`."""

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    async def _ask(self, prompt: Prompt) -> OpenAnswer:
        """Send the request; gives the answer as soon as its head has come."""

    @abstractmethod
    def _reader(self) -> Reader: ...

    @abstractmethod
    def _engine_error(self, error: Exception) -> EngineError:
        """What an exception of the vendor's client means to us."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        """Tokens and tool calls as they come, then one `Usage`. Closing the generator cancels."""
        answer: OpenAnswer | None = None
        try:
            deadline = self._clock.now() + self._first_token
            answer = await self._within(self._ask(prompt), deadline)
            reader = self._reader()
            while True:
                try:
                    event = await self._within(anext(answer.events, None), deadline)
                except EngineTimeout:
                    if reader.finished:
                        break  # the answer is complete; only its end did not come
                    raise
                if event is None:
                    break
                before = reader.moved
                for delta in reader.feed(event):
                    yield delta
                if reader.finished:
                    deadline = self._clock.now() + _USAGE_SECONDS
                elif reader.moved > before:
                    deadline = self._clock.now() + self._between_tokens
            if not reader.finished:
                raise EngineDown("the answer broke off before its end", where=self.name)
            for delta in reader.end():
                yield delta
        except EngineError:
            raise
        except Exception as error:  # whatever the client raised is told in our own tree
            # SDKs let transport, JSON and Unicode errors of their own parts through; the protocol
            # promises that only our errors escape. Cancellation is not an Exception.
            raise self._engine_error(error) from error
        finally:
            if answer is not None:
                # At once, also when the caller was cancelled: the provider stops, and so does the bill.
                await asyncio.shield(_close(answer))
                self._warmth.used()

    async def _within(self, waiting: Awaitable[T], deadline: float) -> T:
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock.now())):
                return await waiting
        except TimeoutError:
            raise EngineTimeout("no token came in its time", where=self.name) from None


async def _close(answer: OpenAnswer) -> None:
    await answer.close()
