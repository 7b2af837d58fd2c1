"""The edge of SIP: the only owner of its UDP socket and timers; `connections.py` owns the rest.

Feeds the `UserAgent` with what arrives and with the time, sends what it wants sent, and hands its
signals on. What strangers send never raises here and never fills the log: it is counted, and told
at most once a minute.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections import deque
from collections.abc import Callable
from functools import lru_cache

import structlog

from trunkline.clock import Clock
from trunkline.errors import ConfigError, SipError
from trunkline.sip.connections import Connections, TlsFiles
from trunkline.sip.hop import Hop, hop_to
from trunkline.sip.layer import Identity
from trunkline.sip.options import Options
from trunkline.sip.signals import Signal
from trunkline.sip.uri import Uri
from trunkline.sip.user_agent import UserAgent

logger = structlog.get_logger("sip")

_DATAGRAM = 65_535
_DRAIN = 16
"""Datagrams read at one wake; media on the same loop has its turn before the rest."""
_BUFFER = 4 * 1024 * 1024
_PORT_TRIES = 8
"""Ports that are tried where any will do, until one is free for UDP and TCP both."""
_LOOKUP_SECONDS = 5.0
_LOOKUPS = 256
"""Names remembered, and local addresses."""
_REMEMBER_SECONDS = 60.0
_WAITING = 16
"""Datagrams that wait for one name to be looked up."""
_REPORT_SECONDS = 60.0
Tap = Callable[[str, tuple[str, int], tuple[str, int], bytes], None]
"""Told of a message: its transport, source, target and bytes."""
_BIND = re.compile(r"(?:(udp|tls):)?(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+):([0-9]{1,5})")


def parse_bind(text: str, transport: str = "udp") -> tuple[str, str, int]:
    """`udp:127.0.0.1:5060` as transport, host and port (0: any); the transport may be left out, and must
    be the one that is wanted here. Raises `ConfigError`."""
    found = _BIND.fullmatch(text.strip().lower())
    if found is None or int(found[3]) > 65535 or (found[1] or transport) != transport:
        raise ConfigError(f"{text!r} is no address to listen on", hint=f"Write {transport}:HOST:PORT")
    return transport, found[2].strip("[]"), int(found[3])


def _udp_socket(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    """A bound UDP socket. Of any port (0) it takes one that is free for TCP too. Raises `OSError`."""
    for last in (*[False] * (_PORT_TRIES - 1), True):
        udp = socket.socket(family, socket.SOCK_DGRAM)
        try:
            udp.setblocking(False)
            # A burst of calls must not be lost before it is read; the system grants what it allows.
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            udp.bind((host, port))
        except OSError:
            udp.close()
            raise
        if port or last:
            break
        with socket.socket(family, socket.SOCK_STREAM) as tcp:
            try:
                tcp.bind((host, udp.getsockname()[1]))
            except OSError:
                udp.close()
                continue
        break
    return udp


class SipEndpoint:
    """One UDP socket, its connections, and the user agent behind them. `open` it; `close` it."""

    def __init__(
        self,
        clock: Clock,
        udp: socket.socket,
        on_signal: Callable[[Signal], None],
        *,
        user: str,
        advertised_host: str,
        most_calls: int,
        tls: TlsFiles,
        options: Options,
    ) -> None:
        self.address: tuple[str, int] = udp.getsockname()[:2]
        """Where it really listens."""
        self._everywhere = self.address[0] in ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound
        self._clock = clock
        self._udp = udp
        self._on_signal = on_signal
        self._advertised_host = advertised_host
        self.agent = UserAgent(Identity(user, self._own_address), options=options, most_calls=most_calls)
        self._ports: dict[str, int] = {}
        """Where we listen by connection: "tcp", "tls"."""
        self._connections = Connections(clock, self._arrived, self._no_way_to, self.agent.dropped, tls)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._local_hosts: dict[str, str] = {}
        self._names: dict[tuple[str, int], tuple[str, float]] = {}
        self._lookups: dict[Hop, asyncio.Task[None]] = {}
        self._waiting: dict[Hop, deque[bytes]] = {}
        self._settling = False
        self.tap: Tap | None = None
        """Told of each message, as it goes and as it came."""
        self._report_at = 0.0
        self._reported = 0
        self._closed = False
        self._loop.add_reader(udp, self._readable)

    @classmethod
    async def open(
        cls,
        bind: str,
        clock: Clock,
        on_signal: Callable[[Signal], None],
        *,
        user: str = "trunkline",
        advertised_host: str = "",
        most_calls: int = 2_000,
        tls_bind: str = "",
        tls: TlsFiles | None = None,
        options: Options | None = None,
    ) -> SipEndpoint:
        """Listen on UDP, on TCP at the same port (RFC 3261 §18.2.1), and on TLS where `tls_bind` says so.
        `advertised_host`: how others reach this machine, where that is not its own address. Raises
        `ConfigError` for a bad address or certificate, `SipError` where an address cannot be had."""
        _, host, port = parse_bind(bind)
        try:
            family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
        except ValueError as error:
            raise ConfigError(f"{host!r} in {bind!r} is no IP address") from error
        try:
            udp = _udp_socket(family, host, port)
        except OSError as error:
            raise SipError(f"cannot listen on {bind}: {error.strerror or error}", where="sip") from error
        endpoint = cls(
            clock,
            udp,
            on_signal,
            user=user,
            advertised_host=advertised_host,
            most_calls=most_calls,
            tls=tls or TlsFiles(),
            options=options or Options(),
        )
        try:
            await endpoint._listen(host, tls_bind)
        except (SipError, ConfigError):
            await endpoint.close()
            raise
        return endpoint

    async def _listen(self, host: str, tls_bind: str) -> None:
        try:
            self._ports["tcp"] = await self._connections.listen("tcp", host, self.address[1])
        except SipError as error:
            # Somebody else has the port: calls over UDP, and those we make over TCP, go all the same.
            logger.warning("no calls come in over TCP", error=str(error))
        if tls_bind:
            self._ports["tls"] = await self._connections.listen(*parse_bind(tls_bind, "tls"))
        self.agent.layer.streams = True

    # --- what the legs ask for --------------------------------------------------------------------

    async def locate(self, uri: Uri) -> Hop:
        """The hop that leads to `uri`, its name looked up. Raises `SipError`."""
        hop = hop_to(uri)
        if hop.transport not in ("udp", "tcp", "tls"):
            raise SipError(f"{hop.transport} is not served", where="sip", hint="Use UDP, TCP or TLS")
        host = await self._look_up(hop)
        # A certificate is checked against the name, so that stays where there will be one.
        return hop if hop.transport == "tls" else hop._replace(host=host)

    def resolved(self, hop: Hop) -> str:
        """The address of a hop that was located; its name where it was not."""
        known = self._names.get((hop.host, hop.port))
        return known[0] if known is not None else hop.host

    @property
    def tls_port(self) -> int:
        """Where it listens for TLS; 0 where it does not."""
        return self._ports.get("tls", 0)

    def settle(self) -> None:
        """After anything was asked of a session: send what is to be sent, tell what happened, and
        set the timer. Signals may ask for more; it settles until nothing is left."""
        if self._settling or self._closed:
            return
        self._settling = True
        try:
            agent = self.agent
            while agent.outbox or agent.signals:
                while agent.outbox:
                    self._send(*agent.outbox.popleft())
                if agent.signals:
                    self._on_signal(agent.signals.popleft())
        finally:
            self._settling = False
        self._set_timer()

    def local_host(self, hop: Hop) -> str:
        """The address of ours by which the other end of `hop` reaches this machine."""
        return self._own_address(hop)[0]

    async def close(self) -> None:
        """Stop listening; may be called more than once. Sessions should be over by now."""
        if self._closed:
            return
        self.settle()
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._udp)
        for task in self._lookups.values():
            task.cancel()
        await asyncio.gather(*self._lookups.values(), return_exceptions=True)
        await self._connections.close()
        self._udp.close()

    # --- receiving, and the time ------------------------------------------------------------------

    def _readable(self) -> None:
        receive = self._udp.recvfrom
        now = self._clock.now()
        for _ in range(_DRAIN):
            try:
                data, source = receive(_DATAGRAM)
            except BlockingIOError:
                break
            except OSError:  # an ICMP error of something sent earlier; the socket goes on
                continue
            hop = Hop("udp", source[0], source[1])
            if self.tap is not None:
                self.tap("udp", hop[1:3], self._own_address(hop), data)
            self.agent.receive(data, hop, now)
            self.settle()
            if self._closed:
                return
        self._report(now)

    def _arrived(self, data: bytes, source: Hop) -> None:
        """One message of a connection."""
        if self._closed:
            return
        now = self._clock.now()
        if self.tap is not None:
            self.tap(source.transport, source[1:3], self._own_address(source), data)
        self.agent.receive(data, source, now)
        self.settle()
        self._report(now)

    def _no_way_to(self, hop: Hop) -> None:
        """A connection could not be made."""
        self.agent.unreachable(hop, self._clock.now())
        self.settle()

    def _set_timer(self) -> None:
        due = self.agent.next_deadline()
        if self._timer is not None:
            if due is not None and self._timer_due <= due:
                return  # It wakes in time; waking once for nothing is cheaper than setting it anew.
            self._timer.cancel()
            self._timer = None
        if due is not None and not self._closed:
            self._timer_due = due
            self._timer = self._clock.call_at(due, self._wake)

    def _wake(self) -> None:
        self._timer = None
        # Loops count timers in whole milliseconds: one that comes a hair early is taken as due.
        self.agent.advance(max(self._clock.now(), self._timer_due))
        self.settle()
        self._set_timer()

    def _report(self, now: float) -> None:
        dropped = self.agent.dropped
        if not dropped or now < self._report_at:
            return
        total = dropped.total()
        if total > self._reported:
            self._report_at = now + _REPORT_SECONDS
            logger.warning("messages dropped", total=total, **dropped)
            self._reported = total

    # --- sending ----------------------------------------------------------------------------------

    def _send(self, data: bytes, hop: Hop) -> None:
        if hop.transport in ("tcp", "tls"):
            if self.tap is not None:
                peer = self._connections.peer(hop) or (self.resolved(hop), hop.port)
                self.tap(hop.transport, self._own_address(hop), peer, data)
            self._connections.send(data, hop)
            return
        if hop.transport != "udp":
            self.agent.unreachable(hop, self._clock.now())
            return
        if _is_address(hop.host):
            self._transmit(data, hop)
            return
        known = self._names.get((hop.host, hop.port))
        if known is not None and known[1] > self._clock.now():
            self._transmit(data, hop._replace(host=known[0]))
            return
        self._waiting.setdefault(hop, deque(maxlen=_WAITING)).append(data)
        if hop not in self._lookups:
            self._lookups[hop] = self._loop.create_task(self._look_up_and_send(hop), name="sip lookup")

    def _transmit(self, data: bytes, hop: Hop) -> None:
        if self.tap is not None:
            self.tap("udp", self._own_address(hop), hop[1:3], data)
        try:
            self._udp.sendto(data, (hop.host, hop.port))
        except BlockingIOError:
            self.agent.dropped["send buffer full"] += 1  # As if lost on the way: it is sent again.
        except OSError:
            self.agent.dropped["unreachable"] += 1
            self.agent.unreachable(hop, self._clock.now())

    async def _look_up_and_send(self, hop: Hop) -> None:
        try:
            host = await self._look_up(hop)
        except SipError:
            self._waiting.pop(hop, None)
            self.agent.unreachable(hop, self._clock.now())
        else:
            for data in self._waiting.pop(hop, ()):
                self._transmit(data, hop._replace(host=host))
        finally:
            self._lookups.pop(hop, None)
        self.settle()

    async def _look_up(self, hop: Hop) -> str:
        if _is_address(hop.host):
            return hop.host
        now = self._clock.now()
        known = self._names.get((hop.host, hop.port))
        if known is not None and known[1] > now:
            return known[0]
        try:
            async with asyncio.timeout(_LOOKUP_SECONDS):
                found = await self._loop.getaddrinfo(
                    hop.host, hop.port, family=self._udp.family, type=socket.SOCK_DGRAM
                )
        except (OSError, TimeoutError, UnicodeError) as error:
            raise SipError(f"{hop.host} has no address: {error}", where="sip") from error
        host = str(found[0][4][0])
        if len(self._names) >= _LOOKUPS:
            self._names.clear()
        self._names[hop.host, hop.port] = (host, now + _REMEMBER_SECONDS)
        return host

    def _own_address(self, hop: Hop) -> tuple[str, int]:
        host, port = self.address
        port = self._ports.get(hop.transport, port)
        if self._advertised_host:
            return self._advertised_host, port
        there = self.resolved(hop)
        if not self._everywhere or not _is_address(there):
            return host, port
        local = self._local_hosts.get(there)
        if local is None:
            local = self._route_to(hop._replace(host=there), host)
            if len(self._local_hosts) >= _LOOKUPS:
                self._local_hosts.clear()
            self._local_hosts[there] = local
        return local, port

    def _route_to(self, hop: Hop, otherwise: str) -> str:
        """Which of this machine's addresses the system would send from; nothing is sent."""
        with socket.socket(self._udp.family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((hop.host, hop.port or 9))
            except OSError:
                return otherwise
            return str(probe.getsockname()[0])


@lru_cache(maxsize=1_024)
def _is_address(host: str) -> bool:
    if not host[:1].isdigit() and ":" not in host:
        return False  # Most names need no more than this look.
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
