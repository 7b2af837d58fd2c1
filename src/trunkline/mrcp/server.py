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
from trunkline.errors import ConfigError, MediaError, ParseError, SipError
from trunkline.mrcp.connection import Connection
from trunkline.mrcp.control import Control
from trunkline.mrcp.fingerprint import is_one_of
from trunkline.mrcp.message import Event, Fields, Message, Request, Response, State, field
from trunkline.mrcp.offer import Asked, Terms, make_answer, read_offer
from trunkline.mrcp.tls import ServerSecurity, own_fingerprint
from trunkline.rtp.pacer import Pacer
from trunkline.rtp.port import MediaPort
from trunkline.rtp.srtp import suites
from trunkline.sip.endpoint import SipEndpoint, parse_bind
from trunkline.sip.flood import FloodLimit
from trunkline.sip.hop import Hop
from trunkline.sip.sdp_codecs import Codec
from trunkline.sip.sdp_crypto import KEY_BYTES, Crypto
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

    def __init__(self, channel: str, kind: str, rate: int, secured: tuple[str, ...] | None = None) -> None:
        self.id = channel
        self.kind = kind
        self.rate = rate
        self._secured = secured
        """It is for TLS, and for who shows a certificate that one of these names; None: it is for TCP."""
        self.connection: Connection | None = None
        """Where the client's latest request came from."""

    def is_for(self, connection: Connection) -> bool:
        """Whether this is a connection that was agreed on."""
        if self._secured is None or not connection.secure:
            return self._secured is None and not connection.secure
        if not connection.certificate or not self._secured:
            return True  # Only who was asked for a certificate shows one, and not everybody names it before.
        return is_one_of(connection.certificate, self._secured)

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
        security: ServerSecurity,
    ) -> None:
        self._clock = clock
        self._pacer = pacer
        self._make = make
        self._codecs = codecs
        self._rtp_ports = rtp_ports
        self._max_channels = max_channels
        self._endpoint: SipEndpoint
        self._security = security
        self._suites = suites() if security.srtp != "off" else ()
        self._fingerprint = own_fingerprint(security.files)
        self._control = Control(clock, accepts, max_channels + _BESIDE_CHANNELS, self._take, self._gone)
        self._calls: dict[Session, _Call] = {}
        self._channels: dict[str, tuple[ServerChannel, Resource]] = {}
        self._work: set[asyncio.Task[None]] = set()
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
        security: ServerSecurity | None = None,
    ) -> MrcpServer:
        """Listen for SIP at `bind` and for MRCP at `control_port` of the same host. `accepts`: whether calls
        and connections from an address are taken; `flood`: how much SIP all others may send, who are only
        told that they may not call. Raises `ConfigError`, `SipError`, and `MediaError` where sound cannot
        be encrypted here."""
        security = security or ServerSecurity()
        server = cls(clock, pacer, make, codecs, accepts, rtp_ports, max_channels, security)
        server._endpoint = await SipEndpoint.open(
            bind,
            clock,
            server._on_signal,
            user="mrcp",
            flood=flood,
            tls_bind=security.bind,
            tls=security.files,
        )
        server._endpoint.agent.accepts = lambda hop: accepts(hop.host)
        server._endpoint.trust(accepts)
        _, host, _ = parse_bind(bind)
        try:
            await server._control.listen(host, control_port, security)
        except (SipError, ConfigError):
            await server.close()
            raise
        return server

    @property
    def address(self) -> tuple[str, int]:
        """Where its SIP really is."""
        return self._endpoint.address

    @property
    def tls_port(self) -> int:
        """Where its SIP over TLS is; 0 where there is none."""
        return self._endpoint.tls_port

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
        await self._control.close()
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
            asked = read_offer(session.invite.body, self._codecs, self._terms())
            if len(self._channels) + len(asked.resources) > self._max_channels or self._closing:
                session.refuse(503, self._clock.now(), headers=(("Retry-After", "5"),))
            else:
                await self._answer(session, asked)
        except (SipError, ParseError, MediaError) as error:
            logger.warning("call refused", why=error.what)
            session.refuse(488, self._clock.now())
        self._endpoint.settle()

    def _terms(self) -> Terms:
        """With new keys, for one call."""
        keys = [(suite, secrets.token_bytes(KEY_BYTES[suite])) for suite in self._suites]
        return Terms(
            tls=self._control.secure_port > 0,
            tcp=self._control.port > 0,
            fingerprint=self._fingerprint,
            cryptos=tuple(Crypto(tag, suite, key) for tag, (suite, key) in enumerate(keys, start=1)),
            srtp_needed=self._security.srtp == "required",
        )

    async def _answer(self, session: Session, asked: Asked) -> None:
        host = self._endpoint.local_host(Hop("udp", session.hop.host, session.hop.port))
        media = await MediaPort.open(self._pacer, self._clock, host, self._rtp_ports)
        try:
            media.configure(asked.stream, remote=asked.media)
            word = secrets.token_hex(8).upper()
            channels = {place: f"{word}@{kind}" for place, kind in asked.resources}
            answer = make_answer(
                asked,
                host,
                self._control.port,
                media.local_port,
                channels,
                secrets.randbits(31),
                secure_port=self._control.secure_port,
                fingerprint=self._fingerprint,
            )
            session.accept(answer, self._clock.now())
        except BaseException:  # the caller is gone, or nothing can be agreed on: the ports are freed
            await media.close()
            raise
        made = {}
        for place, kind in asked.resources:
            channel = ServerChannel(channels[place], kind, media.rate, asked.secure.get(place))
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

    def _gone(self, connection: Connection) -> None:
        for channel, _ in self._channels.values():
            if channel.connection is connection:
                channel.connection = None

    def _take(self, connection: Connection, message: Message) -> None:
        """One message of a client; whoever does not know a channel's identifier is told nothing of it."""
        if not isinstance(message, Request):
            return
        name = field(message, "Channel-Identifier")
        known = self._channels.get(name)
        if known is not None and not known[0].is_for(connection):
            logger.warning("a channel by another connection than was agreed on", channel=known[0].id)
            known = None
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
