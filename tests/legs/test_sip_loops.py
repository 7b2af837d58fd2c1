"""The same call on each kind of event loop, and settings that cannot be."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
import uvloop

from trunkline.clock import SystemClock
from trunkline.errors import ConfigError, ParseError, SipError
from trunkline.legs.sip import SipService, SipSettings
from trunkline.rtp.pacer import Pacer
from trunkline.sip.endpoint import parse_bind
from trunkline.sip.not_taken import CallNotTaken, Why


async def one_call(bind: str, transport: str) -> str:
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    service = await SipService.open(SipSettings(bind=bind), clock, pacer)
    try:
        async with asyncio.timeout(10):
            host, port = service.address
            where = "127.0.0.1" if host == "0.0.0.0" else f"[{host}]" if ":" in host else host
            calling = await service.dial(f"sip:itself@{where}:{port};transport={transport}")
            called = await anext(service.calls())
            await called.answer()
            await calling.answer()
            await calling.hang_up()
            async for _ in called.events():
                pass
            return calling.quality().codec
    finally:
        await service.close()
        await pacer.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("bind", ["udp:127.0.0.1:0", "udp:0.0.0.0:0", "udp:[::1]:0"])
def test_a_service_can_call_itself(
    loop: Callable[[], asyncio.AbstractEventLoop], bind: str, transport: str
) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(one_call(bind, transport)) == "PCMU"


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (SipSettings(bind="tcp:127.0.0.1:5060"), "no address to listen on"),
        (SipSettings(bind="udp:127.0.0.1:99999"), "no address to listen on"),
        (SipSettings(bind="udp:nowhere:0"), "no IP address"),
        (SipSettings(bind="udp:127.0.0.1:0", codecs=("PCMQ",)), "no codec is called"),
        (SipSettings(bind="udp:127.0.0.1:0", codecs=()), "no codec is named"),
    ],
)
async def test_settings_that_cannot_be_are_told(settings: SipSettings, what: str) -> None:
    clock = SystemClock()
    with pytest.raises(ConfigError, match=what):
        await SipService.open(settings, clock, Pacer(clock))


async def test_a_port_that_is_taken_is_told() -> None:
    clock = SystemClock()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        bind = f"udp:127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SipError, match="cannot listen"):
            await SipService.open(SipSettings(bind=bind), clock, Pacer(clock))


async def test_what_cannot_be_dialled_is_told_at_once() -> None:
    clock = SystemClock()
    pacer = Pacer(clock)
    service = await SipService.open(SipSettings(bind="udp:127.0.0.1:0"), clock, pacer)
    try:
        with pytest.raises(ParseError):
            await service.dial("not an address")
        with pytest.raises(ParseError):
            await service.dial("tel:+15551234")
        with pytest.raises(CallNotTaken) as caught:
            await service.dial("sip:a@name.invalid")
        assert caught.value.why is Why.NOT_REACHABLE
        with pytest.raises(SipError, match="line break"):
            await service.dial("sip:a@127.0.0.1:9", variables={"note": "two\r\nlines"})
        assert service.active == 0
    finally:
        await service.close()
        await pacer.close()


def test_an_address_to_listen_on_may_leave_out_its_transport() -> None:
    assert parse_bind("127.0.0.1:5080") == ("udp", "127.0.0.1", 5080)
    assert parse_bind("udp:[::]:0") == ("udp", "::", 0)
