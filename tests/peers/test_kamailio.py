"""Kamailio registers both ends and proxies their call, rtpengine relays its media: neither is ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from peers.proxy import PASSWORD, kamailio, needs_proxy, needs_rtpengine, rtpengine
from peers.softphone import tone
from peers.test_baresip import share_of_tone
from trunkline.audio.frame import Frame
from trunkline.clock import SystemClock
from trunkline.errors import Verdict
from trunkline.events import HungUp
from trunkline.legs import sip_doctor
from trunkline.legs.sip import SipService, SipSettings
from trunkline.legs.sip_diagnosis import Part, State, diagnose
from trunkline.legs.sip_leg import SipLeg
from trunkline.legs.sip_trunk import Trunk
from trunkline.rtp.pacer import Pacer
from trunkline.sip.digest import Credentials
from trunkline.sip.not_taken import CallNotTaken, Why

pytestmark = list(needs_proxy)
LIMIT = 60.0


def trunk(host: str, user: str, transport: str = "udp") -> Trunk:
    server = f"sip:{host};transport={transport}"
    return Trunk("proxy", server=server, register=True, user=user, password=PASSWORD)


@asynccontextmanager
async def phones(host: str, transport: str = "udp") -> AsyncIterator[tuple[SipService, SipService]]:
    """Ann and Bob, both registered with the proxy."""
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(pacer.close)
        services = []
        for user in ("ann", "bob"):
            settings = SipSettings(bind="udp:127.0.0.1:0", user=user, trunks=(trunk(host, user, transport),))
            services.append(await SipService.open(settings, clock, pacer))
            stack.push_async_callback(services[-1].close)
        async with asyncio.timeout(LIMIT):
            yield services[0], services[1]


async def connected(ann: SipService, bob: SipService, host: str, transport: str) -> tuple[SipLeg, SipLeg]:
    """Ann calls Bob by way of the proxy. Until Bob is registered the proxy says 404, and she tries again."""

    async def next_call() -> SipLeg:
        return await anext(bob.calls())

    while True:
        calling = await ann.dial(
            f"sip:bob@{host};transport={transport}", credentials=(Credentials("ann", PASSWORD),)
        )
        answering = asyncio.create_task(calling.answer())
        incoming = asyncio.create_task(next_call())
        await asyncio.wait((answering, incoming), return_when=asyncio.FIRST_COMPLETED)
        if incoming.done():
            called = incoming.result()
            await called.answer()
            await answering
            return calling, called
        incoming.cancel()
        await asyncio.gather(incoming, return_exceptions=True)
        with pytest.raises(CallNotTaken) as caught:
            await answering
        assert (caught.value.why, caught.value.verdict) == (Why.BAD_NUMBER, Verdict.GIVE_UP)
        await calling.hang_up()


class Listener:
    """Says a tone, or nothing, and waits until it has heard enough of one."""

    def __init__(self, leg: SipLeg, *, speaks: bool) -> None:
        self._sound = tone()
        self._place = 0
        self._heard: list[Frame] = []
        self._speaks = speaks
        self.hears = asyncio.Event()
        leg.start(self._listen, self._speak)

    def _listen(self, frame: Frame) -> None:
        self._heard.append(frame)
        if share_of_tone(b"".join(one.pcm for one in self._heard[-25:]), 440.0) > 0.8:
            self.hears.set()

    def _speak(self, at: float) -> bytes | None:
        self._place += 320
        return self._sound[self._place - 320 : self._place] if self._speaks else None


async def talk(calling: SipLeg, called: SipLeg) -> None:
    one, other = Listener(calling, speaks=True), Listener(called, speaks=True)
    await one.hears.wait()
    await other.hears.wait()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_goes_by_the_proxy_that_both_are_registered_with(tmp_path: Path, transport: str) -> None:
    async with kamailio(tmp_path) as host, phones(host, transport) as (ann, bob):
        calling, called = await connected(ann, bob, host, transport)
        await talk(calling, called)
        await called.hang_up()  # Its BYE follows the route that the proxy recorded.
        assert [event async for event in calling.events() if isinstance(event, HungUp)]
        await calling.hang_up()


@needs_rtpengine
async def test_media_goes_by_rtpengine_and_comes_back_after_a_hold(tmp_path: Path) -> None:
    async with (
        rtpengine(tmp_path) as control,
        kamailio(tmp_path, control=control) as host,
        phones(host) as (ann, bob),
    ):
        calling, called = await connected(ann, bob, host, "udp")
        await talk(calling, called)
        for leg in (calling, called):
            assert leg.media is not None
            assert leg.media.remote is not None
            assert 30_100 <= leg.media.remote[1] <= 30_900
        await calling.hold()
        await calling.resume()
        await talk(calling, called)
        await calling.hang_up()
        assert [event async for event in called.events() if isinstance(event, HungUp)]
        await called.hang_up()


async def test_the_doctor_finds_it_well_and_a_wrong_password_wrong(tmp_path: Path) -> None:
    async with asyncio.timeout(LIMIT), kamailio(tmp_path) as host:
        settings = SipSettings(bind="udp:127.0.0.1:0")
        seen = await sip_doctor.examine(settings, trunk(host, "ann"), SystemClock())
        assert not [one for one in diagnose(seen) if one.state is State.PROBLEM]
        assert seen.granted == 90
        wrong = Trunk("proxy", server=host, register=True, user="ann", password="wrong")
        seen = await sip_doctor.examine(settings, wrong, SystemClock())
        assert [one.part for one in diagnose(seen) if one.state is State.PROBLEM] == [Part.CREDENTIALS]
