"""Test lines: users that any phone can call to try signalling, sound and keys, without an agent.

| user | what it does |
| --- | --- |
| echo | gives back what it hears |
| ring | rings for four seconds, then answers, silent |
| tone | 1 kHz at -10 dBm0 |
| dtmf | tells each key once, as `DTMF: 5` |
| silence | answers and says nothing |
| busy | is busy |
"""

from __future__ import annotations

import array
import asyncio
import math
from collections import deque
from collections.abc import Callable

from trunkline.audio.frame import FRAME_SECONDS, Frame
from trunkline.clock import Clock
from trunkline.errors import ParseError, TrunklineError
from trunkline.events import Dtmf
from trunkline.legs.leg import Leg, LegInfo
from trunkline.sip.uri import parse_uri

LINES = ("echo", "ring", "tone", "dtmf", "silence", "busy")
RING_SECONDS = 4.0
LONGEST = 3_600.0
"""Seconds after which a test call is ended: a phone left off the hook must not hold a line for ever."""
_TONE_HERTZ = 1_000
_TONE_DBM0 = -10.0
_FULL_SINE_DBM0 = 3.17
"""The level of the loudest sine that mu-law can carry (ITU-T G.711)."""
_ECHO_FRAMES = 10
"""Frames that wait to be given back; what comes faster than it can leave is lost, oldest first."""


def line_of(info: LegInfo) -> str:
    """The test line that a call is for; empty where it is for none."""
    try:
        user = parse_uri(info.callee).number
    except ParseError:
        return ""
    return user if user in LINES else ""


def tone(rate: int) -> bytes:
    """20 ms of the tone as 16-bit PCM; it goes on without a seam, being whole periods."""
    peak = 32_767 * 10 ** ((_TONE_DBM0 - _FULL_SINE_DBM0) / 20)
    count = round(rate * FRAME_SECONDS)
    samples = (round(peak * math.sin(2 * math.pi * _TONE_HERTZ * n / rate)) for n in range(count))
    return array.array("h", samples).tobytes()


async def answer_line(line: str, leg: Leg, clock: Clock, tell: Callable[[str], object]) -> None:
    """Be that line for one call, until the caller hangs up. A call that comes to nothing is no error."""
    if line == "busy":
        await leg.hang_up("busy")
        return
    try:
        async with asyncio.timeout(LONGEST):
            if line == "ring":
                await clock.sleep(RING_SECONDS)
            await leg.answer()
            _speak(line, leg)
            async for event in leg.events():
                if line == "dtmf" and isinstance(event, Dtmf):
                    tell(f"DTMF: {event.digit}")
    except (TrunklineError, TimeoutError):
        pass  # Given up while it rang, no media in common, or on the line for too long: it ends here.
    finally:
        await leg.hang_up()


def _speak(line: str, leg: Leg) -> None:
    if line == "tone":
        sound = tone(leg.rate)
        leg.start(lambda _: None, lambda _: sound)
    elif line == "echo":
        heard: deque[bytes] = deque(maxlen=_ECHO_FRAMES)

        def listen(frame: Frame) -> None:
            heard.append(frame.pcm)

        leg.start(listen, lambda _: heard.popleft() if heard else None)
    else:
        leg.start(lambda _: None, lambda _: None)
