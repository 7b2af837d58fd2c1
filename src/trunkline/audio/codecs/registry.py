"""Which codecs there are: one line each."""

from __future__ import annotations

from trunkline.audio.codecs.codec import Codec
from trunkline.audio.codecs.g722 import G722
from trunkline.audio.codecs.l16 import L16
from trunkline.audio.codecs.opus import OPUS
from trunkline.audio.codecs.pcma import PCMA
from trunkline.audio.codecs.pcmu import PCMU
from trunkline.errors import MediaError

CODECS: dict[str, Codec] = {codec.name: codec for codec in (PCMU, PCMA, G722, OPUS, L16)}


def codec_named(name: str) -> Codec:
    """The codec that SDP calls `name`, in any case. Raises `MediaError` where there is none."""
    codec = CODECS.get(name.upper())
    if codec is None:
        raise MediaError(f"no codec is called {name!r}", hint=f"There are {', '.join(CODECS)}")
    return codec


def usable_codec(name: str) -> Codec:
    """The same, and it can be used: raises `MediaError` with what to install where it cannot. May load
    a library, so ask before there are calls."""
    codec = codec_named(name)
    codec.check()
    return codec


def codec_of_payload_type(payload_type: int) -> Codec | None:
    """The codec with this static payload type (RFC 3551 section 6), if we have it."""
    return next((codec for codec in CODECS.values() if codec.payload_type == payload_type), None)
