"""The edge of SIP over TCP and TLS: the only owner of its connections.

A connection is used again for whatever goes to the same place, answers go back on the one their request
came by, and one that broke is made anew when there is something to send (RFC 3261 §18, RFC 5923).
Strangers cannot make us hold much: connections, their backlog and their silence all have a limit.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from trunkline.clock import Clock
from trunkline.errors import ConfigError, ParseError, SipError
from trunkline.sip.datagrams import LISTEN_ELSEWHERE
from trunkline.sip.hop import Hop
from trunkline.sip.stream import PING, PONG, Framer
from trunkline.sip.tls_door import TlsDoor

_MOST = 1024
"""Connections at once, ours and theirs."""
_MOST_FROM_ONE = 128
"""Connections at once that one address may open."""
_FOR_KNOWN = 1024
"""As many more, for trunks alone: strangers cannot take their place."""
_CONNECT_SECONDS = 4.0
_FIRST_SECONDS = 10.0
"""Within this a stranger's connection must bring a whole message; and any message its remainder."""
_IDLE_SECONDS = 3_600.0
_KEEP_ALIVE_SECONDS = 95.0
"""RFC 5626 §4.4.1: at most 120 s over TCP; less would hardly help."""
_PONG_SECONDS = 10.0
"""RFC 5626 §4.4.1: a ping that is not answered in this time tells that the connection is dead."""
_BACKLOG = 512 * 1024
"""Bytes that may wait for one slow reader; then the connection is dropped."""
_WAITING = 32
"""Messages that wait for one connection to be made."""

