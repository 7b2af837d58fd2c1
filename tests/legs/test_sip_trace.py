"""Calls are traced by a thread of its own: all that passed, no secret, and no more than was allowed."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from legs.test_sip_calls import address, connected, two_phones
from trunkline.audio.frame import Frame
from trunkline.clock import SystemClock
from trunkline.errors import ConfigError
from trunkline.legs.leg import OnFrame
from trunkline.legs.sip_ladder import Trace
from trunkline.legs.sip_settings import SipSettings
from trunkline.legs.sip_trace import WAITING, SipTrace
from trunkline.sip.pcap import read_pcap

pytest.importorskip("pylibsrtp", reason="pylibsrtp is not installed here")


def traced(path: Path) -> Trace:
    trace = Trace()
    for seen in read_pcap(path.read_bytes()):
        trace.add(seen)
    return trace


def noting(heard: asyncio.Event) -> OnFrame:
    """Sets `heard` at the first sound that really came."""

    def hear(frame: Frame) -> None:
        if not frame.concealed:
            heard.set()

    return hear


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_is_traced_with_its_media_and_without_its_keys(tmp_path: Path, transport: str) -> None:
    path = tmp_path / "calls.pcap"
    first = SipSettings(bind="udp:127.0.0.1:0", user="one", trace=str(path), srtp="required")
    second = SipSettings(bind="udp:127.0.0.1:0", user="two", srtp="preferred")
    async with two_phones(first, second) as (one, two):
        calling = await one.dial(f"{address(two)};transport={transport}")
        called = await anext(two.calls())
        await called.answer()
        await calling.answer()
        heard = asyncio.Event(), asyncio.Event()
        calling.start(noting(heard[0]), lambda _: bytes(320))
        called.start(noting(heard[1]), lambda _: bytes(320))
        for each in heard:  # Each end has heard the other: both have sent.
            await each.wait()
        await calling.hang_up()
    (call,) = traced(path).calls
    texts = [step.text.split(" · ")[0] for step in call.steps]
    assert texts == ["INVITE", "180 Ringing (INVITE)", "200 OK (INVITE)", "ACK", "BYE", "200 OK (BYE)"]
    assert len({party for step in call.steps for party in (step.source, step.target)}) == 2
    assert {(one.codec, one.packets > 0) for one in call.media.values()} == {("PCMU", True)}
    assert len(call.media) == 2
    written = path.read_bytes()
    assert b"inline:****" in written
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_signalling_alone_is_traced_where_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "calls.pcap"
    first = SipSettings(bind="udp:127.0.0.1:0", user="one", trace=str(path), trace_media=False)
    async with two_phones(first) as (one, two):
        calling, called = await connected(one, two)
        heard = asyncio.Event()
        calling.start(lambda _: heard.set(), lambda _: bytes(320))
        called.start(lambda _: None, lambda _: bytes(320))
        await heard.wait()
        await calling.hang_up()
    (call,) = traced(path).calls
    assert call.steps
    assert not call.media


async def test_a_file_that_cannot_be_written_is_told_before_anything_is_answered(tmp_path: Path) -> None:
    settings = SipSettings(bind="udp:127.0.0.1:0", trace=str(tmp_path / "no such folder" / "calls.pcap"))
    with pytest.raises(ConfigError, match="cannot be written"):
        async with two_phones(settings):
            pass


def test_the_file_is_bounded_and_what_the_writer_cannot_take_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "calls.pcap"
    trace = SipTrace(path, SystemClock(), most_bytes=0)
    try:
        for number in range(3 * WAITING):
            trace.saw("udp", ("192.0.2.1", 5060), ("192.0.2.2", 5060), b"%09d" % number)
    finally:
        trace.close()
    both = [read_pcap(file.read_bytes()) for file in (path.with_name("calls.pcap.1"), path)]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 210_000
    assert [one.data for part in both for one in part] == sorted(one.data for part in both for one in part)
    assert trace.dropped > 0 or both[1][-1].data == b"%09d" % (3 * WAITING - 1)
