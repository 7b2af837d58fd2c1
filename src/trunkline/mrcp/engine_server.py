"""The server that an engine speaks to: opened once, tried at the start, a channel for each call."""

from __future__ import annotations

from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineDown, EngineError, EngineNetwork, TrunklineError
from trunkline.mrcp.client import MrcpChannel, MrcpClient
from trunkline.mrcp.codecs import codecs_named


class EngineServer:
    """`server`: its SIP address. `resource`: what its channels are for (RFC 6787 section 3.1). `codec`: names
    of codecs. `bind`: where our SIP is for it. `kind`: "stt" or "tts", for errors of settings."""

    def __init__(self, clock: Clock, kind: str, server: str, resource: str, codec: str, bind: str) -> None:
        self._clock = clock
        self._where = f"{kind} mrcp"
        self._server = server
        self._resource = resource
        self._codec = codec
        self._bind = bind
        self._client: MrcpClient | None = None

    def check(self) -> None:
        """Raises `ConfigError` where no server was named."""
        if not self._server:
            raise ConfigError(
                "needs the server's SIP address", where=self._where, hint="server=sip:HOST:PORT"
            )

    async def start(self) -> None:
        """Open a channel once, to see that the server is there and has the resource."""
        codecs_named(self._codec)
        try:
            self._client = await MrcpClient.open(self._clock, self._server, self._bind)
        except TrunklineError as error:
            raise ConfigError(error.what, where=self._where, hint=error.hint) from error
        try:
            await (await self.channel()).close()
        except EngineError:
            await self.close()
            raise

    async def channel(self) -> MrcpChannel:
        """Raises `EngineError`."""
        if self._client is None:
            raise EngineDown("the engine was not started, or is closed", where="mrcp")
        try:
            return await self._client.channel(self._resource, codecs_named(self._codec))
        except EngineError:
            raise
        except TrunklineError as error:
            raise EngineNetwork(error.what, where="mrcp", hint=error.hint) from error

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()
