"""The sound and keys of one SIP call, between its media port and whoever listens and speaks.

The call keeps its sample rate though a re-INVITE gives it a codec of another, hears each key once whichever
way it comes, and is told at once and then every few seconds when nothing comes any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

from trunkline.clock import Clock
from trunkline.errors import MediaError
from trunkline.events import Dtmf, HoldEnded, HoldStarted, MediaBack, MediaLost
from trunkline.legs.leg import LegEvent, MediaQuality, NextFrame, OnFrame
from trunkline.legs.sip_keys import Pressed
from trunkline.legs.sip_media import configure_media
from trunkline.legs.sip_rate import SteadyRate
from trunkline.rtp.port import MediaPort
from trunkline.sip.offer import Agreement

LOST_AGAIN_SECONDS = 5.0


class CallSound:
    """Of one leg. `tell` takes what happens; `lost_first` is told when nothing comes any more, before the
    call is."""

    def __init__(self, clock: Clock, tell: Callable[[LegEvent], None]) -> None:
        self.port: MediaPort | None = None
        self.agreement: Agreement | None = None
        """What counts now."""
        self.rate = 8000
        """The call's own, from the first agreement that it was answered with."""
        self.lost_first: Callable[[], None] = _nothing
        self._clock = clock
        self._tell = tell
        self._fixed = False
        self._held = False
        """Whether the other end takes no sound of ours: then it owes us none either."""
        self._moved = False
        """Whether whoever listens has to be told to ports that were adopted meanwhile."""
        self._given: tuple[OnFrame, NextFrame] | None = None
        self._bridged_rate = 0
        """The media's rate where it is not the call's; 0 where it is."""
        self._pressed = Pressed()
        self._lost_again = 0.0
        """For how long nothing must have come until the call is told again."""

    def adopt(self, port: MediaPort) -> None:
        """This is the call's media; a call that goes on by another trunk may have had other ports."""
        if self.port is not None and self.port is not port:
            self.port.on_dtmf = self.port.on_lost = self.port.on_back = None
            self._moved = self._given is not None
            if self._moved:
                self.port.start(lambda _: None, lambda _: None)  # Nobody listens there any more.
        self.port = port
        port.on_dtmf = lambda digit: self.key(digit, "rtp", self._clock.now())
        port.on_lost = self._lost
        port.on_back = self._back

    def agree(self, agreement: Agreement) -> None:
        """Give the media what was agreed. Raises `MediaError`; what was in force then stays so."""
        assert self.port is not None
        configure_media(self.port, agreement)
        self.agreement = agreement
        if not self._fixed:
            self.rate = self.port.rate
            self._held = not agreement.send
            if self._moved:
                self._moved = False
                self._wire(anew=True)
            return
        held_before, self._held = self._held, not agreement.send
        if self._given is not None:
            # After a hold their silence counts from now on.
            self._wire(anew=held_before and not self._held)
        if self._held is not held_before:
            now = self._clock.now()
            self._lost_again = 0.0
            self._tell(HoldStarted(now) if self._held else HoldEnded(now))

    def fix(self) -> None:
        """The call is answered: its rate stays as it is."""
        self._fixed = True
        if self._held:
            self._tell(HoldStarted(self._clock.now()))

    def start(self, on_frame: OnFrame, next_frame: NextFrame) -> None:
        """Begin moving audio, or go on with others. Raises `MediaError` where there is no media."""
        if self.port is None:
            raise MediaError("there is no media to start", where="sip")
        self._given, self._bridged_rate = (on_frame, next_frame), 0
        self._wire(anew=True)

    def _wire(self, *, anew: bool = False) -> None:
        assert self.port is not None
        assert self._given is not None
        rate = self.port.rate if self.port.rate != self.rate else 0
        if rate == self._bridged_rate and not anew:
            return
        self._bridged_rate = rate
        heard, spoken = self._given
        if rate:
            steady = SteadyRate(self.rate, rate, heard, spoken)
            heard, spoken = steady.hear, steady.next_frame
        self.port.start(heard, spoken)

    def key(self, key: str, way: str, at: float) -> None:
        """The other end pressed a key; `way`: "rtp" or "info"."""
        if self._pressed.is_new(key, way, at):
            self._tell(Dtmf(at, key))

    def _lost(self, seconds: float) -> None:
        """Told each second; the call hears of it at once and then every five."""
        if seconds >= self._lost_again and not self._held and self._fixed:  # while it rings none is owed
            if not self._lost_again:
                self.lost_first()
            self._lost_again = seconds + LOST_AGAIN_SECONDS
            self._tell(MediaLost(self._clock.now(), seconds))

    def _back(self) -> None:
        if self._lost_again:
            self._lost_again = 0.0
            self._tell(MediaBack(self._clock.now()))

    @property
    def round_trip(self) -> float:
        """Seconds that RTCP measured; 0 until it has."""
        trip = self.port.quality().round_trip_ms if self.port is not None else None
        return trip / 1000 if trip is not None else 0.0

    def quality(self) -> MediaQuality:
        """How the media did; still known after the end."""
        if self.port is None:
            return MediaQuality()
        quality = self.port.quality()
        return MediaQuality(**{field.name: getattr(quality, field.name) for field in fields(MediaQuality)})

    async def close(self) -> None:
        """Free the media, and let go of whoever listened. May be called more than once."""
        if self.port is not None:
            await self.port.close()
        self._given = None
        self._tell, self.lost_first = _nobody, _nothing


def _nobody(_: LegEvent) -> None:
    """The call is over."""


def _nothing() -> None:
    """Nobody wants to know first."""
