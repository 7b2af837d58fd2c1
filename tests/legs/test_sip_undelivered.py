"""Where nobody listens over UDP the system says so (ICMP), and nothing else on the socket is disturbed."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
import uvloop

from legs.test_sip_calls import all_events, connected, next_call, two_phones
from trunkline.events import HungUp
from trunkline.legs.sip import SipService, SipSettings
from trunkline.legs.sip_trunk import Trunk
from trunkline.sip import datagrams
from trunkline.sip.datagrams import Address, Datagrams
from trunkline.sip.hop import host_text
from trunkline.sip.icmp import Undelivered
from trunkline.sip.not_taken import CallNotTaken, Why
from trunkline.sip.session import Phase

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs: Linux, which alone says it")

LOOPS = pytest.mark.parametrize(
    "loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
HOSTS = pytest.mark.parametrize("host", ["127.0.0.1", "::1"])


@contextmanager
def open_port(host: str) -> Iterator[socket.socket]:
    """A port where datagrams arrive, and nobody answers."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.bind((host, 0))
        udp.settimeout(10)
        yield udp


def closed_port(host: str) -> int:
    with open_port(host) as udp:
        return int(udp.getsockname()[1])


def text(host: str, port: int) -> str:
    return f"{host_text(host)}:{port}"


def run(loop: Callable[[], asyncio.AbstractEventLoop], story: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(20):  # Timer B alone would take 32
            await story()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(within())


def phone(host: str, user: str, *trunks: Trunk) -> SipSettings:
    return SipSettings(bind=f"udp:{text(host, 0)}", user=user, trunks=trunks)


async def refused(one: SipService, host: str) -> None:
    """A call to a port where nobody listens, which fails for that reason."""
    calling = await one.dial(f"sip:x@{text(host, closed_port(host))}")
    with pytest.raises(CallNotTaken, match=r"nobody listens at .* port unreachable.* sip doctor") as caught:
        await calling.answer()
    assert caught.value.why is Why.NOT_REACHABLE


@LOOPS
@HOSTS
def test_a_call_to_nobody_fails_and_calls_on_the_same_socket_go_on(
    loop: Callable[[], asyncio.AbstractEventLoop], host: str
) -> None:
    async def story() -> None:
        async with two_phones(phone(host, "one"), phone(host, "two")) as (one, two):
            calling, called = await connected(one, two)
            await refused(one, host)
            await refused(one, host)
            # The call that is up, one out and one in: all by the socket that the errors came to.
            await calling.hang_up()
            assert isinstance((await all_events(called))[-1], HungUp)
            for this, that in ((one, two), (two, one)):
                calling, called = await connected(this, that)
                await calling.hang_up()
                assert isinstance((await all_events(called))[-1], HungUp)

    run(loop, story)


@LOOPS
@HOSTS
def test_a_call_goes_on_at_the_next_trunk(loop: Callable[[], asyncio.AbstractEventLoop], host: str) -> None:
    async def story() -> None:
        there = closed_port(host)
        trunks = (
            Trunk("first", server=text(host, closed_port(host)), reply_within=32.0),
            Trunk("second", server=text(host, there), priority=1),
        )
        second = SipSettings(bind=f"udp:{text(host, there)}", user="two")
        async with two_phones(phone(host, "one", *trunks), second) as (one, two):
            calling = await one.dial("+1555")
            called = await next_call(two)
            await called.answer()
            await calling.answer()
            assert calling.trunk == "second"
            await calling.hang_up()
            await all_events(called)

    run(loop, story)


def icmp_port_unreachable(ours: Address, theirs: Address, payload: bytes) -> bytes:
    """As a router, or anybody, would say it of a datagram from `ours` to `theirs`."""
    udp = struct.pack("!HHHH", ours[1], theirs[1], 8 + len(payload), 0) + payload
    addresses = socket.inet_aton(ours[0]) + socket.inet_aton(theirs[0])
    quoted = (
        struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, socket.IPPROTO_UDP, 0) + addresses + udp
    )
    text = struct.pack("!BBHI", 3, 3, 0, 0) + quoted
    text += b"\0" * (len(text) % 2)
    total = sum(struct.unpack(f"!{len(text) // 2}H", text))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return text[:2] + struct.pack("!H", checksum) + text[4:]


