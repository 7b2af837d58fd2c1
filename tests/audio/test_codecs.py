"""Codecs: the values of G.711, round trips, and payloads from strangers."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.codecs.registry import CODECS, codec_named, codec_of_payload_type
from trunkline.errors import MediaError, ParseError


def pcm(*samples: int) -> bytes:
    return struct.pack(f"<{len(samples)}h", *samples)


def samples(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(data) // 2}h", data)


@pytest.mark.parametrize(
    ("name", "sample", "payload"),
    [
        ("PCMU", 0, 0xFF),
        ("PCMU", 32124, 0x80),
        ("PCMU", -32124, 0x00),
        ("PCMA", 8, 0xD5),
        ("PCMA", -8, 0x55),
        ("PCMA", 32256, 0xAA),
        ("PCMA", -32256, 0x2A),
    ],
)
def test_g711_has_the_values_of_the_recommendation(name: str, sample: int, payload: int) -> None:
    codec = codec_named(name)
    assert codec.make_encoder()(pcm(sample)) == bytes([payload])
    assert samples(codec.make_decoder()(bytes([payload]))) == (sample,)


@pytest.mark.parametrize("name", ["PCMU", "PCMA"])
@given(st.lists(st.integers(-32000, 32000), min_size=1, max_size=200))
def test_g711_is_within_its_step_of_the_truth(name: str, values: list[int]) -> None:
    codec = codec_named(name)
    heard = samples(codec.make_decoder()(codec.make_encoder()(pcm(*values))))
    assert len(heard) == len(values)
    assert all(abs(h - v) <= max(16, abs(v) // 16) for h, v in zip(heard, values, strict=True))


@given(st.lists(st.integers(-32768, 32767)))
def test_l16_loses_nothing_and_is_big_endian(values: list[int]) -> None:
    codec = codec_named("l16")
    payload = codec.make_encoder()(pcm(*values))
    assert payload == struct.pack(f">{len(values)}h", *values)
    assert samples(codec.make_decoder()(payload)) == tuple(values)


@pytest.mark.parametrize("name", CODECS)
@given(st.binary(max_size=2000))
def test_any_payload_decodes_to_whole_samples_or_is_refused(name: str, payload: bytes) -> None:
    try:
        decoded = codec_named(name).make_decoder()(payload)
    except ParseError:
        return
    assert len(decoded) % 2 == 0


def test_static_payload_types_name_their_codec() -> None:
    assert [codec and codec.name for codec in map(codec_of_payload_type, (0, 8, 96))] == [
        "PCMU",
        "PCMA",
        None,
    ]


def test_an_unknown_codec_is_named_in_the_error() -> None:
    with pytest.raises(MediaError, match="'GSM'"):
        codec_named("GSM")
