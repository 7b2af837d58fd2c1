"""A caller and a person joined, with the sound going through this machine.

Two SIP calls are joined packet by packet (`rtp/bridge.py`): what has one codec is not decoded. Any other
two legs exchange their frames, at most a few of which wait.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress

from trunkline.audio.frame import Frame
from trunkline.audio.resample import Resampler
from trunkline.call.record import RunRecorder
from trunkline.errors import MediaError
from trunkline.legs.leg import Leg, NextFrame, OnFrame
from trunkline.legs.sip_leg import SipLeg
from trunkline.rtp.bridge import Bridge

_MOST_WAITING = 5
"""Frames (100 ms) on their way; of more the oldest are lost, for the sake of those that follow."""


class Joined:
    """From its making until it is closed. `agent`: who has the caller again after that; `recorder`: records
    both, the person on the agent's side."""

    def __init__(
        self,
        caller: Leg,
        person: Leg,
        agent: tuple[OnFrame, NextFrame] | None,
        recorder: RunRecorder | None,
    ) -> None:
        """Raises `MediaError` where one of them is over."""
        self._bridge: Bridge | None = None
        self._caller = caller
        self._agent = agent
        hear_caller = recorder.caller if recorder is not None else None
        hear_person = _OnTheAgentsSide(recorder, caller.rate).hear if recorder is not None else None
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


class _OnTheAgentsSide:
    """Puts a person's frames into the recording, at its rate."""

    def __init__(self, recorder: RunRecorder, rate: int) -> None:
        self._recorder = recorder
        self._rate = rate
        self._resampler: Resampler | None = None

    def hear(self, frame: Frame) -> None:
        pcm = frame.pcm
        if frame.rate != self._rate:
            if self._resampler is None or self._resampler.source != frame.rate:
                self._resampler = Resampler(frame.rate, self._rate)
            pcm = self._resampler.push(pcm)
        self._recorder.agent(frame.at - frame.seconds, pcm)


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
