"""G.722 (ITU-T G.722 at 64 kbit/s; RFC 3551 section 4.5.2) through PyAV: 16 kHz, half a byte a sample.

Its RTP clock is 8000 though it carries 16 kHz: an error of RFC 1890 that everybody keeps.
"""

from __future__ import annotations

from fractions import Fraction
from importlib import import_module
from types import ModuleType

from trunkline.audio.codecs.codec import Codec, Decode, Encode
from trunkline.errors import MediaError, ParseError

RATE = 16000


def _library() -> ModuleType:
    try:
        module = import_module("av")
        import_module("av.audio.frame")
    except ImportError as error:
        raise MediaError(
            "PyAV is not installed", where="codec G722", hint="pip install 'trunkline[av]'"
        ) from error
    return module


def check() -> None:
    """Raises `MediaError` where G.722 cannot be had."""
    _library()


class G722Encoder:
    """One direction of one call. Packets may be of any length, but changing it begins anew."""

    def __init__(self) -> None:
        self._av = _library()
        self._size = 0

    def __call__(self, pcm: bytes) -> bytes:
        if len(pcm) != self._size:
            self._open(len(pcm))
        # The frame is used again and again: making one costs as much as a fourth of the coding.
        self._plane.update(pcm)
        return b"".join(map(bytes, self._context.encode(self._frame)))

    def _open(self, size: int) -> None:
        samples = size // 2
        context = self._av.codec.CodecContext.create("g722", "w")
        context.sample_rate = RATE
        context.format = "s16"
        context.layout = "mono"
        context.time_base = Fraction(1, RATE)
        context.options = {"frame_size": str(samples)}
        frame = self._av.audio.frame.AudioFrame(format="s16", layout="mono", samples=samples)
        frame.sample_rate = RATE
        self._context, self._frame, self._plane, self._size = context, frame, frame.planes[0], size


class G722Decoder:
    """The other direction."""

    def __init__(self) -> None:
        av = _library()
        self._packet = av.Packet
        self._context = av.codec.CodecContext.create("g722", "r")
        self._context.sample_rate = RATE
        self._context.layout = "mono"
        self._error = av.error.FFmpegError

    def __call__(self, payload: bytes) -> bytes:
        if not payload:
            return b""  # to FFmpeg an empty packet is the end of the stream
        try:
            frames = self._context.decode(self._packet(payload))
        except self._error as error:
            raise ParseError(f"not G.722: {error}", where="G722") from error
        return b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in frames)


def _encoder(fmtp: str = "") -> Encode:
    del fmtp
    return G722Encoder()


def _decoder() -> Decode:
    return G722Decoder()


G722 = Codec("G722", 9, 8000, RATE, _encoder, _decoder, check=check)
