"""Whole calls between two services over real loopback UDP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from trunkline.audio.frame import Frame
from trunkline.clock import SystemClock
from trunkline.errors import CallRefused, SipError
from trunkline.events import CallAnswered, CallRinging, Dtmf, HungUp
from trunkline.legs.leg import Can, Leg, LegEvent, TransferResult
from trunkline.legs.sip import SipService, SipSettings
from trunkline.legs.sip_leg import SipLeg
from trunkline.rtp.pacer import Pacer
from trunkline.sip.hop import host_text
from trunkline.sip.not_taken import CallNotTaken, Why

LIMIT = 10.0


@asynccontextmanager
async def two_phones(
    first: SipSettings | None = None, second: SipSettings | None = None
) -> AsyncIterator[tuple[SipService, SipService]]:
    """Two services on one pacer; whatever is left of them is closed, and nothing may be left after."""
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    one = await SipService.open(first or SipSettings(bind="udp:127.0.0.1:0", user="one"), clock, pacer)
    two = await SipService.open(second or SipSettings(bind="udp:127.0.0.1:0", user="two"), clock, pacer)
    try:
        async with asyncio.timeout(LIMIT):
            yield one, two
    finally:
        await one.close()
        await two.close()
        await pacer.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}


def address(service: SipService, user: str = "two") -> str:
    host, port = service.address
    return f"sip:{user}@{host_text(host)}:{port}"


async def next_call(service: SipService) -> SipLeg:
    async for leg in service.calls():
        return leg
    raise AssertionError("no call came")


async def all_events(leg: Leg) -> list[LegEvent]:
    return [event async for event in leg.events()]


async def connected(one: SipService, two: SipService) -> tuple[SipLeg, SipLeg]:
    """A call that is up: the leg that called, the leg that was called."""
    calling = await one.dial(address(two))
    called = await next_call(two)
    await called.answer()
    await calling.answer()
    return calling, called


async def test_a_call_is_made_answered_heard_and_ended() -> None:
    async with two_phones() as (one, two):
        calling, called = await connected(one, two)
        heard: list[Frame] = []
        enough = asyncio.Event()

        def listen(frame: Frame) -> None:
            if not frame.concealed:
                heard.append(frame)
            # After a packet that came late the sound fades in again, so two that are the same are waited for.
            if len(heard) >= 5 and heard[-1].pcm == heard[-2].pcm:
                enough.set()

        tone = (b"\x00\x20" * 4 + b"\x00\xe0" * 4) * 20
        calling.start(lambda frame: None, lambda at: tone)
        called.start(listen, lambda at: None)
        await enough.wait()
        assert {frame.rate for frame in heard} == {8000}
        assert any(a.pcm == b.pcm != bytes(320) for a, b in pairwise(heard))
        assert called.quality().codec == "PCMU"
        assert called.quality().packets_received >= 5
        await calling.hang_up("done")
        events = await all_events(called)
        assert [type(event) for event in events] == [CallAnswered, HungUp]
        assert [type(event) for event in await all_events(calling)] == [CallRinging, CallAnswered]


async def test_who_calls_whom_and_with_which_variables_is_known_at_the_other_end() -> None:
    async with two_phones() as (one, two):
        calling = await one.dial(address(two, "sales"), caller="Ann Droid", variables={"campaign": "spring"})
        called = await next_call(two)
        assert called.info.direction == "inbound"
        assert called.info.call_id == calling.info.call_id
        assert called.info.callee == address(two, "sales")
        assert called.info.caller == address(one, "one")
        assert called.info.variables == {"X-campaign": "spring", "caller_name": "Ann Droid"}
        await calling.hang_up()


@pytest.mark.parametrize(
    ("reason", "why", "status"),
    [("busy", Why.BUSY, 486), ("declined", Why.DECLINED, 603), ("draining", Why.UNAVAILABLE, 503)],
)
async def test_a_refused_call_tells_why(reason: str, why: Why, status: int) -> None:
    async with two_phones() as (one, two):
        calling = await one.dial(address(two))
        called = await next_call(two)
        await called.hang_up(reason)
        with pytest.raises(CallNotTaken) as caught:
            await calling.answer()
        assert (caught.value.why, caught.value.status) == (why, status)


async def test_nobody_answers_within_the_ring_time() -> None:
    short = SipSettings(bind="udp:127.0.0.1:0", ring_timeout=120.0)
    async with two_phones(first=short) as (one, two):
        calling = await one.dial(address(two))
        called = await next_call(two)
        assert isinstance(await anext(aiter(calling.events())), CallRinging)
        # Its time is up: brought about by hand, so that a slow machine does not end it before it rings.
        limit = calling._ring_limit
        assert 60.0 < limit.when() - asyncio.get_running_loop().time() <= 120.0
        limit.cancel()
        calling._rang_long_enough()
        with pytest.raises(CallNotTaken) as caught:
            await calling.answer()
        assert caught.value.why is Why.NO_ANSWER
        assert [type(event) for event in await all_events(called)] == [HungUp]
        with pytest.raises(CallRefused):
            await called.answer()


async def test_silence_for_the_ring_time_is_a_trunk_and_not_a_person() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        short = SipSettings(bind="udp:127.0.0.1:0", ring_timeout=0.1)
        async with two_phones(first=short) as (one, _):
            calling = await one.dial("sip:two@{}:{}".format(*silent.getsockname()))
            with pytest.raises(CallNotTaken, match="nothing came") as caught:
                await calling.answer()
            assert caught.value.why is Why.NOT_REACHABLE


async def test_the_called_end_hangs_up() -> None:
    async with two_phones() as (one, two):
        calling, called = await connected(one, two)
        await called.hang_up()
        assert [type(event) for event in await all_events(calling)][-1] is HungUp


async def test_keys_pressed_are_heard_once_each() -> None:
    async with two_phones() as (one, two):
        calling, called = await connected(one, two)
        for leg in (calling, called):
            leg.start(lambda frame: None, lambda at: None)
        await calling.send_dtmf("1#")
        await calling.hang_up()
        digits = [event.digit for event in await all_events(called) if isinstance(event, Dtmf)]
        assert digits == ["1", "#"]


async def test_without_a_common_codec_the_call_is_refused_before_it_rings() -> None:
    async with two_phones(
        first=SipSettings(bind="udp:127.0.0.1:0", codecs=("PCMA",)),
        second=SipSettings(bind="udp:127.0.0.1:0", codecs=("PCMU",)),
    ) as (one, two):
        calling = await one.dial(address(two))
        with pytest.raises(CallNotTaken) as caught:
            await calling.answer()
        assert caught.value.why is Why.NO_COMMON_CODEC


async def test_a_draining_service_takes_no_new_call_and_keeps_the_old() -> None:
    async with two_phones() as (one, two):
        calling, called = await connected(one, two)
        two.drain()
        late = await one.dial(address(two))
        with pytest.raises(CallNotTaken) as caught:
            await late.answer()
        assert caught.value.status == 503
        assert not called.ended
        assert not calling.ended


async def test_closing_a_service_ends_its_calls_at_the_other_end() -> None:
    async with two_phones() as (one, two):
        _, called = await connected(one, two)
        await one.close()
        assert [type(event) for event in await all_events(called)][-1] is HungUp


async def test_garbage_on_the_port_is_counted_and_the_next_call_goes_through() -> None:
    async with two_phones() as (one, two):
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=two.address)
        for data in (b"\x00" * 500, b"INVITE", b"SIP/2.0 999\r\n\r\n", b"\xff" * 60000, b"\r\n\r\n"):
            transport.sendto(data)
        calling, called = await connected(one, two)
        transport.close()
        assert two._endpoint.agent.dropped["malformed"] == 3
        await called.hang_up()
        await all_events(calling)


async def test_an_end_that_will_not_be_transferred_says_so_and_the_call_goes_on() -> None:
    async with two_phones() as (one, two):
        calling, called = await connected(one, two)
        assert Can.TRANSFER in calling.can
        assert await calling.transfer("+15551234") is TransferResult.DECLINED
        assert not calling.ended
        await called.hang_up()
        with pytest.raises(SipError):
            await called.transfer("+15551234")
