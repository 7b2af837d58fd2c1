"""Two user agents joined by a wire in virtual time, which loses, doubles and delays as a list says."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from trunkline.sip.hop import Hop
from trunkline.sip.layer import Identity
from trunkline.sip.options import Options
from trunkline.sip.session import Phase, Session
from trunkline.sip.signals import Accepted, Ended, Failed, Incoming, Reoffered, Signal
from trunkline.sip.uri import parse_uri
from trunkline.sip.user_agent import UserAgent

OFFER = b"v=0\r\no=- 1 0 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
ANSWER = OFFER.replace(b"192.0.2.1", b"192.0.2.2")


@dataclass(frozen=True)
class Fate:
    """What the wire does with one datagram: how many copies arrive, and after how long."""

    copies: int = 1
    delay: float = 0.01


LOST = Fate(copies=0)


class Ids:
    """Tokens that are the same in each run."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def __call__(self) -> str:
        self._count += 1
        return f"{self._name}{self._count}"


@dataclass
class Phone:
    """A user agent, what it did, and how it answers."""

    name: str
    host: str
    on: Callable[[Phone, Signal, float], None] = lambda phone, signal, at: None
    options: Options | None = None
    signals: list[Signal] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hop = Hop("udp", self.host, 5060)
        identity = Identity(self.name, lambda _: (self.host, 5060))
        self.agent = UserAgent(identity, token=Ids(self.name), options=self.options)

    @property
    def kinds(self) -> list[str]:
        return [type(signal).__name__ for signal in self.signals]

    def session(self) -> Session:
        """The one session that it has had."""
        (session,) = {signal.session for signal in self.signals}
        return session


class Wire:
    """Moves datagrams and the time. `fates` are used up in order of sending; then all arrives."""

    def __init__(self, one: Phone, two: Phone, fates: Iterable[Fate] = ()) -> None:
        self.phones = {one.host: one, two.host: two}
        self.at = 0.0
        self.sent: list[tuple[str, bytes]] = []
        """Who sent what, lost or not."""
        self._fates: Iterator[Fate] = iter(fates)
        self._flying: list[tuple[float, int, str, str, bytes]] = []
        self._planned: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def plan(self, at: float, what: Callable[[], None]) -> None:
        """Have something done at a time."""
        self._count += 1
        heapq.heappush(self._planned, (at, self._count, what))

    def run(self, until: float = 1_000.0) -> None:
        """Let time pass, until nothing is left to happen, or until then."""
        self._settle()
        while (when := self._next()) is not None and when <= until:
            self.at = max(self.at, when)
            if self._planned and self._planned[0][0] <= self.at:
                heapq.heappop(self._planned)[2]()
            elif self._flying and self._flying[0][0] <= self.at:
                _, _, source, target, data = heapq.heappop(self._flying)
                phone = self.phones[target]
                phone.received.append(data)
                phone.agent.receive(data, Hop("udp", source, 5060), self.at)
            else:
                for phone in self.phones.values():
                    phone.agent.advance(self.at)
            self._settle()

    def _next(self) -> float | None:
        times = [phone.agent.next_deadline() for phone in self.phones.values()]
        times += [queue[0][0] for queue in (self._flying, self._planned) if queue]
        return min((time for time in times if time is not None), default=None)

    def _settle(self) -> None:
        for phone in self.phones.values():
            while phone.agent.signals or phone.agent.outbox:
                while phone.agent.signals:
                    signal = phone.agent.signals.popleft()
                    phone.signals.append(signal)
                    phone.on(phone, signal, self.at)
                while phone.agent.outbox:
                    data, hop = phone.agent.outbox.popleft()
                    self._post(phone.host, hop, data)

    def _post(self, source: str, hop: Hop, data: bytes) -> None:
        self.sent.append((source, data))
        fate = next(self._fates, Fate())
        if hop.host not in self.phones:
            return
        for copy in range(fate.copies):
            self._count += 1
            arrival = self.at + fate.delay * (1 + copy)
            heapq.heappush(self._flying, (arrival, self._count, source, hop.host, data))


def answering(phone: Phone, signal: Signal, at: float) -> None:
    """A phone that rings and answers at once, and agrees to every change."""
    if isinstance(signal, Incoming):
        signal.session.ring(at)
        signal.session.accept(ANSWER, at)
    elif isinstance(signal, Reoffered):
        signal.session.accept_change(ANSWER, at)


def call(wire: Wire, one: Phone, two: Phone, body: bytes = OFFER) -> Session:
    """Have `one` call `two`."""
    return one.agent.invite(parse_uri(f"sip:{two.name}@{two.host}"), two.hop, wire.at, body=body)


def is_up(phone: Phone) -> bool:
    """Whether the phone believes that a call is up."""
    return any(session.phase is Phase.CONFIRMED for session in phone.agent.calls)


def outcome(phone: Phone) -> str:
    """How its call came out, as it was told."""
    for signal in reversed(phone.signals):
        if isinstance(signal, Ended | Failed):
            return "over"
        if isinstance(signal, Accepted):
            return "up"
    return "nothing"
