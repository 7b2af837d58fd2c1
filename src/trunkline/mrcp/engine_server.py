"""The server that an engine speaks to: opened once, tried at the start, a channel for each call."""

from __future__ import annotations

import structlog

from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineDown, EngineError, EngineNetwork, TrunklineError
from trunkline.mrcp.client import MrcpChannel, MrcpClient
from trunkline.mrcp.codecs import codecs_named
from trunkline.mrcp.tls import ClientSecurity
from trunkline.sip.connections import TlsFiles
from trunkline.sip.uri import parse_uri

logger = structlog.get_logger("mrcp")


class EngineServer:
    """`server`: its SIP address. `resource`: what its channels are for (RFC 6787 section 3.1). `codec`: names
    of codecs. `bind`: where our SIP is for it. `kind`: "stt" or "tts", for errors of settings. `control`:
    "tcp" or "tls" for the words; `srtp`: "off" or "required" for the sound. `files`, for TLS of either kind:
    our certificate, its key, and who may vouch for the server; as in `TlsFiles`."""

    def __init__(
        self,
        clock: Clock,
        kind: str,
        server: str,
        resource: str,
        codec: str,
        bind: str,
        *,
        control: str = "tcp",
        srtp: str = "off",
        files: tuple[str, str, str] = ("", "", ""),
    ) -> None:
        self._clock = clock
        self._where = f"{kind} mrcp"
        self._server = server
        self._resource = resource
        self._codec = codec
        self._bind = bind
        self._control = control
        self._srtp = srtp
        self._files = TlsFiles(*files, section=self._where)
        self._client: MrcpClient | None = None

    def check(self) -> None:
        """Raises `ConfigError` where no server was named."""
        if not self._server:
            raise ConfigError(
                "needs the server's SIP address", where=self._where, hint="server=sip:HOST:PORT"
            )
        for name, value, may in (
            ("control", self._control, ("tcp", "tls")),
            ("srtp", self._srtp, ("off", "required")),
        ):
            if value not in may:
                raise ConfigError(f"{name}={value}", where=self._where, hint=f"One of {', '.join(may)}")

    async def start(self) -> None:
        """Open a channel once, to see that the server is there and has the resource."""
        codecs_named(self._codec)
        try:
            if self._srtp == "required" and parse_uri(self._server).transport != "tls":
                logger.warning("keys of encrypted sound travel in the clear", hint="server=sips:HOST")
            security = ClientSecurity(self._control == "tls", self._srtp == "required", self._files)
            self._client = await MrcpClient.open(self._clock, self._server, self._bind, security)
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
