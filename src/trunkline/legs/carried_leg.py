"""What legs have in common whose call a carrier holds and whose sound comes by another way: phases, events,
the commands of the `CallControl`, and media that may break off and come back.

`StreamLeg` (`websocket_leg.py`) is one over a carrier's media stream, `RtpLeg` (`rtp_leg.py`) one over RTP
of our own. Media that breaks off in mid-call may come back within `StreamSettings.return_within` and the
call goes on; the agent waits meanwhile.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine

import structlog

from trunkline.clock import Clock
from trunkline.errors import CallRefused, MediaError, TrunklineError
from trunkline.events import CallAnswered, CallRinging, Dtmf, HungUp
from trunkline.legs.call_control import CallControl, Phase, StreamSettings
from trunkline.legs.leg import Can, LegEvent, LegInfo, MediaQuality, NextFrame, OnFrame, TransferResult
from trunkline.rtp.pacer import Pacer

EVENTS_BOUND = 256
"""Events that wait to be read; a leg that nobody reads loses its oldest."""
_KEYS = frozenset("0123456789*#ABCDabcdwW")

logger = structlog.get_logger(__name__)


class CarriedLeg(ABC):
    """Made by a carrier, on its `Switchboard`, when a call is announced or placed."""

    def __init__(
        self,
        clock: Clock,
        pacer: Pacer,
        info: LegInfo,
        control: CallControl,
        settings: StreamSettings,
        *,
        rate: int = 8000,
        on_over: Callable[[CarriedLeg], None] = lambda _: None,
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
        self._on_frame: OnFrame | None = None
        self._next_frame: NextFrame | None = None
        self._waiting: deque[LegEvent] = deque(maxlen=EVENTS_BOUND)
        self._changed = asyncio.Event()
        self._decided = asyncio.Event()
        self._answered = False
        self._refused: CallRefused | None = None
        self._moving = 0
        """Commands under way that replace the stream: it may stop without the call being over."""
        self._handed_over = False
        self._return_limit: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None
        self._expecting: list[asyncio.Future[None]] = []
        self._closing: set[asyncio.Task[None]] = set()

    # --- the Leg ------------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        return self.phase is Phase.OVER

    @property
    @abstractmethod
    def wire_delay(self) -> float:
        """Seconds until a frame that is asked for now can be heard."""

    @abstractmethod
    def start(self, on_frame: OnFrame, next_frame: NextFrame) -> None:
        """Begin moving audio."""

    @abstractmethod
    def clear(self) -> None:
        """Throw away what was given but not played."""

    @abstractmethod
    def quality(self) -> MediaQuality:
        """How the media did."""

    @abstractmethod
    def _media_over(self, why: str) -> None:
        """Let go of the media; the call is over."""

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

    # --- what the carrier tells ----------------------------------------------------------------------

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

    def pressed(self, event: Dtmf) -> None:
        """A key that did not come in the media."""
        self._deliver(event)

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
        await asyncio.gather(*self._closing, return_exceptions=True)

    # --- within -------------------------------------------------------------------------------------

    def _up(self, codec: str, rate: int) -> bool:
        """The media is there, at first or again; gives whether it is again. Raises `CallRefused` where it
        cannot be this call's any more."""
        if self.ended:
            raise CallRefused("the call is over", where=self.info.kind)
        if self._answered and rate != self.rate:
            raise CallRefused(f"the stream came back at {rate} Hz", where=self.info.kind)
        again = self.phase is not Phase.WAITING
        self._stop_return_limit()
        self.phase = Phase.UP
        self._tell_expecting()
        if not again:
            self.rate = rate
            self._answered = True
            self._deliver(CallAnswered(self._clock.now(), codec, rate))
            self._decided.set()
        return again

    def _away(self) -> None:
        """The media broke off."""
        self.phase = Phase.AWAY
        if not self._moving and not self._handed_over:
            self._wait_for_return()

    def _settled(self) -> None:
        self._moving -= 1
        if not self._moving and self.phase is Phase.AWAY and not self._handed_over:
            self._wait_for_return()

    def _wait_for_return(self) -> None:
        self._stop_return_limit()
        limit = self._clock.now() + self.settings.return_within
        self._return_limit = self._clock.call_at(limit, self._give_up)
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(
                self._ask_for_return(), name=f"stream of {self.info.call_id}"
            )

    async def _ask_for_return(self) -> None:
        try:
            await self.control.stream_broke_off()
        except TrunklineError as error:
            # The limit on its return is running already, and says the rest.
            logger.warning("stream not asked for", call_id=self.info.call_id, error=error.for_log())

    def _give_up(self) -> None:
        """The media did not come back in its time."""
        self.end("the stream broke off")
        self._last_work(self._end_there())

    async def _end_there(self) -> None:
        """Nobody hears the caller any more: the carrier is not to keep them in silence."""
        try:
            await self.control.hang_up()
        except TrunklineError as error:
            logger.warning("call not ended there", call_id=self.info.call_id, error=error.for_log())

    def _stop_return_limit(self) -> None:
        if self._return_limit is not None:
            self._return_limit.cancel()
            self._return_limit = None

    def _deliver(self, event: LegEvent) -> None:
        self._waiting.append(event)
        self._changed.set()

    def _last_work(self, work: Coroutine[None, None, None]) -> None:
        """Have something closed; `release` waits for it."""
        task = asyncio.get_running_loop().create_task(work, name=f"end of {self.info.call_id}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _close(self, why: str) -> None:
        if self.ended:
            return
        self.phase = Phase.OVER
        self._stop_return_limit()
        self._on_frame = self._next_frame = None
        self._media_over(why)
        self._decided.set()
        self._changed.set()
        self._tell_expecting()
        self._on_over(self)

    def _tell_expecting(self) -> None:
        for future in self._expecting:
            if not future.done():
                future.set_result(None)
        self._expecting.clear()
