"""A caller and a person joined, with the sound going through this machine.

Two SIP calls are joined packet by packet (`rtp/bridge.py`): what has one codec is not decoded, and keys are
in the packets. Any other two legs exchange their frames, at most a few of which wait, and each other's keys.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from trunkline.audio.frame import Frame
from trunkline.audio.resample import Resampler
from trunkline.call.record import RunRecorder
from trunkline.errors import MediaError, TrunklineError
from trunkline.legs.leg import Can, Leg, NextFrame, OnFrame
from trunkline.legs.sip_leg import SipLeg
from trunkline.rtp.bridge import Bridge

_MOST_WAITING = 5
"""Frames (100 ms) on their way; of more the oldest are lost, for the sake of those that follow."""
_MOST_KEYS = 64
"""Keys that wait to be pressed; of more the newest are lost."""


class Joined:
    """From its making until it is closed. `agent`: who has the caller again after that; `recorder`: records
    both, the person on the agent's side; `trouble`: told where one of them takes no keys."""

    def __init__(
        self,
        caller: Leg,
        person: Leg,
        agent: tuple[OnFrame, NextFrame] | None,
        recorder: RunRecorder | None,
        trouble: Callable[[TrunklineError], None],
    ) -> None:
        """Raises `MediaError` where one of them is over."""
        self._bridge: Bridge | None = None
        self._caller = caller
        self._agent = agent
        self._keys: tuple[_Keys, ...] = ()
        hear_caller = hear_person = None
        if recorder is not None:
            # The recording has the rate that the call had at first; a codec of another may come.
            hear_caller = _AtOneRate(recorder.caller, caller.rate).hear
            hear_person = _AtOneRate(partial(_on_the_agents_side, recorder), caller.rate).hear
        one = caller.media if isinstance(caller, SipLeg) else None
        other = person.media if isinstance(person, SipLeg) else None
        if one is not None and other is not None:
            self._bridge = Bridge(one, other, hear_one=hear_caller, hear_other=hear_person)
            return
        to_person, to_caller = _Way(person.rate, hear_caller), _Way(caller.rate, hear_person)
        caller.start(to_person.hear, to_caller.next_frame)
        person.start(to_caller.hear, to_person.next_frame)
        self._keys = (_Keys(caller, trouble), _Keys(person, trouble))

    def caller_pressed(self, key: str) -> None:
        """A key of the caller's, for the person."""
        if self._keys:
            self._keys[1].press(key)

    def person_pressed(self, key: str) -> None:
        """A key of the person's, for the caller."""
        if self._keys:
            self._keys[0].press(key)

    async def close(self) -> None:
        """Part them. May be called more than once."""
        keys, self._keys = self._keys, ()
        for one in keys:
            await one.close()
        if self._bridge is not None:
            self._bridge.close()
        elif self._agent is not None:
            with suppress(MediaError):  # The caller's end may be over.
                self._caller.start(*self._agent)
            self._agent = None


class _Keys:
    """Presses keys on a leg, one after the other."""

    def __init__(self, leg: Leg, trouble: Callable[[TrunklineError], None]) -> None:
        self._leg = leg
        self._trouble = trouble
        self._waiting: asyncio.Queue[str] = asyncio.Queue(_MOST_KEYS)
        self._pressing: asyncio.Task[None] | None = None

    def press(self, key: str) -> None:
        if self._pressing is None:
            self._pressing = asyncio.create_task(self._press(), name="keys across")
        with suppress(asyncio.QueueFull):
            self._waiting.put_nowait(key)

    async def _press(self) -> None:
        try:
            while Can.SEND_DTMF in self._leg.can:
                await self._leg.send_dtmf(await self._waiting.get())
        except TrunklineError as error:
            self._trouble(error)  # Once: who takes none takes no other either.

    async def close(self) -> None:
        if self._pressing is not None:
            self._pressing.cancel()
            await asyncio.gather(self._pressing, return_exceptions=True)


def _on_the_agents_side(recorder: RunRecorder, frame: Frame) -> None:
    recorder.agent(frame.at - frame.seconds, frame.pcm)


class _AtOneRate:
    """Hands frames on at one rate, whatever theirs is."""

    def __init__(self, hear: OnFrame, rate: int) -> None:
        self._hear = hear
        self._rate = rate
        self._resampler: Resampler | None = None

    def hear(self, frame: Frame) -> None:
        if frame.rate != self._rate:
            if self._resampler is None or self._resampler.source != frame.rate:
                self._resampler = Resampler(frame.rate, self._rate)
            frame = replace(frame, pcm=self._resampler.push(frame.pcm), rate=self._rate)
        self._hear(frame)


class _Way:
    """What one end says, on its way to the other at `rate`."""

    def __init__(self, rate: int, hear: OnFrame | None) -> None:
        self._hear = hear
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._across = _AtOneRate(lambda frame: self._waiting.append(frame.pcm), rate)

    def hear(self, frame: Frame) -> None:
        if self._hear is not None:
            self._hear(frame)
        self._across.hear(frame)

    def next_frame(self, _at: float) -> bytes | None:
        return self._waiting.popleft() if self._waiting else None
