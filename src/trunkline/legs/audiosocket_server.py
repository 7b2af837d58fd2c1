"""The edge of AudioSocket: a TCP server whose every connection is a call."""

from __future__ import annotations

import asyncio
import ipaddress

import structlog

from trunkline.errors import CallRefused, ConfigError, ParseError
from trunkline.legs.audiosocket import AudioSocketSettings, AudioSocketStream, PacketCutter
from trunkline.legs.carrier_front import BAD_MESSAGES, OPEN_WITHIN, cannot_listen, parse_bind
from trunkline.legs.leg import Can, LegInfo, TransferResult
from trunkline.legs.stream import Happening, Message, Opened
from trunkline.legs.switchboard import Switchboard
from trunkline.legs.websocket_leg import StreamLeg

_READ = 8192
_UNSENT = 64 * 1024
"""Bytes that wait for a connection that does not take them; audio beyond is dropped."""
_CLOSE_WITHIN = 2.0

logger = structlog.get_logger(__name__)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ConnectionWire:
    """A `Wire` over a TCP connection. Its transport queues; what it queues is bounded here."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def send(self, message: Message, *, droppable: bool = False) -> None:
        assert isinstance(message, bytes)
        transport = self._writer.transport
        if not transport.is_closing() and not (droppable and transport.get_write_buffer_size() > _UNSENT):
            self._writer.write(message)

    def drop(self) -> None:
        """What was written is out of reach: 20 ms, unless the connection is stuck."""

    def close(self, why: str) -> None:  # noqa: ARG002 - the protocol has no room for a reason
        self._writer.close()


class _Hand:
    """There is nothing beside the connection: closing it hangs up."""

    can: frozenset[Can] = frozenset()

    async def answer(self) -> None: ...

    async def send_dtmf(self, digits: str) -> None: ...

    async def transfer(self, target: str) -> TransferResult:  # noqa: ARG002
        return TransferResult.NOT_SUPPORTED

    async def stream_broke_off(self) -> None: ...

    async def hang_up(self) -> None: ...


class AudioSocketServer:
    """Made by `open`. Calls are announced on the board as their connections come."""

    def __init__(self, settings: AudioSocketSettings, board: Switchboard) -> None:
        self._settings = settings
        self._board = board
        self._allowed = [_network(one) for one in settings.allow]
        self._server: asyncio.Server
        self._connections: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, settings: AudioSocketSettings, board: Switchboard) -> AudioSocketServer:
        """Listen. Raises `ConfigError` for settings that cannot be, `MediaError` for an address that cannot
        be had."""
        server = cls(settings, board)
        host, port = parse_bind(settings.bind)
        try:
            server._server = await asyncio.start_server(server._connected, host, port, limit=_READ)
        except OSError as error:
            raise cannot_listen(settings.bind, error, "audiosocket") from error
        return server

    @property
    def address(self) -> tuple[str, int]:
        """Where it really listens."""
        host, port, *_ = self._server.sockets[0].getsockname()
        return str(host), int(port)

    async def close(self) -> None:
        """Listen no more, and close what is left. Calls are ended with the board, before this."""
        self._server.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            peer = writer.get_extra_info("peername")
            if not peer or not self._may(str(peer[0])):
                logger.warning("connection refused", carrier="audiosocket", peer=peer and peer[0])
                return
            await self._hold(reader, ConnectionWire(writer))
        except ConnectionError:
            pass  # The leg was told where there was one; a stranger's reset concerns nobody.
        finally:
            self._connections.discard(task)
            await _close(writer)

    async def _hold(self, reader: asyncio.StreamReader, wire: ConnectionWire) -> None:
        """One connection from its UUID to its end."""
        protocol, cutter = AudioSocketStream(self._settings.rate), PacketCutter()
        try:
            async with asyncio.timeout(OPEN_WITHIN):
                leg, rest = await self._first(reader, wire, protocol, cutter)
        except TimeoutError:
            logger.warning("stream refused", carrier="audiosocket", why="it gave no UUID")
            return
        except (CallRefused, ParseError) as error:
            logger.warning("stream refused", carrier="audiosocket", why=error.for_log())
            return
        if leg is None:
            return
        try:
            leg.take(rest, self._board.clock.now())
            await self._listen(reader, leg, protocol, cutter)
        finally:
            leg.end("hung up")

    async def _first(
        self,
        reader: asyncio.StreamReader,
        wire: ConnectionWire,
        protocol: AudioSocketStream,
        cutter: PacketCutter,
    ) -> tuple[StreamLeg | None, list[Happening]]:
        """The call, and what came along with its UUID. Raises `ParseError` for anything before that."""
        while data := await reader.read(_READ):
            happenings = [one for packet in cutter.push(data) for one in protocol.receive(packet)]
            if not happenings:
                continue
            opened, *rest = happenings
            if not isinstance(opened, Opened):
                raise ParseError("something else before the UUID", where="audiosocket")
            info = LegInfo(opened.call_id, "inbound", "", "", "audiosocket")
            leg = self._board.ring(info, _Hand(), rate=opened.rate)
            leg.attach(protocol, wire, opened)
            return leg, rest
        return None, []

    async def _listen(
        self, reader: asyncio.StreamReader, leg: StreamLeg, protocol: AudioSocketStream, cutter: PacketCutter
    ) -> None:
        bad = 0
        while not leg.ended and (data := await reader.read(_READ)):
            at = self._board.clock.now()
            for packet in cutter.push(data):
                try:
                    leg.take(protocol.receive(packet), at)
                except ParseError as error:
                    bad += 1
                    if bad == 1:
                        logger.warning("packet passed over", call_id=leg.info.call_id, why=error.what)
            if bad > BAD_MESSAGES:
                return

    def _may(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._allowed)


def _network(written: str) -> Network:
    try:
        return ipaddress.ip_network(written, strict=False)
    except ValueError as error:
        raise ConfigError(f"{written!r} is no address or network", where="audiosocket.allow") from error


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        async with asyncio.timeout(_CLOSE_WITHIN):
            await writer.wait_closed()
    except (ConnectionError, TimeoutError):
        writer.transport.abort()
