"""Capture files: what is written is read back, garbage is a clear error, and others' files are read."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import ParseError
from trunkline.sip.pcap import PcapReader, PcapWriter, Seen, read_pcap

ports = st.integers(1, 65_535)
fours = st.ip_addresses(v=4).map(str)
sixes = st.ip_addresses(v=6).map(str)
pairs = st.one_of(st.tuples(fours, fours), st.tuples(sixes, sixes))


@st.composite
def seen(draw: st.DrawFn) -> Seen:
    one, other = draw(pairs)
    at = draw(st.integers(0, 4_000_000_000_000_000)) / 1e6
    data = draw(st.binary(min_size=1, max_size=300))
    ends = (one, draw(ports)), (other, draw(ports))
    return Seen(at, draw(st.sampled_from(("udp", "tcp"))), *ends, data)


def written(*many: Seen) -> bytes:
    writer = PcapWriter()
    return writer.header() + b"".join(writer.record(one) for one in many)


@given(st.lists(seen(), max_size=8), st.integers(1, 64))
def test_what_is_written_is_read_back_however_it_is_cut(many: list[Seen], cut: int) -> None:
    data = written(*many)
    reader = PcapReader()
    found = [one for start in range(0, len(data), cut) for one in reader.feed(data[start : start + cut])]
    assert [(one.transport, one.source, one.target, one.data) for one in found] == [
        (one.transport, one.source, one.target, one.data) for one in many
    ]
    assert [one.at for one in found] == pytest.approx([one.at for one in many], abs=1e-5)


@given(st.binary(max_size=200), st.booleans())
def test_garbage_is_a_clear_error_or_nothing(data: bytes, headed: bool) -> None:
    try:
        read_pcap(PcapWriter.header() + data if headed else data)
    except ParseError:
        return


def test_the_checksums_are_right() -> None:
    udp = Seen(1.0, "udp", ("2001:db8::1", 5060), ("2001:db8::2", 5060), b"odd")
    tcp = Seen(1.0, "tcp", ("192.0.2.1", 5060), ("192.0.2.2", 5060), b"odd")
    for one, head in ((udp, 40), (tcp, 20)):
        packet = written(one)[24 + 16 :]
        addresses = packet[8:40] if head == 40 else packet[12:20]
        protocol = 17 if one.transport == "udp" else 6
        payload = packet[head:]
        whole = addresses + struct.pack("!II", len(payload), protocol) + payload
        whole += b"\0" * (len(whole) % 2)
        total = sum(struct.unpack(f"!{len(whole) // 2}H", whole))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        assert total == 0xFFFF


def test_a_message_longer_than_a_packet_is_several_segments_and_a_datagram_is_cut() -> None:
    long = bytes(65_536)
    ends = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
    found = read_pcap(written(Seen(1.0, "tls", *ends, long), Seen(1.0, "udp", *ends, long)))
    assert b"".join(one.data for one in found if one.transport == "tcp") == long
    assert len(found[-1].data) > 65_000


def test_names_and_unknown_addresses_are_written_as_none() -> None:
    (found,) = read_pcap(written(Seen(1.0, "tls", ("sip.example.com", 5061), ("2001:db8::2", 5061), b"x")))
    assert (found.source, found.target[0]) == (("::", 5061), "2001:db8::2")


def test_a_capture_of_an_ethernet_with_vlans_and_its_repeated_segments_is_read() -> None:
    ends = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
    data = written(Seen(1.0, "tcp", *ends, b"first"), Seen(2.0, "tcp", *ends, b"second"))
    packets, place = [], 24
    while place < len(data):
        size = struct.unpack("=I", data[place + 8 : place + 12])[0]
        packets.append(data[place + 16 : place + 16 + size])
        place += 16 + size
    ethernet = bytes(12) + b"\x81\x00\x00\x05\x08\x00"
    other = struct.pack(">IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65_535, 1)
    for packet in (packets[0], packets[0], packets[1]):
        framed = ethernet + packet
        other += struct.pack(">IIII", 7, 500_000_000, len(framed), len(framed)) + framed
    found = read_pcap(other)
    assert [(one.data, one.at) for one in found] == [(b"first", 7.5), (b"second", 7.5)]


def test_pcapng_is_told_what_to_do_with() -> None:
    with pytest.raises(ParseError, match="pcapng") as caught:
        read_pcap(b"\x0a\x0d\x0d\x0a" + bytes(40))
    assert "editcap" in caught.value.hint
