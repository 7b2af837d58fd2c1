"""The edge where a server is asked things: TCP connections, and TLS where there is a certificate for it.

Whoever may not connect costs nothing but its first packet: no message is read and no handshake begun.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

import structlog

from trunkline.errors import SipError
from trunkline.mrcp.connection import Connection
from trunkline.mrcp.message import Message
from trunkline.mrcp.tls import Door, ServerSecurity, shake_hands
from trunkline.sip.datagrams import LISTEN_ELSEWHERE

Take = Callable[[Connection, Message], None]

logger = structlog.get_logger("mrcp")


class Control:
    """`listen`, and `close` it. `accepts`: whether an address may connect; `most`: connections at once.
    `take` is given each message, `gone` each connection that is over."""

    def __init__(
        self,
        accepts: Callable[[str], bool],
        most: int,
        take: Take,
        gone: Callable[[Connection], None],
    ) -> None:
        self.port = 0
        """Of TCP; 0 where there is none."""
        self.secure_port = 0
        """Of TLS; 0 where there is none."""
        self._accepts = accepts
        self._most = most
        self._take = take
        self._gone = gone
        self._servers: list[asyncio.Server] = []
        self._handshakes: set[asyncio.Task[None]] = set()
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
            context = security.files.server()

            def door() -> Door:
                return Door(self._admits, lambda plain: self._welcome(plain, context))

            try:
                server = await asyncio.get_running_loop().create_server(door, host, security.control_port)
            except OSError as error:
                raise _cannot_listen(host, security.control_port, error, "mrcp.tls_control_port") from error
            self._servers.append(server)
            self.secure_port = int(server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Listen no more, and close what is left."""
        self._closing = True
        for server in self._servers:
            server.close()
        for handshake in self._handshakes:
            handshake.cancel()
        await asyncio.gather(*self._handshakes, return_exceptions=True)
        for connection in list(self._connections.values()):
            await connection.close()
        await asyncio.gather(*self._connections, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()

    def _admits(self, host: str) -> bool:
        """Whether a connection from there may be."""
        there = len(self._connections) + len(self._handshakes)
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

    def _welcome(self, plain: asyncio.Transport, context: ssl.SSLContext) -> None:
        task = asyncio.get_running_loop().create_task(self._shake(plain, context), name="mrcp handshake")
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _shake(self, plain: asyncio.Transport, context: ssl.SSLContext) -> None:
        streams = await shake_hands(plain, context)
        if isinstance(streams, str):
            logger.warning("no TLS with a client", why=streams)
            return
        serving = asyncio.get_running_loop().create_task(self._serve(*streams), name="mrcp connection")
        self._begin(serving, *streams)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = self._connections.get(task) or self._begin(task, reader, writer)
        try:
            await connection.run()
        finally:
            del self._connections[task]
            self._gone(connection)
            await connection.close()

    def _begin(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Connection:
        connection = Connection(reader, writer, lambda message: self._take(connection, message))
        self._connections[task] = connection
        return connection


def _cannot_listen(host: str, port: int, error: OSError, where: str) -> SipError:
    what = f"cannot listen at {host}:{port}: {error.strerror or error}"
    return SipError(what, where=where, hint=LISTEN_ELSEWHERE)
