"""The edge of a server: SIP calls that ask for resources, TCP connections that talk to them, their sound.

What a resource does is not known here: `make` gives one for each channel, which takes requests and answers
them through its `ServerChannel`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Sequence
from typing import Protocol

import structlog

from trunkline.audio.frame import Frame
from trunkline.clock import Clock
from trunkline.errors import MediaError, ParseError, SipError
from trunkline.mrcp.connection import Connection
from trunkline.mrcp.message import Event, Fields, Message, Request, Response, State, field
from trunkline.mrcp.offer import Asked, make_answer, read_offer
from trunkline.rtp.pacer import Pacer
from trunkline.rtp.port import MediaPort
from trunkline.sip.datagrams import LISTEN_ELSEWHERE
from trunkline.sip.endpoint import SipEndpoint, parse_bind
from trunkline.sip.flood import FloodLimit
from trunkline.sip.hop import Hop
from trunkline.sip.sdp_codecs import Codec
from trunkline.sip.session import Session
from trunkline.sip.signals import Ended, Incoming, Reoffered, Signal

_CLOSE_WITHIN = 1.0
_BESIDE_CHANNELS = 16
"""TCP connections that may be open beside one for each channel: clients leave after their call."""

logger = structlog.get_logger("mrcp")


class Resource(Protocol):
    """One channel's resource. Methods but `run` and `close` must not wait."""

    def take(self, request: Request) -> None:
        """A request, in its turn; answered by `ServerChannel.reply`."""

    def hear(self, frame: Frame) -> None:
        """20 ms of the client's sound."""

    def next_frame(self) -> bytes | None:
        """20 ms for the client, at the channel's rate; None for silence."""

    async def run(self) -> None:
        """Its work, until it is cancelled. Its end is the end of the channel."""

    async def close(self) -> None: ...


class ServerChannel:
    """How a resource talks to its client. `kind`: speechrecog or speechsynth; `rate`: of its sound, in Hz."""

    def __init__(self, channel: str, kind: str, rate: int) -> None:
        self.id = channel
        self.kind = kind
        self.rate = rate
        self.connection: Connection | None = None
        """Where the client's latest request came from."""

    def reply(
        self, request: Request, status: int, state: State, fields: Fields = (), body: bytes = b""
    ) -> None:
        """Answer a request."""
        self._send(Response(request.id, status, state, (("Channel-Identifier", self.id), *fields), body))

    def tell(self, name: str, ident: int, state: State, fields: Fields = (), body: bytes = b"") -> None:
        """An event of the request of this id."""
        self._send(Event(name, ident, state, (("Channel-Identifier", self.id), *fields), body))

    def _send(self, message: Message) -> None:
        if self.connection is None:
            return
        try:
            self.connection.send(message)
        except MediaError as error:
            # The client went away without a BYE; its call's end follows, or its limit.
            logger.warning("not told", channel=self.id, why=error.what)


MakeResource = Callable[[ServerChannel], Resource]


class _Call:
    """One SIP call: its sound, and the resources that share it."""

    def __init__(self, media: MediaPort, resources: dict[ServerChannel, Resource]) -> None:
        self.media = media
        self.resources = resources
        self.tasks: list[asyncio.Task[None]] = []

    def hear(self, frame: Frame) -> None:
        for resource in self.resources.values():
            resource.hear(frame)

    def next_frame(self, _at: float) -> bytes | None:
        for resource in self.resources.values():
            pcm = resource.next_frame()
            if pcm is not None:
                return pcm
        return None

    async def close(self) -> None:
        await self.media.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for resource in self.resources.values():
            await resource.close()


