"""The other end of each leg, as the conformance suite drives it: it speaks, listens, presses, ends."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from trunkline.clock import SystemClock
from trunkline.lab.memory_leg import MemoryLeg
from trunkline.legs.leg import Leg
from trunkline.legs.sip import SipService, SipSettings
from trunkline.rtp.pacer import Pacer

LIMIT = 15.0
"""Seconds for a whole test, where a thing that should come does not."""


class FarEnd(Protocol):
    """A call that is up, seen from the other end."""

    leg: Leg
    heard: bytearray
    """The agent's sound as it arrived, 16-bit PCM at the leg's rate."""

    async def speak(self, pcm: bytes) -> None:
        """20 ms of the caller."""

    async def press(self, digit: str) -> None: ...

    async def hang_up(self) -> None: ...


Open = Callable[[], AbstractAsyncContextManager[FarEnd]]


def tone(rate: int, frequency: float = 400.0, seconds: float = 0.02, level: float = 0.4) -> bytes:
    """A sine, 16-bit PCM."""
    count = round(rate * seconds)
    return array(
        "h", (int(32767 * level * math.sin(2 * math.pi * frequency * n / rate)) for n in range(count))
    ).tobytes()


def loudness(pcm: bytes) -> float:
    """The root mean square of some samples, 0 to 1."""
    samples = array("h", bytes(pcm[: len(pcm) // 2 * 2]))
    return math.sqrt(sum(s * s for s in samples) / len(samples)) / 32768 if samples else 0.0


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that other tasks bring about."""
    async with asyncio.timeout(LIMIT):
        while not condition():  # noqa: ASYNC110 - what is waited for is told by no event
            await asyncio.sleep(0.002)


class _Mouth:
    """Frames to be spoken, one at each tick."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[bytes] = asyncio.Queue(100)

    def next_frame(self, _at: float) -> bytes | None:
        return None if self.waiting.empty() else self.waiting.get_nowait()


class LegFarEnd:
    """The far end is itself a leg of ours (memory, SIP)."""

    def __init__(self, leg: Leg, far: Leg) -> None:
        self.leg = leg
        self.heard = bytearray()
        self._far = far
        self._mouth = _Mouth()
        far.start(lambda frame: self.heard.extend(frame.pcm), self._mouth.next_frame)

    async def speak(self, pcm: bytes) -> None:
        await self._mouth.waiting.put(pcm)

    async def press(self, digit: str) -> None:
        await self._far.send_dtmf(digit)

    async def hang_up(self) -> None:
        await self._far.hang_up("hung up")


@asynccontextmanager
async def memory_call() -> AsyncIterator[FarEnd]:
    caller, called = MemoryLeg.pair(SystemClock())
    await called.answer()
    try:
        yield LegFarEnd(called, caller)
    finally:
        await called.hang_up()


@asynccontextmanager
async def sip_call() -> AsyncIterator[FarEnd]:
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    one = await SipService.open(SipSettings(bind="udp:127.0.0.1:0", user="one"), clock, pacer)
    two = await SipService.open(SipSettings(bind="udp:127.0.0.1:0", user="two"), clock, pacer)
    try:
        host, port = two.address
        calling = await one.dial(f"sip:two@{host}:{port}")
        called = await anext(aiter(two.calls()))
        await called.answer()
        await calling.answer()
        yield LegFarEnd(called, calling)
    finally:
        await one.close()
        await two.close()
        await pacer.close()
