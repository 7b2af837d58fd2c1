"""A caller and a person joined, with the sound going through this machine.

Two SIP calls are joined packet by packet (`rtp/bridge.py`): what has one codec is not decoded. Any other
two legs exchange their frames, at most a few of which wait.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress

from trunkline.audio.frame import Frame
from trunkline.audio.resample import Resampler
from trunkline.errors import MediaError
from trunkline.legs.leg import Leg, NextFrame, OnFrame
from trunkline.legs.sip_leg import SipLeg
from trunkline.rtp.bridge import Bridge

_MOST_WAITING = 5
"""Frames (100 ms) on their way; of more the oldest are lost, for the sake of those that follow."""


class Joined:
    """From its making until it is closed. `agent`: who has the caller again after that; `hear_caller`,
    `hear_person`: for a recording."""

    def __init__(
        self,
        caller: Leg,
        person: Leg,
        agent: tuple[OnFrame, NextFrame] | None,
        hear_caller: OnFrame | None,
        hear_person: OnFrame | None,
    ) -> None:
        """Raises `MediaError` where one of them is over."""
        self._bridge: Bridge | None = None
        self._caller = caller
        self._agent = agent
        one = caller.media if isinstance(caller, SipLeg) else None
        other = person.media if isinstance(person, SipLeg) else None
        if one is not None and other is not None:
            self._bridge = Bridge(one, other, hear_one=hear_caller, hear_other=hear_person)
            return
        to_person, to_caller = _Way(person.rate, hear_caller), _Way(caller.rate, hear_person)
        caller.start(to_person.hear, to_caller.next_frame)
        person.start(to_caller.hear, to_person.next_frame)

    def close(self) -> None:
        """Part them. May be called more than once."""
        if self._bridge is not None:
            self._bridge.close()
        elif self._agent is not None:
            with suppress(MediaError):  # The caller's end may be over.
                self._caller.start(*self._agent)
            self._agent = None


class _Way:
    """What one end says, on its way to the other at `rate`."""

    def __init__(self, rate: int, hear: OnFrame | None) -> None:
        self._rate = rate
        self._hear = hear
        self._resampler: Resampler | None = None
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)

    def hear(self, frame: Frame) -> None:
        if self._hear is not None:
            self._hear(frame)
        pcm = frame.pcm
        if frame.rate != self._rate:
            if self._resampler is None or self._resampler.source != frame.rate:
                self._resampler = Resampler(frame.rate, self._rate)
            pcm = self._resampler.push(pcm)
        self._waiting.append(pcm)

    def next_frame(self, _at: float) -> bytes | None:
        return self._waiting.popleft() if self._waiting else None
