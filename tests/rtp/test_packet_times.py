"""Packets of 10 to 60 ms, at every codec's clock, both ways; keys and comfort noise beside them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.codecs.registry import CODECS, codec_named
from trunkline.audio.frame import Frame, frame_bytes
from trunkline.errors import MediaError
from trunkline.rtp.dtmf import TelephoneEvent
from trunkline.rtp.outgoing import packet_time
from trunkline.rtp.packet import Packet
from trunkline.rtp.session import RtpSession
from trunkline.rtp.stream import EVENTS, NOISE, Stream

PEER = ("192.0.2.7", 4000)


def installed(name: str) -> bool:
    try:
        codec_named(name).check()
    except MediaError:
        return False
    return True


codecs = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.skipif(not installed(name), reason=f"{name} is not installed"))
        for name in CODECS
    ],
)
times = pytest.mark.parametrize("asked", [10, 20, 30, 40, 60])


def session(stream: Stream, ssrc: int = 5) -> RtpSession:
    made = RtpSession(ssrc=ssrc, sequence=65_530, timestamp=2**32 - 500, cname=b"here")
    made.configure(stream, remote=PEER)
    made.start(0.0)
    return made


def tone(name: str, count: int) -> list[bytes]:
    """So many 20 ms pieces of 400 Hz at the codec's rate."""
    rate = codec_named(name).rate
    time = np.arange(rate * count // 50) / rate
    pcm = bytes((9000 * np.sin(2 * np.pi * 400 * time)).astype("<i2").data)
    return [pcm[start : start + frame_bytes(rate)] for start in range(0, len(pcm), frame_bytes(rate))]


def sent(one: RtpSession, pieces: list[bytes]) -> list[tuple[float, bytes]]:
    """What leaves in so many ticks, with the time at which it does."""
    out: list[tuple[float, bytes]] = []
    for number, piece in enumerate(pieces):
        datagram = one.send(piece)
        if datagram is not None:
            out.append((number * 0.02, datagram))
        between = one.send_between() if one.half_ticks else None
        if between is not None:
            out.append((number * 0.02 + 0.01, between))
    return out


@codecs
@times
def test_packets_hold_what_was_asked_for_and_leave_evenly(name: str, asked: int) -> None:
    codec = codec_named(name)
    holds = packet_time(asked, codec)
    assert holds == (20 if (asked, name) == (30, "OPUS") else asked)
    out = sent(session(Stream(name, 99, ptime_ms=asked)), tone(name, 60))
    leaving = np.array([at for at, _ in out])
    assert np.diff(leaving) == pytest.approx(holds / 1000)
    packets = [Packet.parse(datagram) for _, datagram in out]
    stamps = np.array([packet.timestamp for packet in packets])
    assert set(np.diff(stamps) % 2**32) == {codec.clock_rate * holds // 1000}
    assert stamps[0] == 2**32 - 500
    assert [packet.marker for packet in packets] == [True] + [False] * (len(packets) - 1)
    decode = codec.make_decoder()
    assert {len(decode(packet.payload)) for packet in packets} == {codec.rate * holds // 1000 * 2}
    assert len(packets) >= 1200 // holds - 2


@codecs
@times
def test_packets_of_any_length_are_heard_as_20_ms_frames(name: str, asked: int) -> None:
    one, other = session(Stream(name, 99, ptime_ms=asked)), session(Stream(name, 99))
    heard: list[Frame] = []
    for at, datagram in sent(one, tone(name, 60)):
        heard += other.receive(datagram, PEER, at)
        heard += other.advance(at)
    real = [frame for frame in heard if not frame.concealed]
    assert {(len(frame.pcm), frame.rate) for frame in heard} == {
        (frame_bytes(codec_named(name).rate), codec_named(name).rate)
    }
    assert len(real) >= 57
    loud = np.frombuffer(real[30].pcm, "<i2").astype(np.float64)
    assert 3000 < np.sqrt((loud**2).mean()) < 9000


@pytest.mark.parametrize("asked", [10, 30])
def test_a_missed_tick_leads_to_no_burst(asked: int) -> None:
    one = session(Stream("PCMU", 0, ptime_ms=asked))
    before = [Packet.parse(d) for _, d in sent(one, tone("PCMU", 6))]
    late = one.send(tone("PCMU", 1)[0], skipped=5)
    after = [Packet.parse(d) for _, d in sent(one, tone("PCMU", 6))]
    assert len(before) + (late is not None) + len(after) <= 13 * 20 // asked
    last = before[-1].timestamp
    assert (after[-1].timestamp - last) % 2**32 >= 10 * 160


@given(st.lists(st.sampled_from([10, 20, 30, 40, 60]), min_size=1, max_size=8))
def test_packet_times_may_change_at_any_time_and_time_goes_on(asked: list[int]) -> None:
    one = session(Stream("PCMU", 0))
    packets: list[Packet] = []
    for time in asked:
        one.configure(Stream("PCMU", 0, ptime_ms=time), remote=PEER)
        packets += [Packet.parse(datagram) for _, datagram in sent(one, tone("PCMU", 9))]
    place = [(packet.timestamp - packets[0].timestamp) % 2**32 for packet in packets]
    assert place == sorted(place)
    assert all(
        later - earlier >= len(packet.payload)
        for earlier, later, packet in zip(place, place[1:], packets, strict=False)
    )
    assert place[-1] + len(packets[-1].payload) <= len(asked) * 9 * 160


# --- keys -----------------------------------------------------------------------------------------


@codecs
def test_keys_are_pressed_and_heard_at_the_sounds_clock(name: str) -> None:
    clock = codec_named(name).clock_rate
    one, other = (session(Stream(name, 99, dtmf_payload_type=101)) for _ in range(2))
    one.send_dtmf("5")
    keys = [p for _, d in sent(one, tone(name, 12)) if (p := Packet.parse(d)).payload_type == 101]
    assert [TelephoneEvent.parse(key.payload).duration for key in keys][:5] == [
        clock // 50 * n for n in range(1, 6)
    ]
    for number, key in enumerate(keys):
        other.receive(bytes(key), PEER, number * 0.02)
    assert list(other.digits) == ["5"]


def test_keys_agreed_on_at_another_clock_last_as_long_there() -> None:
    one = session(Stream("L16", 97, dtmf_payload_type=101, dtmf_clock=8000))
    one.send_dtmf("5")
    keys = [p for _, d in sent(one, tone("L16", 12)) if (p := Packet.parse(d)).payload_type == 101]
    assert [TelephoneEvent.parse(key.payload).duration for key in keys] == [160, 320, 480, 640, 800, 800, 800]


# --- what else may come ---------------------------------------------------------------------------


def test_every_payload_type_agreed_on_is_heard_at_one_rate() -> None:
    other = session(Stream("PCMU", 0, receivable=((8, "PCMA"), (97, "L16"), (101, EVENTS), (104, NOISE))))
    heard: list[Frame] = []
    number = 0
    for name, payload_type in (("PCMU", 0), ("PCMA", 8), ("L16", 97), ("PCMU", 0)):
        encode, clock = codec_named(name).make_encoder(), codec_named(name).clock_rate
        for piece in tone(name, 25):
            packet = Packet(payload_type, number & 0xFFFF, number * clock // 50, 9, encode(piece))
            heard += other.receive(bytes(packet), PEER, number * 0.02)
            number += 1
    assert other.quality().malformed == 0
    assert {(frame.rate, len(frame.pcm)) for frame in heard} == {(8000, 320)}
    assert len([frame for frame in heard if not frame.concealed]) >= 96
    loud = [
        np.sqrt((np.frombuffer(f.pcm, "<i2").astype(float) ** 2).mean()) for f in heard if not f.concealed
    ]
    assert min(loud[2:]) > 2000


def test_a_codec_that_was_given_up_is_still_heard_while_it_is_under_way() -> None:
    other = session(Stream("PCMU", 0, receivable=((8, "PCMA"),)))
    encode = codec_named("PCMU").make_encoder()
    other.configure(Stream("PCMA", 8), remote=PEER)
    heard: list[Frame] = []
    for number, piece in enumerate(tone("PCMU", 10)):
        heard += other.receive(bytes(Packet(0, number, number * 160, 9, encode(piece))), PEER, number * 0.02)
    assert len(heard) >= 9
    assert other.quality().malformed == 0


def test_comfort_noise_comes_under_its_own_number_and_under_the_static_one() -> None:
    for payload_type in (13, 104):
        other = session(Stream("PCMU", 0, noise_payload_type=104))
        heard: list[Frame] = []
        heard += other.receive(bytes(Packet(0, 1, 160, 9, b"\xff" * 160)), PEER, 0.0)
        heard += other.receive(bytes(Packet(payload_type, 2, 320, 9, bytes([40]))), PEER, 0.02)
        for tick in range(2, 20):
            heard += other.advance(tick * 0.02)
        noise = [f for f in heard if np.frombuffer(f.pcm, "<i2").any()]
        assert len(noise) > 5
        assert other.quality().malformed == 0


def test_another_payload_type_is_not_guessed_at() -> None:
    other = session(Stream("PCMU", 0))
    assert other.receive(bytes(Packet(8, 1, 160, 9, bytes(160))), PEER, 0.0) == []
    assert other.quality().malformed == 1


def test_a_codec_that_cannot_be_had_leaves_all_as_it_was() -> None:
    one = session(Stream("PCMU", 0))
    with pytest.raises(MediaError, match="SPEEX"):
        one.configure(Stream("PCMA", 8, receivable=((96, "SPEEX"),)), remote=PEER)
    assert one.codec.name == "PCMU"
    assert Packet.parse(sent(one, tone("PCMU", 1))[0][1]).payload_type == 0
