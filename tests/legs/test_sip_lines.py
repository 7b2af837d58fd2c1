"""Each test line, called over loopback."""

from __future__ import annotations

import array
import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from legs.test_sip_calls import address, two_phones
from trunkline.audio.frame import Frame
from trunkline.clock import SystemClock
from trunkline.legs.sip import SipService, SipSettings
from trunkline.legs.sip_leg import SipLeg
from trunkline.legs.sip_lines import tone
from trunkline.sip.not_taken import CallNotTaken, Why

LINES = SipSettings(bind="udp:127.0.0.1:0", user="lines", test_lines=True)


@asynccontextmanager
async def calling(user: str) -> AsyncIterator[tuple[SipLeg, SipService]]:
    async with two_phones(second=LINES) as (one, two):
        agent = asyncio.create_task(anext(aiter(two.calls()), None))
        leg = await one.dial(address(two, user))
        try:
            yield leg, two
        finally:
            await leg.hang_up()
            await two.close()
            assert await agent is None, "a test line's call came to the agent"


async def heard_from(leg: SipLeg, say: bytes | None, wanted: int = 10) -> list[bytes]:
    heard: list[bytes] = []
    enough = asyncio.Event()

    def listen(frame: Frame) -> None:
        if not frame.concealed and any(frame.pcm):
            heard.append(frame.pcm)
        if len(heard) >= wanted:
            enough.set()

    leg.start(listen, lambda _: say)
    await enough.wait()
    return heard


async def test_echo_gives_back_what_it_hears() -> None:
    said = array.array("h", [8000, -8000] * 80).tobytes()
    async with calling("echo") as (leg, _):
        await leg.answer()
        heard = array.array("h", (await heard_from(leg, said))[-1])
        assert [sample > 0 for sample in heard] == [sample > 0 for sample in array.array("h", said)]


async def test_the_tone_is_one_kilohertz_at_its_level() -> None:
    async with calling("tone") as (leg, _):
        await leg.answer()
        heard = [array.array("h", pcm) for pcm in await heard_from(leg, None)]
    # On a busy machine one may be faded in after a gap; the middle one by its power is none of these.
    samples = sorted(heard, key=lambda each: sum(sample * sample for sample in each))[len(heard) // 2]
    power = sum(sample * sample for sample in samples) / len(samples)
    # 0 dBm0 is a sine of 3.17 dB less than the loudest (G.711); a sine's power is half its peak's.
    dbm0 = 10 * math.log10(power / (32_767**2 / 2)) + 3.17
    assert dbm0 == pytest.approx(-10, abs=0.3)
    real = sum(s * math.cos(math.tau * n / 8) for n, s in enumerate(samples))
    imaginary = sum(s * math.sin(math.tau * n / 8) for n, s in enumerate(samples))
    assert 2 * (real**2 + imaginary**2) / len(samples) ** 2 == pytest.approx(power, rel=0.02)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_the_tone_goes_on_without_a_seam(rate: int) -> None:
    samples = array.array("h", tone(rate))
    assert len(samples) == rate // 50
    assert samples[0] == 0
    assert abs(samples[-1] + samples[1]) <= 1


async def test_each_key_is_told_once() -> None:
    told: list[str] = []
    async with calling("dtmf") as (leg, service):
        service.tell = told.append
        await leg.answer()
        leg.start(lambda _: None, lambda _: None)
        await leg.send_dtmf("15#")
        await leg.hang_up()
        while service.active:
            await SystemClock().sleep(0.01)
    assert told == ["DTMF: 1", "DTMF: 5", "DTMF: #"]


async def test_busy_is_busy() -> None:
    async with calling("busy") as (leg, _):
        with pytest.raises(CallNotTaken) as caught:
            await leg.answer()
        assert caught.value.why is Why.BUSY


async def test_silence_answers_and_says_nothing() -> None:
    async with calling("silence") as (leg, _):
        await leg.answer()
        assert leg.quality().packets_received == 0


async def test_ring_can_be_given_up_while_it_rings() -> None:
    async with calling("ring") as (leg, service):
        assert type(await anext(leg.events())).__name__ == "CallRinging"
        await leg.hang_up()
        while service.active:
            await SystemClock().sleep(0.01)


async def test_without_the_setting_their_names_are_the_agents() -> None:
    async with two_phones() as (one, two):
        leg = await one.dial(address(two, "echo"))
        called = await anext(aiter(two.calls()))
        assert called.info.callee == address(two, "echo")
        await leg.hang_up()
