"""One call's RTP: what goes out, who is believed, what is reported."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from trunkline.audio.frame import Frame
from trunkline.errors import MediaError
from trunkline.rtp import rtcp
from trunkline.rtp.latch import NEEDED, Address, Latch
from trunkline.rtp.packet import Packet
from trunkline.rtp.session import RtpSession
from trunkline.rtp.stream import Stream

PEER = ("192.0.2.7", 4000)
STRANGER = ("198.51.100.9", 666)
LOUD = b"\x00\x10" * 160


PCMU = Stream("PCMU", 0, dtmf_payload_type=101)


def new(**changes: Any) -> RtpSession:
    session = RtpSession(ssrc=5, sequence=65534, timestamp=2**32 - 160, cname=b"here")
    configure(session, **changes)
    session.start(100.0)
    return session


def configure(session: RtpSession, remote: Address = PEER, **changes: Any) -> None:
    session.configure(replace(PCMU, **changes), remote=remote)


def sent(session: RtpSession, pcm: bytes | None = LOUD, skipped: int = 0) -> Packet:
    datagram = session.send(pcm, skipped)
    assert datagram is not None
    return Packet.parse(datagram)


def incoming(number: int, ssrc: int = 9, payload_type: int = 0) -> bytes:
    return bytes(Packet(payload_type, number & 0xFFFF, number * 160, ssrc, bytes([number & 0xFF]) * 160))


def test_packets_count_on_over_the_wrap_and_only_the_first_is_marked() -> None:
    session = new()
    packets = [sent(session) for _ in range(4)]
    assert [p.sequence for p in packets] == [65534, 65535, 0, 1]
    assert [p.timestamp for p in packets] == [2**32 - 160, 0, 160, 320]
    assert [p.marker for p in packets] == [True, False, False, False]
    assert {(p.ssrc, p.payload_type, len(p.payload)) for p in packets} == {(5, 0, 160)}


def test_missed_ticks_are_in_the_timestamps_and_not_in_the_sequence() -> None:
    session = new()
    first, second = sent(session), sent(session, skipped=3)
    assert (second.timestamp - first.timestamp) & 0xFFFFFFFF == 4 * 160
    assert (second.sequence - first.sequence) & 0xFFFF == 1


def test_silence_is_sent_where_the_agent_has_nothing_to_say() -> None:
    assert sent(new(), None).payload == b"\xff" * 160


def test_a_piece_of_the_wrong_size_makes_a_packet_of_the_right_one() -> None:
    session = new()
    assert {len(sent(session, pcm).payload) for pcm in (b"", LOUD[:100], LOUD * 3)} == {160}


def test_longer_packets_gather_frames_and_carry_the_timestamp_of_their_first() -> None:
    session = new(ptime_ms=60)
    datagrams = [session.send(LOUD) for _ in range(6)]
    assert [d is not None for d in datagrams] == [False, False, True] * 2
    first, second = (Packet.parse(d) for d in datagrams if d)
    assert (first.timestamp, second.timestamp) == (2**32 - 160, 320)
    assert len(first.payload) == 480


def test_on_hold_nothing_leaves_time_goes_on_and_the_next_packet_is_marked() -> None:
    session = new()
    first = sent(session)
    configure(session, send=False)
    assert [session.send(LOUD) for _ in range(10)] == [None] * 10
    configure(session)
    back = sent(session)
    assert back.marker
    assert (back.timestamp - first.timestamp) & 0xFFFFFFFF == 11 * 160
    assert back.sequence == 65535


def test_keys_wait_until_the_hold_ends() -> None:
    session = new(send=False)
    session.send_dtmf("7")
    assert [session.send(LOUD) for _ in range(20)] == [None] * 20
    configure(session)
    assert [sent(session).payload_type for _ in range(8)] == [101] * 7 + [0]


def test_another_codec_goes_on_with_the_same_count() -> None:
    session = new()
    sent(session)
    configure(session, codec="PCMA", payload_type=8)
    packet = sent(session, None)
    assert (packet.payload_type, packet.sequence, packet.ssrc) == (8, 65535, 5)
    assert packet.payload == b"\xd5" * 160


def test_keys_take_the_place_of_sound_and_time_goes_on() -> None:
    session = new()
    session.send_dtmf("7")
    packets = [sent(session) for _ in range(12)]
    keys = [p for p in packets if p.payload_type == 101]
    assert len(keys) == 7
    assert {p.timestamp for p in keys} == {packets[0].timestamp}
    assert [p.sequence for p in packets] == [(65534 + n) & 0xFFFF for n in range(12)]
    assert (packets[7].timestamp - packets[0].timestamp) & 0xFFFFFFFF == 7 * 160
    assert not session.sending_dtmf


def test_keys_cannot_be_sent_to_whom_does_not_take_them() -> None:
    with pytest.raises(MediaError, match="telephone-event"):
        new(dtmf_payload_type=None).send_dtmf("1")


def test_keys_received_wait_to_be_taken() -> None:
    here, there = new(), new()
    here.send_dtmf("42#")
    for n in range(40):
        datagram = here.send(LOUD)
        assert datagram is not None
        there.receive(datagram, PEER, 100 + n * 0.02)
    assert list(there.digits) == ["4", "2", "#"]


def test_what_comes_is_heard_and_every_20_ms_is_accounted_for_on_hold() -> None:
    session = new()
    heard: list[Frame] = []
    for n in range(10):
        heard += session.receive(incoming(n), PEER, 100 + n * 0.02)
    assert len(heard) == 10
    configure(session, receive=False)
    quiet: list[Frame] = []
    for n in range(10, 60):
        quiet += session.receive(incoming(n), PEER, 100 + n * 0.02)
        quiet += session.advance(100 + n * 0.02)
    assert len(quiet) == pytest.approx(40, abs=1)
    assert all(frame.concealed for frame in quiet)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 30, bytes(200), incoming(1, payload_type=77)])
def test_garbage_is_counted_and_goes_no_further(data: bytes) -> None:
    session = new()
    assert session.receive(data, PEER, 100.1) == []
    assert session.quality().malformed == 1
    assert session.last_received is None
    session.receive_report(data, PEER, 100.1, 0)
    assert session.quality().malformed == 2


def test_a_stranger_is_heard_neither_before_nor_after_the_other_end() -> None:
    session = new()
    assert session.receive(incoming(1, ssrc=66), STRANGER, 100.0) == []
    assert session.receive(incoming(1), PEER, 100.0)
    for n in range(10):
        assert session.receive(incoming(n, ssrc=66), STRANGER, 100.1) == []
    assert session.latch.remote == PEER
    assert session.quality().strangers == 11


def test_behind_nat_the_first_valid_packets_show_where_the_other_end_is() -> None:
    nat = ("203.0.113.5", 61000)
    session = new(remote=("10.0.0.7", 4000))
    heard = [session.receive(incoming(n), nat, 100 + n * 0.02) for n in range(5)]
    assert [bool(frames) for frames in heard] == [False] * (NEEDED - 1) + [True] * (6 - NEEDED)
    assert session.latch.remote == nat
    assert session.receive(incoming(9), STRANGER, 100.2) == []


def test_the_latch_opens_again_for_a_new_address_only() -> None:
    latch = Latch()
    latch.signal(PEER)
    for n in range(NEEDED):
        latch.admit(STRANGER, 1, n, 0.0)
    assert latch.remote == STRANGER
    latch.signal(PEER)
    assert latch.remote == STRANGER
    latch.signal(("192.0.2.8", 4000))
    assert (latch.remote, latch.latched) == (("192.0.2.8", 4000), False)


def test_packets_that_do_not_follow_each_other_never_open_the_latch() -> None:
    latch = Latch()
    latch.signal(PEER)
    assert not any(latch.admit(STRANGER, 1, n * 2, 0.0) for n in range(50))
    assert not any(latch.admit(STRANGER, n, n, 0.0) for n in range(50))
    strict = Latch()
    strict.signal(PEER, symmetric=False)
    assert not any(strict.admit(STRANGER, 1, n, 0.0) for n in range(50))


def test_reports_tell_both_ends_of_loss_jitter_and_round_trip() -> None:
    here = new()
    there = RtpSession(ssrc=9, sequence=0, timestamp=0, cname=b"there")
    configure(there)
    there.start(100.0)
    for n in range(100):
        datagram = there.send(LOUD)
        assert datagram is not None
        if n % 10 != 5:
            here.receive(datagram, PEER, 100 + n * 0.02)
    here.receive_report(there.report(102.0, 5000.0), PEER, 102.03, 5000.03)
    there.receive_report(here.report(103.0, 5001.0), PEER, 103.03, 5001.03)
    assert there.quality().remote_loss == pytest.approx(0.1)
    assert there.quality().round_trip_ms == pytest.approx(60, abs=0.1)
    assert here.quality().packets_lost == 10
    assert here.quality().packets_received == 90


def test_a_report_is_a_compound_with_a_name_and_at_the_end_a_goodbye() -> None:
    session = new()
    kinds = [type(p) for p in rtcp.parse_compound(session.report(100, 1000))]
    assert kinds == [rtcp.ReceiverReport, rtcp.SourceDescription]
    sent(session)
    first, described, goodbye = rtcp.parse_compound(session.report(100, 1000, goodbye=True))
    assert isinstance(first, rtcp.SenderReport)
    assert (first.packets, first.octets) == (1, 160)
    assert described == rtcp.SourceDescription(((5, ((rtcp.CNAME, b"here"),)),))
    assert goodbye == rtcp.Goodbye((5,))


def test_a_report_from_another_host_is_not_believed() -> None:
    session = new()
    session.receive_report(rtcp.print_compound((rtcp.Goodbye((9,)),)), STRANGER, 100, 0)
    assert not session.remote_said_goodbye
    assert session.quality().strangers == 1


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(MediaError, match="GSM"):
        new(codec="GSM")
    with pytest.raises(MediaError, match="128"):
        new(payload_type=128)
    with pytest.raises(MediaError, match="not configured"):
        _ = RtpSession(ssrc=1, sequence=1, timestamp=1, cname=b"x").codec


def test_counts_survive_another_codec() -> None:
    session = new()
    for n in range(10):
        for _ in range(2):
            session.receive(incoming(n), PEER, 100 + n * 0.02)
    session.advance(100.2)
    configure(session, codec="PCMA", payload_type=8)
    assert session.quality().packets_doubled == 10
    assert session.quality().packets_received == 20
    times = [
        f.at for n in range(10, 13) for f in session.receive(incoming(n, payload_type=8), PEER, 100 + n / 50)
    ]
    assert len(times) == 3
    assert all(0 < b - a < 0.03 for a, b in pairwise(times))


def test_packets_that_cannot_be_decoded_are_counted_and_heard_as_lost() -> None:
    session = new(codec="L16", payload_type=97)
    heard: list[Frame] = []
    for number in range(10):
        payload = bytes(640 if number != 5 else 639)  # half a sample is none
        admitted = session.admit(bytes(Packet(97, number, number * 320, 9, payload)), PEER, 100 + number / 50)
        assert admitted is not None
        heard += session.hear(*admitted, 100 + number / 50)
    assert session.quality().undecodable == 1
    assert [frame.concealed for frame in heard].count(True) == 1
