"""L16 (RFC 3551 section 4.5.11): plain 16-bit samples in network byte order, negotiated rate 16 kHz."""

from __future__ import annotations

import audioop

from trunkline.audio.codecs.codec import Codec, Decode, Encode
from trunkline.errors import ParseError


def encode(pcm: bytes) -> bytes:
    return audioop.byteswap(pcm, 2)


def decode(payload: bytes) -> bytes:
    if len(payload) % 2:
        raise ParseError(f"an L16 payload of {len(payload)} bytes is not whole samples", where="L16")
    return audioop.byteswap(payload, 2)


def _encoder(fmtp: str = "") -> Encode:
    del fmtp
    return encode


def _decoder() -> Decode:
    return decode


L16 = Codec("L16", None, 16000, 16000, _encoder, _decoder)
