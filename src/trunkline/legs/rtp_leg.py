"""One call whose sound is RTP of our own, and which somebody else's control answers, hands over and ends:
an Asterisk that we lead over ARI, a browser over WebRTC. See `carried_leg.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Protocol

from trunkline.errors import MediaError
from trunkline.events import Dtmf, MediaBack, MediaLost
from trunkline.legs.carried_leg import CarriedLeg
from trunkline.legs.leg import MediaQuality, NextFrame, OnFrame
from trunkline.rtp.quality import Quality

LOST_AGAIN_SECONDS = 5.0
"""Media that stays lost is told again each time so much more has passed."""


class Media(Protocol):
    """RTP that can be started: a `MediaPort`, or a browser's."""

    on_dtmf: Callable[[str], None] | None
    on_lost: Callable[[float], None] | None
    on_back: Callable[[], None] | None

    @property
    def rate(self) -> int:
        """Samples a second, both ways."""

    def start(self, on_frame: OnFrame, next_frame: NextFrame) -> None: ...

    def quality(self) -> Quality: ...

    async def close(self) -> None: ...


class RtpLeg(CarriedLeg):
    """Made on the `Switchboard`; whoever made it attaches the media."""

    _media: Media | None = None
    _quality = MediaQuality()
    _lost_again = 0.0
    """For how long nothing must have come until the call is told again."""

    @property
    def wire_delay(self) -> float:
        """Half the round trip that RTCP measured; 0 until it has. Frames are pulled as they leave."""
        trip = self._media.quality().round_trip_ms if self._media is not None else None
        return trip / 2000 if trip is not None else 0.0

    def start(self, on_frame: OnFrame, next_frame: NextFrame) -> None:
        """Begin moving audio."""
        if not self._answered:
            raise MediaError("the call was not answered yet", where=self.info.kind)
        self._on_frame, self._next_frame = on_frame, next_frame
        if self._media is not None and not self.ended:
            self._media.start(on_frame, next_frame)

    def clear(self) -> None:
        """Nothing is buffered here: frames are pulled as they leave."""

    def quality(self) -> MediaQuality:
        """How the media did: of a call whose media came back, the latest."""
        if self._media is None:
            return self._quality
        quality = self._media.quality()
        return MediaQuality(**{field.name: getattr(quality, field.name) for field in fields(MediaQuality)})

    def attach(self, media: Media, codec: str) -> None:
        """The media can be started: at first, or again in the place of what was there. Raises
        `CallRefused` where the call is over."""
        self._up(codec, media.rate)
        self._let_go()
        self._media = media
        media.on_dtmf = lambda digit: self._deliver(Dtmf(self._clock.now(), digit))
        media.on_lost = self._media_lost
        media.on_back = self._media_back
        if self._lost_again:
            self._media_back()
        if self._on_frame is not None and self._next_frame is not None:
            media.start(self._on_frame, self._next_frame)

    def detach(self, media: Media) -> None:
        """This media is gone; the call may go on with other."""
        if media is self._media and not self.ended:
            self._let_go()
            self._away()

    def _media_lost(self, seconds: float) -> None:
        """Told each second; the call hears of it at once and then every five."""
        if seconds >= self._lost_again:
            self._lost_again = seconds + LOST_AGAIN_SECONDS
            self._deliver(MediaLost(self._clock.now(), seconds))

    def _media_back(self) -> None:
        self._lost_again = 0.0
        self._deliver(MediaBack(self._clock.now()))

    def _media_over(self, why: str) -> None:  # noqa: ARG002 - RTP has no words for a reason
        self._let_go()

    def _let_go(self) -> None:
        if self._media is None:
            return
        self._quality = self.quality()
        media, self._media = self._media, None
        media.on_dtmf = media.on_lost = media.on_back = None
        self._last_work(media.close())
