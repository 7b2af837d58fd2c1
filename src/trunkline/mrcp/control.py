"""The edge where a server is asked things: TCP connections, and TLS where there is a certificate for it.

Whoever may not connect costs nothing but its first packet: no message is read and no handshake begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from trunkline.clock import Clock
from trunkline.errors import SipError
from trunkline.mrcp.connection import Connection
from trunkline.mrcp.message import Message
from trunkline.mrcp.tls import HANDSHAKE_WITHIN, ServerSecurity
from trunkline.sip.datagrams import LISTEN_ELSEWHERE
from trunkline.sip.tls_door import TlsDoor

Take = Callable[[Connection, Message], None]

logger = structlog.get_logger("mrcp")


class Control:
    """`listen`, and `close` it. `accepts`: whether an address may connect; `most`: connections at once.
    `take` is given each message, `gone` each connection that is over."""

    def __init__(
        self,
        clock: Clock,
        accepts: Callable[[str], bool],
        most: int,
        take: Take,
        gone: Callable[[Connection], None],
    ) -> None:
        self.port = 0
        """Of TCP; 0 where there is none."""
        self.secure_port = 0
        """Of TLS; 0 where there is none."""
        self._clock = clock
        self._accepts = accepts
        self._most = most
        self._take = take
        self._gone = gone
        self._servers: list[asyncio.Server] = []
        self._door: TlsDoor | None = None
        self._handshakes = 0
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._turned_away = 0
        self._closing = False

    async def listen(self, host: str, port: int, security: ServerSecurity) -> None:
        """Raises `SipError` where an address cannot be had, `ConfigError` for certificates that cannot be
        used."""
        if not security.only:
            try:
                self._servers.append(await asyncio.start_server(self._connected, host, port))
            except OSError as error:
                raise _cannot_listen(host, port, error, "mrcp.control_port") from error
            self.port = int(self._servers[-1].sockets[0].getsockname()[1])
        if security.only or security.files.certificate:
            door = self._door = TlsDoor(
                self._clock,
                security.files.server(),
                self._streams,
                enter=self._enter,
                leave=self._leave,
                failed=lambda why: logger.warning("no TLS with a client", why=why),
                handshake_seconds=HANDSHAKE_WITHIN,
            )
            try:
                self.secure_port = door.listen(host, security.control_port)
            except OSError as error:
                raise _cannot_listen(host, security.control_port, error, "mrcp.tls_control_port") from error

    async def close(self) -> None:
        """Listen no more, and close what is left."""
        self._closing = True
        for server in self._servers:
            server.close()
        if self._door is not None:
            await self._door.close()
        for connection in list(self._connections.values()):
            await connection.close()
        await asyncio.gather(*self._connections, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()

    def _admits(self, host: str) -> bool:
        """Whether a connection from there may be."""
        there = len(self._connections) + self._handshakes
        if host and self._accepts(host) and there < self._most and not self._closing:
            return True
        self._turned_away += 1
        if self._turned_away & (self._turned_away - 1) == 0:  # the 1st, 2nd, 4th, 8th …: a flood is few lines
            logger.warning("connections turned away", in_all=self._turned_away)
        return False

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        if self._admits(peer[0] if peer else ""):
            await self._serve(reader, writer)
        else:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = Connection(reader, writer, lambda message: self._take(connection, message))
        self._connections[task] = connection
        try:
            await connection.run()
        finally:
            del self._connections[task]
            self._gone(connection)
            await connection.close()

    def _streams(self) -> asyncio.StreamReaderProtocol:
        """Of one connection over TLS, served as soon as its handshake is done."""
        loop = asyncio.get_running_loop()
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(loop=loop), self._shaken, loop=loop)

    async def _shaken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._handshakes -= 1
        await self._serve(reader, writer)

    def _enter(self, host: str) -> bool:
        if not self._admits(host):
            return False
        self._handshakes += 1
        return True

    def _leave(self, _host: str) -> None:
        self._handshakes -= 1


def _cannot_listen(host: str, port: int, error: OSError, where: str) -> SipError:
    what = f"cannot listen at {host}:{port}: {error.strerror or error}"
    return SipError(what, where=where, hint=LISTEN_ELSEWHERE)
