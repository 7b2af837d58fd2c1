"""RTCP: RFC 3550 section 6. Reports, descriptions, goodbyes, compounds; XR is in `xr.py`."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from trunkline.errors import ParseError
from trunkline.rtp.xr import ExtendedReport

SR, RR, SDES, BYE = 200, 201, 202, 203
CNAME = 1
_BLOCK = struct.Struct("!IB3sIIII")
_SENDER = struct.Struct("!QIII")


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """How one source is received (section 6.4.1). `fraction_lost`: 256ths since the last report;
    `lost`: packets in all, negative where doubles outnumber losses; `highest`: the highest sequence
    with its cycles; `jitter`: in the clock of the payload; `last_sr`: middle 32 bits of the NTP time
    of the last SR, 0 for none; `delay`: 65536ths of a second since it came."""

    ssrc: int
    fraction_lost: int
    lost: int
    highest: int
    jitter: int
    last_sr: int = 0
    delay: int = 0

    def __bytes__(self) -> bytes:
        lost = max(-0x800000, min(0x7FFFFF, self.lost)) & 0xFFFFFF
        return _BLOCK.pack(
            self.ssrc,
            self.fraction_lost,
            lost.to_bytes(3, "big"),
            self.highest,
            self.jitter,
            self.last_sr,
            self.delay,
        )


@dataclass(frozen=True, slots=True)
class SenderReport:
    """`ntp`: 64-bit NTP time of this report, which is `rtp_timestamp` on the media's clock."""

    ssrc: int
    ntp: int
    rtp_timestamp: int
    packets: int
    octets: int
    reports: tuple[ReportBlock, ...] = ()

    def __bytes__(self) -> bytes:
        body = struct.pack("!I", self.ssrc) + _SENDER.pack(
            self.ntp, self.rtp_timestamp, self.packets & 0xFFFFFFFF, self.octets & 0xFFFFFFFF
        )
        return _printed(SR, len(self.reports), body + b"".join(map(bytes, self.reports)))


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """From one who has sent nothing since the last report."""

    ssrc: int
    reports: tuple[ReportBlock, ...] = ()

    def __bytes__(self) -> bytes:
        body = struct.pack("!I", self.ssrc) + b"".join(map(bytes, self.reports))
        return _printed(RR, len(self.reports), body)


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """Who the sources are: `chunks` of an SSRC and its items, each (type, value of up to 255 bytes)."""

    chunks: tuple[tuple[int, tuple[tuple[int, bytes], ...]], ...]

    def __bytes__(self) -> bytes:
        body = b""
        for ssrc, items in self.chunks:
            chunk = struct.pack("!I", ssrc)
            chunk += b"".join(bytes((kind, len(value))) + value for kind, value in items)
            body += chunk + bytes(4 - len(chunk) % 4)  # at least one null ends the list
        return _printed(SDES, len(self.chunks), body)


@dataclass(frozen=True, slots=True)
class Goodbye:
    """These sources send no more."""

    ssrcs: tuple[int, ...]
    reason: bytes = b""

    def __bytes__(self) -> bytes:
        body = struct.pack(f"!{len(self.ssrcs)}I", *self.ssrcs)
        if self.reason:
            text = bytes([len(self.reason)]) + self.reason
            body += text + bytes(-len(text) % 4)
        return _printed(BYE, len(self.ssrcs), body)


@dataclass(frozen=True, slots=True)
class Other:
    """A packet of a type not read here (APP, feedback): `count` is its header's five bits."""

    packet_type: int
    count: int
    body: bytes

    def __bytes__(self) -> bytes:
        return _printed(self.packet_type, self.count, self.body)


Rtcp = SenderReport | ReceiverReport | SourceDescription | Goodbye | ExtendedReport | Other


