"""The edge of a client: channels to an MRCP server. SIP by our own user agent, TCP or TLS for the words, RTP
for the sound. One `MrcpClient` for an engine, one `MrcpChannel` for each call's stream."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence

from trunkline.clock import Clock
from trunkline.errors import MediaError, SipError, TrunklineError
from trunkline.mrcp.connection import Connection
from trunkline.mrcp.message import Event, Fields, Message, Request, Response
from trunkline.mrcp.offer import Granted, Terms, make_offer, read_answer
from trunkline.mrcp.tls import ClientSecurity, connect, own_fingerprint
from trunkline.rtp.pacer import Pacer
from trunkline.rtp.port import MediaPort
from trunkline.rtp.srtp import suites
from trunkline.sip.endpoint import SipEndpoint
from trunkline.sip.sdp_codecs import Codec
from trunkline.sip.sdp_crypto import KEY_BYTES, Crypto
from trunkline.sip.session import Session
from trunkline.sip.signals import Accepted, Ended, Failed, Reoffered, Signal
from trunkline.sip.uri import Uri, parse_uri

OPEN_WITHIN = 5.0
"""Seconds for a channel to be there: the call taken, the connection made."""
ANSWER_WITHIN = 5.0
"""Seconds for a request to be answered; its completion is an event, and takes what it takes."""
_CLOSE_WITHIN = 1.0


class MrcpClient:
    """Made by `open`. Shared by all calls."""

    def __init__(self, clock: Clock, server: Uri, security: ClientSecurity) -> None:
        self.security = security
        self.name = server.host.strip("[]")
        """The server's, which a certificate of its has to be for."""
        self._fingerprint = own_fingerprint(security.files) if security.tls else ""
        self._suites = suites() if security.srtp else ()
        self.clock = clock
        self.pacer = Pacer(clock)
        self._server = server
        self._endpoint: SipEndpoint
        self._channels: dict[Session, MrcpChannel] = {}
        self._unclosed: set[MrcpChannel] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()

    @classmethod
    async def open(
        cls, clock: Clock, server: str, bind: str, security: ClientSecurity | None = None
    ) -> MrcpClient:
        """`server`: its SIP address; `bind`: where our own SIP is, `udp:HOST:PORT`. Raises `ParseError`,
        `ConfigError`, `SipError`, and `MediaError` where sound cannot be encrypted here."""
        security = security or ClientSecurity()
        client = cls(clock, parse_uri(server), security)
        security.files.client()  # What cannot be used is said now.
        client._endpoint = await SipEndpoint.open(
            bind, clock, client._on_signal, user="trunkline", tls=security.files
        )
        client.pacer.start()
        return client

    async def channel(self, resource: str, codecs: Sequence[Codec]) -> MrcpChannel:
        """A channel to this resource. Raises `SipError`, `MediaError`, `ParseError`."""
        endpoint, clock = self._endpoint, self.clock
        hop = await endpoint.locate(self._server)
        host = endpoint.local_host(hop)
        media = await MediaPort.open(self.pacer, clock, host)
        terms = self._terms()
        offer = make_offer(host, media.local_port, resource, codecs, secrets.randbits(31), terms)
        session = endpoint.agent.invite(self._server, hop, clock.now(), body=offer)
        channel = self._channels[session] = MrcpChannel(self, session, media)
        self._unclosed.add(channel)
        self._quiet.clear()
        endpoint.settle()
        try:
            async with asyncio.timeout(OPEN_WITHIN):
                granted = read_answer(await channel.taken, resource, codecs, terms)
                media.configure(granted.stream, remote=granted.media)
                await channel.connect(granted, answer_is_safe=hop.transport == "tls")
        except TimeoutError as error:
            await channel.close()
            raise SipError("the server did not open a channel in time", where="mrcp") from error
        except BaseException:
            await channel.close()
            raise
        return channel

    def _terms(self) -> Terms:
        """With new keys, for one call."""
        keys = [(suite, secrets.token_bytes(KEY_BYTES[suite])) for suite in self._suites]
        offered = tuple(Crypto(tag, suite, key) for tag, (suite, key) in enumerate(keys, start=1))
        return Terms(tls=self.security.tls, fingerprint=self._fingerprint, cryptos=offered)

    def let_go(self, channel: MrcpChannel, session: Session) -> None:
        """A channel closes: hang up where its call is still up."""
        self._unclosed.discard(channel)
        session.hang_up(self.clock.now())
        self._endpoint.settle()

    async def close(self) -> None:
        """End what is left, and free the sockets."""
        for channel in list(self._unclosed):
            await channel.close()
        try:
            async with asyncio.timeout(_CLOSE_WITHIN):
                await self._quiet.wait()
        except TimeoutError:
            pass  # Whoever has not answered our BYE by now does not learn of it.
        await self._endpoint.close()
        await self.pacer.close()

    def _on_signal(self, signal: Signal) -> None:
        channel = self._channels.get(signal.session)
        match signal:
            case Reoffered():
                signal.session.refuse_change(488, signal.at)
                self._endpoint.settle()
            case Accepted(body=body) if channel is not None:
                channel.accepted(body)
            case Failed(response=None) if self._endpoint.distrusted:
                what = f"a certificate is not to be trusted: {self._endpoint.distrusted}"
                hint = "Name a file of who vouches for it as trusted"
                self._over(signal.session, SipError(what, where="mrcp", hint=hint))
            case Failed(status=status, reason=reason):
                self._over(signal.session, SipError(f"the server refuses: {status} {reason}", where="mrcp"))
            case Ended(reason=reason):
                self._over(signal.session, SipError(f"the server ended the channel: {reason}", where="mrcp"))
            case _:
                pass

    def _over(self, session: Session, error: TrunklineError) -> None:
        channel = self._channels.pop(session, None)
        if channel is not None:
            channel.lost(error)
        if not self._channels:
            self._quiet.set()


