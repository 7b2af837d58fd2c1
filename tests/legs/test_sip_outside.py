"""By which address we are seen from outside: as STUN says, of media too, and as trunks say in our Via."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from legs.test_sip_calls import address, next_call, two_phones
from legs.test_sip_reached import FAR
from legs.test_sip_trunking import exchange
from trunkline.legs.sip import SipService, SipSettings
from trunkline.legs.sip_trunk import Trunk
from trunkline.sip.fields import parse_name_address
from trunkline.sip.message import Request
from trunkline.sip.not_taken import CallNotTaken
from trunkline.sip.sdp import Description, parse_sdp
from trunkline.sip.stun import MAGIC, is_stun


class StunServer(asyncio.DatagramProtocol):
    """Says that everybody is at one address."""

    def __init__(self) -> None:
        self.asked = 0
        self.port = 40_000
        self.media: dict[int, int] = {}
        """As which ports those of media are seen, by those that they have here: 1,003 apart."""
        self.signalling: int | None = None
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert is_stun(data)
        self.asked += 1
        if self.asked == 1:
            return  # Lost on the way: it is asked again.
        self.signalling = self.signalling or addr[1]
        seen = self.port
        if addr[1] != self.signalling:
            if addr[1] not in self.media:
                self.media[addr[1]] = 41_000 + 1_003 * len(self.media)
                return  # Lost, as the first of signalling was.
            seen = self.media[addr[1]]
        port = (seen ^ (MAGIC >> 16)).to_bytes(2, "big")
        host = bytes(
            a ^ b for a, b in zip(socket.inet_aton("198.51.100.7"), MAGIC.to_bytes(4, "big"), strict=True)
        )
        attribute = b"\x00\x20\x00\x08\x00\x01" + port + host
        self.transport.sendto(b"\x01\x01\x00\x0c" + data[4:20] + attribute, addr)


@asynccontextmanager
async def stun_server() -> AsyncIterator[tuple[StunServer, str]]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        StunServer, local_addr=("127.0.0.1", 0)
    )
    try:
        yield server, "{}:{}".format(*transport.get_extra_info("sockname"))
    finally:
        transport.close()
        await server.closed.wait()


async def test_stun_tells_our_outside_address() -> None:
    async with (
        stun_server() as (server, where),
        two_phones(SipSettings(bind="udp:127.0.0.1:0", stun_server=where)) as (one, two),
    ):
        assert server.asked == 2
        contact = one._endpoint.agent.layer.identity.contact
        assert contact(FAR) == "<sip:trunkline@198.51.100.7:40000>"
        # For a stream only the host is known: STUN was asked over UDP.
        assert contact(FAR._replace(transport="tcp")).startswith("<sip:trunkline@198.51.100.7:")
        assert ":40000" not in contact(FAR._replace(transport="tcp"))
        assert one._endpoint.media_host(FAR, "") == "198.51.100.7"
        # Those on private addresses reach us at our own.
        calling = await one.dial(address(two))
        assert (await next_call(two)).session.invite.via.host == "127.0.0.1"
        await calling.hang_up()


async def test_when_our_outside_address_moves_the_registrar_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trunkline.sip.learning._ASK_AGAIN_SECONDS", 0.05)
    # Everybody here is at a private address, and is to be told of the outside one all the same.
    monkeypatch.setattr("trunkline.sip.endpoint.is_private", lambda _: False)
    async with exchange(500) as registrar, stun_server() as (server, where):
        trunk = Trunk("t", server=registrar.server, user="bob", password="p", register=True)
        async with two_phones(SipSettings(bind="udp:127.0.0.1:0", stun_server=where, trunks=(trunk,))):
            await registrar.registered.get()
            server.port = 40_001
            await registrar.registered.get()
            contacts = [str(request.contact.uri) for request in registrar.seen if request.contact]
            assert contacts[:2] == [f"sip:bob@198.51.100.7:{port}" for port in (40_000, 40_001)]


async def test_without_a_stun_server_calls_go_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trunkline.sip.learning._LEARN_SECONDS", 0.1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{silent.getsockname()[1]}"
        async with two_phones(SipSettings(bind="udp:127.0.0.1:0", stun_server=where)) as (one, two):
            calling = await one.dial(address(two))
            await (await next_call(two)).answer()
            await calling.answer()
            await calling.hang_up()


# --- media ----------------------------------------------------------------------------------------


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody here is at a private address, and is to be told of the outside one all the same."""
    monkeypatch.setattr("trunkline.sip.endpoint.is_private", lambda _: False)


def told(sdp: Description) -> tuple[str, int, str | None]:
    return sdp.host, sdp.media[0].port, sdp.media[0].attribute("rtcp")


@pytest.mark.usefixtures("outside")
async def test_stun_tells_how_media_is_seen_in_calls_out_and_in() -> None:
    async with (
        stun_server() as (server, where),
        two_phones(SipSettings(bind="udp:127.0.0.1:0", stun_server=where)) as (one, two),
    ):
        calling = await one.dial(address(two))
        called = await next_call(two)
        media = calling.media
        assert media is not None
        ports = server.media[media.local_port], server.media[media.local_port + 1]
        assert set(ports) == {41_000, 42_003}
        # Its reports are not at the next port there: that has to be said (RFC 3605).
        assert told(parse_sdp(called.session.invite.body)) == ("198.51.100.7", ports[0], str(ports[1]))
        await called.answer()
        await calling.answer()
        await calling.hang_up()
        calling = await two.dial(address(one))
        await (await next_call(one)).answer()
        await calling.answer()
        agreement = calling._sound.agreement
        assert agreement is not None
        assert agreement.host == "198.51.100.7"
        assert agreement.port in {43_006, 44_009}
        await calling.hang_up()