Received = Callable[[bytes, Hop], bool]
"""Takes a message; False where its connection is to be ended."""
Unreachable = Callable[[Hop], None]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. `certificate` and `key`: our own, needed to be called over TLS, and to call where the
    other end wants one. `trusted`: who may vouch for others; empty: whom this machine trusts.
    `demand`: turn away callers without a certificate that `trusted` vouches for (mutual TLS)."""

    certificate: str = ""
    key: str = ""
    trusted: str = ""
    demand: bool = False
    section: str = "sip"
    """The part of the settings that errors speak of."""

    def server(self) -> ssl.SSLContext:
        """For those who connect to us. Raises `ConfigError`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._load(context, needed=True)
        if self.demand:
            context.verify_mode = ssl.CERT_REQUIRED
            self._trust(context)
        return context

    def client(self) -> ssl.SSLContext:
        """For connections that we make. Names are checked. Raises `ConfigError`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._load(context, needed=False)
        self._trust(context)
        return context

    def _load(self, context: ssl.SSLContext, *, needed: bool) -> None:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.certificate:
            if needed:
                raise ConfigError("TLS needs a certificate", where=f"{self.section}.tls_certificate_file")
            return
        try:
            context.load_cert_chain(self.certificate, self.key or None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"the certificate cannot be used: {error}", where=f"{self.section}.tls_certificate_file"
            ) from error

    def _trust(self, context: ssl.SSLContext) -> None:
        try:
            if self.trusted:
                context.load_verify_locations(self.trusted)
            else:
                context.load_default_certs()
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"cannot be used: {error}", where=f"{self.section}.tls_trusted_file") from error


class _Connection(asyncio.Protocol):
    """One connection. `place` is where it leads, with its own number in `flow`."""

    def __init__(self, home: Connections, transport: str, *, ours: Hop | None, counted: bool = False) -> None:
        self.counted = counted
        """It was let in already, before its handshake."""
        self._home = home
        self._kind = transport
        self.ours = ours
        """The hop that we connected to; None where the other end did."""
        self._framer = Framer()
        self.transport: asyncio.Transport | None = None
        self.place = Hop(transport, "", 0)
        self.heard_at = 0.0
        self._any = False
        self._pinged_at: float | None = None
        """When a ping went out that nothing has come after."""
        self._answers_pings = False
        self.gone = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every loop's transports are of asyncio's classes; all have their methods.
        self.transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername") or ("", 0)
        self.place = Hop(self._kind, str(peer[0]), int(peer[1]), self._home.next_flow())
        self.heard_at = self._home.clock.now()
        if not self._home.admit(self):
            self.transport.abort()
            return
        self._watch()

    def _watch(self) -> None:
        """Look again when the next of its limits may have passed."""
        wait = _KEEP_ALIVE_SECONDS if self.ours is not None else _FIRST_SECONDS if not self._any else 60.0
        self._timer = self._home.clock.call_at(self._home.clock.now() + wait, self._look)

    def _look(self) -> None:
        assert self.transport is not None
        silent = self._home.clock.now() - self.heard_at
        unfinished = not self._framer.idle or (self.ours is None and not self._any)
        if silent > _IDLE_SECONDS or (unfinished and silent >= _FIRST_SECONDS):
            self.transport.abort()
            return
        if self.ours is not None:
            self.write(PING)
            self._pinged_at = self._home.clock.now()
            if self._answers_pings:
                self._timer = self._home.clock.call_at(self._pinged_at + _PONG_SECONDS, self._look_for_pong)
                return
        self._watch()

    def _look_for_pong(self) -> None:
        assert self.transport is not None
        if self._pinged_at is not None:
            # The other end is gone, or a NAT on the way forgot us: found out now, and not by the next call.
            self._home.dropped["silent connection"] += 1
            self.transport.abort()
            return
        self._watch()

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._home.clock.now()
        # Not everybody answers pings; who did so once is expected to go on.
        self._answers_pings |= self._pinged_at is not None and data == PONG
        self._pinged_at = None
        try:
            for message in self._framer.feed(data):
                self._any = True
                if message == PING:
                    self.write(PONG)
                elif not self._home.received(message, self.place):
                    assert self.transport is not None
                    self.transport.abort()
                    return
        except ParseError:
            self._home.dropped["broken stream"] += 1
            assert self.transport is not None
            self.transport.abort()

    def write(self, data: bytes) -> None:
        assert self.transport is not None
        if self.transport.get_write_buffer_size() > _BACKLOG:
            self._home.dropped["slow reader"] += 1
            self.transport.abort()
        elif not self.transport.is_closing():
            self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # Whatever the reason: it is made anew when there is something to send.
        self.gone = True
        if self._timer is not None:
            self._timer.cancel()
        self._home.lost(self)


class Connections:
    """All connections of one endpoint. `send` never waits; what cannot be sent is told."""

    def __init__(
        self,
        clock: Clock,
        received: Received,
        unreachable: Unreachable,
        dropped: Counter[str],
        tls: TlsFiles,
    ) -> None:
        self.clock = clock
        self.received = received
        self.dropped = dropped
        self._unreachable = unreachable
        self._tls = tls
        self._client_context: ssl.SSLContext | None = None
        self._loop = asyncio.get_running_loop()
        self._listeners: list[asyncio.Server] = []
        self._flows: dict[int, _Connection] = {}
        self._places: dict[Hop, _Connection] = {}
        """Connections by where they lead, flow 0."""
        self.is_known: Callable[[str], bool] = lambda _: False
        """Whether this address is a trunk's, for whom there is room when strangers fill the rest."""
        self.broken: Callable[[Hop], None] = lambda _: None
        """Told of a connection of ours that ended, by where it led."""
        self.distrusted = ""
        """Whose certificate did not convince when a connection was last tried, and why."""
        self._closing = False
        self._doors: list[TlsDoor] = []
        self._from: Counter[str] = Counter()
        self._waiting: dict[Hop, deque[tuple[bytes, Hop]]] = {}
        self._making: dict[Hop, asyncio.Task[None]] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._flows)

    def peer(self, hop: Hop) -> tuple[str, int] | None:
        """The address at the other end of the connection that `hop` leads to; None where there is none."""
        connection = self._flows.get(hop.flow) or self._places.get(hop._replace(flow=0))
        return connection.place[1:3] if connection is not None else None

    async def listen(self, transport: str, host: str, port: int) -> int:
        """Accept connections; gives the port. Raises `SipError` where it cannot be had, `ConfigError`
        for certificates that cannot be used."""
        context = self._tls.server() if transport == "tls" else None

        def make() -> _Connection:
            return _Connection(self, transport, ours=None, counted=context is not None)

        try:
            if context is not None:
                return self._open_door(context, make, host, port)
            server = await self._loop.create_server(make, host, port, backlog=512)
        except OSError as error:
            raise SipError(
                f"cannot listen on {transport}:{host}:{port}: {error.strerror or error}",
                where="sip",
                hint=LISTEN_ELSEWHERE,
            ) from error
        self._listeners.append(server)
        return int(server.sockets[0].getsockname()[1])

    def _open_door(
        self, context: ssl.SSLContext, make: Callable[[], _Connection], host: str, port: int
    ) -> int:
        """A handshake is one of the connections that its address may have."""

        def failed(_why: str) -> None:
            self.dropped["TLS handshake"] += 1

        door = TlsDoor(
            self.clock,
            context,
            make,
            enter=self.enter,
            leave=self.leave,
            failed=failed,
            handshake_seconds=_FIRST_SECONDS,
        )
        found = door.listen(host, port)
        self._doors.append(door)
        return found

    def enter(self, host: str) -> bool:
        """Count a connection from there; False where there are too many."""
        known = self.is_known(host)
        most = _MOST + (_FOR_KNOWN if known else 0)
        if self._from.total() >= most or (self._from[host] >= _MOST_FROM_ONE and not known):
            self.dropped["connections"] += 1
            return False
        self._from[host] += 1
        return True

    def leave(self, host: str) -> None:
        """That connection is gone."""
        self._from[host] -= 1
        if self._from[host] <= 0:
            del self._from[host]

    def next_flow(self) -> int:
        self._count += 1
        return self._count

    def admit(self, connection: _Connection) -> bool:
        """Take a new connection in; False where there are too many."""
        place = connection.place
        if connection.ours is None and not connection.counted and not self.enter(place.host):
            return False
        if connection.ours is not None:
            self._from[place.host] += 1
        self._flows[place.flow] = connection
        self._places[connection.ours or place._replace(flow=0)] = connection
        return True

    def lost(self, connection: _Connection) -> None:
        place = connection.place
        if self._flows.pop(place.flow, None) is None:
            return
        self.leave(place.host)
        key = connection.ours or place._replace(flow=0)
        if self._places.get(key) is connection:
            del self._places[key]
        if connection.ours is not None and not self._closing:
            self.broken(connection.ours)

    def is_open(self, flow: int) -> bool:
        """Whether this connection still stands."""
        return flow in self._flows

    def send(self, data: bytes, hop: Hop, place: Hop | None = None) -> None:
        """Send on the connection that `hop` names, or on one that leads there (to `place`, where that is
        known to be the same), made where there is none."""
        place = (place or hop)._replace(flow=0)
        connection = self._flows.get(hop.flow) or self._places.get(place)
        if connection is not None:
            connection.write(data)
            return
        waiting = self._waiting.setdefault(place, deque())
        if len(waiting) >= _WAITING:
            self.dropped["waiting for a connection"] += 1
            return
        waiting.append((data, hop))
        if place not in self._making:
            self._making[place] = self._loop.create_task(self._connect(place), name="sip connect")

    async def _connect(self, place: Hop) -> None:
        connection: _Connection | None = None
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                _, connection = await self._loop.create_connection(
                    lambda: _Connection(self, place.transport, ours=place),
                    place.host,
                    place.port,
                    ssl=self._context() if place.transport == "tls" else None,
                    server_hostname=(place.name or place.host) if place.transport == "tls" else None,
                )
            self.distrusted = ""
        except (OSError, TimeoutError, UnicodeError, ConfigError) as error:
            # A certificate that does not convince is an OSError too: there is nobody to send to.
            self.dropped["unreachable"] += 1
            if isinstance(error, ssl.SSLCertVerificationError):
                self.distrusted = f"{place.name or place.host}: {error.verify_message}"
        finally:
            del self._making[place]
            waiting = self._waiting.pop(place, deque())
        if connection is None:
            for hop in {hop for _, hop in waiting}:
                self._unreachable(hop)
            return
        for data, _ in waiting:
            connection.write(data)

    def _context(self) -> ssl.SSLContext:
        if self._client_context is None:
            self._client_context = self._tls.client()
        return self._client_context

    async def close(self) -> None:
        """Stop listening and close every connection."""
        self._closing = True
        for server in self._listeners:
            server.close()
        for door in self._doors:
            await door.close()
        tasks = list(self._making.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(self._flows.values()):
            assert connection.transport is not None
            # What is written and not yet sent (a BYE's answer) still goes out; TLS would wait for the
            # other end's word, which may never come.
            if connection.place.transport == "tls":
                connection.transport.abort()
            else:
                connection.transport.close()
        for server in self._listeners:
            await server.wait_closed()
        while self._flows:
            await self.clock.sleep(0)
