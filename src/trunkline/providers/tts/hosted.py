"""What hosted voices share: the key, the look at the service when it starts, the list of its voices."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineError, EngineTimeout
from trunkline.providers.http_client import make_client
from trunkline.providers.protocols import Voice, VoiceOptions
from trunkline.providers.refusals import checked_address, checked_limits, key_from, refusal, unreachable

if TYPE_CHECKING:
    import httpx

    from trunkline.providers.tts.socket_voice import SocketVoice

V = TypeVar("V", bound="SocketVoice")


@dataclass(frozen=True, slots=True)
class VoiceCard:
    """One voice that an engine has. `id` is what `voice=` takes."""

    id: str
    name: str = ""
    language: str = ""
    about: str = ""


@runtime_checkable
class ListsVoices(Protocol):
    """An engine that can say which voices it has. Started first."""

    async def voices(self) -> list[VoiceCard]: ...


class HostedVoice(Protocol):
    """A voice that an engine closes with itself, where its call has not."""

    @property
    def closed(self) -> bool: ...

    async def close(self) -> None: ...


class HostedVoices(ABC):
    """`name`: what the ledger and the prices know it by. `where` names it in errors."""

    def __init__(
        self,
        clock: Clock,
        name: str,
        where: str,
        base_url: str,
        key_env: str,
        connect_s: float,
        verify: bool,
    ) -> None:
        self.name = name
        self.where = where
        self._clock = clock
        self._base_url = base_url
        self._key_env = key_env
        self._connect = connect_s
        self._verify = verify
        self._key: str | None = None
        self._client: httpx.AsyncClient | None = None
        self._open: list[HostedVoice] = []

    @abstractmethod
    def _headers(self, key: str) -> dict[str, str]:
        """How a request shows the key."""

    @abstractmethod
    def _card(self) -> str:
        """A path whose answer costs nothing and proves the key."""

    @abstractmethod
    async def voices(self) -> list[VoiceCard]:
        """The voices that this account has. Raises an `EngineError`."""

    @abstractmethod
    async def open(self, options: VoiceOptions) -> Voice: ...

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
                make_client, self._base_url, self._headers(key), self.where, self.where, 30.0
            )
        self._key = key
        if self._verify:
            try:
                await self._get(self._card())
            except EngineError:
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

    async def _opened(self, voice: V) -> V:
        await voice.connect()
        self._keep(voice)
        return voice

    def _keep(self, voice: HostedVoice) -> None:
        self._open = [other for other in self._open if not other.closed]
        self._open.append(voice)

    async def close(self) -> None:
        """Close the voices of all calls, and the client; may be called more than once."""
        self._key = None
        open_voices, self._open = self._open, []
        for voice in open_voices:
            await voice.close()
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def cards(listing: Any, where: str, read: Callable[[Any], list[VoiceCard]]) -> list[VoiceCard]:
    """The voices in a service's answer. `EngineDown` where it is not what its protocol says."""
    try:
        return read(listing)
    except (LookupError, TypeError, AttributeError) as error:
        raise EngineDown("its list of voices is not what its protocol says", where=where) from error
