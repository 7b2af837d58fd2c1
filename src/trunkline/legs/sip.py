"""Calls over SIP: one `SipService` for a process and socket, one `SipLeg` for each call.

Start here; `sip_leg.py` is the leg, `trunkline.sip` the signalling, `trunkline.rtp` the media.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import replace

from trunkline.clock import Clock
from trunkline.errors import ParseError, SipError
from trunkline.legs.leg import LegInfo
from trunkline.legs.sip_leg import SipLeg
from trunkline.legs.sip_lines import answer_line, line_of
from trunkline.legs.sip_moving import Following, take_over
from trunkline.legs.sip_ports import MediaPorts
from trunkline.legs.sip_settings import SipSettings
from trunkline.legs.sip_trace import SipTrace, Watcher, trace_of
from trunkline.legs.sip_trunk import Trunk, is_within, number_in
from trunkline.legs.sip_trunking import Attempt, SipTrunking
from trunkline.legs.sip_variables import inbound_info, variable_headers
from trunkline.legs.sip_ways import Begun, Ways
from trunkline.rtp.pacer import Pacer
from trunkline.sip.connections import TlsFiles
from trunkline.sip.digest import Credentials
from trunkline.sip.endpoint import Reached, SipEndpoint
from trunkline.sip.fields import NameAddress, parse_name_address
from trunkline.sip.flood import FloodLimit
from trunkline.sip.hop import Hop, host_text
from trunkline.sip.identity import ANONYMOUS
from trunkline.sip.not_taken import CallNotTaken, Why
from trunkline.sip.options import Options
from trunkline.sip.replaces import replaces_in
from trunkline.sip.session import Session
from trunkline.sip.signals import (
    Accepted,
    AskedToCall,
    Confirmed,
    Ended,
    Failed,
    Incoming,
    Progress,
    Signal,
)
from trunkline.sip.uri import Uri, escape_user, parse_uri

__all__ = ["SipService", "SipSettings", "open_endpoint"]

_WAITING_CALLS = 64
"""Inbound calls that ring and that nobody has taken from `calls()` yet; more are refused with 503."""
_CLOSE_SECONDS = 2.0
HIDDEN = "anonymous"
"""The caller of a call that shows none."""
REPLY_WITHIN = 10.0
"""Seconds without any answer after which an address' next server is tried."""


async def open_endpoint(
    settings: SipSettings, clock: Clock, on_signal: Callable[[Signal], None]
) -> SipEndpoint:
    """Signalling alone, as these settings say. Raises `ConfigError`, `SipError`."""
    return await SipEndpoint.open(
        settings.bind,
        clock,
        on_signal,
        also=settings.bind_also,
        user=escape_user(settings.user),
        reached=Reached(
            settings.advertised_host, settings.advertised_port, settings.local_networks, settings.stun_server
        ),
        most_calls=settings.max_calls,
        tls_bind=settings.tls_bind,
        tls=TlsFiles(
            settings.tls_certificate_file,
            settings.tls_key_file,
            settings.tls_trusted_file,
            settings.tls_demand_certificate,
        ),
        nameservers=settings.nameservers,
        flood=FloodLimit(settings.stranger_rate, settings.strangers_rate),
        options=Options(
            settings.session_expires,
            settings.min_session_expires,
            settings.reliable_provisional,
            settings.redirects,
            settings.accept_refer,
            settings.accept_replaces,
        ),
    )


