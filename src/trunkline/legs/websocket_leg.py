"""One call over a carrier's media stream, as the `Leg` that calls are built on.

The leg outlives its socket: see `carried_leg.py` for what happens to a stream that breaks off.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from trunkline.audio.frame import Frame
from trunkline.clock import Clock
from trunkline.errors import MediaError
from trunkline.events import Dtmf, MediaBack, MediaLost
from trunkline.legs.arrivals import Arrivals
from trunkline.legs.call_control import CallControl, Phase, StreamSettings, Wire
from trunkline.legs.carried_leg import CarriedLeg
from trunkline.legs.leg import LegInfo, MediaQuality, NextFrame, OnFrame
from trunkline.legs.playout import BURST, Playout
from trunkline.legs.stream import (
    Complained,
    GoOn,
    Happening,
    Heard,
    HoldOff,
    Opened,
    Played,
    Pressed,
    Stopped,
    StreamProtocol,
)
from trunkline.rtp.pacer import Pacer, Ticket

HOLD_OFF_LIMIT = 30.0
"""Seconds that a carrier may want nothing; then it is tried again, since it may have forgotten to say so."""

logger = structlog.get_logger(__name__)


class StreamLeg(CarriedLeg):
    """Made on the `Switchboard`; the carrier's front attaches its socket."""

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
        super().__init__(clock, pacer, info, control, settings, rate=rate, on_over=on_over)
        self._protocol: StreamProtocol | None = None
        self._wire: Wire | None = None
        self._arrivals = Arrivals(rate)
        self._playout = Playout(0.0)
        self._codec = ""
        self._ticket: Ticket | None = None
        self._heard_at = 0.0
        self._lost = False
        self._cleared = 0
        """How much had been sent at the latest clear."""
        self._held_off: float | None = None
        """Since when the carrier wants nothing."""

    # --- the Leg ------------------------------------------------------------------------------------

    @property
    def wire_delay(self) -> float:
        """Half the quickest trip of a mark; 0 until one has come back, or where there are none."""
        return self._playout.delay

    def start(self, on_frame: OnFrame, next_frame: NextFrame) -> None:
        """Begin moving audio; frames that came before are gone, as on a wire."""
        if not self._answered:
            raise MediaError("the call was not answered yet", where=self.info.kind)
        self._on_frame, self._next_frame = on_frame, next_frame
        self._heard_at = self._clock.now()
        if self._ticket is None and not self.ended:
            self._ticket = self._pacer.add(self._tick)

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

    # --- what the carrier's socket tells ------------------------------------------------------------

    def attach(self, protocol: StreamProtocol, wire: Wire, opened: Opened) -> None:
        """The stream is there, at first or again. A socket that was there before is closed."""
        again = self._up(opened.codec, opened.rate)
        now = self._clock.now()
        if self._wire is not None:
            self._wire.close("replaced by another stream")
        self._protocol, self._wire = protocol, wire
        self._codec = opened.codec
        self._heard_at = now
        self._held_off = None
        if again:
            self._arrivals.restart()
            self._playout.cut(now)
            if self._lost:
                self._lost = False
                self._deliver(MediaBack(now))
            return
        self._arrivals = Arrivals(opened.rate)
        self._playout = Playout(self.settings.lead if protocol.buffers else 0.0)

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
                case Complained(code):
                    logger.warning("the carrier complains", call_id=self.info.call_id, code=code)
                case HoldOff():
                    logger.warning("the carrier wants no sound for now", call_id=self.info.call_id)
                    self._held_off = at
                case GoOn():
                    self._held_off = None
                case Opened():
                    pass  # Said once more on a stream that is known: nothing new.

    def detach(self, wire: Wire) -> None:
        """This socket is closed; the call may go on with another."""
        if wire is not self._wire or self.ended:
            return
        self._wire = self._protocol = None
        self._away()

    # --- within -------------------------------------------------------------------------------------

    def _tick(self, now: float) -> None:
        if self.phase is Phase.UP:
            self._give(self._arrivals.advance(now))
            self._play(now)
        if not self._lost and now - self._heard_at >= self.settings.lost_after:
            self._lost = True
            self._deliver(MediaLost(now, now - self._heard_at))

    def _play(self, now: float) -> None:
        if self._held_off is not None:
            # Frames are not asked for meanwhile: what the agent says waits with it, and is not lost.
            if now - self._held_off < HOLD_OFF_LIMIT:
                return
            self._held_off = None
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

    def _media_over(self, why: str) -> None:
        if self._ticket is not None:
            self._ticket.remove()
        wire, self._wire = self._wire, None
        if wire is not None:
            goodbye = self._protocol.goodbye() if self._protocol is not None else None
            if goodbye is not None:
                wire.send(goodbye)
            wire.close(why)
        self._protocol = None
