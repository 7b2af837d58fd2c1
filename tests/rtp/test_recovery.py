"""Lost Opus packets: had from the redundancy in the next one, or made up by the codec itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.audio.codecs.registry import usable_codec
from trunkline.audio.frame import Frame
from trunkline.errors import MediaError, ParseError
from trunkline.rtp.jitter import JitterBuffer
from trunkline.rtp.packet import Packet

try:
    OPUS = usable_codec("OPUS")
except MediaError as error:
    pytest.skip(str(error), allow_module_level=True)


def packets(count: int, fmtp: str = "useinbandfec=1") -> list[Packet]:
    time = np.arange(320 * count) / 16000
    phase = 2 * np.pi * (130 * time + 5 * np.sin(3 * time))
    order = np.arange(1, 16)
    buzz = (np.sin(np.outer(order, phase)) / order[:, None]).sum(axis=0)
    pcm = bytes((5000 * buzz).astype("<i2").data)
    encode = OPUS.make_encoder(fmtp)
    return [Packet(96, n, n * 960, 1, encode(pcm[640 * n : 640 * n + 640])) for n in range(count)]


def heard(stream: list[Packet], lost: set[int]) -> tuple[JitterBuffer, list[Frame]]:
    jitter = JitterBuffer(rate=16000, clock_rate=48000, decode=OPUS.make_decoder())
    jitter.start(0.0)
    frames: list[Frame] = []
    for packet in stream:
        at = packet.sequence * 0.02
        if packet.sequence not in lost:
            frames += jitter.push(packet, at)
        frames += jitter.advance(at + 0.01)
    for tick in range(30):
        frames += jitter.advance(len(stream) * 0.02 + tick * 0.02)
    return jitter, frames


def test_single_losses_come_back_as_sound_and_are_not_called_made_up() -> None:
    lost = set(range(5, 195, 5))
    jitter, frames = heard(packets(200), lost)
    whole = [frame for frame in frames[:199] if not frame.concealed]
    assert jitter.counts.recovered_seconds > 0.3 * len(lost) * 0.02
    assert len(whole) == 199 - len(lost) + round(jitter.counts.recovered_seconds / 0.02)
    assert jitter.counts.recovered_seconds + jitter.counts.concealed_seconds == pytest.approx(
        len(lost) * 0.02
    )
    assert jitter.counts.fates.lost == len(lost)  # the network lost them all the same


def test_of_a_longer_loss_the_last_comes_back_and_the_codec_makes_up_the_others() -> None:
    stream = packets(60)
    jitter, frames = heard(stream, {30, 31, 32})
    recovered = round(jitter.counts.recovered_seconds / 0.02)
    assert recovered <= 1
    assert round(jitter.counts.concealed_seconds / 0.02) == 3 - recovered
    made = np.frombuffer(frames[30].pcm, "<i2").astype(np.float64)
    assert frames[30].concealed
    assert np.abs(made).max() > 500


def test_without_redundancy_nothing_is_claimed_to_be_real() -> None:
    jitter, frames = heard(packets(60, fmtp=""), {20, 40})
    assert jitter.counts.recovered_seconds == 0
    assert [number for number, frame in enumerate(frames[:59]) if frame.concealed] == [20, 40]


@settings(deadline=None, max_examples=30)
@given(st.sets(st.integers(1, 58), max_size=40))
def test_whatever_is_lost_every_20_ms_is_accounted_for(lost: set[int]) -> None:
    _, frames = heard(STREAM, lost)
    assert {len(frame.pcm) for frame in frames} == {640}
    assert 60 <= len(frames) <= 92
    assert [frame.at for frame in frames] == sorted(frame.at for frame in frames)


STREAM = packets(60)


class Moody:
    """A decoder that has redundancy for some packets only, and makes up only even lengths of 20 ms."""

    def __call__(self, payload: bytes) -> bytes:
        if payload == b"bad":
            raise ParseError("bad")
        return b"\x01\x00" * 320

    def recover(self, following: bytes, samples: int) -> bytes | None:
        return b"\x02\x00" * samples if following == b"rich" else None

    def conceal(self, samples: int) -> bytes | None:
        return b"\x03\x00" * samples if samples % 320 == 0 else None


def test_what_the_decoder_cannot_make_up_is_made_up_here() -> None:
    jitter = JitterBuffer(rate=16000, clock_rate=48000, decode=Moody())
    jitter.start(0.0)
    out: list[int] = []
    for number, payload in enumerate([b"", b"", b"", None, b"rich", None, b"", b"bad", b""]):
        if payload is not None:
            frames = jitter.push(Packet(96, number, number * 960, 1, payload), number * 0.02)
            out += [int.from_bytes(frame.pcm[-2:], "little") for frame in frames]
        out += [int.from_bytes(frame.pcm[-2:], "little") for frame in jitter.advance(number * 0.02 + 0.019)]
    for tick in range(10, 15):
        out += [int.from_bytes(frame.pcm[-2:], "little") for frame in jitter.advance(tick * 0.02)]
    assert out[:9] == [1, 1, 1, 2, 1, 3, 1, 3, 1]
