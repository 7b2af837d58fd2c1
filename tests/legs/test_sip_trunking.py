"""Calls by way of trunks: another one where the first is out of order, and none where a person said no."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from legs.test_sip_calls import all_events, next_call, two_phones
from trunkline.events import CallAnswered
from trunkline.legs.sip import SipSettings
from trunkline.legs.sip_trunk import Trunk
from trunkline.sip.hop import Hop, note_source
from trunkline.sip.message import Request, respond
from trunkline.sip.not_taken import CallNotTaken, Why
from trunkline.sip.parse import parse_message


class Exchange(asyncio.DatagramProtocol):
    """A trunk that answers each INVITE with one status, and takes every REGISTER."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.seen: list[Request] = []
        self.closed = asyncio.Event()
        self.registered: asyncio.Queue[str] = asyncio.Queue(16)
        self.register_status = 200
        self.headers: tuple[tuple[str, str], ...] = ()
        """What goes with the answer to an INVITE."""
        self.sees: tuple[str, int] | None = None
        """From where it says that requests come, as behind a NAT; None: it says nothing."""
        self.pinged: asyncio.Queue[str] = asyncio.Queue(16)
        self.empty: asyncio.Queue[bytes] = asyncio.Queue(16)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not data.strip():
            if not self.empty.full():
                self.empty.put_nowait(data)
            return
        request = parse_message(data)
        assert isinstance(request, Request)
        self.seen.append(request)
        if self.sees is not None:
            note_source(request, Hop("udp", *self.sees))
        if request.method == "REGISTER":
            self.registered.put_nowait(request.headers.get("Expires") or "")
            self.transport.sendto(bytes(respond(request, self.register_status, to_tag="x")), addr)
        elif request.method == "OPTIONS":
            if not self.pinged.full():
                self.pinged.put_nowait(request.call_id)
            self.transport.sendto(bytes(respond(request, 200, to_tag="x")), addr)
        elif request.method == "INVITE":
            response = respond(request, self.status, to_tag="x")
            for name, value in self.headers:
                response.headers.add(name, value)
            self.transport.sendto(bytes(response), addr)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    @property
    def server(self) -> str:
        return "{}:{}".format(*self.transport.get_extra_info("sockname"))


@asynccontextmanager
async def exchange(status: int) -> AsyncIterator[Exchange]:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Exchange(status), local_addr=("127.0.0.1", 0)
    )
    try:
        yield protocol
    finally:
        transport.close()
        await protocol.closed.wait()


def by(*trunks: Trunk) -> SipSettings:
    return SipSettings(bind="udp:127.0.0.1:0", user="one", trunks=trunks)


