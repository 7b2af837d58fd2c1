"""baresip speaks wide-band codecs and encrypts: what either makes, the other understands."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from peers.softphone import baresip, free_port, needs_baresip
from trunkline.audio.codecs.registry import usable_codec
from trunkline.audio.frame import Frame
from trunkline.clock import SystemClock
from trunkline.errors import MediaError
from trunkline.legs.sip import SipService, SipSettings
from trunkline.legs.sip_leg import SipLeg
from trunkline.rtp.pacer import Pacer
from trunkline.rtp.srtp import suites

pytestmark = list(needs_baresip)


@asynccontextmanager
async def phone(**changes: Any) -> AsyncIterator[SipService]:
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    settings = replace(SipSettings(bind="udp:127.0.0.1:0"), **changes)
    service = await SipService.open(settings, clock, pacer)
    try:
        async with asyncio.timeout(40):
            yield service
    finally:
        await service.close()
        await pacer.close()


def pitch(pcm: bytes, rate: int) -> float:
    """The loudest frequency in it."""
    sound = np.frombuffer(pcm, "<i2").astype(np.float64)
    return float(np.argmax(np.abs(np.fft.rfft(sound * np.hanning(len(sound))))) * rate / len(sound))


async def echoed(leg: SipLeg, frames: int = 120) -> list[Frame]:
    """What it says, while it is given back to it."""
    heard: list[Frame] = []
    enough = asyncio.Event()

    def listen(frame: Frame) -> None:
        if not frame.concealed:
            heard.append(frame)
        if len(heard) >= frames:
            enough.set()

    leg.start(listen, lambda _: heard[-1].pcm if heard else None)
    await enough.wait()
    return heard


def heard_by_baresip(folder: Path) -> float:
    """The pitch of the loudest half second that baresip decoded."""
    (recording,) = folder.glob("*dec*.wav")
    with wave.open(str(recording)) as sound:
        rate, channels = sound.getframerate(), sound.getnchannels()
        pcm = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")[::channels]
    size = rate // 2
    pieces = [pcm[start : start + size] for start in range(0, len(pcm) - size, size)]
    loudest = max(pieces, key=lambda piece: float(np.abs(piece.astype(np.float64)).sum()))
    return pitch(loudest.tobytes(), rate)


async def call(
    folder: Path, *, module: str = "", account: str = "", rate: int = 8000, **settings: Any
) -> SipLeg:
    """It dials in, hears itself, and is hung up; gives the leg for its figures."""
    async with phone(**settings) as service:
        host, port = service.address
        dial = ("-e", f"/dial sip:agent@{host}:{port}")
        modules = tuple(module.split())
        async with baresip(
            folder, free_port(), *dial, rate=rate, modules=modules, account=account
        ) as program:
            leg = await anext(service.calls())
            await leg.answer()
            heard = await echoed(leg)
            sound = b"".join(frame.pcm for frame in heard[-50:])
            assert pitch(sound, leg.rate) == pytest.approx(440, abs=2)
            program.terminate()
            async for _ in leg.events():
                pass
            await leg.hang_up()
    assert heard_by_baresip(folder) == pytest.approx(440, abs=4)
    return leg


@pytest.mark.parametrize(
    ("codec", "named", "rate"), [("G722", "G722/16000/1", 16000), ("OPUS", "opus/48000/2", 48000)]
)
async def test_wide_band_is_the_same_to_both(tmp_path: Path, codec: str, named: str, rate: int) -> None:
    try:
        usable_codec(codec)
    except MediaError as error:
        pytest.skip(str(error))
    leg = await call(
        tmp_path,
        module=codec.lower(),
        account=f";audio_codecs={named}",
        rate=rate,
        codecs=(codec, "PCMU"),
    )
    assert leg.rate == 16000
    assert leg.quality().codec == codec


@pytest.mark.parametrize("ptime", [10, 30, 40])
async def test_packets_of_other_lengths_are_understood(tmp_path: Path, ptime: int) -> None:
    leg = await call(tmp_path, account=f";ptime={ptime}", packet_time=ptime)
    quality = leg.quality()
    assert quality.packets_lost == 0
    assert quality.packets_sent == pytest.approx(quality.packets_received, rel=0.3)


@pytest.mark.parametrize(
    ("theirs", "ours", "encrypted"),
    [
        ("srtp-mand", "preferred", True),
        ("srtp-mand", "required", True),
        ("srtp", "preferred", True),
        ("srtp", "off", False),
    ],
)
async def test_encryption_is_the_same_to_both(
    tmp_path: Path, theirs: str, ours: str, encrypted: bool
) -> None:
    try:
        suites()
    except MediaError as error:
        pytest.skip(str(error))
    leg = await call(tmp_path, module="srtp", account=f";mediaenc={theirs}", srtp=ours)
    assert bool(leg.quality().srtp) == encrypted
    assert leg.quality().packets_received >= 100


async def test_an_encrypted_offer_of_ours_is_taken(tmp_path: Path) -> None:
    try:
        suites()
    except MediaError as error:
        pytest.skip(str(error))
    there = free_port()
    mandatory = {"modules": ("srtp",), "account": ";mediaenc=srtp-mand"}
    async with phone(srtp="required") as service, baresip(tmp_path, there, **mandatory) as program:  # type: ignore[arg-type]
        assert program.stdout is not None
        while b"ready" not in await program.stdout.readline():
            pass
        leg = await service.dial(f"sip:baresip@127.0.0.1:{there}")
        await leg.answer()
        heard = await echoed(leg)
        assert pitch(b"".join(frame.pcm for frame in heard[-50:]), 8000) == pytest.approx(440, abs=2)
        assert leg.quality().srtp == "AES_CM_128_HMAC_SHA1_80"
        await leg.hang_up()
        while b"session closed" not in (await program.stdout.readline()).lower():
            pass
    assert heard_by_baresip(tmp_path) == pytest.approx(440, abs=4)