async def test_who_reaches_us_at_our_own_address_is_told_the_ports_as_they_are() -> None:
    async with (
        stun_server() as (server, where),
        two_phones(SipSettings(bind="udp:127.0.0.1:0", stun_server=where)) as (one, two),
    ):
        calling = await one.dial(address(two))
        assert calling.media is not None
        sdp = parse_sdp((await next_call(two)).session.invite.body)
        assert told(sdp) == ("127.0.0.1", calling.media.local_port, None)
        assert not server.media
        await calling.hang_up()


@pytest.mark.usefixtures("outside")
async def test_where_an_address_for_media_is_set_nobody_is_asked() -> None:
    async with stun_server() as (server, where):
        settings = SipSettings(
            bind="udp:127.0.0.1:0", stun_server=where, advertised_media_host="198.51.100.2"
        )
        async with two_phones(settings) as (one, two):
            calling = await one.dial(address(two))
            assert calling.media is not None
            sdp = parse_sdp((await next_call(two)).session.invite.body)
            assert told(sdp) == ("198.51.100.2", calling.media.local_port, None)
            assert not server.media
            await calling.hang_up()


@pytest.mark.usefixtures("outside")
async def test_a_stun_server_that_falls_silent_costs_a_call_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trunkline.legs.sip_ports.LEARN_SECONDS", 0.1)
    async with (
        stun_server() as (server, where),
        two_phones(SipSettings(bind="udp:127.0.0.1:0", stun_server=where)) as (one, two),
    ):
        server.transport.close()
        calling = await one.dial(address(two))
        assert calling.media is not None
        sdp = parse_sdp((await next_call(two)).session.invite.body)
        # Its word for signalling still counts; ports are told as they are.
        assert told(sdp) == ("198.51.100.7", calling.media.local_port, None)
        await calling.hang_up()


# --- received and rport ---------------------------------------------------------------------------


def contacts(request: Request) -> list[tuple[str, str | None]]:
    values = [parse_name_address(value) for value in request.headers.items("Contact")]
    return [(str(value.uri), value.params.get("expires")) for value in values]


async def test_what_a_trunk_says_of_our_address_becomes_our_contact_there() -> None:
    async with exchange(404) as registrar:
        registrar.sees = "203.0.113.5", 62_000
        trunk = Trunk("t", server=registrar.server, user="bob", password="p", register=True)
        async with two_phones(SipSettings(bind="udp:127.0.0.1:0", trunks=(trunk,))) as (one, _):
            for _ in range(2):
                await registrar.registered.get()
            here = f"sip:bob@127.0.0.1:{one.address[1]}"
            first, second = registrar.seen[:2]
            assert contacts(first) == [(here, "3600")]
            # The one that it cannot reach is taken back at once.
            assert contacts(second) == [("sip:bob@203.0.113.5:62000", "3600"), (here, "0")]
            leg = await one.dial("+1555")
            with pytest.raises(CallNotTaken):
                await leg.answer()
            invite = next(request for request in registrar.seen if request.method == "INVITE")
            assert contacts(invite) == [("sip:trunkline@203.0.113.5:62000", None)]
            # By which address signalling is seen says nothing of media's ports; and nothing to others.
            assert parse_sdp(invite.body).host == "127.0.0.1"
            assert one._endpoint.agent.layer.identity.seen(FAR) is None
        assert contacts(registrar.seen[-1])[0] == ("sip:bob@203.0.113.5:62000", "0")
        assert len([request for request in registrar.seen if request.method == "REGISTER"]) == 3


async def test_an_address_that_changes_each_time_is_not_followed_for_ever() -> None:
    async with exchange(404) as registrar:
        registrar.sees = "203.0.113.5", 62_000
        trunk = Trunk("t", server=registrar.server, user="bob", password="p", register=True)
        settings = SipSettings(bind="udp:127.0.0.1:0", trunks=(trunk,))
        async with two_phones(settings) as (one, _):
            await registrar.registered.get()
            registrar.sees = "203.0.113.5", 62_001
            await registrar.registered.get()
            await answered_last(one, registrar.server)
            # Whatever it answered to that: nothing more is sent until it is time to refresh.
            assert (await answered_last(one, registrar.server)) == "sip:trunkline@203.0.113.5:62001"
            assert registrar.registered.empty()


async def answered_last(service: SipService, server: str) -> str:
    """Our Contact for a call there, once all that was sent before it is answered."""
    leg = await service.dial(f"sip:x@{server}")
    with pytest.raises(CallNotTaken):
        await leg.answer()
    return str(parse_name_address(leg.session.invite.headers.get("Contact") or "").uri)


async def test_an_advertised_address_stays_whatever_a_trunk_sees() -> None:
    async with exchange(404) as registrar:
        registrar.sees = "203.0.113.5", 62_000
        trunk = Trunk("t", server=registrar.server, user="bob", password="p", register=True)
        settings = SipSettings(bind="udp:127.0.0.1:0", advertised_host="198.51.100.1", trunks=(trunk,))
        async with two_phones(settings) as (one, _):
            await registrar.registered.get()
            assert "198.51.100.1" in await answered_last(one, registrar.server)
            assert registrar.registered.empty()