class MrcpChannel:
    """One channel: requests answered in turn, events as they come, the sound in `media`.

    `on_event(event)` and `on_lost(error)` may be set; the latter is told once, when the channel is of no use
    any more.
    """

    def __init__(self, client: MrcpClient, session: Session, media: MediaPort) -> None:
        self.media = media
        self.id = ""
        self.on_event: Callable[[Event], None] | None = None
        self.on_lost: Callable[[TrunklineError], None] | None = None
        self.taken: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        """The server's answer to our offer."""
        self._client = client
        self._session = session
        self._connection: Connection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._asked: dict[int, asyncio.Future[Response]] = {}
        self._next = 1
        self._error: TrunklineError | None = None
        self._closed = False

    @property
    def alive(self) -> bool:
        return self._connection is not None and self._error is None and not self._closed

    async def connect(self, granted: Granted, *, answer_is_safe: bool) -> None:
        """Raises `MediaError` where there is no connection to be had."""
        self.id = granted.channel
        host, port = granted.host, granted.port
        security, name = self._client.security, self._client.name
        if security.tls:
            named = granted.fingerprints
            streams = await connect(host, port, security.files, name, named, answer_is_safe=answer_is_safe)
        else:
            try:
                streams = await asyncio.open_connection(host, port)
            except OSError as error:
                raise MediaError(f"no connection to {host}:{port}: {error.strerror}", where="mrcp") from error
        self._connection = Connection(*streams, self._take)
        self._reading = asyncio.get_running_loop().create_task(self._read(), name=f"mrcp {self.id}")

    def begin(self, method: str, fields: Fields = (), body: bytes = b"") -> int:
        """Send a request without waiting for its answer; gives its id. Raises `SipError`, `MediaError`."""
        if self._error is not None:
            raise self._error
        if self._connection is None or self._closed:
            raise MediaError("the channel is closed", where="mrcp")
        ident = self._next
        self._next += 1
        every = (("Channel-Identifier", self.id), *fields)
        self._connection.send(Request(method, ident, every, body))
        return ident

    async def ask(self, method: str, fields: Fields = (), body: bytes = b"") -> Response:
        """Send a request and wait for its answer. Raises `SipError`, `MediaError`; a refusal is an answer."""
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        ident = self.begin(method, fields, body)
        self._asked[ident] = answer
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return await answer
        except TimeoutError as error:
            raise MediaError(f"no answer to {method}", where="mrcp") from error
        finally:
            self._asked.pop(ident, None)

    async def close(self) -> None:
        """Hang up and free everything. May be called more than once."""
        if self._closed:
            return
        self._closed = True
        self.on_event = self.on_lost = None
        self._client.let_go(self, self._session)
        if not self.taken.done():
            self.taken.cancel()
        await self.media.close()
        self._fail(MediaError("the channel is closed", where="mrcp"))
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._connection is not None:
            await self._connection.close()

    # --- what the client and the connection tell ----------------------------------------------------

    def accepted(self, body: bytes) -> None:
        if not self.taken.done():
            self.taken.set_result(body)

    def lost(self, error: TrunklineError) -> None:
        """The channel is of no use any more."""
        if not self.taken.done():
            self.taken.set_exception(error)
        first = self._error is None and not self._closed
        self._error = self._error or error
        self._fail(error)
        if first and self.on_lost is not None:
            self.on_lost(error)

    def _fail(self, error: TrunklineError) -> None:
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(error)

    async def _read(self) -> None:
        assert self._connection is not None
        await self._connection.run()
        self.lost(MediaError("the connection broke off", where="mrcp"))

    def _take(self, message: Message) -> None:
        match message:
            case Response(id=ident):
                answer = self._asked.get(ident)
                if answer is not None and not answer.done():
                    answer.set_result(message)
            case Event():
                if self.on_event is not None:
                    self.on_event(message)
            case Request():
                pass  # A server asks nothing.
