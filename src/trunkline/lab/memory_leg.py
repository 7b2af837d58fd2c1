"""Two legs joined back to back in memory: a whole call without a network, in virtual time or real.

`MemoryLeg.pair(clock)` gives `(caller, called)`. From the moment the called leg answers, one ticker
moves 20 ms each way on an absolute grid: at tick `t` both sides' `next_frame(t)` are asked first,
then both frames are delivered, so neither side sees the other's reaction to this same tick. A frame
arrives `delay` seconds after it left; `Frame.at` is that arrival, as on a real leg. Where a side
gives nothing, the other receives silence marked `concealed`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from trunkline.audio.frame import FRAME_SECONDS, Frame, frame_bytes
from trunkline.clock import Clock
from trunkline.errors import CallRefused, MediaError, SipError
from trunkline.events import CallAnswered, CallRinging, Dtmf, HungUp
from trunkline.legs.leg import Can, LegEvent, LegInfo, MediaQuality, NextFrame, OnFrame, TransferResult

EVENTS_BOUND = 256
"""Events waiting to be read on one leg; a leg nobody reads loses its oldest."""


class MemoryLeg:
    """One end of a call in memory. Made by `pair`."""

    def __init__(self, clock: Clock, info: LegInfo, rate: int, delay: float, ring_timeout: float) -> None:
        self.info = info
        self.can = frozenset({Can.TRANSFER, Can.SEND_DTMF})
        self.rate = rate
        self.wire_delay = delay
        self.transfer_result = TransferResult.NOT_SUPPORTED
        """What `transfer` answers; tests set it."""
        self.transfers: list[str] = []
        """The targets that `transfer` was asked for."""
        self.ended = False
        self.end_reason = ""
        self._clock = clock
        self._ring_timeout = ring_timeout
        self._answered = asyncio.Event()
        self._changed = asyncio.Event()
        self._waiting: list[LegEvent] = []
        self._on_frame: OnFrame | None = None
        self._next_frame: NextFrame | None = None
        self._silence = bytes(frame_bytes(rate))
        self._sent = 0
        self._received = 0
        self._wire: _Wire | None = None
        self._peer: MemoryLeg = self

    @classmethod
    def pair(
        cls,
        clock: Clock,
        *,
        rate: int = 8000,
        delay: float = 0.0,
        ring_timeout: float = 60.0,
        call_id: str = "memory-1",
        caller: str = "sip:prospect@memory",
        callee: str = "sip:agent@memory",
        lost: Callable[[int], bool] | None = None,
    ) -> tuple[MemoryLeg, MemoryLeg]:
        """The calling (outbound) and the called (inbound) end of one call.

        `rate`: samples a second. `delay`: seconds a frame travels. `lost(n)`: whether the frames of
        tick `n` (counted from 0) are lost, both ways: they arrive as concealed silence.
        """
        ends = [
            cls(clock, LegInfo(call_id, direction, caller, callee, "memory"), rate, delay, ring_timeout)
            for direction in ("outbound", "inbound")
        ]
        outbound, inbound = ends
        outbound._peer, inbound._peer = inbound, outbound
        wire = _Wire(clock, ends, delay, lost)
        outbound._wire = inbound._wire = wire
        return outbound, inbound

    def early_media(self) -> None:
        """Inbound: let the calling end hear us, and be heard, before the call is taken."""
        if self.info.direction != "inbound" or self._answered.is_set() or self.ended:
            raise SipError("this call cannot be given early media", where="memory leg")
        assert self._wire is not None
        self._wire.begin()
        self._peer.deliver(CallRinging(self._clock.now(), early_media=True))

    async def answer(self) -> None:
        """Inbound: take the call, and audio begins. Outbound: wait until it is taken."""
        if self.ended:
            raise CallRefused(self.end_reason or "the call has ended", where="memory leg")
        if self.info.direction == "inbound":
            if self._answered.is_set():
                return
            for leg in (self, self._peer):
                leg._answered.set()
                leg.deliver(CallAnswered(self._clock.now(), "L16", self.rate))
            assert self._wire is not None
            self._wire.begin()
            return
        self._peer.deliver(CallRinging(self._clock.now()))
        try:
            async with asyncio.timeout(self._ring_timeout):
                await self._answered.wait()
        except TimeoutError:
            await self.hang_up("nobody answered")
            raise CallRefused("nobody answered", where="memory leg") from None
        if self.ended:
            raise CallRefused(self.end_reason, where="memory leg")

    def start(self, on_frame: OnFrame, next_frame: NextFrame) -> None:
        """Begin moving audio; frames that came before are gone, as on a wire."""
        self._on_frame, self._next_frame = on_frame, next_frame

    async def events(self) -> AsyncIterator[LegEvent]:
        """What happens on this leg. Ends after `HungUp`, or when this side hangs up."""
        while True:
            while self._waiting:
                event = self._waiting.pop(0)
                yield event
                if isinstance(event, HungUp):
                    return
            if self.ended:
                return
            self._changed.clear()
            await self._changed.wait()

    def deliver(self, event: LegEvent) -> None:
        """Let `event` happen on this leg. Tests use it for what memory cannot do by itself."""
        self._waiting.append(event)
        del self._waiting[:-EVENTS_BOUND]
        self._changed.set()

    def clear(self) -> None:
        """Nothing is buffered here."""

    async def send_dtmf(self, digits: str) -> None:
        """Each digit happens on the other leg at once."""
        if self.ended:
            raise MediaError("the call has ended", where="memory leg")
        for digit in digits:
            self._peer.deliver(Dtmf(self._clock.now(), digit))

    async def transfer(self, target: str) -> TransferResult:
        """Notes the target and answers what the test has set."""
        self.transfers.append(target)
        return self.transfer_result

    async def hang_up(self, reason: str = "") -> None:
        """End the call at both ends; the other end is told by `HungUp`."""
        if self.ended:
            return
        if self._wire is not None:
            self._wire.stop()
        for leg in (self, self._peer):
            leg.ended = True
            leg.end_reason = reason or "hung up"
            leg._on_frame = leg._next_frame = None
            leg._answered.set()
        self._peer.deliver(HungUp(self._clock.now(), reason or "hung up"))
        self._changed.set()

    def quality(self) -> MediaQuality:
        """A wire without loss, unless `lost` was given."""
        wire = self._wire
        return MediaQuality(
            codec="L16",
            packets_sent=self._sent,
            packets_received=self._received,
            packets_lost=wire.dropped if wire is not None else 0,
            concealed_ms=1000 * FRAME_SECONDS * (wire.dropped if wire is not None else 0),
        )

    def _pull(self, now: float) -> bytes | None:
        if self._next_frame is None:
            return None
        pcm = self._next_frame(now)
        if pcm is None:
            return None
        if len(pcm) != len(self._silence):
            raise MediaError(f"a frame of {len(pcm)} bytes, not {len(self._silence)}", where="memory leg")
        self._sent += 1
        return pcm

    def _push(self, pcm: bytes | None, at: float) -> None:
        if self._on_frame is None:
            return
        if pcm is not None:
            self._received += 1
        self._on_frame(Frame(pcm or self._silence, self.rate, at, concealed=pcm is None))


class _Wire:
    """The ticker between two ends: 20 ms each way on an absolute grid, until stopped."""

    def __init__(
        self, clock: Clock, ends: Sequence[MemoryLeg], delay: float, lost: Callable[[int], bool] | None
    ) -> None:
        self._clock = clock
        self._ends = ends
        self._delay = delay
        self._lost = lost
        self._zero = 0.0
        self._tick_count = 0
        self._timers: set[asyncio.TimerHandle] = set()
        self._ticker: asyncio.TimerHandle | None = None
        self._stopped = False
        self.dropped = 0

    def begin(self) -> None:
        """Once: at the answer, or before it where there is early media."""
        if self._ticker is None:
            self._zero = self._clock.now()
            self._schedule()

    def stop(self) -> None:
        self._stopped = True
        if self._ticker is not None:
            self._ticker.cancel()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _schedule(self) -> None:
        due = self._zero + self._tick_count * FRAME_SECONDS
        self._ticker = self._clock.call_at(due, lambda: self._tick(due))

    def _tick(self, due: float) -> None:
        if self._stopped:
            return
        number = self._tick_count
        self._tick_count += 1
        # Scheduled first, so that an exception in a callback does not stop the sound.
        self._schedule()
        frames = [end._pull(due) for end in self._ends]
        if self._lost is not None and self._lost(number):
            self.dropped += 1
            frames = [None, None]
        if self._delay <= 0:
            self._arrive(frames, due)
            return
        timer = self._clock.call_at(due + self._delay, lambda: self._arrive(frames, due + self._delay))
        self._timers = {waiting for waiting in self._timers if waiting.when() > due}
        self._timers.add(timer)

    def _arrive(self, frames: Sequence[bytes | None], at: float) -> None:
        first, second = self._ends
        for end, pcm in ((second, frames[0]), (first, frames[1])):
            if not self._stopped:
                end._push(pcm, at)