@pytest.fixture
def place() -> str:
    """An address that the second phone will have."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        port = udp.getsockname()[1]
    return f"127.0.0.1:{port}"


def second(place: str) -> SipSettings:
    return SipSettings(bind=f"udp:{place}", user="two")


@pytest.mark.parametrize("status", [500, 503, 504, 403])
async def test_where_one_trunk_is_out_of_order_the_next_carries_the_call(status: int, place: str) -> None:
    async with exchange(status) as broken:
        trunks = (
            Trunk("second", server=place, priority=2, callers=("+4930",)),
            Trunk("first", server=broken.server, priority=1, plus="strip"),
        )
        async with two_phones(by(*trunks), second(place)) as (one, two):
            calling = await one.dial("+1 555 1234", caller="+4930")
            called = await next_call(two)
            await called.answer()
            await calling.answer()
            assert called.info.callee == f"sip:+15551234@{place}"
            assert called.info.caller == "sip:+4930@127.0.0.1"
            await calling.hang_up()
            answered = [event.trunk for event in await all_events(calling) if isinstance(event, CallAnswered)]
            assert answered == ["second"], "the one that carries it is the one that is paid"
            await all_events(called)
        assert broken.seen[0].uri.startswith("sip:15551234@")


async def test_the_phone_behind_the_next_trunk_may_ring_for_all_of_the_time(place: str) -> None:
    async with exchange(503) as broken:
        trunks = Trunk("first", server=broken.server), Trunk("second", server=place, priority=1)
        async with two_phones(by(*trunks), second(place)) as (one, two):
            calling = await one.dial("+1555")
            first = calling._ring_limit
            called = await next_call(two)
            assert first.cancelled()
            assert calling._ring_limit.when() > first.when()
            await calling.hang_up()
            await all_events(called)
            assert calling._ring_limit.cancelled()


@pytest.mark.parametrize(("status", "why"), [(486, Why.BUSY), (603, Why.DECLINED), (404, Why.BAD_NUMBER)])
async def test_a_persons_answer_is_not_asked_for_twice(status: int, why: Why) -> None:
    async with exchange(status) as first, exchange(status) as other:
        trunks = Trunk("a", server=first.server), Trunk("b", server=other.server, priority=1)
        async with two_phones(by(*trunks)) as (one, _):
            calling = await one.dial("+1555")
            with pytest.raises(CallNotTaken) as caught:
                await calling.answer()
            assert caught.value.why is why
        assert not other.seen


async def test_when_every_trunk_fails_the_last_ones_word_is_told() -> None:
    async with exchange(503) as first, exchange(500) as other:
        trunks = Trunk("a", server=first.server), Trunk("b", server=other.server, priority=1)
        async with two_phones(by(*trunks)) as (one, _):
            calling = await one.dial("+1555")
            with pytest.raises(CallNotTaken) as caught:
                await calling.answer()
            assert (caught.value.why, caught.value.status) == (Why.UNAVAILABLE, 500)


async def test_a_trunk_at_its_limit_is_passed_over(place: str) -> None:
    async with two_phones(by(Trunk("t", server=place, max_calls=1)), second(place)) as (one, two):
        calling = await one.dial("+1555")
        called = await next_call(two)
        with pytest.raises(CallNotTaken, match="limit"):
            await one.dial("+1556")
        await called.hang_up("busy")
        with pytest.raises(CallNotTaken, match="busy"):
            await calling.answer()
        await (await one.dial("+1556")).hang_up()


async def test_a_number_that_no_trunk_takes_is_told() -> None:
    async with two_phones(by(Trunk("t", server="127.0.0.1:9", prefixes=("+49",)))) as (one, _):
        with pytest.raises(CallNotTaken, match="no trunk takes"):
            await one.dial("+1555")


async def test_it_registers_while_it_is_open() -> None:
    async with exchange(500) as registrar:
        trunk = Trunk("t", server=registrar.server, user="bob", password="p", register=True, expires=600)
        async with two_phones(by(trunk)):
            assert await registrar.registered.get() == "600"
        assert await registrar.registered.get() == "0"
        assert str(registrar.seen[0].to.uri) == f"sip:bob@{registrar.server}"


async def test_only_known_peers_may_call(place: str) -> None:
    server = Trunk("t", server="127.0.0.1:9", peers=("192.0.2.0/24",))
    careful = SipSettings(bind=f"udp:{place}", trunks=(server,), known_peers_only=True)
    async with two_phones(second=careful) as (one, two):
        calling = await one.dial(f"sip:a@{place}")
        called = await next_call(two)  # 127.0.0.1 is the trunk's own server.
        assert called.info.variables == {"trunk": "t"}
        assert called.trunk == "t"
        await called.hang_up("busy")
        with pytest.raises(CallNotTaken):
            await calling.answer()


async def test_strangers_are_refused(place: str) -> None:
    server = Trunk("t", server="192.0.2.1", peers=("192.0.2.0/24",))
    careful = SipSettings(bind=f"udp:{place}", trunks=(server,), known_peers_only=True)
    async with two_phones(second=careful) as (one, two):
        calling = await one.dial(f"sip:a@{place}")
        with pytest.raises(CallNotTaken) as caught:
            await calling.answer()
        assert caught.value.status == 403
        assert two.active == 0
