"""What hosted voices and recognisers share: the key, the look at the service at start, what is open.

Each call has a stream of its own at the service; an engine closes those that its calls have not.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineError, EngineTimeout
from trunkline.providers.http_client import make_client
from trunkline.providers.refusals import (
    checked_address,
    checked_limits,
    key_from,
    only_may_not_look,
    refusal,
    unreachable,
)

if TYPE_CHECKING:
    import httpx


class HostedStream(Protocol):
    """One call's part, which an engine closes with itself where its call has not."""

    @property
    def closed(self) -> bool: ...

    async def close(self) -> None: ...


class ConnectedStream(HostedStream, Protocol):
    """One that has a connection of its own, opened before it is used."""

    async def connect(self) -> Any: ...


S = TypeVar("S", bound=ConnectedStream)


class HostedEngine(ABC):
    """`name`: what the ledger and the prices know it by. `where` names it in errors. `extra`: which of our
    extras brings its packages."""

    def __init__(
        self,
        clock: Clock,
        name: str,
        where: str,
        base_url: str,
        key_env: str,
        connect_s: float,
        verify: bool,
        extra: str = "",
    ) -> None:
        self.name = name
        self.where = where
        self._clock = clock
        self._base_url = base_url
        self._key_env = key_env
        self._connect = connect_s
        self._verify = verify
        self._extra = extra or where
        self._key: str | None = None
        self._client: httpx.AsyncClient | None = None
        self._open: list[HostedStream] = []

    @abstractmethod
    def _headers(self, key: str) -> dict[str, str]:
        """How a request shows the key."""

    @abstractmethod
    def _card(self) -> str:
        """A path whose answer costs nothing and proves the key; empty where the service has none."""

    def _check(self) -> None:  # noqa: B027 - an engine without settings of its own has nothing to look at
        """Look at the engine's own settings. Raises `ConfigError`."""

    def _key_needed(self) -> bool:
        return True

    async def start(self) -> None:
        """Look for the key and, with `verify`, ask the service something free of charge."""
        self._base_url = checked_address(self._base_url, self.where)
        checked_limits(self.where, connect_s=self._connect)
        self._check()
        key = key_from(self._key_env, self.where, needed=self._key_needed())
        if self._client is None:
            self._client = await asyncio.to_thread(
                make_client, self._base_url, self._headers(key), self.where, self._extra, 30.0
            )
        self._key = key
        if self._verify and self._card():
            try:
                await self._get(self._card())
            except EngineError as error:
                if not only_may_not_look(error.what):
                    await self.close()
                    raise

    def _key_when_started(self) -> str:
        if self._key is None:
            raise EngineDown("it is not started, or was closed", where=self.where)
        return self._key

    async def _get(self, path: str) -> Any:
        """The JSON at this path. Raises an `EngineError`."""
        if self._client is None:
            raise EngineDown("it is not started, or was closed", where=self.where)
        try:
            async with asyncio.timeout(self._connect):
                response = await self._client.get(path)
        except TimeoutError:
            raise EngineTimeout("it did not answer in its time", where=self.where) from None
        except Exception as error:
            # Whatever the client raises, it did not get through.
            raise unreachable(error, self.where) from error
        if response.status_code >= 400:
            raise refusal(response.status_code, response.text, self.where, self._key_env)
        try:
            return response.json()
        except ValueError as error:
            raise EngineDown("it answered what is not its protocol", where=self.where) from error

    async def _opened(self, stream: S) -> S:
        await stream.connect()
        self._keep(stream)
        return stream

    def _keep(self, stream: HostedStream) -> None:
        self._open = [other for other in self._open if not other.closed]
        self._open.append(stream)

    async def close(self) -> None:
        """Close the streams of all calls, and the client; may be called more than once."""
        self._key = None
        still_open, self._open = self._open, []
        for stream in still_open:
            await stream.close()
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
