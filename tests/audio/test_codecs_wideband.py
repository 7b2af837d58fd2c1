"""G.722 and Opus: sound goes through and stays itself, state is each call's own, losses are made good."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.audio.codecs import libopus
from trunkline.audio.codecs.codec import Encode, Recovers
from trunkline.audio.codecs.opus import OpusDecoder, OpusEncoder, carries_redundancy, parameters
from trunkline.audio.codecs.registry import codec_named, usable_codec
from trunkline.errors import MediaError, ParseError

pytest.importorskip("av", reason="PyAV is not installed: pip install 'trunkline[av]'")

RATE = 16000
Samples = npt.NDArray[np.float64]


def tones(seconds: float, *pitches: float) -> bytes:
    """A sum of sines at 16 kHz."""
    time = np.arange(int(RATE * seconds)) / RATE
    mixed = np.sin(2 * np.pi * np.outer(pitches, time)).sum(axis=0)
    return bytes((6000 * mixed).astype("<i2").data)


def voice(seconds: float) -> bytes:
    """Something that a speech codec takes for speech: a buzz at a wandering pitch, in syllables."""
    time = np.arange(int(RATE * seconds)) / RATE
    phase = 2 * np.pi * (120 * time + 8 * np.sin(3 * time))
    order = np.arange(1, 20)
    buzz = (np.sin(np.outer(order, phase)) / order[:, None]).sum(axis=0)
    return bytes((4000 * buzz * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time))).astype("<i2").data)


def pieces(pcm: bytes, milliseconds: int) -> list[bytes]:
    size = RATE * milliseconds // 1000 * 2
    return [pcm[start : start + size] for start in range(0, len(pcm) - size + 1, size)]


def samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def picture(sound: Samples) -> Samples:
    """Its spectrogram, as loudness: 32 ms at a time, each 10 ms."""
    windows = np.lib.stride_tricks.sliding_window_view(sound, 512)[::160] * np.hanning(512)
    return np.asarray(np.sqrt(np.abs(np.fft.rfft(windows))).ravel())


def likeness(sent: bytes, heard: bytes) -> float:
    """How alike two sounds look at the best lag, 1 for the same: speech codecs keep what is heard, not
    the wave, and delay by some milliseconds."""
    one = picture(samples(sent)[2000:-2000])
    best = 0.0
    for lag in range(0, 320, 20):
        two = picture(samples(heard)[2000 + lag : lag - 2000])
        best = max(best, float(one @ two / np.sqrt((one @ one) * (two @ two))))
    return best


@pytest.mark.parametrize("name", ["G722", "OPUS"])
@pytest.mark.parametrize("milliseconds", [10, 20, 40, 60])
def test_sound_stays_itself_in_packets_of_any_length(name: str, milliseconds: int) -> None:
    codec = usable_codec(name)
    encode, decode = codec.make_encoder(), codec.make_decoder()
    pcm = voice(2.4)
    heard = b"".join(decode(encode(piece)) for piece in pieces(pcm, milliseconds))
    assert len(heard) == len(pcm)
    assert likeness(pcm, heard) > 0.95


def test_what_lies_above_the_telephone_band_comes_through() -> None:
    for name in ("G722", "OPUS"):
        codec = usable_codec(name)
        encode, decode = codec.make_encoder(), codec.make_decoder()
        heard = b"".join(decode(encode(piece)) for piece in pieces(tones(1.0, 500, 5500), 20))
        spectrum = np.abs(np.fft.rfft(samples(heard)[4000:12000]))
        assert spectrum[2700:2800].max() > 20 * np.median(spectrum)  # 5500 Hz, at 2 Hz a line


def test_clocks_and_names_are_those_of_sdp() -> None:
    g722, opus = codec_named("g722"), codec_named("opus")
    assert (g722.payload_type, g722.clock_rate, g722.rate, g722.channels) == (9, 8000, 16000, 1)
    assert (opus.payload_type, opus.clock_rate, opus.rate, opus.channels) == (None, 48000, 16000, 2)
    assert 30 not in opus.packet_times


def test_g722_has_64_kbit_a_second() -> None:
    encode = usable_codec("G722").make_encoder()
    assert [len(encode(piece)) for piece in pieces(voice(0.1), 20)] == [160] * 5
    assert [len(encode(piece)) for piece in pieces(voice(0.1), 10)] == [80] * 10


@pytest.mark.parametrize("name", ["G722", "OPUS"])
def test_each_call_has_its_own_state(name: str) -> None:
    codec = usable_codec(name)
    alone, mixed, disturbing = codec.make_encoder(), codec.make_encoder(), codec.make_encoder()
    expected = [alone(piece) for piece in pieces(voice(0.4), 20)]
    told = []
    for piece, noise in zip(pieces(voice(0.4), 20), pieces(tones(0.4, 3000), 20), strict=True):
        disturbing(noise)
        told.append(mixed(piece))
    assert told == expected


@pytest.mark.parametrize("name", ["G722", "OPUS"])
@settings(deadline=None)
@given(st.lists(st.binary(max_size=400), max_size=4))
def test_a_decoder_outlives_any_payload(name: str, payloads: list[bytes]) -> None:
    codec = codec_named(name)
    decode, encode = codec.make_decoder(), codec.make_encoder()
    for payload in payloads:
        try:
            assert len(decode(payload)) % 2 == 0
        except ParseError:
            continue
    assert len(decode(encode(bytes(640)))) == 640


def redundant_packets(seconds: float = 2.0) -> tuple[bytes, list[bytes]]:
    encode = OpusEncoder("useinbandfec=1")
    pcm = voice(seconds)
    return pcm, [encode(piece) for piece in pieces(pcm, 20)]


def test_redundancy_is_sent_to_one_who_asks_and_to_nobody_else() -> None:
    _, asked = redundant_packets()
    silent: Encode = OpusEncoder("useinbandfec=0; maxaveragebitrate=32000")
    unasked = [silent(piece) for piece in pieces(voice(2.0), 20)]
    assert sum(map(carries_redundancy, asked)) > 0.5 * len(asked)
    assert not any(map(carries_redundancy, unasked))


def test_what_was_lost_is_had_from_the_packet_after_it() -> None:
    pcm, packets = redundant_packets()

    def heard(*, recovering: bool) -> bytes:
        decode = OpusDecoder()
        assert isinstance(decode, Recovers)
        sound = b""
        for number, packet in enumerate(packets):
            if number % 4 == 3:
                continue
            if number % 4 == 0 and number:
                lost = decode.recover(packet, 320) if recovering else None
                sound += decode.conceal(320) or b"" if lost is None else lost
            sound += decode(packet)
        return sound

    recovered, concealed = heard(recovering=True), heard(recovering=False)
    assert len(recovered) == len(concealed) == len(pcm) - 640  # the last was lost, with nothing after it
    whole = b"".join(map(OpusDecoder(), packets))[:-640]
    assert likeness(whole, recovered) > likeness(whole, concealed)
    assert likeness(whole, recovered) > 0.97


def test_a_packet_without_redundancy_gives_nothing_back_and_a_loss_is_concealed() -> None:
    encode, decode = OpusEncoder(), OpusDecoder()
    packets = [encode(piece) for piece in pieces(voice(0.4), 20)]
    for packet in packets[:10]:
        decode(packet)
    assert decode.recover(packets[11], 320) is None
    made = decode.conceal(320)
    assert made is not None
    assert len(made) == 640
    assert np.abs(samples(made)).max() > 200
    assert decode.conceal(333) is None


@given(st.binary(max_size=40))
def test_redundancy_is_looked_for_in_any_bytes(payload: bytes) -> None:
    assert carries_redundancy(payload) in (True, False)


@pytest.mark.parametrize(
    ("fmtp", "found"),
    [
        ("", {}),
        ("useinbandfec=1;cbr=0", {"useinbandfec": 1, "cbr": 0}),
        (" MaxAverageBitrate = 20000 ; stereo", {"maxaveragebitrate": 20000}),
        ("maxplaybackrate=99999999999;x=-1;=;;a=b=c", {}),
    ],
)
def test_parameters_that_are_numbers_are_read(fmtp: str, found: dict[str, int]) -> None:
    assert parameters(fmtp) == found


def test_the_receiver_says_how_much_it_can_take() -> None:
    def size(fmtp: str) -> int:
        encode = OpusEncoder(fmtp)
        return sum(len(encode(piece)) for piece in pieces(voice(2.0), 20))

    assert size("maxaveragebitrate=12000") < 0.7 * size("")
    encode = OpusEncoder("cbr=1")
    assert len({len(encode(piece)) for piece in pieces(voice(1.0), 20)}) == 1
    encode = OpusEncoder("maxplaybackrate=8000")
    assert {encode(piece)[0] >> 3 < 4 for piece in pieces(voice(1.0), 20)[5:]} == {True}  # narrow band


def test_a_piece_that_opus_cannot_take_is_said() -> None:
    with pytest.raises(MediaError, match="invalid argument"):
        OpusEncoder()(bytes(100))


@pytest.fixture
def fresh_library() -> Callable[[], ctypes.CDLL]:
    return libopus.library.__wrapped__


def test_a_missing_library_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, fresh_library: Callable[[], ctypes.CDLL]
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr(libopus, "_SYSTEM", ("libopus-that-is-not-there.so",))
    with pytest.raises(MediaError, match=r"trunkline\[av\]"):
        usable_codec("G722")
    with pytest.raises(MediaError, match=r"trunkline\[av\].*libopus0"):
        fresh_library()


def test_g711_needs_nothing() -> None:
    assert usable_codec("pcmu").name == "PCMU"
