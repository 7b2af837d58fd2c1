"""The calls of all carriers of a process: made here, found again by their ids, let in by tickets.

A ticket is a word that nobody can guess, given to the carrier in our answer to a signed webhook and
shown by the stream that follows. It is good for one stream, for a short time. So a stream for a call
that nobody announced has nothing to show.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from trunkline.clock import Clock
from trunkline.errors import CallRefused, TrunklineError
from trunkline.legs.call_control import CallControl, StreamSettings
from trunkline.legs.carried_leg import CarriedLeg
from trunkline.legs.leg import LegInfo
from trunkline.legs.rtp_leg import RtpLeg
from trunkline.legs.websocket_leg import StreamLeg
from trunkline.rtp.pacer import Pacer

WAITING_CALLS = 64
"""Inbound calls that nobody has taken from `calls()` yet; more are turned away."""
TICKET_SECONDS = 60.0
TICKETS_BOUND = 10_000
_CLOSE_SECONDS = 5.0

logger = structlog.get_logger(__name__)
L = TypeVar("L", bound=CarriedLeg)


@dataclass(slots=True)
class _Ticket:
    leg: CarriedLeg
    until: float


class Switchboard:
    """Shared by the carriers of a process and their front."""

    def __init__(self, clock: Clock, pacer: Pacer, settings: StreamSettings | None = None) -> None:
        self.clock = clock
        self.settings = settings or StreamSettings()
        self.draining = False
        """No new inbound call is taken."""
        self.pacer = pacer
        self._legs: dict[tuple[str, str], CarriedLeg] = {}
        self._tickets: dict[str, _Ticket] = {}
        self._incoming: asyncio.Queue[CarriedLeg | None] = asyncio.Queue(WAITING_CALLS + 1)
        self._releases: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def active(self) -> int:
        """Calls that are not over."""
        return len(set(self._legs.values()))

    @property
    def full(self) -> bool:
        """Whether an inbound call would be turned away now."""
        return self.draining or self._incoming.qsize() >= WAITING_CALLS

    async def calls(self) -> AsyncIterator[CarriedLeg]:
        """Inbound calls, as they are announced. Ends when the board closes."""
        while True:
            leg = await self._incoming.get()
            if leg is None:
                return
            if not leg.ended:
                yield leg

    def ring(self, info: LegInfo, control: CallControl, *, rate: int = 8000) -> StreamLeg:
        """An inbound call was announced. Raises `CallRefused` where it cannot be taken now, or where
        there is a call of this id already."""
        return self._ring(StreamLeg, info, control, rate)

    def ring_rtp(self, info: LegInfo, control: CallControl, *, rate: int = 8000) -> RtpLeg:
        """The same of a call whose sound is RTP of our own."""
        return self._ring(RtpLeg, info, control, rate)

    def place(self, info: LegInfo, control: CallControl, *, rate: int = 8000) -> StreamLeg:
        """A call of our own. Raises `CallRefused` where there is a call of this id already."""
        return self._make(StreamLeg, info, control, rate)

    def place_rtp(self, info: LegInfo, control: CallControl, *, rate: int = 8000) -> RtpLeg:
        """The same of a call whose sound is RTP of our own."""
        return self._make(RtpLeg, info, control, rate)

    def _ring(self, kind: type[L], info: LegInfo, control: CallControl, rate: int) -> L:
        if self.full:
            raise CallRefused("no call can be taken now", where=info.kind)
        leg = self._make(kind, info, control, rate)
        self._incoming.put_nowait(leg)
        return leg

    def _make(self, kind: type[L], info: LegInfo, control: CallControl, rate: int) -> L:
        key = (info.kind, info.call_id)
        if key in self._legs or self._closed:
            raise CallRefused("a call that is there already", where=info.kind)
        leg = kind(self.clock, self.pacer, info, control, self.settings, rate=rate, on_over=self._forget)
        self._legs[key] = leg
        return leg

    def name(self, leg: CarriedLeg, call_id: str) -> None:
        """A call that we placed is known to its carrier by this id: records show it, and it is found by
        it. Raises `CallRefused` where another call has it."""
        key = (leg.info.kind, call_id)
        if self._legs.get(key, leg) is not leg:
            raise CallRefused("a call that is there already", where=leg.info.kind)
        leg.info = replace(leg.info, call_id=call_id)
        if not leg.ended:
            self._legs[key] = leg

    def find(self, kind: str, call_id: str) -> CarriedLeg | None:
        """The call of this id, unless it is over."""
        return self._legs.get((kind, call_id))

    def ticket(self, leg: CarriedLeg, seconds: float = TICKET_SECONDS) -> str:
        """A word with which one stream may join this call within so many seconds. The ones before it
        are worthless now."""
        now = self.clock.now()
        stale = [word for word, one in self._tickets.items() if one.until < now or one.leg is leg]
        for word in stale:
            del self._tickets[word]
        if len(self._tickets) >= TICKETS_BOUND:
            raise CallRefused("too many streams are expected already", where=leg.info.kind)
        word = secrets.token_urlsafe(24)
        self._tickets[word] = _Ticket(leg, now + seconds)
        return word

    def expects(self, word: str) -> bool:
        """Whether a stream that shows this would be let in."""
        one = self._tickets.get(word)
        return one is not None and one.until >= self.clock.now() and not one.leg.ended

    def admit(self, word: str, kind: str, call_id: str = "") -> StreamLeg:
        """The call that a stream may join by this ticket, which is used up by it. Raises
        `CallRefused` where the ticket is none, or is for another call than the stream says."""
        if not self.expects(word):
            raise CallRefused("a stream for a call that nobody announced", where=kind)
        leg = self._tickets.pop(word).leg
        if leg.info.kind != kind or (call_id and call_id != leg.info.call_id):
            raise CallRefused("a stream with the ticket of another call", where=kind)
        assert isinstance(leg, StreamLeg)
        return leg

    async def close(self) -> None:
        """End what is left, and everything that ran for it."""
        self.draining = self._closed = True
        legs = set(self._legs.values())
        if legs:
            ends = [asyncio.ensure_future(_end(leg)) for leg in legs]
            await asyncio.wait(ends, timeout=_CLOSE_SECONDS)
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        for leg in list(self._legs.values()):
            leg.end("the service stops")
        await asyncio.gather(*self._releases, return_exceptions=True)
        while self._incoming.full():
            self._incoming.get_nowait()
        self._incoming.put_nowait(None)

    def _forget(self, leg: CarriedLeg) -> None:
        for key in [key for key, one in self._legs.items() if one is leg]:
            del self._legs[key]
        for word in [word for word, one in self._tickets.items() if one.leg is leg]:
            del self._tickets[word]
        task = asyncio.get_running_loop().create_task(leg.release(), name="stream release")
        self._releases.add(task)
        task.add_done_callback(self._releases.discard)


async def _end(leg: CarriedLeg) -> None:
    try:
        await leg.hang_up("the service stops")
    except TrunklineError as error:
        logger.warning("not hung up", call_id=leg.info.call_id, error=error.for_log())
