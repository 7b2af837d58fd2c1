"""The edge of SIP: owns its timers; `datagrams.py`, `connections.py` and `resolver.py` own the sockets.

Feeds the `UserAgent` with what arrives and with the time, sends what it wants sent, and hands its
signals on. What strangers send never raises here and never fills the log: it is counted, and told
at most once a minute.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from trunkline.clock import Clock
from trunkline.errors import ConfigError, SipError
from trunkline.sip.connections import Connections, TlsFiles
from trunkline.sip.datagrams import Address, Datagrams, parse_bind, version_of
from trunkline.sip.flood import FloodLimit
from trunkline.sip.hop import Hop, is_address
from trunkline.sip.icmp import Undelivered
from trunkline.sip.layer import Identity
from trunkline.sip.learning import OutsideAddress
from trunkline.sip.options import Options
from trunkline.sip.reached import Reached, SeenAs, is_private
from trunkline.sip.resolver import Resolver
from trunkline.sip.signals import Signal
from trunkline.sip.stun import is_stun
from trunkline.sip.uri import Uri
from trunkline.sip.user_agent import UserAgent

__all__ = ["Reached", "SipEndpoint", "parse_bind"]

logger = structlog.get_logger("sip")

_WAITING = 16
"""Datagrams that wait for one name to be looked up."""
_LOOKUPS = 256
"""Names that are looked up at once; what is to go to more is not sent."""
_LED = 1_024
"""Names that it is remembered of which of their servers is in use; all are forgotten when there are more."""
_REPORT_SECONDS = 60.0
Tap = Callable[[str, tuple[str, int], tuple[str, int], bytes], None]
"""Told of a message: its transport, source, target and bytes."""


class SipEndpoint:
    """The sockets, and the user agent behind them. `open` it; `close` it."""

    def __init__(
        self,
        clock: Clock,
        datagrams: Datagrams,
        on_signal: Callable[[Signal], None],
        *,
        user: str,
        reached: Reached,
        most_calls: int,
        tls: TlsFiles,
        nameservers: Sequence[str],
        flood: FloodLimit,
        options: Options,
    ) -> None:
        self._clock = clock
        self._datagrams = datagrams
        self.address: Address = datagrams.address(datagrams.versions[0])
        """Where it really listens; the first of two."""
        self._on_signal = on_signal
        self._reached = reached
        self.resolver = Resolver(clock, ["AAAA" if v == 6 else "A" for v in datagrams.versions], nameservers)
        self.agent = UserAgent(
            Identity(user, self._own_address, seen=self._seen_by), options=options, most_calls=most_calls
        )
        self.flood = flood
        self._is_known: Callable[[str], bool] = lambda _: False
        self._ports: dict[str, int] = {}
        """Where we listen by connection: "tcp", "tls"."""
        self._connections = Connections(clock, self._arrived, self._no_way_to, self.agent.dropped, tls)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._lookups: dict[Hop, asyncio.Task[None]] = {}
        self._waiting: dict[Hop, deque[bytes]] = {}
        self._outside = OutsideAddress(clock, datagrams, self.locate)
        self._seen = SeenAs()
        self.agent.layer.seen_as = self._seen_as
        self._led: dict[Hop, Hop] = {}
        """Where names led that something was sent to."""
        self.agent.layer.another = self._another
        self.agent.layer.led = lambda hop: self._led.get(hop._replace(flow=0), hop)
        self._settling = False
        self.tap: Tap | None = None
        """Told of each message, as it goes and as it came."""
        self._report_at = 0.0
        self._reported = 0
        self._closed = False
        datagrams.listen(self._datagram, self._told, self._undelivered)

    @classmethod
    async def open(
        cls,
        bind: str,
        clock: Clock,
        on_signal: Callable[[Signal], None],
        *,
        also: str = "",
        user: str = "trunkline",
        reached: Reached | None = None,
        most_calls: int = 2_000,
        tls_bind: str = "",
        tls: TlsFiles | None = None,
        nameservers: Sequence[str] = (),
        flood: FloodLimit | None = None,
        options: Options | None = None,
    ) -> SipEndpoint:
        """Listen on UDP, on TCP at the same port (RFC 3261 §18.2.1), and on TLS where `tls_bind` says so.
        `also`: a second address of the other family. Raises `ConfigError` for a bad address or
        certificate, `SipError` where an address cannot be had."""
        datagrams = Datagrams([bind, also] if also else [bind])
        try:
            endpoint = cls(
                clock,
                datagrams,
                on_signal,
                user=user,
                reached=reached or Reached(),
                most_calls=most_calls,
                tls=tls or TlsFiles(),
                nameservers=nameservers,
                flood=flood if flood is not None else FloodLimit(0.0, 0.0),
                options=options or Options(),
            )
        except ConfigError:
            datagrams.close()
            raise
        try:
            await endpoint._listen(tls_bind)
            if endpoint._reached.stun:
                await endpoint._outside.begin(endpoint._reached.stun)
        except (SipError, ConfigError):
            await endpoint.close()
            raise
        return endpoint

    async def _listen(self, tls_bind: str) -> None:
        for version in self._datagrams.versions:
            host, port = self._datagrams.address(version)
            try:
                self._ports[f"tcp{version}"] = await self._connections.listen("tcp", host, port)
            except SipError as error:
                # Somebody else has the port: calls over UDP, and those we make over TCP, go all the same.
                logger.warning("no calls come in over TCP", error=str(error))
        if tls_bind:
            self._ports["tls"] = await self._connections.listen(*parse_bind(tls_bind, "tls"))
        self.agent.layer.streams = True

    # --- what the legs ask for --------------------------------------------------------------------

    async def locate(self, uri: Uri) -> Hop:
        """The hop that leads to `uri`: the first of `places`. Raises `SipError`."""
        return (await self.places(uri))[0]

    async def places(self, uri: Uri) -> list[Hop]:
        """The hops that lead to `uri`, in the order in which they are to be tried (RFC 3263): as DNS says,
        those that did not answer of late at the end. Raises `SipError` where there is none."""
        found = await self.resolver.find(uri)
        places = [place for place in found if version_of(place.host) in self._datagrams.versions]
        if not places:
            version = version_of(found[0].host)
            raise SipError(
                f"{uri.host} is an IPv{version} address, and this end has none",
                where="sip",
                hint="Listen on one: sip.bind, or sip.bind_also beside it",
            )
        return places

    def resolved(self, hop: Hop) -> str:
        """The address of a hop that was located; its name where it was not."""
        return self._address_of(hop) or hop.host

    def trust(self, is_known: Callable[[str], bool]) -> None:
        """`is_known`: whether an address is a trunk's, say. Those are never taken for a flood."""
        self._is_known = self._connections.is_known = is_known

    def when_broken(self, broken: Callable[[Hop], None]) -> None:
        """Have `broken` told of each connection of ours that breaks, by where it led."""
        self._connections.broken = broken

    def when_moved(self, moved: Callable[[], None]) -> None:
        """Have `moved` told when our address from outside is another one than before."""
        self._outside.moved = moved

    def failed(self, hop: Hop, seconds: float = 0.0) -> None:
        """Nothing came from this place: it is tried last for a while, or for as many `seconds`."""
        self.resolver.bench.failed(hop, self._clock.now(), seconds)

    def answered(self, hop: Hop) -> None:
        """Something came from there."""
        self.resolver.bench.answered(hop)

    @property
    def tls_port(self) -> int:
        """Where it listens for TLS; 0 where it does not."""
        return self._ports.get("tls", 0)

    @property
    def distrusted(self) -> str:
        """Whose certificate did not convince when a connection was last tried, and why; else nothing."""
        return self._connections.distrusted

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

    def media_host(self, hop: Hop, advertised: str) -> str:
        """The address to tell the other end of `hop` for media: `advertised`, but to those on our side of
        the NAT, and where it is of another family than what we listen on; else the one of signalling."""
        ours = self.listens_on(hop)
        usable = advertised and (not is_address(advertised) or version_of(advertised) == version_of(ours))
        return advertised if usable and not self._is_near(hop) else self._own_address(hop)[0]

    def stun_for(self, hop: Hop) -> Address | None:
        """The STUN server to ask how the media of a call by this hop is seen; None where that is known, where
        nobody answers, and for those who reach us at our own address."""
        server, there = self._outside.server, self._address_of(hop)
        if server is None or self._reached.host or self._is_near(hop) or (there and is_private(there)):
            return None
        return server if version_of(server[0]) == version_of(self.listens_on(hop)) else None

    def listens_on(self, hop: Hop) -> str:
        """The address that we listen on for the other end of `hop`: where its media can come too."""
        versions = self._datagrams.versions
        version = version_of(hop.host) if is_address(hop.host) else versions[0]
        return self._datagrams.address(version if version in versions else versions[0])[0]

    async def close(self) -> None:
        """Stop listening; may be called more than once. Sessions should be over by now."""
        if self._closed:
            return
        self.settle()
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        await self._outside.close()
        for task in self._lookups.values():
            task.cancel()
        await asyncio.gather(*self._lookups.values(), return_exceptions=True)
        await self._connections.close()
        self._datagrams.close()

    # --- receiving, and the time ------------------------------------------------------------------

    def _datagram(self, data: bytes, source: Address) -> bool:
        now = self._clock.now()
        host, port = source
        if is_stun(data):
            if not self._outside.receive(data):
                self.agent.dropped["stray"] += 1
        elif not self._is_known(host) and not self.flood.admit(host, len(data), now):
            self.agent.dropped["flood"] += 1
        else:
            hop = Hop("udp", host, port)
            if self.tap is not None:
                self.tap("udp", source, self._own_address(hop), data)
            self.agent.receive(data, hop, now)
            self.settle()
        return not self._closed

    def _told(self) -> None:
        self._report(self._clock.now())

    def _undelivered(self, news: list[Undelivered]) -> None:
        self.agent.layer.undelivered(news, self._clock.now())
        self.settle()

    def _arrived(self, data: bytes, source: Hop) -> bool:
        """One message of a connection; False where that connection is to be ended."""
        if self._closed:
            return True
        now = self._clock.now()
        if not self._is_known(source.host) and not self.flood.admit(source.host, len(data), now):
            # A message that was left out of a stream would not be sent again.
            self.agent.dropped["flood"] += 1
            self._report(now)
            return False
        if self.tap is not None:
            self.tap(source.transport, source[1:3], self._own_address(source), data)
        self.agent.receive(data, source, now)
        self.settle()
        self._report(now)
        return True

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
        if hop.transport not in ("udp", "tcp", "tls"):
            self.agent.unreachable(hop, self._clock.now())
        elif (hop.port and is_address(hop.host)) or (hop.flow and self._connections.is_open(hop.flow)):
            self._transmit(data, hop, hop)
        elif (place := self.resolver.known(hop._replace(flow=0))) is not None:
            self._transmit(data, hop, place)
        elif hop in self._waiting or len(self._lookups) < _LOOKUPS:
            self._waiting.setdefault(hop, deque(maxlen=_WAITING)).append(data)
            if hop not in self._lookups:
                self._lookups[hop] = self._loop.create_task(self._look_up_and_send(hop), name="sip lookup")
        else:
            self.agent.dropped["lookups"] += 1

    def _transmit(self, data: bytes, hop: Hop, place: Hop) -> None:
        """Send what is for `hop` to `place`, where that was found to be."""
        if place is not hop:
            if len(self._led) >= _LED:
                self._led.clear()
            self._led[hop._replace(flow=0)] = place
        if self.tap is not None:
            peer = self._connections.peer(hop) if hop.reliable else None
            self.tap(hop.transport, self._own_address(hop), peer or place[1:3], data)
        if hop.transport != "udp":
            self._connections.send(data, hop, place)
            return
        try:
            self._datagrams.send(data, place.host, place.port)
        except BlockingIOError:
            self.agent.dropped["send buffer full"] += 1  # As if lost on the way: it is sent again.
        except OSError:
            self.agent.dropped["unreachable"] += 1
            self.agent.unreachable(hop, self._clock.now())

    async def _look_up_and_send(self, hop: Hop) -> None:
        try:
            places = await self.resolver.find_hop(hop._replace(flow=0))
        except SipError:
            self._waiting.pop(hop, None)
            self.agent.unreachable(hop, self._clock.now())
        else:
            for data in self._waiting.pop(hop, ()):
                self._transmit(data, hop, places[0])
        finally:
            self._lookups.pop(hop, None)
        self.settle()

    # --- our own address --------------------------------------------------------------------------

    def _own_address(self, hop: Hop) -> Address:
        """Host and port by which the other end of `hop` reaches us over its transport."""
        there = self._address_of(hop)
        versions = self._datagrams.versions
        version = version_of(there) if there and version_of(there) in versions else versions[0]
        _, port = self._datagrams.address(version)
        if hop.transport != "udp":
            port = self._ports.get(hop.transport, self._ports.get(f"{hop.transport}{version}", port))
        if self._is_near(hop):
            return self._datagrams.local_host(there), port
        if self._reached.host and (
            not is_address(self._reached.host) or version_of(self._reached.host) == version
        ):
            return self._reached.host, (self._reached.port if hop.transport != "tls" else 0) or port
        if (learned := self._outside.learned.get(version)) and not (there and is_private(there)):
            return learned[0], learned[1] if hop.transport == "udp" else port
        return self._datagrams.local_host(there) if there else self._datagrams.address(version)[0], port

    def _another(self, hop: Hop) -> bool:
        """Nothing comes of what is sent to this hop: whether its name has another server."""
        key = hop._replace(flow=0)
        return not is_address(hop.host) and self.resolver.another(key, self._led.get(key))

    def _seen_as(self, hop: Hop, host: str, port: int) -> None:
        """Whoever is asked over UDP says from where: that is the address by which it can ask us."""
        if hop.transport == "udp" and not self._closed:
            self._seen.note(hop, (host, port), ours=self._local_address(hop))

    def _seen_by(self, hop: Hop) -> Address | None:
        """For our Contact alone: it says nothing of other ports, and Via says what we believe ourselves."""
        if hop.transport != "udp" or self._reached.host or self._is_near(hop):
            return None
        return self._seen.by(hop)

    def _local_address(self, hop: Hop) -> Address:
        """The address of this machine that datagrams to the other end of `hop` leave from."""
        there, versions = self._address_of(hop), self._datagrams.versions
        version = version_of(there) if there and version_of(there) in versions else versions[0]
        host, port = self._datagrams.address(version)
        return (self._datagrams.local_host(there) if there else host), port

    def _address_of(self, hop: Hop) -> str:
        """The address of a hop, where it is known; else nothing."""
        if is_address(hop.host):
            return hop.host
        place = self.resolver.known(hop._replace(flow=0))
        return place.host if place is not None else ""

    def _is_near(self, hop: Hop) -> bool:
        there = self._address_of(hop)
        return bool(there) and self._reached.is_local(there)
