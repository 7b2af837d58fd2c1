"""The edge of DNS: asks the questions of `locate.py`, remembers the answers, and never holds up the loop.

Names without a dot (`localhost`, a container's name) and what DNS does not know are asked of the system, for
its own table of hosts, unless `nameservers` are given: then nobody else is asked.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Sequence
from typing import Any

import structlog

from trunkline.clock import Clock
from trunkline.errors import ConfigError, SipError
from trunkline.sip.hop import Hop, is_address
from trunkline.sip.locate import Bench, Finding, Naptr, Question, Record, Srv, places_at, places_of
from trunkline.sip.uri import Uri

logger = structlog.get_logger("sip")

_QUESTION_SECONDS = 3.0
_FIND_SECONDS = 8.0
"""For all questions about one address."""
_LEAST_SECONDS, _MOST_SECONDS = 5.0, 3_600.0
"""How long an answer is remembered, whatever its own time to live says."""
_NOTHING_SECONDS = 30.0
"""How long it is remembered that there is no answer."""
_SYSTEM_SECONDS = 60.0
"""How long the system's word is: it does not say how long it holds."""
_REMEMBERED = 512
_FAMILIES = {"A": socket.AF_INET, "AAAA": socket.AF_INET6}


class Resolver:
    """Finds the servers behind addresses. `families` as in `places_of`; `nameservers`: `HOST[:PORT]`."""

    def __init__(
        self, clock: Clock, families: Sequence[str] = ("A",), nameservers: Sequence[str] = ()
    ) -> None:
        """Raises `ConfigError` for a name server that is no address."""
        self._clock = clock
        self._families = tuple(families)
        self._own = tuple(_nameserver(text) for text in nameservers)
        self._known: dict[Question, tuple[tuple[Record, ...], float]] = {}
        self._places: dict[Hop, tuple[list[Hop], float]] = {}
        self._dns = self._dnspython()
        """None on a machine that knows of no name server."""
        self.bench = Bench()

    async def find(self, uri: Uri) -> list[Hop]:
        """Where `uri` leads, those that answer first. Raises `SipError` where that cannot be told."""
        finding = places_of(
            uri, families=self._families, transports=("udp", "tcp", "tls"), chance=random.random
        )
        return await self._find(finding, uri.host)

    async def find_hop(self, hop: Hop) -> list[Hop]:
        """The same for a hop whose host is a name. What was found is also `known` for a while."""
        found = await self._find(places_at(hop, families=self._families, chance=random.random), hop.host)
        if len(self._places) >= _REMEMBERED:
            self._places.clear()
        self._places[hop] = (found, self._clock.now() + _LEAST_SECONDS)
        return found

    def known(self, hop: Hop) -> Hop | None:
        """Where a hop leads, if that was found out lately."""
        known = self._places.get(hop)
        now = self._clock.now()
        if known is None or known[1] <= now:
            return None
        return self.bench.sort(known[0], now)[0]

    def another(self, hop: Hop, place: Hop | None) -> bool:
        """The server at `place`, where this hop led last, does not answer (None: nothing was sent yet). Gives
        whether there is one that does, as far as is known."""
        found, now = self._places.get(hop, ([], 0.0))[0], self._clock.now()
        if place is not None and place in found and not self.bench.is_out(place, now):
            self.bench.failed(place, now)
        return any(not self.bench.is_out(other, now) for other in found)

    async def _find(self, finding: Finding, host: str) -> list[Hop]:
        try:
            async with asyncio.timeout(_FIND_SECONDS):
                found = await self._drive(finding)
        except TimeoutError as error:
            raise SipError(
                f"{host} was not found in time", where="sip", hint="Is the DNS working?"
            ) from error
        if not found:
            raise SipError(f"{host} has no address that can be reached from here", where="sip")
        return self.bench.sort(found, self._clock.now())

    async def _drive(self, finding: Finding) -> list[Hop]:
        try:
            question = next(finding)
            while True:
                question = finding.send(await self._answer(question))
        except StopIteration as done:
            found: list[Hop] = done.value
            return found

    async def _answer(self, question: Question) -> tuple[Record, ...]:
        now = self._clock.now()
        known = self._known.get(question)
        if known is not None and known[1] > now:
            return known[0]
        records, seconds = await self._ask(question)
        while len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known.pop(question, None)
        self._known[question] = (records, now + seconds)
        return records

    async def _ask(self, question: Question) -> tuple[tuple[Record, ...], float]:
        if self._own or ("." in question.name and not question.name.endswith(".local")):
            records, seconds = await self._ask_dns(question)
            if records or self._own:
                return records, seconds
        if question.kind in _FAMILIES:
            return await self._ask_system(question), _SYSTEM_SECONDS
        return (), _NOTHING_SECONDS

    async def _ask_dns(self, question: Question) -> tuple[tuple[Record, ...], float]:
        import dns.exception

        if self._dns is None:
            return (), _NOTHING_SECONDS
        try:
            answer = await self._dns.resolve(question.name, question.kind, lifetime=_QUESTION_SECONDS)
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            # Nothing of this kind, no such name, or nobody who knows: the next question may do better.
            logger.debug("dns", kind=question.kind, name=question.name, error=type(error).__name__)
            return (), _NOTHING_SECONDS
        records = tuple(_record(question.kind, record) for record in answer)
        return records, min(max(float(answer.rrset.ttl), _LEAST_SECONDS), _MOST_SECONDS)

    def _dnspython(self) -> Any:
        # Here and not when the first name is looked up: reading its code would hold up calls by 0.1 s.
        import dns.asyncresolver
        import dns.nameserver
        import dns.rdtypes.IN.NAPTR
        import dns.rdtypes.IN.SRV
        import dns.resolver

        try:
            resolver = dns.asyncresolver.Resolver(configure=not self._own)
        except dns.resolver.NoResolverConfiguration:
            return None
        if self._own:
            resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in self._own]
        return resolver

    @staticmethod
    async def _ask_system(question: Question) -> tuple[Record, ...]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                question.name, None, family=_FAMILIES[question.kind], type=socket.SOCK_DGRAM
            )
        except (OSError, UnicodeError):
            return ()  # No such name; who asked is told so.
        return tuple(dict.fromkeys(str(info[4][0]) for info in found))


def _record(kind: str, record: Any) -> Record:
    if kind == "NAPTR":
        return Naptr(
            record.order,
            record.preference,
            record.flags.decode("ascii", "replace"),
            record.service.decode("ascii", "replace"),
            record.replacement.to_text(omit_final_dot=True),
        )
    if kind == "SRV":
        return Srv(record.priority, record.weight, record.port, record.target.to_text(omit_final_dot=True))
    return str(record.address)


def _nameserver(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "")
    host = host.strip("[]")
    if not is_address(host) or (colon and not (port.isascii() and port.isdigit() and int(port) < 65_536)):
        raise ConfigError(
            f"{text!r} is no name server", where="sip.nameservers", hint="Write ADDRESS or ADDRESS:PORT"
        )
    return host, int(port or 53)