def _printed(packet_type: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, packet_type, len(body) // 4) + body


def print_compound(packets: tuple[Rtcp, ...]) -> bytes:
    """One datagram of several packets."""
    return b"".join(map(bytes, packets))


def parse_compound(data: bytes) -> tuple[Rtcp, ...]:
    """The packets of one datagram. Raises `ParseError` unless all of it is RTCP.

    That the first is a report (appendix A.2) is not demanded: RFC 5506 allows less.
    """
    packets: list[Rtcp] = []
    offset = 0
    while offset < len(data):
        if offset + 4 > len(data):
            raise ParseError("a header is cut short", where="RTCP")
        first, packet_type, words = struct.unpack_from("!BBH", data, offset)
        end = offset + 4 + 4 * words
        if first >> 6 != 2:
            raise ParseError(f"version {first >> 6} is not RTCP's", where="RTCP")
        if not 192 <= packet_type <= 223:
            raise ParseError(f"{packet_type} is no packet type of RTCP", where="RTCP")
        if end > len(data):
            raise ParseError(f"a packet of {words} words does not fit", where="RTCP")
        body = bytes(data[offset + 4 : end])
        if first & 0x20:
            if end != len(data) or not body or not 0 < body[-1] <= len(body) or body[-1] % 4:
                raise ParseError("padding does not fit", where="RTCP")
            body = body[: -body[-1]]
        packets.append(_parse_one(packet_type, first & 0x1F, body))
        offset = end
    if not packets:
        raise ParseError("nothing in it", where="RTCP")
    return tuple(packets)


def _parse_one(packet_type: int, count: int, body: bytes) -> Rtcp:
    match packet_type:
        case 200:
            if len(body) < 24:
                raise ParseError("a sender report is cut short", where="RTCP")
            (ssrc,) = struct.unpack_from("!I", body)
            ntp, timestamp, packets, octets = _SENDER.unpack_from(body, 4)
            return SenderReport(ssrc, ntp, timestamp, packets, octets, _parse_blocks(body, 24, count))
        case 201:
            if len(body) < 4:
                raise ParseError("a receiver report is cut short", where="RTCP")
            (ssrc,) = struct.unpack_from("!I", body)
            return ReceiverReport(ssrc, _parse_blocks(body, 4, count))
        case 202:
            return _parse_description(body, count)
        case 203:
            if len(body) < 4 * count:
                raise ParseError("a goodbye is cut short", where="RTCP")
            ssrcs = struct.unpack_from(f"!{count}I", body)
            text = body[4 * count :]
            if text and 1 + text[0] > len(text):
                raise ParseError("a goodbye's reason does not fit", where="RTCP")
            return Goodbye(ssrcs, text[1 : 1 + text[0]] if text else b"")
        case 207:
            return ExtendedReport.parse(body)
        case _:
            return Other(packet_type, count, body)


def _parse_blocks(body: bytes, offset: int, count: int) -> tuple[ReportBlock, ...]:
    if len(body) < offset + _BLOCK.size * count:
        raise ParseError(f"{count} report blocks do not fit", where="RTCP")
    blocks = []
    for start in range(offset, offset + _BLOCK.size * count, _BLOCK.size):
        ssrc, fraction, lost, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, start)
        blocks.append(
            ReportBlock(
                ssrc, fraction, int.from_bytes(lost, "big", signed=True), highest, jitter, last_sr, delay
            )
        )
    return tuple(blocks)  # what follows the blocks is a profile's extension (section 6.4.3)


def _parse_description(body: bytes, count: int) -> SourceDescription:
    chunks = []
    offset = 0
    for _ in range(count):
        if offset + 4 > len(body):
            raise ParseError("a description is cut short", where="RTCP")
        (ssrc,) = struct.unpack_from("!I", body, offset)
        offset += 4
        items = []
        while True:
            if offset >= len(body):
                raise ParseError("a description has no end", where="RTCP")
            kind = body[offset]
            if kind == 0:
                break
            if offset + 2 > len(body) or offset + 2 + body[offset + 1] > len(body):
                raise ParseError("a description's item does not fit", where="RTCP")
            end = offset + 2 + body[offset + 1]
            items.append((kind, body[offset + 2 : end]))
            offset = end
        offset += 4 - offset % 4
        chunks.append((ssrc, tuple(items)))
    return SourceDescription(tuple(chunks))
