"""G.711 A-law (ITU-T G.711; RFC 3551 section 4.5.14): 8 kHz, one byte a sample, no state."""

from __future__ import annotations

import audioop

from trunkline.audio.codecs.codec import Codec, Decode, Encode


def encode(pcm: bytes) -> bytes:
    return audioop.lin2alaw(pcm, 2)


def decode(payload: bytes) -> bytes:
    return audioop.alaw2lin(payload, 2)


def _encoder(fmtp: str = "") -> Encode:
    del fmtp
    return encode


def _decoder() -> Decode:
    return decode


PCMA = Codec("PCMA", 8, 8000, 8000, _encoder, _decoder)
