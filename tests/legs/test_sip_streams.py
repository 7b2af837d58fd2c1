"""Whole calls over TCP and TLS on loopback, and what strangers may do to a connection."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from legs.far_ends import until
from legs.test_sip_calls import LIMIT, all_events, connected, next_call, two_phones
from trunkline.errors import ConfigError
from trunkline.events import HungUp
from trunkline.legs.sip import SipService, SipSettings
from trunkline.legs.sip_leg import SipLeg
from trunkline.sip.not_taken import CallNotTaken, Why


async def by(one: SipService, uri: str, two: SipService) -> tuple[SipLeg, SipLeg]:
    calling = await one.dial(uri)
    called = await next_call(two)
    await called.answer()
    await calling.answer()
    return calling, called


async def test_a_call_over_tcp_either_end_may_end() -> None:
    async with two_phones() as (one, two):
        host, port = two.address
        for ends in (0, 1):
            legs = await by(one, f"sip:two@{host}:{port};transport=tcp", two)
            await legs[ends].hang_up()
            assert isinstance((await all_events(legs[1 - ends]))[-1], HungUp)


async def test_an_invite_too_large_for_a_datagram_goes_over_tcp() -> None:
    async with two_phones() as (one, two):
        host, port = two.address
        calling = await one.dial(f"sip:two@{host}:{port}", variables={"note": "x" * 2000})
        called = await next_call(two)
        assert called.info.variables["X-note"] == "x" * 2000
        assert called.signalling == "tcp"
        await called.answer()
        await calling.answer()
        await called.hang_up()
        await all_events(calling)


async def test_where_nobody_takes_tcp_a_large_invite_goes_by_datagram() -> None:
    class Sink(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.first: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def datagram_received(self, data: bytes, addr: object) -> None:
            if not self.first.done():
                self.first.set_result(data)

    async with two_phones() as (one, _):
        transport, sink = await asyncio.get_running_loop().create_datagram_endpoint(
            Sink, local_addr=("127.0.0.1", 0)
        )
        port = transport.get_extra_info("sockname")[1]
        calling = await one.dial(f"sip:x@127.0.0.1:{port}", variables={"note": "x" * 2000})
        data = await sink.first
        assert data.startswith(b"INVITE")
        assert b"Via: SIP/2.0/UDP" in data
        await calling.hang_up()
        transport.close()


async def test_nobody_there_over_tcp_is_told() -> None:
    async with two_phones() as (one, two):
        await two.close()
        host, port = two.address
        calling = await one.dial(f"sip:two@{host}:{port};transport=tcp")
        with pytest.raises(CallNotTaken) as caught:
            await calling.answer()
        assert caught.value.why is Why.NOT_REACHABLE


async def test_garbage_on_a_connection_ends_that_connection_alone() -> None:
    async with two_phones() as (one, two):
        calling, called = await connected(one, two)
        host, port = two.address
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"\r\n\r\n")
        assert await reader.readexactly(2) == b"\r\n"
        writer.write(b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
        assert not called.ended
        await calling.hang_up()
        await all_events(called)


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """An authority of our own, and a certificate for 127.0.0.1 that it vouches for."""
    return certified(tmp_path, "IP:127.0.0.1")


def certified(tmp_path: Path, name: str) -> Path:
    """A folder with an authority of our own, and a certificate for this name that it vouches for."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed here")
    names = tmp_path / "names"
    names.write_text(f"subjectAltName={name}\n")
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj"]
    for command in (
        [*new, "/CN=authority", "-x509", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem"],
        [*new, "/CN=phone", "-keyout", "phone.key", "-out", "phone.csr"],
        ["openssl", "x509", "-req", "-in", "phone.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
         "-CAcreateserial", "-days", "2", "-extfile", str(names), "-out", "phone.pem"],
    ):  # fmt: skip
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=30)
    return tmp_path


def secure(folder: Path, user: str, *, own: bool = True, demand: bool = False) -> SipSettings:
    return SipSettings(
        bind="udp:127.0.0.1:0",
        user=user,
        tls_bind="tls:127.0.0.1:0" if own else "",
        tls_certificate_file=str(folder / "phone.pem") if own else "",
        tls_key_file=str(folder / "phone.key") if own else "",
        tls_trusted_file=str(folder / "ca.pem"),
        tls_demand_certificate=demand,
    )


def test_tls_comes_in_on_the_loop_that_is_used_where_it_is_installed(certificates: Path) -> None:
    """uvloop begins to read before anybody can tell it to wait."""
    uvloop = pytest.importorskip("uvloop", reason="needs: pip install uvloop")
    uvloop.run(call_over_mutual_tls(certificates))


async def test_a_call_over_mutual_tls(certificates: Path) -> None:
    await call_over_mutual_tls(certificates)


async def call_over_mutual_tls(certificates: Path) -> None:
    settings = secure(certificates, "one"), secure(certificates, "two", demand=True)
    async with two_phones(*settings) as (one, two):
        calling, called = await by(one, f"sips:two@127.0.0.1:{two.tls_port}", two)
        assert called.signalling == "tls"
        await called.hang_up()
        assert isinstance((await all_events(calling))[-1], HungUp)


async def test_whoever_cannot_show_a_certificate_is_turned_away(certificates: Path) -> None:
    settings = secure(certificates, "one", own=False), secure(certificates, "two", demand=True)
    async with two_phones(*settings) as (one, two):
        calling = await one.dial(f"sip:two@127.0.0.1:{two.tls_port};transport=tls")
        reader = asyncio.create_task(next_call(two))
        done, _ = await asyncio.wait((reader,), timeout=0.3)
        assert not done
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        await calling.hang_up()


async def test_a_certificate_that_nobody_vouches_for_is_not_believed(certificates: Path) -> None:
    careful = SipSettings(bind="udp:127.0.0.1:0", user="one")
    async with two_phones(careful, secure(certificates, "two")) as (one, two):
        calling = await one.dial(f"sips:two@127.0.0.1:{two.tls_port}")
        with pytest.raises(CallNotTaken) as caught:
            async with asyncio.timeout(LIMIT):
                await calling.answer()
        assert caught.value.why is Why.NOT_REACHABLE
        assert "its certificate does not convince (127.0.0.1: " in caught.value.what


async def test_tls_without_a_certificate_is_told() -> None:
    with pytest.raises(ConfigError, match="certificate"):
        async with two_phones(SipSettings(bind="udp:127.0.0.1:0", tls_bind="tls:127.0.0.1:0")):
            raise AssertionError("it listens")


async def test_handshakes_that_never_end_are_bounded(certificates: Path) -> None:
    settings = secure(certificates, "one"), replace(secure(certificates, "two"), never_flooding=())
    with ExitStack() as strangers:
        async with two_phones(*settings) as (one, two):
            for _ in range(160):
                tcp = socket.create_connection(
                    ("127.0.0.1", two.tls_port), source_address=("127.0.0.2", 0), timeout=5
                )
                strangers.callback(tcp.close)
                await asyncio.sleep(0)
            await until(lambda: two._endpoint.agent.dropped["connections"] == 160 - 128)
            calling, called = await by(one, f"sips:two@127.0.0.1:{two.tls_port}", two)
            await called.hang_up()
            assert isinstance((await all_events(calling))[-1], HungUp)
