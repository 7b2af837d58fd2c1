"""RTP packets: RFC 3550 section 5.1, with contributing sources, header extension and padding."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from trunkline.errors import ParseError

VERSION = 2
HEADER_BYTES = 12
_HEADER = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")


@dataclass(frozen=True, slots=True)
class Extension:
    """A header extension (section 5.3.1): `data` is whole 32-bit words. What `profile` means is the
    profile's business; 0xBEDE is RFC 8285's one-byte form."""

    profile: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet. `sequence` has 16 bits, `timestamp` (in the payload's clock) and `ssrc` 32.

    `padding`: how many bytes of padding follow the payload on the wire, the count byte included.
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extension: Extension | None = None
    padding: int = 0

    @classmethod
    def parse(cls, data: bytes) -> Packet:
        """The packet in one datagram. Raises `ParseError` for anything that is not one."""
        size = len(data)
        if size < HEADER_BYTES:
            raise ParseError(f"{size} bytes are too few for an RTP header", where="RTP")
        first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
        if first == 0x80:  # nothing optional: nearly every packet
            return cls(second & 0x7F, sequence, timestamp, ssrc, bytes(data[HEADER_BYTES:]), second >= 0x80)
        if first >> 6 != VERSION:
            raise ParseError(f"version {first >> 6} is not RTP's", where="RTP")
        offset = HEADER_BYTES + 4 * (first & 0x0F)
        if offset > size:
            raise ParseError(f"{size} bytes are too few for {first & 0x0F} CSRCs", where="RTP")
        csrcs = struct.unpack_from(f"!{first & 0x0F}I", data, HEADER_BYTES)
        extension = None
        if first & 0x10:
            extension, offset = _parse_extension(data, offset)
        padding = 0
        if first & 0x20:
            padding = data[-1]
            if padding == 0 or offset + padding > size:
                raise ParseError(f"padding of {padding} bytes does not fit", where="RTP")
        return cls(
            second & 0x7F,
            sequence,
            timestamp,
            ssrc,
            bytes(data[offset : size - padding]),
            second >= 0x80,
            csrcs,
            extension,
            padding,
        )

    def __bytes__(self) -> bytes:
        first = VERSION << 6 | len(self.csrcs)
        second = self.marker << 7 | self.payload_type
        if first == 0x80 and self.extension is None and not self.padding:
            return _HEADER.pack(first, second, self.sequence, self.timestamp, self.ssrc) + self.payload
        parts = [struct.pack(f"!{len(self.csrcs)}I", *self.csrcs)]
        if self.extension is not None:
            first |= 0x10
            words = len(self.extension.data) // 4
            parts += [_EXTENSION.pack(self.extension.profile, words), self.extension.data]
        parts.append(self.payload)
        if self.padding:
            first |= 0x20
            parts.append(bytes(self.padding - 1) + bytes([self.padding]))
        header = _HEADER.pack(first, second, self.sequence, self.timestamp, self.ssrc)
        return b"".join((header, *parts))


def _parse_extension(data: bytes, offset: int) -> tuple[Extension, int]:
    if offset + 4 > len(data):
        raise ParseError("the header extension is cut short", where="RTP")
    profile, words = _EXTENSION.unpack_from(data, offset)
    end = offset + 4 + 4 * words
    if end > len(data):
        raise ParseError(f"a header extension of {words} words does not fit", where="RTP")
    return Extension(profile, bytes(data[offset + 4 : end])), end


def looks_like_rtcp(data: bytes) -> bool:
    """Whether a datagram on a shared port is RTCP (RFC 5761 section 4: packet types 192 to 223)."""
    return len(data) >= 2 and 192 <= data[1] <= 223
