"""The trunks of one service: registered, known by their addresses, and tried one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from trunkline.clock import Clock
from trunkline.errors import SipError
from trunkline.legs.sip_trunk import Trunk, TrunkChoice
from trunkline.sip.digest import Credentials
from trunkline.sip.endpoint import SipEndpoint
from trunkline.sip.fields import NameAddress
from trunkline.sip.hop import Hop, hop_to
from trunkline.sip.not_taken import CallNotTaken, Why
from trunkline.sip.registration import Account, News, Registration, Standing
from trunkline.sip.uri import Uri, escape_user

logger = structlog.get_logger("sip")

_UNREGISTER_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to place a call. `trunk` is None where the address itself says where to go."""

    target: Uri
    hop: Hop
    sender: NameAddress
    credentials: tuple[Credentials, ...] = ()
    trunk: Trunk | None = None


class SipTrunking:
    """Made by `SipService`, from its settings' trunks."""

    def __init__(self, trunks: Sequence[Trunk], clock: Clock) -> None:
        """Raises `ConfigError` for two trunks of one name."""
        self._choice = TrunkChoice(trunks)
        self._clock = clock
        self._servers: dict[str, Trunk] = {}
        """Trunks by their servers' addresses, as far as these are known."""
        self._registrations: list[Registration] = []
        self._news: dict[str, News] = {}
        self._unregistered = asyncio.Event()
        self._endpoint: SipEndpoint

    def __bool__(self) -> bool:
        return bool(self._choice.trunks)

    async def open(self, endpoint: SipEndpoint) -> None:
        """Learn the trunks' addresses, and register where that is asked for. What fails is logged and
        tried again: a trunk that is down must not keep the others from working."""
        self._endpoint = endpoint
        endpoint.agent.credentials_for = lambda source: self._credentials(source.host)
        trunks = list(self._choice.trunks.values())
        hops = await asyncio.gather(*(self._locate(trunk) for trunk in trunks))
        for trunk, hop in zip(trunks, hops, strict=True):
            if trunk.register:
                self._register(trunk, hop or hop_to(trunk.uri))
        endpoint.settle()

    async def _locate(self, trunk: Trunk) -> Hop | None:
        try:
            hop = await self._endpoint.locate(trunk.uri)
        except SipError as error:
            logger.warning("trunk not found", trunk=trunk.name, error=error.what)
            return None
        self._servers[self._endpoint.resolved(hop)] = trunk
        return hop

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

        agent = self._endpoint.agent
        self._registrations.append(agent.register(account, hop, self._clock.now(), tell))

    def trunk_at(self, host: str) -> Trunk | None:
        """The trunk that this address belongs to."""
        found = self._servers.get(host)
        if found is not None:
            return found
        return next((trunk for trunk in self._choice.trunks.values() if trunk.is_peer(host)), None)

    def _credentials(self, host: str) -> tuple[Credentials, ...]:
        trunk = self.trunk_at(host)
        return trunk.credentials if trunk is not None else ()

    async def attempts(self, number: str, caller: str) -> list[Attempt]:
        """The ways in which a number can be called, the best first. Raises `CallNotTaken` where there
        is none."""
        trunks = self._choice.order(number)
        hops = await asyncio.gather(*(self._locate(trunk) for trunk in trunks))
        found = [
            Attempt(trunk.target(number), hop, NameAddress(trunk.caller(caller)), trunk.credentials, trunk)
            for trunk, hop in zip(trunks, hops, strict=True)
            if hop is not None
        ]
        if not found:
            why = Why.NOT_REACHABLE if trunks else Why.UNAVAILABLE
            raise CallNotTaken(why, "no trunk can be found" if trunks else f"no trunk takes {number}")
        return found

    def take(self, attempt: Attempt) -> bool:
        """Count a call; False where the trunk's limits do not allow one now."""
        return attempt.trunk is None or self._choice.take(attempt.trunk, self._clock.now())

    def give_back(self, attempt: Attempt) -> None:
        """That call, or that attempt at it, is over."""
        if attempt.trunk is not None:
            self._choice.give_back(attempt.trunk)

    async def close(self) -> None:
        """Unregister; waits up to two seconds for the registrars' word."""
        for registration in self._registrations:
            registration.stop(self._clock.now())
        if not self._registrations:
            return
        self._endpoint.settle()
        try:
            async with asyncio.timeout(_UNREGISTER_SECONDS):
                await self._unregistered.wait()
        except TimeoutError:
            pass  # Whoever has not answered by now forgets us when the time runs out.
