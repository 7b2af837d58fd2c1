"""A flood from strangers: what is remembered stays bounded, and calls go on as if nothing were.

Strangers are at 127.0.0.2, so that they are told apart from the phones at 127.0.0.1. How much time a flood
takes is not measured here: see `trunkline lab bench --sip`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from structlog.testing import capture_logs

from legs.far_ends import until
from legs.test_sip_calls import address, all_events, connected, next_call, two_phones
from trunkline.events import Dtmf, HungUp
from trunkline.legs.sip import SipService, SipSettings
from trunkline.legs.sip_trunk import Trunk
from trunkline.sip.flood import BURST_SECONDS

STRANGER = "127.0.0.2"
CAREFUL = SipSettings(
    bind="udp:127.0.0.1:0",
    user="two",
    never_flooding=(),
    trunks=(Trunk("main", server="127.0.0.1:9"),),
)


@pytest.fixture
def stranger() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        try:
            udp.bind((STRANGER, 0))
        except OSError:
            pytest.skip(f"{STRANGER} is no address of this machine")
        udp.setblocking(False)
        yield udp


def request(method: str, number: int) -> bytes:
    return (
        f"{method} sip:two@127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {STRANGER}:5060;branch=z9hG4bK{method}{number}\r\n"
        f"From: <sip:x@{STRANGER}>;tag={number}\r\nTo: <sip:two@127.0.0.1>\r\n"
        f"Call-ID: {method}{number}\r\nCSeq: 1 {method}\r\nContact: <sip:x@{STRANGER}>\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ).encode()


async def flood(udp: socket.socket, service: SipService, messages: list[bytes]) -> None:
    """Send them all, about as fast as the other end reads."""
    for n, message in enumerate(messages):
        try:
            udp.sendto(message, service.address)
        except BlockingIOError:
            await asyncio.sleep(0)
        if n % 16 == 15:
            await asyncio.sleep(0)


async def test_calls_go_on_through_a_flood_of_every_kind(stranger: socket.socket) -> None:
    with capture_logs() as logs:
        async with two_phones(second=CAREFUL) as (one, two):
            calling, called = await connected(one, two)
            for leg in (calling, called):
                leg.start(lambda frame: None, lambda at: None)
            agent = two._endpoint.agent
            clock = asyncio.get_running_loop().time
            began = clock()
            for kind in ("INVITE", "REGISTER", "OPTIONS", "BYE"):
                await flood(stranger, two, [request(kind, n) for n in range(500)])
            await flood(stranger, two, [bytes([n % 256]) * 60_000 for n in range(50)])
            await until(lambda: agent.dropped["flood"] > 500)
            # What one stranger may have, and no more, however long this machine takes for it.
            allowed = CAREFUL.stranger_rate * (BURST_SECONDS + clock() - began)
            assert len(agent.calls) <= allowed + 1
            assert len(agent.layer) <= allowed + 40
            # The call in progress hears its keys and is not throttled, and the trunk calls as before.
            await calling.send_dtmf("5")
            late = await one.dial(address(two))
            second = await _call_from(two, late.info.call_id)
            await second.answer()
            await late.answer()
            for leg in (calling, late):
                await leg.hang_up()
            events = await all_events(called)
            assert [event.digit for event in events if isinstance(event, Dtmf)] == ["5"]
            assert isinstance(events[-1], HungUp)
    told = [entry for entry in logs if entry["log_level"] in ("warning", "error")]
    assert len(told) <= 3


async def _call_from(service: SipService, call_id: str):  # type: ignore[no-untyped-def]
    while True:
        leg = await next_call(service)
        if leg.info.call_id == call_id:
            return leg
        await leg.hang_up("busy")


async def test_half_open_connections_are_bounded_and_trunks_still_connect(stranger: socket.socket) -> None:
    with ExitStack() as strangers:
        async with two_phones(second=CAREFUL) as (one, two):
            connections = two._endpoint._connections
            opened: list[socket.socket] = []
            for _ in range(200):
                tcp = socket.create_connection(two.address, source_address=(STRANGER, 0), timeout=5)
                strangers.callback(tcp.close)
                tcp.sendall(b"INVITE sip:")
                opened.append(tcp)
                await asyncio.sleep(0)
            await until(lambda: two._endpoint.agent.dropped["connections"] == 200 - 128)
            assert len(connections) == 128
            calling = await one.dial(f"{address(two)};transport=tcp")
            called = await next_call(two)
            await called.answer()
            await calling.answer()
            await calling.hang_up()
            await all_events(called)
            for tcp in opened:
                tcp.close()
            await until(lambda: len(connections) <= 2)


async def test_a_stranger_who_floods_a_connection_loses_it(stranger: socket.socket) -> None:
    async with two_phones(second=CAREFUL) as (_, two):
        loop = asyncio.get_running_loop()
        with socket.create_connection(two.address, source_address=(STRANGER, 0), timeout=5) as tcp:
            tcp.setblocking(False)
            try:
                await loop.sock_sendall(tcp, b"".join(request("REGISTER", n) for n in range(500)))
                while await loop.sock_recv(tcp, 65_536):
                    pass
            except ConnectionError:
                pass  # Reset, or ended: either way it is gone.
        assert two._endpoint.agent.dropped["flood"] == 1


async def test_a_trunk_is_never_taken_for_a_flood() -> None:
    """The failure of others: a real trunk throttled."""
    tight = SipSettings(
        bind="udp:127.0.0.1:0",
        user="two",
        never_flooding=(),
        stranger_rate=1.0,
        strangers_rate=1.0,
        trunks=(Trunk("main", server="127.0.0.1:9"),),
    )
    async with two_phones(second=tight) as (one, two):
        for _ in range(12):
            calling, called = await connected(one, two)
            await calling.hang_up()
            await all_events(called)
        assert not two._endpoint.agent.dropped["flood"]


async def test_a_stranger_within_its_rate_is_served() -> None:
    open_to_all = SipSettings(bind="udp:127.0.0.1:0", user="two", never_flooding=())
    async with two_phones(second=open_to_all) as (one, two):
        calling, called = await connected(one, two)
        await until(lambda: two._endpoint.flood._calls.total() == 1)
        await calling.hang_up()
        await all_events(called)
        await until(lambda: not two._endpoint.flood._calls)
        assert not two._endpoint.agent.dropped["flood"]
