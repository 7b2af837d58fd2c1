"""Reports: on the port of the sound, with VoIP metrics, and what both come to in the figures of a call."""

from __future__ import annotations

import random
import struct
from collections.abc import Set
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.rtp import rtcp
from trunkline.rtp.packet import Packet
from trunkline.rtp.session import RtpSession
from trunkline.rtp.stream import Stream
from trunkline.rtp.xr import UNAVAILABLE, ExtendedReport, VoipMetrics

PEER = ("192.0.2.7", 4000)
LOUD = b"\x00\x10" * 160
XR = Stream("PCMU", 0, xr=True)


def session(stream: Stream = XR, ssrc: int = 5) -> RtpSession:
    made = RtpSession(ssrc=ssrc, sequence=0, timestamp=0, cname=b"here")
    made.configure(stream, remote=PEER)
    made.start(100.0)
    return made


def conversation(
    lost: Set[int], late: Set[int] = frozenset(), count: int = 500
) -> tuple[RtpSession, RtpSession]:
    """Who heard it and who spoke; the packets so numbered never came, or half a second later."""
    here, there = session(), session(ssrc=9)
    arrivals: list[tuple[float, bytes]] = []
    for number in range(count):
        datagram = there.send(LOUD)
        assert datagram is not None
        if number not in lost:
            arrivals.append((100 + number * 0.02 + (0.5 if number in late else 0), datagram))
    for at, datagram in sorted(arrivals):
        here.receive(datagram, PEER, at)
        here.advance(at)
    return here, there


def metrics_from(here: RtpSession) -> VoipMetrics:
    (extended,) = (p for p in rtcp.parse_compound(here.report(110, 5000)) if isinstance(p, ExtendedReport))
    assert extended.ssrc == 5
    (metrics,) = extended.metrics
    return metrics


def test_metrics_go_to_who_asked_for_them_and_only_about_sound_that_came() -> None:
    here, _ = conversation(set())
    assert metrics_from(here).ssrc == 9
    here.configure(replace(XR, xr=False), remote=PEER)
    assert not any(isinstance(p, ExtendedReport) for p in rtcp.parse_compound(here.report(110, 5000)))
    silent = session()
    assert not any(isinstance(p, ExtendedReport) for p in rtcp.parse_compound(silent.report(110, 5000)))


def test_a_burst_and_scattered_losses_are_told_apart() -> None:
    burst = set(range(200, 220, 2))
    here, _ = conversation(burst | {50, 400})
    quality = here.quality()
    assert quality.packets_lost == 12
    assert quality.burst_loss == pytest.approx(10 / 19)
    assert quality.burst_ms == pytest.approx(380)
    assert quality.gap_loss == pytest.approx(2 / 481)
    metrics = metrics_from(here)
    assert (metrics.burst_density, metrics.gap_density) == (int(256 * 10 / 19), int(256 * 2 / 481))
    assert (metrics.burst_duration, metrics.gmin) == (380, 16)
    assert metrics.loss_rate == int(256 * 12 / 500)
    assert metrics.discard_rate == 0


def test_packets_that_came_too_late_are_discarded_and_not_lost() -> None:
    here, _ = conversation({50}, late=set(range(100, 400, 20)))
    metrics = metrics_from(here)
    assert here.quality().packets_lost == 1
    assert here.quality().packets_late == 15
    assert metrics.discard_rate == int(256 * 15 / 500)
    assert metrics.loss_rate == int(256 * 1 / 500)


def test_the_opinion_falls_with_loss_and_the_other_end_learns_it() -> None:
    chance = random.Random(7)
    scores = []
    for share in (0.0, 0.03, 0.1):
        here, there = conversation({n for n in range(500) if chance.random() < share})
        mine = here.quality().mos
        assert mine is not None
        scores.append(mine)
        there.receive_report(here.report(110, 5000), PEER, 110, 5000)
        assert there.quality().remote_mos == pytest.approx(mine, abs=0.06)
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(4.41, abs=0.01)
    assert scores[2] < 3.7


def test_a_long_way_costs_opinion_too() -> None:
    here, there = conversation(set())
    first = here.quality().mos
    datagram = here.send(LOUD)
    assert datagram is not None
    there.receive(datagram, PEER, 110.4)
    there.receive_report(here.report(111, 5001.0), PEER, 111.4, 5001.4)
    here.receive_report(there.report(111.4, 5001.4), PEER, 111.8, 5001.8)
    assert here.quality().round_trip_ms == pytest.approx(800, abs=1)
    later = here.quality().mos
    assert first is not None
    assert later is not None
    assert later < first - 0.5


@pytest.mark.parametrize(
    ("conversational", "listening", "said"),
    [(41, 43, 4.1), (UNAVAILABLE, 43, 4.3), (UNAVAILABLE, UNAVAILABLE, None), (0, 255, None)],
)
def test_an_opinion_of_theirs_counts_if_it_is_one(
    conversational: int, listening: int, said: float | None
) -> None:
    here = session()
    block = VoipMetrics(5, mos_conversational=conversational, mos_listening=listening)
    here.receive_report(bytes(ExtendedReport(9, (block,))), PEER, 100, 5000)
    assert here.quality().remote_mos == said
    about_others = bytes(ExtendedReport(9, (VoipMetrics(77, mos_conversational=10),)))
    here.receive_report(about_others, PEER, 100, 5000)
    assert here.quality().remote_mos == said


def test_the_block_is_laid_out_as_in_the_rfc() -> None:
    block = bytes(
        VoipMetrics(0x01020304, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 80, 127, 41, 40, 0xB0, 20, 60, 200)
    )
    assert block == struct.pack(
        "!BBHI4B4H4B4BBBHHH",
        *(7, 0, 8, 0x01020304, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 80, 127, 41, 40, 0xB0, 0, 20, 60, 200),
    )
    crowded = bytes(VoipMetrics(1, loss_rate=999, burst_duration=10**6))
    assert (crowded[8], crowded[12:14]) == (255, b"\xff\xff")


@given(st.binary(max_size=200))
def test_any_report_bytes_leave_the_call_standing(data: bytes) -> None:
    here = session()
    for packet_type in (200, 201, 202, 203, 207):
        words = len(data) // 4
        body = data[: 4 * words]
        here.receive_report(struct.pack("!BBH", 0x81, packet_type, words) + body, PEER, 100, 5000)
    here.receive_report(data, PEER, 100, 5000)
    assert here.receive(bytes(Packet(0, 1, 160, 9, bytes(160))), PEER, 100.0)
