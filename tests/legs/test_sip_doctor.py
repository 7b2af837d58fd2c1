"""The doctor over real sockets: a line that echoes, one that does not, and servers with something wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from legs import test_sip_streams as streams
from trunkline.clock import SystemClock
from trunkline.legs import sip_doctor
from trunkline.legs.sip import SipService, SipSettings
from trunkline.legs.sip_diagnosis import Finding, Observed, Part, State, diagnose
from trunkline.legs.sip_trunk import Trunk
from trunkline.rtp.pacer import Pacer
from trunkline.sip.fields import parse_via
from trunkline.sip.message import Request, Response, respond
from trunkline.sip.parse import parse_message

HERE = SipSettings(bind="udp:127.0.0.1:0")
certificates = streams.certificates


async def looked_at(
    trunk: Trunk, settings: SipSettings = HERE, echo: str = "", listen: float = 2.0
) -> Observed:
    async with asyncio.timeout(60):
        return await sip_doctor.examine(settings, trunk, SystemClock(), echo=echo, listen=listen)


def wrong(seen: Observed) -> list[Finding]:
    return [one for one in diagnose(seen) if one.state is State.PROBLEM]


@asynccontextmanager
async def lines(settings: SipSettings, *, mute: bool = False) -> AsyncIterator[str]:
    """A service with test lines, or whose calls are answered and given no sound. Gives its host and port."""
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    service = await SipService.open(replace(settings, test_lines=not mute), clock, pacer)

    async def serve() -> None:
        async for leg in service.calls():
            if mute:
                await leg.answer()

    serving = asyncio.create_task(serve())
    try:
        yield f"{service.address[0]}:{service.address[1]}"
    finally:
        await service.close()
        await serving
        await pacer.close()


@asynccontextmanager
async def server(answer: Callable[[Request], Response | None]) -> AsyncIterator[str]:
    """A server over UDP that answers each request as `answer` says. Gives its host and port."""

    class Server(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            if not data.strip():
                return
            request = parse_message(data)
            assert isinstance(request, Request)
            if (response := answer(request)) is not None:
                transport.sendto(bytes(response), addr)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Server, ("127.0.0.1", 0))
    try:
        yield "{}:{}".format(*transport.get_extra_info("sockname"))
    finally:
        transport.close()
        await asyncio.sleep(0)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_an_echo_is_found_called_and_heard(transport: str) -> None:
    async with lines(HERE) as host:
        trunk = Trunk("t", server=f"sip:{host};transport={transport}")
        seen = await looked_at(trunk, echo=f"sip:echo@{host};transport={transport}", listen=4.2)
    assert not [one for one in wrong(seen) if one.part is not Part.LOSS]
    assert seen.echo_delay is not None
    assert (seen.codec, seen.offered) == ("PCMU", ("PCMU", "PCMA"))
    assert seen.received > 10
    assert seen.others["Server"] == "Trunkline"


async def test_one_way_audio_is_told() -> None:
    async with lines(HERE, mute=True) as host:
        seen = await looked_at(Trunk("t", server=host), echo=f"sip:echo@{host}", listen=0.5)
    assert [one.part for one in wrong(seen)] == [Part.SOUND]
    assert "One-way audio" in wrong(seen)[0].what
    assert seen.sent > 0


async def test_an_echo_may_be_busy_and_one_by_its_number_may_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sip_doctor, "RING_SECONDS", 0.5)
    async with lines(HERE) as host:
        seen = await looked_at(Trunk("t", server=host), echo="sip:busy@" + host)
        assert [(one.part, "486" in one.what) for one in wrong(seen)] == [(Part.CALL, True)]
        there = await looked_at(Trunk("t", server=host), echo="+49 30 1234", listen=0.1)
    assert [one.part for one in wrong(there)] == [Part.CALL]


async def test_no_codec_in_common_is_told() -> None:
    async with lines(replace(HERE, codecs=("PCMA",))) as host:
        seen = await looked_at(
            Trunk("t", server=host), replace(HERE, codecs=("PCMU",)), echo=f"sip:echo@{host}"
        )
    assert [(one.part, "PCMU" in one.what) for one in wrong(seen)] == [(Part.CODEC, True)]


def refusing(request: Request) -> Response:
    """A registrar that no password is right for, behind NAT, whose clock is two hours ahead."""
    via = parse_via(request.headers.get("Via") or "")
    signed = "Authorization" in request.headers
    response = respond(request, 200 if request.method == "OPTIONS" else 403 if signed else 401, to_tag="s")
    params = {**via.params, "received": "203.0.113.9", "rport": "4242"}
    response.headers.set("Via", str(replace(via, params=params)))
    response.headers.add("Date", "Sun, 01 Feb 2099 10:00:00 GMT")
    response.headers.add("WWW-Authenticate", 'Digest realm="r", nonce="n"')
    return response


async def test_nat_a_wrong_password_and_a_wrong_clock_are_told() -> None:
    async with server(refusing) as host:
        seen = await looked_at(Trunk("t", server=host, register=True, user="bob", password="no"))
    assert {one.part for one in wrong(seen)} == {Part.NAT, Part.CREDENTIALS, Part.CLOCK}
    assert seen.register is not None
    assert (seen.register.status, seen.register.challenged) == (403, True)
    assert "203.0.113.9:4242" in next(one.what for one in wrong(seen) if one.part is Part.NAT)


async def test_a_registration_is_granted_and_taken_back() -> None:
    expires = []

    def grant(request: Request) -> Response:
        response = respond(request, 200, to_tag="s")
        if request.method == "REGISTER":
            expires.append(request.headers.get("Expires"))
            response.headers.add("Contact", request.headers.get("Contact") or "")
        return response

    async with server(grant) as host:
        seen = await looked_at(Trunk("t", server=host, register=True, user="bob", password="x", expires=90))
    assert (seen.granted, wrong(seen)) == (90, [])
    assert expires == ["90", "0"]


async def test_silence_is_a_firewall_and_a_closed_port_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sip_doctor, "OPTIONS_SECONDS", 0.3)
    async with server(lambda _: None) as host:
        seen = await looked_at(Trunk("t", server=host))
        assert [(one.part, "Nothing came back" in one.what) for one in wrong(seen)] == [(Part.FIREWALL, True)]
        seen = await looked_at(Trunk("t", server=f"sip:{host};transport=tcp"))
        assert [(one.part, "Nobody listens" in one.what) for one in wrong(seen)] == [(Part.FIREWALL, True)]
    seen = await looked_at(Trunk("t", server=host))
    assert [one.part for one in wrong(seen)] == [Part.FIREWALL]


async def test_a_name_without_an_address_is_told() -> None:
    seen = await looked_at(Trunk("t", server="sip:nowhere.invalid"))
    assert [one.part for one in wrong(seen)] == [Part.ADDRESS]


async def test_no_certificate_is_no_encryption(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sip_doctor, "CONNECT_SECONDS", 2.0)
    async with lines(HERE) as host:
        seen = await looked_at(Trunk("t", server=f"sip:{host};transport=tls"))
    assert [one.part for one in wrong(seen)] == [Part.ENCRYPTION]


async def test_encryption_is_well_with_a_certificate_that_convinces_and_else_says_why(
    certificates: Path,
) -> None:
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    theirs = streams.secure(certificates, "two")
    service = await SipService.open(theirs, clock, pacer)
    try:
        trunk = Trunk("t", server=f"sip:127.0.0.1:{service.tls_port};transport=tls")
        seen = await looked_at(trunk, replace(HERE, tls_trusted_file=theirs.tls_trusted_file))
        assert not wrong(seen)
        assert [one for one in diagnose(seen) if one.part is Part.ENCRYPTION and one.state is State.OK]
        seen = await looked_at(trunk)
        assert [(one.part, "certificate" in one.what) for one in wrong(seen)] == [(Part.ENCRYPTION, True)]
    finally:
        await service.close()
        await pacer.close()
