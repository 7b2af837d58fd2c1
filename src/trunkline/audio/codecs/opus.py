"""Opus (RFC 6716; RTP: RFC 7587): mono at 16 kHz, which is all that a recogniser takes.

SDP always says `opus/48000/2` and RTP timestamps always count 48000 a second (RFC 7587 section 4.1),
whatever is inside.
"""

from __future__ import annotations

import ctypes
import weakref

from trunkline.audio.codecs import libopus
from trunkline.audio.codecs.codec import Codec, Decode, Encode
from trunkline.errors import MediaError, ParseError

RATE = 16000
BITRATE = 32_000
"""Bits a second: speech of 16 kHz wants 16 to 20 (RFC 7587 section 3.1.1), its redundancy as much again."""
COMPLEXITY = 5
"""Of 0 to 10. See docs/media.md for what each costs."""
EXPECTED_LOSS = 10
"""Percent: how much redundancy is sent to one who asks for it."""
LOWEST_BITRATE = 6_000
_LONGEST = RATE * 120 // 1000
"""Samples in the longest packet (RFC 6716 section 3.2.5)."""
_PAYLOAD = 1275
_STEP = RATE // 400
"""Lengths are multiples of 2.5 ms."""


class OpusEncoder:
    """One direction of one call. `fmtp`: what the receiver asked for (RFC 7587 section 6.1)."""

    def __init__(self, fmtp: str = "") -> None:
        library = libopus.library()
        failed = ctypes.c_int()
        state = library.opus_encoder_create(RATE, 1, libopus.APPLICATION_VOIP, ctypes.byref(failed))
        if not state:
            raise MediaError(f"no Opus encoder: {libopus.said(failed.value)}", where="codec OPUS")
        weakref.finalize(self, library.opus_encoder_destroy, state)
        self._state = state
        self._encode = library.opus_encode
        self._room = ctypes.create_string_buffer(_PAYLOAD)
        asked = parameters(fmtp)
        bitrate = max(LOWEST_BITRATE, min(BITRATE, asked.get("maxaveragebitrate", BITRATE)))
        redundant = asked.get("useinbandfec") == 1
        heard = asked.get("maxplaybackrate", RATE)
        bandwidth = next((code for rate, code in libopus.BANDWIDTHS.items() if rate >= heard), 1103)
        for control, value in (
            (libopus.SET_BITRATE, bitrate),
            (libopus.SET_COMPLEXITY, COMPLEXITY),
            (libopus.SET_VBR, 0 if asked.get("cbr") == 1 else 1),
            (libopus.SET_MAX_BANDWIDTH, bandwidth),
            (libopus.SET_INBAND_FEC, int(redundant)),
            (libopus.SET_PACKET_LOSS_PERC, EXPECTED_LOSS if redundant else 0),
        ):
            code = library.opus_encoder_ctl(state, control, ctypes.c_int(value))
            if code != libopus.OK:
                raise MediaError(f"Opus refuses {control}={value}: {libopus.said(code)}", where="codec OPUS")

    def __call__(self, pcm: bytes) -> bytes:
        size = self._encode(self._state, pcm, len(pcm) // 2, self._room, _PAYLOAD)
        if size < 0:
            raise MediaError(f"Opus: {libopus.said(size)}", where="codec OPUS")
        return ctypes.string_at(self._room, size)


class OpusDecoder:
    """The other direction: any Opus that comes, mono or stereo, of any bandwidth."""

    def __init__(self) -> None:
        library = libopus.library()
        failed = ctypes.c_int()
        state = library.opus_decoder_create(RATE, 1, ctypes.byref(failed))
        if not state:
            raise MediaError(f"no Opus decoder: {libopus.said(failed.value)}", where="codec OPUS")
        weakref.finalize(self, library.opus_decoder_destroy, state)
        self._state = state
        self._decode = library.opus_decode
        self._room = ctypes.create_string_buffer(2 * _LONGEST)

    def __call__(self, payload: bytes) -> bytes:
        if not payload:
            raise ParseError("an empty payload", where="OPUS")
        samples = self._decode(self._state, payload, len(payload), self._room, _LONGEST, 0)
        if samples < 0:
            raise ParseError(f"not Opus: {libopus.said(samples)}", where="OPUS")
        return ctypes.string_at(self._room, 2 * samples)

    def recover(self, following: bytes, samples: int) -> bytes | None:
        """The lost packet's sound as the one after it repeats it; None where that does not."""
        if not (_possible(samples) and carries_redundancy(following)):
            return None
        return self._made(following, samples, 1)

    def conceal(self, samples: int) -> bytes | None:
        """What libopus makes up itself."""
        return self._made(None, samples, 0) if _possible(samples) else None

    def _made(self, payload: bytes | None, samples: int, redundancy: int) -> bytes | None:
        size = 0 if payload is None else len(payload)
        made = self._decode(self._state, payload, size, self._room, samples, redundancy)
        return ctypes.string_at(self._room, 2 * made) if made > 0 else None


def _possible(samples: int) -> bool:
    return 0 < samples <= _LONGEST and samples % _STEP == 0


def carries_redundancy(payload: bytes) -> bool:
    """Whether a payload also carries the sound of the packet before it (RFC 6716 section 4.2.4).

    Only where the first frame's place is known without reading on: one frame, or two of equal length.
    """
    if len(payload) < 2 or payload[0] >= 0x80 or payload[0] & 0x03 > 1:
        return False  # above 0x80 it is CELT, which has none
    configuration = payload[0] >> 3
    # Of speech frames 10, 20, 40 and 60 ms long, the long ones hold two and three 20 ms ones.
    pieces = (1, 1, 2, 3)[configuration & 3] if configuration < 12 else 1
    lowest = 7 - pieces
    stereo = payload[0] & 0x04
    return bool(payload[1] >> lowest & 1 or (stereo and payload[1] >> (6 - 2 * pieces) & 1))


def parameters(fmtp: str) -> dict[str, int]:
    """The parameters that are whole numbers; whatever else stands there is left out."""
    found: dict[str, int] = {}
    for part in fmtp.split(";"):
        name, _, value = part.partition("=")
        value = value.strip()
        if value.isascii() and value.isdigit() and len(value) <= 9:
            found.setdefault(name.strip().lower(), int(value))
    return found


def check() -> None:
    """Raises `MediaError` where Opus cannot be had."""
    libopus.library()


def _encoder(fmtp: str = "") -> Encode:
    return OpusEncoder(fmtp)


def _decoder() -> Decode:
    return OpusDecoder()


OPUS = Codec(
    "OPUS", None, 48000, RATE, _encoder, _decoder, channels=2, packet_times=(10, 20, 40, 60), check=check
)