async def test_a_forged_error_does_nothing() -> None:
    """Each is handed out by the system as it would be if it were true; the last one is."""
    try:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    except PermissionError:
        pytest.skip("needs: the right to send ICMP (root, or CAP_NET_RAW)")
    with raw, open_port("127.0.0.1") as silent:
        there = silent.getsockname()
        async with two_phones() as (one, _):
            layer = one._endpoint.agent.layer
            told: asyncio.Queue[int] = asyncio.Queue(16)
            listen = layer.undelivered

            def undelivered(news: list[Undelivered], at: float) -> None:
                listen(news, at)
                for error in news:
                    told.put_nowait(error.port)

            layer.undelivered = undelivered  # type: ignore[method-assign, assignment]
            calling = await one.dial(f"sip:x@{text(*there)}")
            invite = await asyncio.to_thread(silent.recv, 65535)
            branch = calling.session.invite.via.branch.encode()
            for place, payload in (
                (there, invite.replace(branch, b"z9hG4bKguessed")),
                (there, b"\r\n\r\n"),
                ((there[0], closed_port(there[0])), invite),
            ):
                raw.sendto(icmp_port_unreachable(one.address, place, payload[:500]), (one.address[0], 0))
                assert await told.get() == place[1]
                assert calling.session.phase is Phase.CALLING
            raw.sendto(icmp_port_unreachable(one.address, there, invite[:500]), (one.address[0], 0))
            assert await told.get() == there[1]
            with pytest.raises(CallNotTaken, match="nobody listens"):
                await calling.answer()


# --- the sockets alone --------------------------------------------------------------------------------


@LOOPS
@HOSTS
def test_an_error_is_never_raised_for_another_datagram_nor_ends_the_reading(
    loop: Callable[[], asyncio.AbstractEventLoop], host: str
) -> None:
    async def story() -> None:
        sockets = Datagrams([f"udp:{text(host, 0)}"])
        arrived: asyncio.Queue[bytes] = asyncio.Queue(16)
        told: asyncio.Queue[Undelivered] = asyncio.Queue(256)

        def taken(data: bytes, _: Address) -> bool:
            arrived.put_nowait(data)
            return True

        def undelivered(news: list[Undelivered]) -> None:
            for error in news:
                told.put_nowait(error)

        sockets.listen(taken, lambda: None, undelivered)
        ours = sockets.address(6 if ":" in host else 4)
        nobody = closed_port(host)
        try:
            with open_port(host) as there:
                for count in range(40):  # more than are read at once
                    sockets.send(b"to nobody", host, nobody)
                    sockets.send(b"%d" % count, *there.getsockname()[:2])
                    assert there.recv(100) == b"%d" % count
                there.sendto(b"to us", ours)
                assert await arrived.get() == b"to us"
            error = await told.get()
            assert (error.host, error.port, error.quoted) == (host, nobody, b"to nobody")
            # Once all is read nothing wakes the loop.
            (watch,) = sockets._watches.values()
            while watch.poll(0):
                await told.get()
            sockets.send(b"to ourselves", *ours)
            assert await arrived.get() == b"to ourselves"
        finally:
            sockets.close()

    run(loop, story)


async def test_where_the_system_does_not_say_it_all_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams, "_hear_errors", lambda _: None)
    async with two_phones() as (one, two):
        calling = await one.dial(f"sip:x@127.0.0.1:{closed_port('127.0.0.1')}")
        other, called = await connected(one, two)
        await other.hang_up()
        await all_events(called)
        assert calling.session.phase is Phase.CALLING
        await calling.hang_up()
