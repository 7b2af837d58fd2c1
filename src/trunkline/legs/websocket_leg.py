"""One call over a carrier's media stream, as the `Leg` that calls are built on.

The leg outlives its socket: a stream that breaks off in mid-call may come back within
`StreamSettings.return_within` and the call goes on; the agent waits meanwhile. What the carrier can do
to the call beside the stream (answer, hang up, hand over) is its `CallControl`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

import structlog

from trunkline.audio.frame import Frame
from trunkline.clock import Clock
from trunkline.errors import CallRefused, MediaError, TrunklineError
from trunkline.events import CallAnswered, CallRinging, Dtmf, HungUp, MediaBack, MediaLost
from trunkline.legs.arrivals import Arrivals
from trunkline.legs.call_control import CallControl, Phase, StreamSettings, Wire
from trunkline.legs.leg import Can, LegEvent, LegInfo, MediaQuality, NextFrame, OnFrame, TransferResult
from trunkline.legs.playout import BURST, Playout
from trunkline.legs.stream import (
    Complained,
    Happening,
    Heard,
    Opened,
    Played,
    Pressed,
    Stopped,
    StreamProtocol,
)
from trunkline.rtp.pacer import Pacer, Ticket

EVENTS_BOUND = 256
"""Events that wait to be read; a leg that nobody reads loses its oldest."""
_KEYS = frozenset("0123456789*#ABCDabcdwW")

logger = structlog.get_logger(__name__)


class StreamLeg:
    """Made by a carrier when a call is announced or placed."""

    def __init__(
        self,
        clock: Clock,
        pacer: Pacer,
        info: LegInfo,
        control: CallControl,
        settings: StreamSettings,
        *,
        rate: int = 8000,
        on_over: Callable[[StreamLeg], None] = lambda _: None,
    ) -> None:
        self.info = info
        self.can = control.can
        self.rate = rate
        self.phase = Phase.WAITING
        self.control = control
        self.settings = settings
        self._clock = clock
        self._pacer = pacer
        self._on_over = on_over
        self._protocol: StreamProtocol | None = None
        self._wire: Wire | None = None
        self._arrivals = Arrivals(rate)
        self._playout = Playout(0.0)
        self._codec = ""
        self._on_frame: OnFrame | None = None
        self._next_frame: NextFrame | None = None
        self._ticket: Ticket | None = None
        self._waiting: deque[LegEvent] = deque(maxlen=EVENTS_BOUND)
        self._changed = asyncio.Event()
        self._decided = asyncio.Event()
        self._answered = False
        self._refused: CallRefused | None = None
        self._moving = 0
        """Commands under way that replace the stream: it may stop without the call being over."""
        self._handed_over = False
        self._heard_at = 0.0
        self._lost = False
        self._cleared = 0
        """How much had been sent at the latest clear."""
        self._return_limit: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None
        self._expecting: list[asyncio.Future[None]] = []

    # --- the Leg ------------------------------------------------------------------------------------

    @property
    def wire_delay(self) -> float:
        """Half the quickest trip of a mark; 0 until one has come back, or where there are none."""
        return self._playout.delay

    @property
    def ended(self) -> bool:
        return self.phase is Phase.OVER

    async def answer(self) -> None:
        """Have an inbound call taken, or wait until an outbound one is; then wait for its stream.
        Raises `CallRefused` where either does not come, `SipError` where the carrier would not."""
        if self.phase is Phase.WAITING and self._refused is None:
            try:
                await self.control.answer()
            except TrunklineError as error:
                self.end(error.what)
                raise
        try:
            async with asyncio.timeout(self.settings.answer_within):
                await self._decided.wait()
        except TimeoutError:
            await self.hang_up("no answer")
            raise CallRefused("the call's stream did not come in its time", where=self.info.kind) from None
        if self._refused is not None:
            raise self._refused
        if self.ended:
            raise CallRefused("the call is over", where=self.info.kind)

    def start(self, on_frame: OnFrame, next_frame: NextFrame) -> None:
        """Begin moving audio; frames that came before are gone, as on a wire."""
        if not self._answered:
            raise MediaError("the call was not answered yet", where=self.info.kind)
        self._on_frame, self._next_frame = on_frame, next_frame
        self._heard_at = self._clock.now()
        if self._ticket is None and not self.ended:
            self._ticket = self._pacer.add(self._tick)

    async def events(self) -> AsyncIterator[LegEvent]:
        """What happens on the leg; ends after `HungUp`, or when this side has hung up."""
        while True:
            while self._waiting:
                event = self._waiting.popleft()
                yield event
                if isinstance(event, HungUp):
                    return
            if self.ended:
                return
            self._changed.clear()
            await self._changed.wait()

    def clear(self) -> None:
        """Throw away what was sent and not played: here, on the wire, and at the carrier."""
        self._playout.cut(self._clock.now())
        if self._wire is None or self._protocol is None:
            return
        self._wire.drop()
        # Sent though by our clock nothing waits to be played: the carrier may be behind it.
        message = self._protocol.clear()
        if message is not None and self._playout.sent > self._cleared:
            self._cleared = self._playout.sent
            self._wire.send(message)

    async def send_dtmf(self, digits: str) -> None:
        """Press these keys (`w` half a second's pause). Raises `MediaError` for what is no key and
        where this carrier sends none."""
        if self.ended:
            raise MediaError("the call has ended", where=self.info.kind)
        if Can.SEND_DTMF not in self.can:
            raise MediaError("this call cannot send keys", where=self.info.kind)
        if not digits or not set(digits) <= _KEYS or len(digits) > 64:
            raise MediaError("these are no keys", where=self.info.kind)
        self._moving += 1
        try:
            await self.control.send_dtmf(digits)
        finally:
            self._settled()

    async def transfer(self, target: str) -> TransferResult:
        """Hand the call to `target`. Where that comes to nothing the call goes on, its stream back."""
        if self.ended:
            return TransferResult.FAILED
        if Can.TRANSFER not in self.can:
            return TransferResult.NOT_SUPPORTED
        self._moving += 1
        try:
            result = await self.control.transfer(target)
            self._handed_over = result is TransferResult.TRANSFERRED
        finally:
            self._settled()
        return result

    async def hang_up(self, reason: str = "") -> None:
        """End the call and free everything; may be called more than once. A call that was handed over
        is only let go. Raises `SipError` where the carrier did not do as told."""
        if self.ended:
            return
        if not self._answered and self._refused is None:
            self._refused = CallRefused(reason or "hung up", where=self.info.kind)
        if not self._handed_over:
            try:
                await self.control.hang_up()
            finally:
                self._close(reason or "hung up")
        else:
            self._close(reason or "hung up")

    def quality(self) -> MediaQuality:
        arrivals = self._arrivals
        trip = self._playout.round_trip
        return MediaQuality(
            codec=self._codec,
            packets_sent=self._playout.sent,
            packets_received=arrivals.received,
            packets_lost=arrivals.lost,
            packets_late=arrivals.late,
            packets_doubled=arrivals.doubled,
            concealed_ms=20.0 * arrivals.concealed,
            jitter_ms=1000 * arrivals.jitter,
            round_trip_ms=None if trip is None else 1000 * trip,
            send_gap_p99_ms=1000 * self._playout.gap_p99,
        )

    # --- what the carrier and its socket tell -------------------------------------------------------

    def attach(self, protocol: StreamProtocol, wire: Wire, opened: Opened) -> None:
        """The stream is there, at first or again. A socket that was there before is closed."""
        if self.ended:
            raise CallRefused("the call is over", where=self.info.kind)
        if self._answered and opened.rate != self.rate:
            raise CallRefused(f"the stream came back at {opened.rate} Hz", where=self.info.kind)
        now = self._clock.now()
        if self._wire is not None:
            self._wire.close("replaced by another stream")
        back = self.phase is not Phase.WAITING
        self._protocol, self._wire = protocol, wire
        self._codec = opened.codec
        self._heard_at = now
        self._stop_return_limit()
        self.phase = Phase.UP
        self._tell_expecting()
        if back:
            self._arrivals.restart()
            self._playout.cut(now)
            if self._lost:
                self._lost = False
                self._deliver(MediaBack(now))
            return
        self.rate = opened.rate
        self._arrivals = Arrivals(opened.rate)
        self._playout = Playout(self.settings.lead if protocol.buffers else 0.0)
        self._answered = True
        self._deliver(CallAnswered(now, opened.codec, opened.rate))
        self._decided.set()

    def take(self, happenings: list[Happening], at: float) -> None:
        """What the stream said at `at`, passed on at once."""
        for happening in happenings:
            match happening:
                case Heard(pcm, number):
                    self._heard_at = at
                    if self._lost:
                        self._lost = False
                        self._deliver(MediaBack(at))
                    self._give(self._arrivals.push(pcm, at, number))
                case Played(mark):
                    self._playout.note_played(mark, at)
                case Pressed(digit):
                    self._deliver(Dtmf(at, digit))
                case Stopped(reason):
                    if not self._moving:
                        self.end(reason)
                case Complained(what):
                    logger.warning("the carrier complains", call_id=self.info.call_id, what=what)
                case Opened():
                    pass  # Said once more on a stream that is known: nothing new.

    def detach(self, wire: Wire) -> None:
        """This socket is closed; the call may go on with another."""
        if wire is not self._wire or self.ended:
            return
        self._wire = self._protocol = None
        self.phase = Phase.AWAY
        if not self._moving:
            self._wait_for_return()

    def next_stream(self) -> asyncio.Future[None]:
        """Done as soon as a stream is attached from now on, or the call is over. For commands that
        make the carrier open another."""
        future = asyncio.get_running_loop().create_future()
        self._expecting.append(future)
        return future

    def ring(self, *, early_media: bool = False) -> None:
        """An outbound call rings."""
        if self.phase is Phase.WAITING:
            self._deliver(CallRinging(self._clock.now(), early_media))

    def stream_failed(self, why: str) -> None:
        """The carrier could not open the stream: a call that never had one cannot begin; one that had
        waits on until its time is up."""
        if self.phase is Phase.WAITING:
            self.end(why)

    def end(self, reason: str) -> None:
        """The carrier says that the call is over, or never will be."""
        if self.ended:
            return
        if not self._answered and self._refused is None:
            self._refused = CallRefused(reason, where=self.info.kind)
        self._deliver(HungUp(self._clock.now(), reason))
        self._close(reason)

    async def release(self) -> None:
        """Wait for what still runs for this leg; called after its end by whoever made it."""
        if self._asking is not None:
            await asyncio.gather(self._asking, return_exceptions=True)

    # --- within -------------------------------------------------------------------------------------

    def _settled(self) -> None:
        self._moving -= 1
        if not self._moving and self.phase is Phase.AWAY and not self._handed_over:
            self._wait_for_return()

    def _wait_for_return(self) -> None:
        self._stop_return_limit()
        limit = self._clock.now() + self.settings.return_within
        self._return_limit = self._clock.call_at(limit, lambda: self.end("the stream broke off"))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(
                self._ask_for_return(), name=f"stream of {self.info.call_id}"
            )

    async def _ask_for_return(self) -> None:
        try:
            await self.control.stream_broke_off()
        except TrunklineError as error:
            # The limit on its return is running already, and says the rest.
            logger.warning("stream not asked for", call_id=self.info.call_id, error=str(error))

    def _stop_return_limit(self) -> None:
        if self._return_limit is not None:
            self._return_limit.cancel()
            self._return_limit = None

    def _tick(self, now: float) -> None:
        if self.phase is Phase.UP:
            self._give(self._arrivals.advance(now))
            self._play(now)
        if not self._lost and now - self._heard_at >= self.settings.lost_after:
            self._lost = True
            self._deliver(MediaLost(now, now - self._heard_at))

    def _play(self, now: float) -> None:
        for _ in range(BURST):
            begins = self._playout.next_at(now)
            # An `on_frame` or `next_frame` may have ended the call.
            if begins is None or self._next_frame is None or self._wire is None or self._protocol is None:
                return
            pcm = self._next_frame(begins)
            if pcm is None:
                return
            self._wire.send(self._protocol.audio(pcm), droppable=True)
            name = self._playout.note_sent(begins, now)
            mark = self._protocol.mark(name) if name is not None else None
            if mark is not None:
                self._wire.send(mark)

    def _give(self, frames: list[Frame]) -> None:
        for frame in frames:
            if self._on_frame is not None:
                self._on_frame(frame)

    def _deliver(self, event: LegEvent) -> None:
        self._waiting.append(event)
        self._changed.set()

    def _close(self, why: str) -> None:
        if self.ended:
            return
        self.phase = Phase.OVER
        self._stop_return_limit()
        if self._ticket is not None:
            self._ticket.remove()
        self._on_frame = self._next_frame = None
        wire, self._wire = self._wire, None
        if wire is not None:
            goodbye = self._protocol.goodbye() if self._protocol is not None else None
            if goodbye is not None:
                wire.send(goodbye)
            wire.close(why)
        self._protocol = None
        self._decided.set()
        self._changed.set()
        self._tell_expecting()
        self._on_over(self)

    def _tell_expecting(self) -> None:
        for future in self._expecting:
            if not future.done():
                future.set_result(None)
        self._expecting.clear()
