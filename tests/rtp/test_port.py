"""Media ports on loopback: real sockets, both kinds of loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import uvloop

from trunkline.audio.frame import Frame
from trunkline.clock import SystemClock, VirtualClock, run_virtual
from trunkline.errors import MediaError
from trunkline.rtp.pacer import Pacer
from trunkline.rtp.packet import looks_like_rtcp
from trunkline.rtp.port import MediaPort
from trunkline.rtp.session import RtpSession
from trunkline.rtp.sockets import bind_pair
from trunkline.rtp.stream import Stream

PCMU = Stream("PCMU", 0, dtmf_payload_type=101)
LOUD = b"\x00\x10" * 160


@asynccontextmanager
async def two_ports(**changes: Any) -> AsyncIterator[tuple[MediaPort, MediaPort]]:
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    one = await MediaPort.open(pacer, clock, lost_after=0.1)
    other = await MediaPort.open(pacer, clock, lost_after=0.1)
    for here, there in ((one, other), (other, one)):
        here.configure(replace(PCMU, **changes), remote=("127.0.0.1", there.local_port))
    try:
        yield one, other
    finally:
        await one.close()
        await other.close()
        await other.close()
        await pacer.close()


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - what is awaited is seen in plain lists
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("loops", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_sound_and_keys_go_both_ways(loops: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def story() -> None:
        async with two_ports() as (one, other):
            heard: list[Frame] = []
            keys: list[str] = []
            other.on_dtmf = keys.append
            one.start(lambda _: None, lambda _: LOUD)
            other.start(heard.append, lambda _: None)
            await until(lambda: len([f for f in heard if not f.concealed]) >= 5)
            await asyncio.wait_for(one.send_dtmf("19"), 10)
            await until(lambda: keys == ["1", "9"])
            assert one.quality().packets_sent > 5
            assert other.quality().codec == "PCMU"
            assert [f.at for f in heard] == sorted(f.at for f in heard)

    run(story(), loops)


def run(story: Coroutine[Any, Any, None], loops: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=loops) as runner:
        runner.run(story)


async def test_media_that_stops_is_noticed_and_that_it_comes_back() -> None:
    async with two_ports() as (one, other):
        told: list[str] = []
        other.on_lost = lambda seconds: told.append("lost" if seconds >= 0.1 else "too early")
        other.on_back = lambda: told.append("back")
        other.start(lambda _: None, lambda _: None)
        await until(lambda: told == ["lost"])
        one.start(lambda _: None, lambda _: LOUD)
        await until(lambda: told == ["lost", "back"])


def test_that_media_is_lost_is_said_again_each_second_while_it_lasts() -> None:
    async def story(clock: VirtualClock) -> None:
        pacer = Pacer(clock)
        pacer.start()
        port = await MediaPort.open(pacer, clock, lost_after=5.0)
        told: list[float] = []
        port.on_lost = told.append
        port.configure(PCMU, remote=("127.0.0.1", 9))
        port.start(lambda _: None, lambda _: None)
        await clock.sleep(7.5)
        port.configure(PCMU, remote=("127.0.0.1", 9))  # a re-INVITE meanwhile does not hide it
        await clock.sleep(2)
        port.configure(replace(PCMU, receive=False), remote=("127.0.0.1", 9))
        await clock.sleep(20)
        assert [round(seconds) for seconds in told] == [5, 6, 7, 8, 9]
        await port.close()
        await pacer.close()

    run_virtual(story)


@pytest.mark.parametrize("muxed", [True, False])
async def test_reports_go_to_the_port_of_the_sound_where_that_was_agreed(muxed: bool) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sound,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reports,
    ):
        sound.bind(("127.0.0.1", 0))
        reports.bind(("127.0.0.1", 0))
        async with two_ports() as (one, _):
            one.configure(
                replace(PCMU, rtcp_mux=muxed), remote=sound.getsockname(), remote_rtcp=reports.getsockname()
            )
            one.start(lambda _: None, lambda _: None)
        got = {"sound": received(sound), "reports": received(reports)}
    assert [looks_like_rtcp(data) for data in got["reports"]] == ([] if muxed else [True])
    assert [data for data in got["sound"] if looks_like_rtcp(data)] == got["sound"][-1:] * muxed


def received(one: socket.socket) -> list[bytes]:
    one.setblocking(False)
    found = []
    while True:
        try:
            found.append(one.recv(2048))
        except BlockingIOError:
            return found


async def test_reports_go_back_to_where_theirs_come_from_and_never_to_a_name() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as behind_nat:
        behind_nat.bind(("127.0.0.1", 0))
        async with two_ports() as (one, other):
            remote = ("127.0.0.1", other.local_port)
            one.configure(PCMU, remote=remote, remote_rtcp=("reports.example.org", 4001))
            one.start(lambda _: None, lambda _: None)
            session = RtpSession(ssrc=1, sequence=0, timestamp=0, cname=b"x")
            session.configure(PCMU, remote=remote)
            behind_nat.sendto(session.report(1, 1), ("127.0.0.1", one.local_port + 1))
            behind_nat.sendto(b"nonsense", ("127.0.0.1", one.local_port + 1))
            await until(lambda: one.quality().malformed == 1)
        assert [looks_like_rtcp(data) for data in received(behind_nat)] == [True]


async def test_reports_are_taken_on_both_ports() -> None:
    async with two_ports() as (one, other):
        one.start(lambda _: None, lambda _: LOUD)
        other.start(lambda _: None, lambda _: None)
        await until(lambda: other.quality().packets_received >= 3)
        session = RtpSession(ssrc=1, sequence=0, timestamp=0, cname=b"x")
        session.configure(PCMU, remote=("127.0.0.1", 1))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            before = other.quality().malformed
            broken = session.report(1, 1)[:-1]
            sender.sendto(broken, ("127.0.0.1", other.local_port))
            sender.sendto(broken, ("127.0.0.1", other.local_port + 1))
            await until(lambda: other.quality().malformed == before + 2)


@pytest.mark.parametrize("ptime", [10, 30])
async def test_packets_of_10_and_30_ms_leave_between_the_ticks_too(ptime: int) -> None:
    async with two_ports(ptime_ms=ptime) as (one, other):
        heard: list[Frame] = []
        one.start(lambda _: None, lambda _: LOUD)
        other.start(heard.append, lambda _: None)
        await until(lambda: len([f for f in heard if not f.concealed]) >= 12)
        sent, frames = one.quality().packets_sent, len([f for f in heard if not f.concealed])
        assert sent >= frames * 20 // ptime - 2


async def test_ports_are_a_pair_and_free_again_after_the_close() -> None:
    async with two_ports() as (one, _):
        port = one.local_port
        assert port % 2 == 0
        with pytest.raises(MediaError, match="no pair"):
            bind_pair("127.0.0.1", (port, port + 1))
    for made in bind_pair("127.0.0.1", (port, port + 1)):
        made.close()


async def test_keys_that_wait_when_the_media_ends_are_an_error() -> None:
    async with two_ports() as (one, _):
        one.start(lambda _: None, lambda _: None)
        waiting = asyncio.ensure_future(one.send_dtmf("123456789"))
        await asyncio.sleep(0)
        await one.close()
        with pytest.raises(MediaError, match="ended before"):
            await waiting


async def test_keys_that_nobody_waits_for_any_more_are_not_pressed_after_the_hold() -> None:
    async with two_ports() as (one, other):
        heard: list[Frame] = []
        keys: list[str] = []
        other.on_dtmf = keys.append
        one.configure(replace(PCMU, send=False), remote=("127.0.0.1", other.local_port))
        one.start(lambda _: None, lambda _: LOUD)
        other.start(heard.append, lambda _: None)
        waiting = asyncio.ensure_future(one.send_dtmf("1"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        one.configure(PCMU, remote=("127.0.0.1", other.local_port))
        await until(lambda: sum(not frame.concealed for frame in heard) > 10)
        assert keys == []


async def test_an_address_of_ipv6_may_be_spelt_in_any_way() -> None:
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    try:
        port = await MediaPort.open(pacer, clock, "::1")
    except MediaError as error:
        await pacer.close()
        pytest.skip(str(error))
    try:
        port.configure(PCMU, remote=("0:0:0:0:0:0:0:1", 4000), symmetric=False)
        assert port.remote == ("::1", 4000)
    finally:
        await port.close()
        await pacer.close()


async def test_garbage_on_both_ports_harms_nothing() -> None:
    async with two_ports() as (one, other):
        heard: list[Frame] = []
        other.start(heard.append, lambda _: None)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for data in (b"", b"\x80", b"\xff" * 1400, b"\x80\x00" + bytes(170), bytes(3000)):
                for port in (other.local_port, other.local_port + 1):
                    stranger.sendto(data, ("127.0.0.1", port))
        one.start(lambda _: None, lambda _: LOUD)
        await until(lambda: any(not frame.concealed for frame in heard))
        assert other.remote == ("127.0.0.1", one.local_port)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"remote": ("example.org", 4000)}, "not an IP address"),
        ({"remote": ("::1", 4000)}, "address family"),
        ({"remote": ("127.0.0.1", 70000)}, "no port"),
        ({"codec": "GSM"}, "no codec"),
    ],
)
async def test_what_cannot_be_configured_is_refused(changes: dict[str, Any], message: str) -> None:
    async with two_ports() as (one, other):
        remote = changes.pop("remote", ("127.0.0.1", other.local_port))
        with pytest.raises(MediaError, match=message):
            one.configure(replace(PCMU, **changes), remote=remote)


async def test_hold_of_old_sends_nothing() -> None:
    async with two_ports() as (one, other):
        one.configure(PCMU, remote=("0.0.0.0", 4000))
        asked: list[float] = []

        def ask(at: float) -> None:
            asked.append(at)

        one.start(lambda _: None, ask)
        await until(lambda: len(asked) >= 3)
        assert one.quality().packets_sent == 0
        assert one.remote == ("127.0.0.1", other.local_port)  # where it goes on when the hold ends


async def test_it_cannot_start_before_it_is_configured() -> None:
    clock = SystemClock()
    pacer = Pacer(clock)
    port = await MediaPort.open(pacer, clock)
    try:
        with pytest.raises(MediaError, match="not configured"):
            port.start(lambda _: None, lambda _: None)
        with pytest.raises(MediaError, match="not started"):
            await port.send_dtmf("1")
    finally:
        await port.close()


async def test_what_this_machine_would_not_send_is_counted() -> None:
    async with two_ports() as (one, _):
        # A broadcast, which a socket may not send that did not ask to.
        one.configure(PCMU, remote=("255.255.255.255", 4000))
        one.start(lambda _: None, lambda _: LOUD)
        await until(lambda: one.quality().send_errors >= 2)
