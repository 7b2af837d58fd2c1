"""RTCP: a fixture, round trips, bytes from anybody, and the sums of RFC 3550's appendices."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import ParseError
from trunkline.rtp import rtcp
from trunkline.rtp.statistics import ReceiveStatistics, round_trip, to_ntp
from trunkline.rtp.xr import VOIP_METRICS, ExtendedReport, VoipMetrics

WIRE = Path(__file__).parent.parent / "wire"
u32 = st.integers(0, 0xFFFFFFFF)
blocks = st.lists(
    st.builds(
        rtcp.ReportBlock,
        ssrc=u32,
        fraction_lost=st.integers(0, 255),
        lost=st.integers(-0x800000, 0x7FFFFF),
        highest=u32,
        jitter=u32,
        last_sr=u32,
        delay=u32,
    ),
    max_size=4,
).map(tuple)
bodies = st.integers(0, 4).flatmap(lambda words: st.binary(min_size=4 * words, max_size=4 * words))
metrics = st.builds(
    VoipMetrics,
    u32,
    *[st.integers(0, 255)] * 4,
    *[st.integers(0, 0xFFFF)] * 4,
    *[st.integers(0, 255)] * 9,
    *[st.integers(0, 0xFFFF)] * 3,
)
others = st.lists(
    st.tuples(st.integers(0, 255).filter(lambda kind: kind != VOIP_METRICS), st.integers(0, 255), bodies),
    max_size=2,
).map(tuple)
items = st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=20)), max_size=3).map(tuple)
packets = st.one_of(
    st.builds(
        rtcp.SenderReport,
        ssrc=u32,
        ntp=st.integers(0, 2**64 - 1),
        rtp_timestamp=u32,
        packets=u32,
        octets=u32,
        reports=blocks,
    ),
    st.builds(rtcp.ReceiverReport, ssrc=u32, reports=blocks),
    st.builds(rtcp.SourceDescription, st.lists(st.tuples(u32, items), max_size=3).map(tuple)),
    st.builds(rtcp.Goodbye, st.lists(u32, max_size=3).map(tuple), st.binary(max_size=40)),
    st.builds(ExtendedReport, u32, st.lists(metrics, max_size=2).map(tuple), others),
    st.builds(
        rtcp.Other,
        packet_type=st.integers(204, 206),
        count=st.integers(0, 31),
        body=bodies,
    ),
)


@given(st.lists(packets, min_size=1, max_size=4).map(tuple))
def test_what_is_printed_is_read_back(compound: tuple[rtcp.Rtcp, ...]) -> None:
    assert rtcp.parse_compound(rtcp.print_compound(compound)) == compound


@given(
    st.binary(max_size=120) | st.lists(packets, min_size=1, max_size=2).map(tuple).map(rtcp.print_compound)
)
def test_any_bytes_are_rtcp_or_a_parse_error(data: bytes) -> None:
    for end in (len(data), len(data) - 1, len(data) - 4):
        try:
            assert rtcp.parse_compound(data[: max(0, end)])
        except ParseError:
            continue


def test_a_compound_from_the_wire() -> None:
    data = bytes.fromhex((WIRE / "rtp-rtcp-compound.hex").read_text().split("#")[0])
    report, description, goodbye = rtcp.parse_compound(data)
    assert report == rtcp.SenderReport(
        1,
        0x83AA7E8080000000,
        800,
        5,
        800,
        (rtcp.ReportBlock(2, 64, -1, 0x10010, 40, 0x7E808000, 0x10000),),
    )
    assert description == rtcp.SourceDescription(((1, ((rtcp.CNAME, b"abc@def"),)),))
    assert goodbye == rtcp.Goodbye((1,), b"bye.")
    assert rtcp.print_compound((report, description, goodbye)) == data


def test_the_last_packet_may_be_padded() -> None:
    padded = bytes.fromhex("a0c90002 00000001 00000004".replace(" ", ""))
    assert rtcp.parse_compound(padded) == (rtcp.ReceiverReport(1),)
    with pytest.raises(ParseError, match="padding"):
        rtcp.parse_compound(padded + bytes.fromhex("80c9000100000001"))


def test_loss_and_jitter_as_the_appendices_count_them() -> None:
    statistics = ReceiveStatistics(8000)
    for sequence in (65534, 65535, 0, 1, 4, 3):  # wraps; 2 is lost; 4 and 3 in the wrong order
        place = (sequence - 65534) & 0xFFFF
        statistics.received(9, sequence, place * 160, 100 + place * 0.02)
    (block,) = statistics.report(101)
    assert (block.ssrc, block.lost, block.highest, block.fraction_lost) == (9, 1, 65536 + 4, 256 // 7)
    assert block.jitter == 0
    assert (statistics.lost, statistics.packets) == (1, 6)
    statistics.received(9, 5, 7 * 160, 100.14 + 0.016)  # 128 units late: a sixteenth of it is jitter
    (block,) = statistics.report(102)
    assert (block.jitter, block.fraction_lost) == (8, 0)
    assert statistics.jitter_seconds == pytest.approx(0.001)


def test_figures_go_on_over_another_source() -> None:
    statistics = ReceiveStatistics(8000)
    for ssrc, sequences in ((1, (10, 12)), (2, (500, 501, 503))):
        for sequence in sequences:
            statistics.received(ssrc, sequence, sequence * 160, sequence / 50)
    assert (statistics.lost, statistics.packets) == (2, 5)


def test_the_round_trip_is_what_is_left_of_the_time_between() -> None:
    sent, held, back = 1_790_000_000.25, 1.5, 0.08
    block = rtcp.ReportBlock(1, 0, 0, 0, 0, to_ntp(sent) >> 16 & 0xFFFFFFFF, int(held * 65536))
    assert round_trip(block, sent + held + back) == pytest.approx(back, abs=1e-4)
    assert round_trip(block, sent + held - 0.001) == 0
    assert round_trip(rtcp.ReportBlock(1, 0, 0, 0, 0), sent) is None
