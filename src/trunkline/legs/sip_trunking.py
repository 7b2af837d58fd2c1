"""The trunks of one service: registered, known by their addresses, and tried one after the other."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from trunkline.clock import Clock
from trunkline.errors import SipError
from trunkline.legs.sip_trunk import Trunk, TrunkChoice
from trunkline.sip.digest import Credentials
from trunkline.sip.endpoint import SipEndpoint
from trunkline.sip.fields import NameAddress
from trunkline.sip.hop import Hop, hop_to
from trunkline.sip.not_taken import CallNotTaken, Why
from trunkline.sip.ping import ping
from trunkline.sip.registration import Account, News, Registration, Standing
from trunkline.sip.uri import Uri, escape_user

logger = structlog.get_logger("sip")

_UNREGISTER_SECONDS = 2.0
_LOOK_AGAIN_SECONDS = 60.0
"""How often a trunk's servers are looked up again: DNS may have moved them."""
_ANEW_SECONDS = 1.0, 4.0
"""When to register again after its connection broke, and by how much chance delays that: a server that
restarts is not to be met by everybody at once."""
_HOSTS = 4_096
"""Addresses that it is remembered of whose they are."""
EMPTY_LINES = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to place a call. `trunk` is None where the address itself says where to go."""

    target: Uri
    hop: Hop
    sender: NameAddress
    credentials: tuple[Credentials, ...] = ()
    trunk: Trunk | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """What stands beside From."""


class SipTrunking:
    """Made by `SipService`, from its settings' trunks."""

    def __init__(self, trunks: Sequence[Trunk], clock: Clock) -> None:
        """Raises `ConfigError` for two trunks of one name."""
        self._choice = TrunkChoice(trunks)
        self._clock = clock
        self._places: dict[str, tuple[Hop, ...]] = {}
        """Each trunk's servers, as far as these are known."""
        self._whose: dict[str, Trunk | None] = {}
        """Whose an address is, for those that were asked for lately."""
        self._registrations: dict[str, Registration] = {}
        self._news: dict[str, News] = {}
        self._out: set[str] = set()
        """Trunks that did not answer the last OPTIONS."""
        self._not_found: set[str] = set()
        self._unregistered = asyncio.Event()
        self._tending: list[asyncio.Task[None]] = []
        self._timers: set[asyncio.TimerHandle] = set()
        self._endpoint: SipEndpoint

    def __bool__(self) -> bool:
        return bool(self._choice.trunks)

    async def open(self, endpoint: SipEndpoint) -> None:
        """Learn the trunks' addresses, and register where that is asked for. What fails is logged and
        tried again: a trunk that is down must not keep the others from working."""
        self._endpoint = endpoint
        endpoint.agent.credentials_for = lambda source: self._credentials(source.host)
        endpoint.trust(self.is_known)
        endpoint.when_broken(self._broken)
        endpoint.when_moved(self._register_all_anew)
        trunks = list(self._choice.trunks.values())
        places = await asyncio.gather(*(self._locate(trunk) for trunk in trunks))
        for trunk, found in zip(trunks, places, strict=True):
            if trunk.register:
                self._register(trunk, found[0] if found else hop_to(trunk.uri))
        endpoint.settle()
        loop = asyncio.get_running_loop()
        for trunk in trunks:
            self._tending.append(loop.create_task(self._look_after(trunk), name=f"trunk {trunk.name}"))
            if trunk.options_every:
                self._tending.append(loop.create_task(self._ask_after(trunk), name=f"ping {trunk.name}"))
            if trunk.empty_lines_every and trunk.uri.transport == "udp":
                self._tending.append(loop.create_task(self._keep_open(trunk), name=f"nat {trunk.name}"))

    async def _locate(self, trunk: Trunk) -> list[Hop]:
        """A trunk's servers, the first to be tried first; none where they cannot be found."""
        try:
            places = await self._endpoint.places(trunk.uri)
        except SipError as error:
            if trunk.name not in self._not_found:  # said once, not at each call
                self._not_found.add(trunk.name)
                logger.warning("trunk not found", trunk=trunk.name, error=error.what)
            return []
        if trunk.name in self._not_found:
            self._not_found.discard(trunk.name)
            logger.info("trunk found again", trunk=trunk.name)
        if set(places) != set(self._places.get(trunk.name, ())):
            self._places[trunk.name] = tuple(places)
            self._whose.clear()
        return places

    # --- signs of life ----------------------------------------------------------------------------

    async def _look_after(self, trunk: Trunk) -> None:
        while True:
            await self._clock.sleep(_LOOK_AGAIN_SECONDS)
            await self._locate(trunk)

    async def _ask_after(self, trunk: Trunk) -> None:
        """OPTIONS to each of its servers: who does not answer is not called first."""
        while True:
            for place in await self._locate(trunk):
                self._ping(trunk, place)
            self._endpoint.settle()
            await self._clock.sleep(trunk.options_every)

    def _ping(self, trunk: Trunk, place: Hop) -> None:
        def tell(status: int, _: float) -> None:
            if status in (0, 503):
                self._endpoint.failed(place, 2 * trunk.options_every)
            else:
                self._endpoint.answered(place)
            out = all(self._is_out(place) for place in self._places.get(trunk.name, ()))
            if out and trunk.name not in self._out:
                self._out.add(trunk.name)
                logger.warning("trunk does not answer", trunk=trunk.name, status=status)
            elif not out and trunk.name in self._out:
                self._out.discard(trunk.name)
                logger.info("trunk answers again", trunk=trunk.name)

        agent = self._endpoint.agent
        ping(agent.layer, trunk.uri, trunk.caller(""), place, self._clock.now(), tell)

    def _is_out(self, place: Hop) -> bool:
        return self._endpoint.resolver.bench.is_out(place, self._clock.now())

    async def _keep_open(self, trunk: Trunk) -> None:
        while True:
            for place in self._places.get(trunk.name, ()):
                self._endpoint.agent.layer.send(EMPTY_LINES, place)
            self._endpoint.settle()
            await self._clock.sleep(trunk.empty_lines_every)

    # --- registration -----------------------------------------------------------------------------

    def _register(self, trunk: Trunk, hop: Hop) -> None:
        address = replace(trunk.uri, user=escape_user(trunk.user), params={})
        account = Account(trunk.uri, address, trunk.credentials, trunk.expires)

        def tell(news: News) -> None:
            before = self._news.get(trunk.name)
            self._news[trunk.name] = news
            if before is None or before.standing is not news.standing:
                log = logger.warning if news.standing is Standing.FAILED else logger.info
                log(f"trunk {news.standing}", trunk=trunk.name, status=news.status, why=news.reason)
            ended = [other for other in self._news.values() if other.standing is Standing.ENDED]
            if len(ended) == len(self._registrations):
                self._unregistered.set()
            elif news.standing is Standing.FAILED and news.status in (0, 503):
                self._register_elsewhere(trunk)

        agent = self._endpoint.agent
        registration = agent.register(account, hop, self._clock.now(), tell)
        self._registrations[trunk.name] = registration

    def _register_elsewhere(self, trunk: Trunk) -> None:
        """Its server does not answer: another one of the same trunk may (RFC 3263 §4.3)."""
        registration = self._registrations[trunk.name]
        self._endpoint.failed(registration.hop)
        others = [place for place in self._places.get(trunk.name, ()) if not self._is_out(place)]
        if others:
            self._soon(0.0, lambda: registration.again(self._clock.now(), others[0]))

    def _broken(self, place: Hop) -> None:
        """A connection of ours broke: calls to us would have come by it (RFC 5626 §4.4)."""
        for name, registration in self._registrations.items():
            news = self._news.get(name)
            if registration.hop != place or news is None or news.standing is not Standing.REGISTERED:
                continue
            least, more = _ANEW_SECONDS

            def anew(registration: Registration = registration) -> None:
                registration.again(self._clock.now())

            self._soon(least + random.random() * more, anew)

    def _register_all_anew(self) -> None:
        """Calls to us would go to an address that is no longer ours."""
        for registration in self._registrations.values():
            registration.again(self._clock.now())
        self._endpoint.settle()

    def _soon(self, seconds: float, work: Callable[[], None]) -> None:
        def due() -> None:
            self._timers.discard(timer)
            work()
            self._endpoint.settle()

        timer = self._clock.call_at(self._clock.now() + seconds, due)
        self._timers.add(timer)

    # --- whose calls ------------------------------------------------------------------------------

    def is_known(self, host: str) -> bool:
        """Whether this is some trunk's address."""
        return self.trunk_at(host) is not None

    def trunk_at(self, host: str) -> Trunk | None:
        """The trunk that this address belongs to."""
        if host in self._whose:
            return self._whose[host]
        if len(self._whose) >= _HOSTS:
            self._whose.clear()
        found = self._whose[host] = self._find_trunk(host)
        return found

    def _find_trunk(self, host: str) -> Trunk | None:
        for name, places in self._places.items():
            if any(place.host == host for place in places):
                return self._choice.trunks[name]
        return next((trunk for trunk in self._choice.trunks.values() if trunk.is_peer(host)), None)

    def _credentials(self, host: str) -> tuple[Credentials, ...]:
        trunk = self.trunk_at(host)
        return trunk.credentials if trunk is not None else ()

    # --- calls of ours ----------------------------------------------------------------------------

    async def attempts(self, number: str, caller: str, *, hidden: bool = False) -> list[Attempt]:
        """The ways in which a number can be called, the best first: each trunk's servers in turn, trunks
        of which none answers at the end. Raises `CallNotTaken` where there is none."""
        trunks = self._choice.order(number)
        places = await asyncio.gather(*(self._locate(trunk) for trunk in trunks))
        ways = [(trunk, found) for trunk, found in zip(trunks, places, strict=True) if found]
        ways.sort(key=lambda way: all(self._is_out(place) for place in way[1]))
        if not ways:
            why = Why.NOT_REACHABLE if trunks else Why.UNAVAILABLE
            raise CallNotTaken(why, "no trunk can be found" if trunks else f"no trunk takes {number}")
        found_ways = []
        for trunk, found in ways:
            sender, headers = trunk.sender(caller, hidden=hidden)
            target = trunk.target(number)
            found_ways += [Attempt(target, hop, sender, trunk.credentials, trunk, headers) for hop in found]
        return found_ways

    def failed(self, attempt: Attempt, error: CallNotTaken, attempts: deque[Attempt]) -> None:
        """A call came to nothing this way. Its server is tried last for a while, if that is what was wrong,
        and the trunk's other servers are left out where they would only say the same."""
        elsewhere = error.why is Why.NOT_REACHABLE or error.status == 503
        if elsewhere:
            self._endpoint.failed(attempt.hop, float(error.retry_after))
        else:
            left = [other for other in attempts if other.trunk is not attempt.trunk]
            attempts.clear()
            attempts.extend(left)

    def take(self, attempt: Attempt, before: Attempt | None = None) -> bool:
        """Count a call; False where the trunk's limits do not allow one now. `before`: the attempt at the
        same call that came to nothing just now."""
        if attempt.trunk is None:
            return True
        goes_on = before is not None and before.trunk is attempt.trunk
        return self._choice.take(attempt.trunk, self._clock.now(), goes_on=goes_on)

    def give_back(self, attempt: Attempt) -> None:
        """That call, or that attempt at it, is over."""
        if attempt.trunk is not None:
            self._choice.give_back(attempt.trunk)

    async def close(self) -> None:
        """Unregister; waits up to two seconds for the registrars' word."""
        for task in self._tending:
            task.cancel()
        for timer in self._timers:
            timer.cancel()
        await asyncio.gather(*self._tending, return_exceptions=True)
        for registration in self._registrations.values():
            registration.stop(self._clock.now())
        if not self._registrations:
            return
        self._endpoint.settle()
        try:
            async with asyncio.timeout(_UNREGISTER_SECONDS):
                await self._unregistered.wait()
        except TimeoutError:
            pass  # Whoever has not answered by now forgets us when the time runs out.