class MrcpServer:
    """Made by `open`."""

    def __init__(
        self,
        clock: Clock,
        pacer: Pacer,
        make: MakeResource,
        codecs: Sequence[Codec],
        accepts: Callable[[str], bool],
        rtp_ports: tuple[int, int],
        max_channels: int,
    ) -> None:
        self._clock = clock
        self._pacer = pacer
        self._make = make
        self._codecs = codecs
        self._accepts = accepts
        self._rtp_ports = rtp_ports
        self._max_channels = max_channels
        self._endpoint: SipEndpoint
        self._control: asyncio.Server
        self._calls: dict[Session, _Call] = {}
        self._channels: dict[str, tuple[ServerChannel, Resource]] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._turned_away = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._closing = False

    @classmethod
    async def open(
        cls,
        bind: str,
        clock: Clock,
        pacer: Pacer,
        make: MakeResource,
        *,
        codecs: Sequence[Codec],
        accepts: Callable[[str], bool],
        rtp_ports: tuple[int, int] = (0, 0),
        control_port: int = 0,
        max_channels: int = 100,
        flood: FloodLimit | None = None,
    ) -> MrcpServer:
        """Listen for SIP at `bind` and for MRCP at `control_port` of the same host. `accepts`: whether calls
        and connections from an address are taken; `flood`: how much SIP all others may send, who are only
        told that they may not call. Raises `ConfigError`, `SipError`."""
        server = cls(clock, pacer, make, codecs, accepts, rtp_ports, max_channels)
        server._endpoint = await SipEndpoint.open(bind, clock, server._on_signal, user="mrcp", flood=flood)
        server._endpoint.agent.accepts = lambda hop: accepts(hop.host)
        server._endpoint.trust(accepts)
        _, host, _ = parse_bind(bind)
        try:
            server._control = await asyncio.start_server(server._connected, host, control_port)
        except OSError as error:
            await server._endpoint.close()
            raise SipError(
                f"cannot listen at {host}:{control_port}: {error.strerror or error}",
                where="mrcp.control_port",
                hint=LISTEN_ELSEWHERE,
            ) from error
        return server

    @property
    def address(self) -> tuple[str, int]:
        """Where its SIP really is."""
        return self._endpoint.address

    @property
    def active(self) -> int:
        """Channels that are open."""
        return len(self._channels)

    async def close(self) -> None:
        """End what is left, and listen no more."""
        self._closing = True
        self._endpoint.agent.draining = True
        for session in list(self._calls):
            session.hang_up(self._clock.now(), "the service stops")
        self._endpoint.settle()
        try:
            async with asyncio.timeout(_CLOSE_WITHIN):
                await self._quiet.wait()
        except TimeoutError:
            pass  # Whoever has not answered our BYE by now does not learn of it.
        for session in list(self._calls):
            self._over(session)
        await asyncio.gather(*self._work, return_exceptions=True)
        self._control.close()
        for connection in list(self._connections.values()):
            await connection.close()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._control.wait_closed()
        await self._endpoint.close()

    # --- calls --------------------------------------------------------------------------------------

    def _on_signal(self, signal: Signal) -> None:
        match signal:
            case Incoming(session=session):
                self._keep(self._invited(session))
            case Reoffered():
                signal.session.refuse_change(488, signal.at)
                self._endpoint.settle()
            case Ended(session=session):
                self._over(session)
            case _:
                pass

    async def _invited(self, session: Session) -> None:
        try:
            asked = read_offer(session.invite.body, self._codecs)
            if len(self._channels) + len(asked.resources) > self._max_channels or self._closing:
                session.refuse(503, self._clock.now(), headers=(("Retry-After", "5"),))
            else:
                await self._answer(session, asked)
        except (SipError, ParseError, MediaError) as error:
            logger.warning("call refused", why=error.what)
            session.refuse(488, self._clock.now())
        self._endpoint.settle()

    async def _answer(self, session: Session, asked: Asked) -> None:
        host = self._endpoint.local_host(Hop("udp", session.hop.host, session.hop.port))
        media = await MediaPort.open(self._pacer, self._clock, host, self._rtp_ports)
        try:
            media.configure(asked.stream, remote=asked.media)
            word = secrets.token_hex(8).upper()
            channels = {place: f"{word}@{kind}" for place, kind in asked.resources}
            port = int(self._control.sockets[0].getsockname()[1])
            answer = make_answer(asked, host, port, media.local_port, channels, secrets.randbits(31))
            session.accept(answer, self._clock.now())
        except BaseException:  # the caller is gone, or nothing can be agreed on: the ports are freed
            await media.close()
            raise
        made = {}
        for place, kind in asked.resources:
            channel = ServerChannel(channels[place], kind, media.rate)
            made[channel] = self._make(channel)
            self._channels[channel.id] = (channel, made[channel])
        call = self._calls[session] = _Call(media, made)
        self._quiet.clear()
        media.start(call.hear, call.next_frame)
        for channel, resource in made.items():
            call.tasks.append(
                asyncio.get_running_loop().create_task(
                    self._run(session, channel, resource), name=f"mrcp {channel.id}"
                )
            )

    async def _run(self, session: Session, channel: ServerChannel, resource: Resource) -> None:
        """A resource's work; where it ends by itself, its call does."""
        await resource.run()
        logger.warning("channel ended", channel=channel.id, why="its resource is of no use any more")
        session.hang_up(self._clock.now(), "the resource failed")
        self._endpoint.settle()

    def _over(self, session: Session) -> None:
        call = self._calls.pop(session, None)
        if call is not None:
            for channel in call.resources:
                self._channels.pop(channel.id, None)
            self._keep(call.close())
        if not self._calls:
            self._quiet.set()

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="mrcp call")
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    # --- connections --------------------------------------------------------------------------------

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        peer = writer.get_extra_info("peername")
        most = self._max_channels + _BESIDE_CHANNELS
        if not peer or not self._accepts(peer[0]) or len(self._connections) >= most or self._closing:
            self._turned_away += 1
            if (
                self._turned_away & (self._turned_away - 1) == 0
            ):  # the 1st, 2nd, 4th, 8th …: a flood is few lines
                logger.warning("connections turned away", in_all=self._turned_away)
            writer.transport.abort()
            return
        connection = Connection(reader, writer, lambda message: self._take(connection, message))
        self._connections[task] = connection
        try:
            await connection.run()
        finally:
            del self._connections[task]
            for channel, _ in self._channels.values():
                if channel.connection is connection:
                    channel.connection = None
            await connection.close()

    def _take(self, connection: Connection, message: Message) -> None:
        """One message of a client; whoever does not know a channel's identifier is told nothing of it."""
        if not isinstance(message, Request):
            return
        name = field(message, "Channel-Identifier")
        known = self._channels.get(name)
        if known is None:
            refusal = (("Channel-Identifier", name[:200]),)
            try:
                connection.send(Response(message.id, 405, State.COMPLETE, refusal))
            except MediaError as error:
                logger.warning("not told", why=error.what)
            return
        channel, resource = known
        channel.connection = connection
        resource.take(message)
