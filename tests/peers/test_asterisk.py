"""A real Asterisk between a telephone (our SIP service) and us: ARI with external media, and AudioSocket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from legs.far_ends import loudness, tone, until
from peers.asterisk import PASSWORD, USER, UUID, Ports, asterisk, free_port, needs_asterisk
from trunkline.clock import SystemClock
from trunkline.events import Dtmf, HungUp
from trunkline.legs.ari import AriSettings
from trunkline.legs.audiosocket import AudioSocketSettings
from trunkline.legs.call_control import StreamSettings
from trunkline.legs.carriers import CarrierSettings, Carrying
from trunkline.legs.leg import Leg, TransferResult
from trunkline.legs.sip import SipService, SipSettings
from trunkline.legs.websocket_leg import StreamLeg
from trunkline.rtp.pacer import Pacer

pytest.importorskip("aiohttp", reason="needs: pip install aiohttp")
pytestmark = [pytest.mark.peer, needs_asterisk, pytest.mark.timeout(300)]


@dataclass
class World:
    """The telephone, the Asterisk and our side."""

    phone: SipService
    carrying: Carrying
    ports: Ports
    log: Path

    async def call(self, extension: str) -> Leg:
        return await self.phone.dial(f"sip:{extension}@127.0.0.1:{self.ports.sip}")

    async def next_call(self) -> Leg:
        async with asyncio.timeout(30):
            return await anext(aiter(self.carrying.board.calls()))


@asynccontextmanager
async def world(
    folder: Path,
    media: str = "ulaw",
    *,
    way: str = "rtp",
    words: str = "plain-text",
    times: StreamSettings | None = None,
) -> AsyncIterator[World]:
    """`way`: how the sound comes over ARI: rtp, or over sockets that we or Asterisk open."""
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    phone = await SipService.open(SipSettings(bind="udp:127.0.0.1:0", user="phone"), clock, pacer)
    ports = Ports(
        free_port(socket.SOCK_DGRAM),
        free_port(socket.SOCK_STREAM),
        phone.address[1],
        free_port(socket.SOCK_STREAM),
        free_port(socket.SOCK_STREAM),
        words,
    )
    ari = AriSettings(
        url=ports.ari,
        username=USER,
        password=PASSWORD,
        format=media,  # type: ignore[arg-type]
        media="rtp" if way == "rtp" else "websocket",
        websocket_bind=f"127.0.0.1:{ports.media}" if way == "theirs" else "",
    )
    settings = CarrierSettings(
        ari=ari,
        audiosocket=AudioSocketSettings(bind=f"127.0.0.1:{ports.audiosocket}"),
    )
    try:
        async with asterisk(folder, ports) as log:
            carrying = await Carrying.open(settings, clock, pacer, times)
            try:
                async with asyncio.timeout(30):
                    await carrying.ari_connected()
                yield World(phone, carrying, ports, log)
            finally:
                await carrying.close()
    finally:
        await phone.close()
        await pacer.close()


def listen(leg: Leg) -> list[bytes]:
    """A leg that says a tone; what it hears gathers in the list."""
    heard: list[bytes] = []
    sound = tone(leg.rate)
    leg.start(lambda frame: heard.append(frame.pcm), lambda _: sound)
    return heard


async def is_heard(heard: list[bytes]) -> None:
    await until(lambda: sum(loudness(frame) > 0.1 for frame in heard) > 20)


@pytest.mark.parametrize("media", ["ulaw", "alaw", "g722"])
async def test_a_call_over_ari_is_heard_both_ways(media: str, tmp_path: Path) -> None:
    async with world(tmp_path, media) as here:
        calling = await here.call("ari")
        leg = await here.next_call()
        assert leg.info.variables["list"] == "spring"
        assert leg.info.callee == "ari"
        await asyncio.gather(leg.answer(), calling.answer())
        at_the_phone, at_ours = listen(calling), listen(leg)
        await is_heard(at_ours)
        await is_heard(at_the_phone)
        await calling.send_dtmf("5")
        events = leg.events()
        async for event in events:
            if isinstance(event, Dtmf):
                assert event.digit == "5"
                break
        await leg.hang_up()
        assert isinstance([event async for event in calling.events()][-1], HungUp)


@pytest.mark.parametrize("way", ["ours", "theirs"])
@pytest.mark.parametrize("words", ["plain-text", "json"])
@pytest.mark.parametrize("media", ["ulaw", "slin16"])
async def test_a_call_over_a_websocket_is_heard_both_ways(
    media: str, words: str, way: str, tmp_path: Path
) -> None:
    async with world(tmp_path, media, way=way, words=words) as here:
        calling = await here.call("ari")
        leg = await here.next_call()
        await asyncio.gather(leg.answer(), calling.answer())
        at_the_phone, at_ours = listen(calling), listen(leg)
        await is_heard(at_ours)
        await is_heard(at_the_phone)
        await until(lambda: leg.quality().round_trip_ms is not None)  # A mark came back.
        leg.clear()
        at_the_phone.clear()
        await is_heard(at_the_phone)
        await calling.send_dtmf("5")
        async for event in leg.events():
            if isinstance(event, Dtmf):
                assert event.digit == "5"
                break
        await leg.hang_up()
        assert isinstance([event async for event in calling.events()][-1], HungUp)


@pytest.mark.parametrize("way", ["ours", "theirs"])
async def test_a_websocket_that_breaks_off_is_had_again(way: str, tmp_path: Path) -> None:
    async with world(tmp_path, way=way) as here:
        calling = await here.call("ari")
        leg = await here.next_call()
        await asyncio.gather(leg.answer(), calling.answer())
        at_the_phone, at_ours = listen(calling), listen(leg)
        await is_heard(at_the_phone)
        assert isinstance(leg, StreamLeg)
        first = leg._wire
        assert first is not None
        first.close("broken off by the test")
        await until(lambda: leg._wire not in (None, first))
        at_the_phone.clear()
        at_ours.clear()
        await is_heard(at_the_phone)
        await is_heard(at_ours)
        await leg.hang_up()
        assert isinstance([event async for event in calling.events()][-1], HungUp)


@pytest.mark.parametrize("words", ["plain-text", "json"])
async def test_asterisk_that_has_enough_is_sent_nothing_until_it_wants_more(
    words: str, tmp_path: Path
) -> None:
    # So far ahead that its queue fills: 900 frames.
    async with world(tmp_path, way="ours", words=words, times=StreamSettings(lead=30.0)) as here:
        calling = await here.call("ari")
        leg = await here.next_call()
        await asyncio.gather(leg.answer(), calling.answer())
        assert isinstance(leg, StreamLeg)
        at_the_phone, _ = listen(calling), listen(leg)
        await until(lambda: leg._held_off is not None)
        sent = leg.quality().packets_sent
        assert sent >= 900
        await until(lambda: leg._held_off is None)
        await until(lambda: leg.quality().packets_sent > sent)
        leg.clear()
        at_the_phone.clear()
        await is_heard(at_the_phone)
        await leg.hang_up()


async def test_a_call_over_a_websocket_is_handed_over(tmp_path: Path) -> None:
    async with world(tmp_path, way="ours") as here:
        placing = asyncio.create_task(here.carrying.dial("ari", "PJSIP/phone"))
        first = await anext(aiter(here.phone.calls()))
        leg = await placing
        await asyncio.gather(first.answer(), leg.answer())
        heard = listen(first)
        listen(leg)
        await is_heard(heard)
        moving = asyncio.create_task(leg.transfer("PJSIP/phone"))
        second = await anext(aiter(here.phone.calls()))
        await second.answer()
        assert await moving is TransferResult.TRANSFERRED
        await leg.hang_up()
        heard.clear()
        at_the_second = listen(second)
        await is_heard(heard)
        await is_heard(at_the_second)
        await second.hang_up()
        assert isinstance([event async for event in first.events()][-1], HungUp)


async def test_the_phone_hangs_up(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        calling = await here.call("ari")
        leg = await here.next_call()
        await asyncio.gather(leg.answer(), calling.answer())
        listen(leg)
        await calling.hang_up()
        assert isinstance([event async for event in leg.events()][-1], HungUp)


async def test_a_call_out_and_its_hand_over(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        placing = asyncio.create_task(here.carrying.dial("ari", "PJSIP/phone"))
        first = await anext(aiter(here.phone.calls()))
        leg = await placing
        await asyncio.gather(first.answer(), leg.answer())
        heard = listen(first)
        listen(leg)
        await is_heard(heard)
        moving = asyncio.create_task(leg.transfer("PJSIP/phone"))
        second = await anext(aiter(here.phone.calls()))
        await second.answer()
        assert await moving is TransferResult.TRANSFERRED
        await leg.hang_up()
        heard.clear()
        at_the_second = listen(second)
        await is_heard(heard)
        await is_heard(at_the_second)
        await second.hang_up()
        assert isinstance([event async for event in first.events()][-1], HungUp)


async def test_a_target_that_declines_leaves_the_call_with_us(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        calling = await here.call("ari")
        leg = await here.next_call()
        await asyncio.gather(leg.answer(), calling.answer())
        heard = listen(calling)
        listen(leg)
        moving = asyncio.create_task(leg.transfer("PJSIP/phone"))
        target = await anext(aiter(here.phone.calls()))
        await target.hang_up("busy")
        assert await moving is TransferResult.BUSY
        heard.clear()
        await is_heard(heard)
        await leg.hang_up()


async def test_audiosocket_is_heard_both_ways(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        calling = await here.call("socket")
        leg = await here.next_call()
        assert (leg.info.kind, leg.info.call_id) == ("audiosocket", UUID)
        await asyncio.gather(leg.answer(), calling.answer())
        at_the_phone, at_ours = listen(calling), listen(leg)
        await is_heard(at_ours)
        await is_heard(at_the_phone)
        await leg.hang_up()
        assert isinstance([event async for event in calling.events()][-1], HungUp)