class SipService:
    """All calls of one socket. `open` it, `dial` or take `calls()`, `close` it."""

    def __init__(self, settings: SipSettings, clock: Clock, pacer: Pacer) -> None:
        self._settings = settings
        self._clock = clock
        self._ports = MediaPorts(settings, clock, pacer)
        self._trunking = SipTrunking(settings.trunks, clock)
        self._legs: dict[Session, SipLeg] = {}
        self._attempts: dict[Session, Attempt] = {}
        self._patience: dict[Session, asyncio.TimerHandle] = {}
        """When a call of ours that nobody has answered in any way is tried elsewhere."""
        self._up: set[Session] = set()
        """Calls whose other end has proved to be where it says."""
        self._strangers: set[Session] = set()
        """Calls in that came by no trunk."""
        self._incoming: asyncio.Queue[SipLeg | None] = asyncio.Queue(_WAITING_CALLS + 1)
        self._releases: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self.tell: Callable[[str], object] = lambda _: None
        """Told what people at test lines should see."""
        self.screen: Callable[[LegInfo], int] = lambda _: 0
        """Gives the status with which a call is refused before it rings; 0: it is not."""
        self._endpoint: SipEndpoint
        self._trace: SipTrace | None = None

    @classmethod
    async def open(cls, settings: SipSettings, clock: Clock, pacer: Pacer) -> SipService:
        """Listen. Raises `ConfigError` for settings that cannot be, `SipError` where the address
        cannot be had."""
        service = cls(settings, clock, pacer)
        service._endpoint = await open_endpoint(settings, clock, service._on_signal)
        service._ports.endpoint = service._endpoint
        service._trace = await trace_of(settings, clock, service._endpoint)
        service._ports.watcher = service._trace
        service._endpoint.agent.accepts = service._accepts
        service._endpoint.agent.refused_with = settings.refused_with
        await service._trunking.open(service._endpoint)
        service._endpoint.trust(
            lambda host: service._trunking.is_known(host) or is_within(host, settings.never_flooding)
        )
        return service

    def _accepts(self, source: Hop) -> bool:
        settings = self._settings
        if settings.denied and is_within(source.host, settings.denied):
            return False
        return (
            not settings.known_peers_only
            or self._trunking.trunk_at(source.host) is not None
            or is_within(source.host, settings.allowed)
        )

    def watch(self, watcher: Watcher) -> None:
        """Have this one told of all messages, and of the media of calls that begin from now on."""
        self._ports.watcher = watcher
        self._endpoint.tap = watcher.saw

    @property
    def endpoint(self) -> SipEndpoint:
        """The signalling under it, for who examines it."""
        return self._endpoint

    @property
    def address(self) -> tuple[str, int]:
        """Where it really listens."""
        return self._endpoint.address

    @property
    def tls_port(self) -> int:
        """Where it listens for TLS; 0 where it does not."""
        return self._endpoint.tls_port

    @property
    def active(self) -> int:
        """Calls that signalling still knows, those that are just ending too."""
        return len(self._legs)

    async def dial(
        self,
        uri: str,
        *,
        caller: str = "",
        variables: Mapping[str, str] | None = None,
        credentials: tuple[Credentials, ...] = (),
        elsewhere: bool = False,
    ) -> SipLeg:
        """Call `uri`: an address, or a number where there are trunks. Returns once the INVITE is sent; the
        leg's `answer()` waits for the outcome. Where one trunk is out of order the leg tries the next.

        `caller`: an address (`sip:…`, `"Name" <sip:…>`), a number, or a name to show; "anonymous": none
        is shown. `variables` go along as X- headers, `user_to_user` as User-to-User; `credentials` answer
        challenges, all through the call. `elsewhere`: whoever asks will call somewhere else where this comes
        to nothing, so that silence is not waited out. Raises
        `ParseError` for what is no address, `CallNotTaken` where it cannot be reached or the service
        closes, `MediaError` where no media port is free.
        """
        if self._closing or self._endpoint.agent.draining:
            raise CallNotTaken(Why.UNAVAILABLE, "the service is stopping")
        headers = variable_headers(variables or {})
        number = number_in(uri) if self._trunking else ""
        if number:
            hidden = caller.lower() == HIDDEN
            attempts = await self._trunking.attempts(number, "" if hidden else caller, hidden=hidden)
        else:
            attempts = await self._straight(uri, caller, credentials)
        ports = await self._ports.open_for(attempt.hop for attempt in attempts)

        def invite(attempt: Attempt, offer: bytes, *, more: bool) -> Session:
            return self._invite(attempt, offer, headers, more=more)

        ways = Ways(attempts, ports, self._ports, self._trunking, invite, more=elsewhere)
        try:
            begun = ways.go()
            if begun is None:
                raise CallNotTaken(Why.UNAVAILABLE, "every trunk is at its limit")
        except (SipError, CallNotTaken):
            await ways.close()
            raise
        session = begun.session
        caller_uri = str(session.invite.from_.uri)
        info = LegInfo(session.invite.call_id, "outbound", caller_uri, uri, "sip", dict(variables or {}))
        leg = self._leg(session, info, session.hop)
        leg.spare = tuple(ways.media)
        self._goes(leg, begun)
        leg.another_way = lambda error: self._another_way(leg, ways, error)
        self._endpoint.settle()
        return leg

    def _goes(self, leg: SipLeg, begun: Begun) -> None:
        self._legs[begun.session] = leg
        trunk = self._attempts[begun.session].trunk
        leg.trunk = trunk.name if trunk is not None else ""
        leg.begin(begun.media, begun.terms)

    def _another_way(self, leg: SipLeg, ways: Ways, error: CallNotTaken) -> Session | None:
        """A way came to nothing, of which `error` tells: call the next one."""
        attempt = self._attempts.get(leg.session)
        if attempt is not None:
            self._trunking.failed(attempt, error, ways.left)
            doubt = self._endpoint.distrusted if attempt.hop.transport == "tls" else ""
            if doubt and error.why is Why.NOT_REACHABLE:
                error.what += f": its certificate does not convince ({doubt})"
        if self._closing or self._endpoint.agent.draining or (begun := ways.go(attempt)) is None:
            return None
        self._goes(leg, begun)
        return begun.session

    async def _straight(self, uri: str, caller: str, credentials: tuple[Credentials, ...]) -> list[Attempt]:
        target = parse_uri(uri)
        if target.scheme not in ("sip", "sips"):
            raise ParseError(f"{uri!r} is no SIP address", where="sip")
        try:
            places = await self._endpoint.places(target)
        except SipError as error:
            raise CallNotTaken(Why.NOT_REACHABLE, error.what) from error
        if caller.lower() == HIDDEN:
            privacy = {"Privacy": "id"}
            return [Attempt(target, hop, ANONYMOUS, credentials, headers=privacy) for hop in places]
        return [Attempt(target, hop, self._sender(caller, hop), credentials) for hop in places]

    def _invite(self, attempt: Attempt, offer: bytes, headers: dict[str, str], *, more: bool) -> Session:
        """Call one way. `more`: there are others, so that silence is not waited out."""
        session = self._endpoint.agent.invite(
            attempt.target,
            attempt.hop,
            self._clock.now(),
            body=offer,
            caller=attempt.sender,
            headers={**attempt.headers, **headers},
            credentials=attempt.credentials,
        )
        self._attempts[session] = attempt
        if more:
            now = self._clock.now()
            seconds = attempt.trunk.reply_within if attempt.trunk is not None else REPLY_WITHIN

            def give_up() -> None:
                session.no_sign_of_life(self._clock.now())
                self._endpoint.settle()

            self._patience[session] = self._clock.call_at(now + seconds, give_up)
        return session

    async def calls(self) -> AsyncIterator[SipLeg]:
        """Calls that come in, ringing, but for those to test lines. Ends when the service closes."""
        while True:
            leg = await self._incoming.get()
            if leg is None:
                return
            if self._settings.test_lines and (line := line_of(leg.info)):
                self._keep(answer_line(line, leg, self._clock, self.tell), "test line")
            elif not leg.ended:
                yield leg

    def drain(self) -> None:
        """Take no new calls: they get 503 with Retry-After. Those that are up go on."""
        self._endpoint.agent.draining = True

    async def close(self) -> None:
        """End what is left, wait up to two seconds for the other ends' word, and close everything."""
        if self._closing:
            return
        self._closing = True
        self.drain()
        for leg in list(self._legs.values()):
            await leg.hang_up("the service stops")
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._idle.wait()
        except TimeoutError:
            pass  # Whoever has not answered our BYE by now does not learn of it.
        for leg in list(self._legs.values()):
            self._forget(leg)
        await self._trunking.close()
        await self._endpoint.close()
        await asyncio.gather(*self._releases, return_exceptions=True)
        if self._trace is not None:
            await asyncio.to_thread(self._trace.close)
        while self._incoming.full():
            self._incoming.get_nowait()
        self._incoming.put_nowait(None)

    # --- signals ----------------------------------------------------------------------------------

    def _on_signal(self, signal: Signal) -> None:
        if isinstance(signal, Incoming):
            self._ring(signal)
            return
        leg = self._legs.get(signal.session)
        if leg is None:
            return
        if isinstance(signal, Accepted | Confirmed) and signal.session not in self._up:
            self._up.add(signal.session)
            self._endpoint.flood.begin(signal.session.hop.host)
        if (attempt := self._attempts.get(signal.session)) is not None and isinstance(signal, Progress):
            self._endpoint.answered(attempt.hop)
        leg.take(signal)
        if leg.gone:
            self._forget(leg)
        elif isinstance(signal, Failed | Ended):
            self._drop(signal.session)  # The leg goes on by another trunk, or with somebody else.

    def _ring(self, signal: Incoming) -> None:
        session = signal.session
        if signal.replaces is not None:
            self._replace(session, signal.replaces, signal.at)
            return
        trunk = self._trunking.trunk_at(session.hop.host)
        if self._incoming.qsize() >= self._room(trunk) or (trunk is None and self._too_many_strangers()):
            session.refuse(503, signal.at, headers=(("Retry-After", "5"),))
            return
        offer = session.invite.body
        if offer:
            try:
                self._ports.terms(session.hop).answer(offer)
            except (SipError, ParseError):
                session.refuse(488, signal.at)
                return
        info = inbound_info(session, trunk.name if trunk is not None else "", self._settings.headers)
        if status := self.screen(info):
            session.refuse(status, signal.at)
            return
        leg = self._leg(session, info, session.hop)
        if trunk is None:
            self._strangers.add(session)
        session.ring(signal.at)
        self._incoming.put_nowait(leg)

    def _room(self, trunk: Trunk | None) -> int:
        """How many calls may wait when this one comes: strangers leave a quarter of it to trunks."""
        return _WAITING_CALLS if trunk is not None or not self._trunking else _WAITING_CALLS * 3 // 4

    def _too_many_strangers(self) -> bool:
        most = self._settings.max_stranger_calls
        return bool(most) and len(self._strangers) >= most

    def _replace(self, session: Session, old: Session, at: float) -> None:
        leg = self._legs.get(old)
        if leg is None or leg.session is not old or leg.media is None or leg.ended:
            session.refuse(481, at)
            return
        self._legs[session] = leg
        take_over(leg, session, self._ports.terms(session.hop, leg.media), at)

    def _follow(self, leg: SipLeg, asked: AskedToCall) -> None:
        self._keep(self._call_in_place(leg, asked), "sip referral")

    async def _call_in_place(self, leg: SipLeg, asked: AskedToCall) -> None:
        """Call whom the other end of `leg` asks for, and go on there if they answer."""
        agent = self._endpoint.agent
        target = replace(asked.target, params={k: v for k, v in asked.target.params.items() if k != "method"})
        try:
            hop = await self._endpoint.locate(target)
            if leg.media is None or leg.ended or self._closing:
                raise SipError("the call is over", where="sip")
            terms = self._ports.terms(hop, leg.media)
            headers = {"Referred-By": asked.by, "Replaces": replaces_in(target)}
            session = agent.invite(
                target,
                hop,
                self._clock.now(),
                body=terms.offer(),
                caller=self._sender("", hop),
                headers={name: value for name, value in headers.items() if value},
                credentials=agent.credentials_for(hop),
            )
        except SipError:
            asked.session.referrals.news(503, "Service Unavailable", self._clock.now())
        else:
            self._legs[session] = leg
            leg.follows(Following(leg, asked.session, session, terms))
        self._endpoint.settle()

    def _leg(self, session: Session, info: LegInfo, hop: Hop) -> SipLeg:
        leg = SipLeg(
            self._clock,
            session,
            info,
            settle=self._endpoint.settle,
            open_media=lambda: self._ports.open(hop),
            make_terms=lambda media: self._ports.terms(hop, media),
            ring_timeout=self._settings.ring_timeout,
        )
        leg.follow = self._follow
        self._legs[session] = leg
        self._idle.clear()
        return leg

    def _forget(self, leg: SipLeg) -> None:
        for session in [session for session, other in self._legs.items() if other is leg]:
            self._drop(session)
        self._keep(leg.release(), "sip release")

    def _drop(self, session: Session) -> None:
        del self._legs[session]
        if not self._legs:
            self._idle.set()
        self._strangers.discard(session)
        if session in self._up:
            self._up.discard(session)
            self._endpoint.flood.end(session.hop.host)
        if (timer := self._patience.pop(session, None)) is not None:
            timer.cancel()
        if (attempt := self._attempts.pop(session, None)) is not None:
            self._trunking.give_back(attempt)

    def _keep(self, work: Coroutine[None, None, None], name: str) -> None:
        """Have work done that ends with its call, and is waited for when the service closes."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._releases.add(task)
        task.add_done_callback(self._releases.discard)

    # --- who calls ----------------------------------------------------------------------------------

    def _sender(self, caller: str, hop: Hop) -> NameAddress:
        host, port = self._endpoint.agent.layer.identity.address(hop)
        user = escape_user(self._settings.user)
        if not caller:
            return NameAddress(Uri("sip", user, host_text(host), port))
        if "sip:" in caller or "sips:" in caller:
            address = parse_name_address(caller)
            return NameAddress(address.uri, address.display)
        if caller.strip("+-.() ").replace(" ", "").isalnum() and any(char.isdigit() for char in caller):
            return NameAddress(Uri("sip", escape_user(caller.strip()), host_text(host), port))
        return NameAddress(Uri("sip", user, host_text(host), port), " ".join(caller.split()))
