"""A call keeps its sample rate though a re-INVITE gives it a codec of another.

Recogniser, voice and record were opened for one rate. So where the codec's own differs from then on, sound
is brought to the call's rate and back here.
"""

from __future__ import annotations

from dataclasses import replace

from trunkline.audio.frame import Frame
from trunkline.audio.resample import Resampler
from trunkline.legs.leg import NextFrame, OnFrame


class SteadyRate:
    """Between a call at `rate` and media at `other`, from now on."""

    def __init__(self, rate: int, other: int, on_frame: OnFrame, next_frame: NextFrame) -> None:
        self._rate = rate
        self._in = Resampler(other, rate)
        self._out = Resampler(rate, other)
        self._on_frame = on_frame
        self._next_frame = next_frame

    def hear(self, frame: Frame) -> None:
        """20 ms of the other end, at the media's rate."""
        if frame.rate == self._in.source:
            frame = replace(frame, pcm=self._in.push(frame.pcm), rate=self._rate)
        self._on_frame(frame)

    def next_frame(self, at: float) -> bytes | None:
        """20 ms of the call, at the media's rate."""
        pcm = self._next_frame(at)
        return None if pcm is None else self._out.push(pcm)
