"""RTP packets: fixtures, round trips, and bytes from anybody."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import ParseError
from trunkline.rtp.packet import Extension, Packet, looks_like_rtcp

WIRE = Path(__file__).parent.parent / "wire"


def fixture(name: str) -> bytes:
    return bytes.fromhex((WIRE / name).read_text().split("#")[0])


packets = st.builds(
    Packet,
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=200),
    marker=st.booleans(),
    csrcs=st.lists(st.integers(0, 0xFFFFFFFF), max_size=15).map(tuple),
    extension=st.none()
    | st.builds(
        Extension,
        profile=st.integers(0, 0xFFFF),
        data=st.integers(0, 5).flatmap(lambda words: st.binary(min_size=4 * words, max_size=4 * words)),
    ),
    padding=st.integers(0, 255),
)


@given(packets)
def test_what_is_printed_is_read_back(packet: Packet) -> None:
    assert Packet.parse(bytes(packet)) == packet


@given(st.binary(max_size=80))
def test_any_bytes_are_a_packet_or_a_parse_error(data: bytes) -> None:
    try:
        packet = Packet.parse(data)
    except ParseError:
        return
    assert len(bytes(packet)) == len(data)


@given(packets, st.data())
def test_a_packet_cut_short_is_never_read_beyond_its_end(packet: Packet, data: st.DataObject) -> None:
    whole = bytes(packet)
    short = whole[: data.draw(st.integers(0, len(whole)))]
    try:
        read = Packet.parse(short)
    except ParseError:
        return
    assert len(read.payload) + read.padding <= len(short) - 12


def test_a_plain_packet() -> None:
    packet = Packet.parse(fixture("rtp-pcmu.hex"))
    assert packet == Packet(0, 0xABCD, 0x00012345, 0xDECAFBAD, bytes([0xFF] * 8), marker=True)
    assert bytes(packet) == fixture("rtp-pcmu.hex")


def test_a_packet_with_everything() -> None:
    data = fixture("rtp-everything.hex")
    packet = Packet.parse(data)
    assert packet.csrcs == (1, 2)
    assert packet.extension == Extension(0xBEDE, bytes.fromhex("10aa0000"))
    assert packet.payload == b"\x01\x02\x03\x04\x05"
    assert packet.padding == 3
    assert bytes(packet) == data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("80", "1 bytes are too few"),
        ("40000000" + "00" * 8, "version 1"),
        ("82000000" + "00" * 12, "2 CSRCs"),
        ("90000000" + "00" * 10, "extension is cut short"),
        ("90000000" + "00" * 8 + "bede0002" + "00" * 4, "extension of 2 words"),
        ("a0000000" + "00" * 8 + "00", "padding of 0"),
        ("a0000000" + "00" * 8 + "02", "padding of 2"),
    ],
)
def test_what_is_wrong_is_said(data: str, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        Packet.parse(bytes.fromhex(data))


def test_rtcp_on_the_same_port_is_told_apart() -> None:
    assert looks_like_rtcp(bytes([0x80, 200]))
    assert not looks_like_rtcp(bytes([0x80, 0x80 | 8]))
    assert not looks_like_rtcp(b"\x80")
