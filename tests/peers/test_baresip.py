"""baresip, a softphone that nobody here wrote, dials in and is dialled: signalling and sound both ways."""

from __future__ import annotations

import array
import asyncio
import math
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from peers.softphone import baresip, free_port, needs_baresip
from trunkline.audio.frame import Frame
from trunkline.clock import SystemClock
from trunkline.events import HungUp
from trunkline.legs.sip import SipService, SipSettings
from trunkline.legs.sip_leg import SipLeg
from trunkline.rtp.pacer import Pacer

pytestmark = list(needs_baresip)


@asynccontextmanager
async def phone() -> AsyncIterator[SipService]:
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    service = await SipService.open(SipSettings(bind="udp:127.0.0.1:0"), clock, pacer)
    try:
        async with asyncio.timeout(30):
            yield service
    finally:
        await service.close()
        await pacer.close()


class Echo:
    """Gives back what it hears, and keeps it."""

    def __init__(self, leg: SipLeg) -> None:
        self.heard: list[Frame] = []
        self.enough = asyncio.Event()
        leg.start(self._listen, self._speak)

    def _listen(self, frame: Frame) -> None:
        if not frame.concealed:
            self.heard.append(frame)
        if len(self.heard) >= 100:
            self.enough.set()

    def _speak(self, at: float) -> bytes | None:
        return self.heard[-1].pcm if self.heard else None

    def tone(self) -> float:
        """How much of the last half second heard is the tone, 0 to 1."""
        return share_of_tone(b"".join(frame.pcm for frame in self.heard[-25:]), 440.0)


def share_of_tone(pcm: bytes, hertz: float) -> float:
    """The share of the power of `pcm` (8 kHz) that lies at one frequency (Goertzel)."""
    samples = array.array("h", pcm)
    power = sum(sample * sample for sample in samples)
    step = 2 * math.pi * hertz / 8000
    real = sum(sample * math.cos(step * place) for place, sample in enumerate(samples))
    imaginary = sum(sample * math.sin(step * place) for place, sample in enumerate(samples))
    return 2 * (real * real + imaginary * imaginary) / (len(samples) * power) if power else 0.0


def heard_by_baresip(folder: Path) -> float:
    """The share of the tone in the best half second that baresip decoded."""
    (recording,) = folder.glob("*dec*.wav")
    with wave.open(str(recording)) as sound:
        assert sound.getframerate() == 8000
        pcm = sound.readframes(sound.getnframes())
    pieces = [pcm[start : start + 800] for start in range(0, len(pcm) - 800, 800)]
    return max((share_of_tone(piece, 440.0) for piece in pieces), default=0.0)


async def test_baresip_dials_in_and_hears_its_own_tone_back(tmp_path: Path) -> None:
    async with phone() as service:
        host, port = service.address
        async with baresip(tmp_path, free_port(), "-e", f"/dial sip:agent@{host}:{port}") as program:
            leg = await anext(service.calls())
            assert leg.info.caller.startswith("sip:baresip@")
            await leg.answer()
            echo = Echo(leg)
            await echo.enough.wait()
            assert echo.tone() > 0.9
            program.terminate()  # It says goodbye: BYE for the calls that are up.
            events = [event async for event in leg.events()]
            assert isinstance(events[-1], HungUp)
            assert leg.quality().packets_received >= 100
            await leg.hang_up()
    assert heard_by_baresip(tmp_path) > 0.9


async def test_baresip_is_dialled_and_answers(tmp_path: Path) -> None:
    there = free_port()
    async with phone() as service, baresip(tmp_path, there) as program:
        assert program.stdout is not None
        while b"ready" not in await program.stdout.readline():
            pass
        leg = await service.dial(f"sip:baresip@127.0.0.1:{there}", caller="Trunkline")
        await leg.answer()
        echo = Echo(leg)
        await echo.enough.wait()
        assert echo.tone() > 0.9
        await leg.hang_up()
        while b"session closed" not in (line := (await program.stdout.readline()).lower()):
            assert line, "baresip ended without a word of the call's end"
    assert heard_by_baresip(tmp_path) > 0.9
