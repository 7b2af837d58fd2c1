"""The beat of every call's media: one absolute 20 ms clock for the whole process.

Calls are spread over slots within the 20 ms, so that a hundred of them do not all work at once. A wake
that comes late never leads to a burst: each call ticks once and is told how many ticks it missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from trunkline.audio.frame import FRAME_SECONDS
from trunkline.clock import Clock
from trunkline.errors import MediaError

Tick = Callable[[float], None]
"""Called each 20 ms with the present time."""
_EARLY = 0.001
"""Loops count timers in whole milliseconds, so a wake may be this much too early and still be it."""


class Ticket:
    """One call's place on the beat. `skipped`: whole ticks that were missed before the present one."""

    __slots__ = ("_failed", "_pacer", "_place", "between", "skipped", "tick")

    def __init__(self, pacer: Pacer, place: int, tick: Tick) -> None:
        self._pacer = pacer
        self._place = place
        self._failed = False
        self.tick = tick
        self.skipped = 0
        self.between: Tick | None = None

    def tick_between(self, tick: Tick | None) -> None:
        """Have `tick` called too, 10 ms after each of the others; None: no longer."""
        self.between = tick
        self._pacer._between(self, self._place, wanted=tick is not None)

    def remove(self) -> None:
        """No more ticks; may be called more than once, and from within a tick. Who ticked is let go of."""
        self._pacer._remove(self, self._place)
        self.tick, self.between = _nothing, None


class _Slot:
    """The calls that tick together, `offset` seconds after each full 20 ms; `between`: those for which
    that is the middle between two ticks, and which want to know."""

    __slots__ = ("beat", "between", "offset", "tickets")

    def __init__(self, offset: float) -> None:
        self.offset = offset
        self.beat = 0
        """The number of its next tick, from the pacer's zero."""
        self.tickets: dict[int, Ticket] = {}
        self.between: dict[int, Ticket] = {}

    @property
    def empty(self) -> bool:
        return not self.tickets and not self.between


class Pacer:
    """Ticks for all calls of a process. `start` it on the loop that carries media."""

    def __init__(self, clock: Clock, *, slots: int = 10) -> None:
        self._clock = clock
        self._slots = [_Slot(FRAME_SECONDS * number / slots) for number in range(slots)]
        self._zero = clock.now()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._running = False
        self._closed = False

    def start(self) -> None:
        """Begin; tickets that were added before tick from now on."""
        self._running = True
        now = self._clock.now()
        for slot in self._slots:
            slot.beat = self._next_beat(slot, now)
        self._schedule()

    async def close(self) -> None:
        """Stop: nothing ticks any more, no timer is left."""
        self._running = False
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for slot in self._slots:
            slot.tickets.clear()
            slot.between.clear()

    def add(self, tick: Tick) -> Ticket:
        """Have `tick` called each 20 ms from now on, in the slot that has the fewest calls."""
        if self._closed:
            raise MediaError("the pacer is closed")
        place = min(range(len(self._slots)), key=lambda one: len(self._slots[one].tickets))
        ticket = Ticket(self, place, tick)
        self._fill(self._slots[place], self._slots[place].tickets, ticket)
        return ticket

    def _fill(self, slot: _Slot, tickets: dict[int, Ticket], ticket: Ticket) -> None:
        if slot.empty:
            slot.beat = self._next_beat(slot, self._clock.now())
        tickets[id(ticket)] = ticket
        if self._running:
            self._schedule()

    def _opposite(self, place: int) -> _Slot:
        return self._slots[(place + len(self._slots) // 2) % len(self._slots)]

    def _between(self, ticket: Ticket, place: int, *, wanted: bool) -> None:
        slot = self._opposite(place)
        if not wanted:
            slot.between.pop(id(ticket), None)
        elif id(ticket) in self._slots[place].tickets:
            self._fill(slot, slot.between, ticket)

    def _remove(self, ticket: Ticket, place: int) -> None:
        self._slots[place].tickets.pop(id(ticket), None)
        self._opposite(place).between.pop(id(ticket), None)

    def _next_beat(self, slot: _Slot, now: float) -> int:
        return int((now - self._zero - slot.offset) // FRAME_SECONDS) + 1

    def _due(self, slot: _Slot) -> float:
        return self._zero + slot.offset + slot.beat * FRAME_SECONDS

    def _schedule(self) -> None:
        due = min([self._due(slot) for slot in self._slots if not slot.empty], default=None)
        if self._timer is not None:
            if due is not None and self._timer_due <= due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer_due = due
            self._timer = self._clock.call_at(due, self._wake)

    def _wake(self) -> None:
        self._timer = None
        now = self._clock.now()
        for slot in self._slots:
            late = now - self._due(slot)
            if late < -_EARLY or slot.empty:
                continue
            skipped = max(0, int(late / FRAME_SECONDS))
            slot.beat += skipped + 1
            for ticket in tuple(slot.tickets.values()):
                ticket.skipped = skipped
                self._tick(ticket, ticket.tick, now)
            for ticket in tuple(slot.between.values()):
                if ticket.between is not None:
                    self._tick(ticket, ticket.between, now)
        if self._running:
            self._schedule()

    def _tick(self, ticket: Ticket, tick: Tick, now: float) -> None:
        try:
            tick(now)
        except Exception as error:  # noqa: BLE001 - one call's fault must not silence the others
            if not ticket._failed:
                ticket._failed = True
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "a call's media tick failed; its later ones go on", "exception": error}
                )


def _nothing(_: float) -> None:
    """The call's media is over."""
