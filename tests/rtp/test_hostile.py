"""Anything may come to a media port, in any order: the call stands, and time in it goes on."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.rtp.packet import Extension, Packet
from trunkline.rtp.rtcp import ReceiverReport, SenderReport
from trunkline.rtp.session import RtpSession
from trunkline.rtp.stream import EVENTS, NOISE, Stream

PEER, STRANGER = ("192.0.2.7", 4000), ("198.51.100.9", 666)
u16, u32 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)

packets = st.builds(
    Packet,
    payload_type=st.sampled_from([0, 8, 13, 97, 101, 77]),
    sequence=st.integers(0, 40) | u16,
    timestamp=st.integers(0, 40).map(lambda n: n * 160) | u32,
    ssrc=st.integers(1, 2),
    payload=st.binary(max_size=8) | st.integers(0, 500).map(bytes),
    marker=st.booleans(),
    extension=st.none() | st.just(Extension(0xBEDE, bytes(4))),
).map(bytes)
reports = st.builds(SenderReport, u32, st.integers(0, 2**64 - 1), u32, u32, u32).map(bytes)
datagrams = (
    packets | reports | st.binary(max_size=60) | st.builds(lambda p, n: p[:n], packets, st.integers(0, 20))
)
happenings = st.tuples(
    st.sampled_from(["sound", "report", "stranger", "report-stranger", "hold", "codec", "again"]),
    datagrams,
    st.sampled_from([0.0, 0.001, 0.02, 0.3, 5.0]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(happenings, max_size=40))
def test_whatever_comes_frames_are_20_ms_and_time_never_goes_back(
    story: list[tuple[str, bytes, float]],
) -> None:
    session = RtpSession(ssrc=1, sequence=0, timestamp=0, cname=b"here")
    receivable = ((8, "PCMA"), (97, "L16"), (101, EVENTS), (98, NOISE))
    stream = Stream("PCMU", 0, receivable=receivable, dtmf_payload_type=101, xr=True)
    session.configure(stream, remote=PEER)
    session.start(0.0)
    at, last = 0.0, 0.0
    for what, data, passed in story:
        at += passed
        frames = session.advance(at)
        match what:
            case "sound" | "stranger":
                frames += session.receive(data, PEER if what == "sound" else STRANGER, at)
            case "report" | "report-stranger":
                session.receive_report(data, PEER if what == "report" else STRANGER, at, 1000 + at)
            case "hold":
                session.configure(Stream("PCMU", 0, send=False, receive=False), remote=PEER)
            case "codec":
                session.configure(Stream("PCMA", 8, receivable=((0, "PCMU"),)), remote=PEER)
            case _:
                session.configure(stream, remote=PEER)
        for frame in frames:
            assert len(frame.pcm) == 320
            assert last <= frame.at <= at
            last = frame.at
        session.send(None)
        assert session.report(at, 1000 + at)
        assert session.quality().packets_received >= 0
    assert session.latch.remote in (PEER, STRANGER)


@pytest.mark.parametrize("count", [0, 31])
def test_a_report_of_more_blocks_than_there_are_is_malformed(count: int) -> None:
    session = RtpSession(ssrc=1, sequence=0, timestamp=0, cname=b"here")
    session.configure(Stream("PCMU", 0), remote=PEER)
    report = bytearray(bytes(ReceiverReport(7)))
    report[0] = 0x80 | count
    session.receive_report(bytes(report), PEER, 0.0, 1000.0)
    assert session.quality().malformed == bool(count)
    assert struct.unpack_from("!H", report, 2) == (1,)
