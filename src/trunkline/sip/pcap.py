"""Messages and media as a capture file that Wireshark reads, and such files read back. Pure.

The format is libpcap's (https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-06.html), with bare IP
packets (link type 101). The headers of IP, UDP and TCP are made up: what went over TCP or TLS stands in
the file as TCP segments of plain text. Files of other programs are read with the link types that
`tcpdump` writes; of their TCP streams what comes in order is read.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from trunkline.errors import ParseError

LONGEST = 65_535
"""Bytes of one packet, its IP header included."""
_MOST_FLOWS = 4_096
"""TCP flows whose sequence numbers are remembered."""
_MAGIC, _LINK_IP = 0xA1B2C3D4, 101
_HEADER = struct.Struct("=IHHiIII")
_UDP, _TCP = 17, 6
_MSS = 60_000
# Where the IP packet begins behind each link's own header, and at which of its bytes the protocol stands
# (None: nowhere, the first half byte says what it is). https://www.tcpdump.org/linktypes.html
_LINKS: dict[int, tuple[int, int | None]] = {
    0: (4, None), 1: (14, 12), 12: (0, None), 14: (0, None), 101: (0, None), 108: (4, None),
    113: (16, 14), 228: (0, None), 229: (0, None), 276: (20, 0),
}  # fmt: skip
_VLAN = {0x8100, 0x88A8}
_IP_KINDS = {0x0800, 0x86DD}

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Seen:
    """One message or packet as it passed. `at`: calendar time, seconds since 1970."""

    at: float
    transport: str
    """"udp", "tcp" or "tls"; a file read back knows no "tls"."""
    source: Address
    target: Address
    data: bytes


class PcapWriter:
    """Makes the bytes of one file; it only remembers how far each TCP flow has come."""

    def __init__(self) -> None:
        self._sent: dict[tuple[Address, Address], int] = {}

    @staticmethod
    def header() -> bytes:
        """What the file begins with."""
        return _HEADER.pack(_MAGIC, 2, 4, 0, 0, LONGEST, _LINK_IP)

    def record(self, seen: Seen) -> bytes:
        """One message or packet as it stands in the file; a long one of a stream as several."""
        source, target = _packed(seen.source[0]), _packed(seen.target[0])
        if len(source) != len(target):  # Only where one of them is not known: a name, or nothing yet.
            known = max(source, target, key=len)
            source, target = (
                part if len(part) == len(known) else bytes(len(known)) for part in (source, target)
            )
        ports = seen.source[1] & 0xFFFF, seen.target[1] & 0xFFFF
        if seen.transport == "udp":
            data = seen.data[: LONGEST - 48]
            head = struct.pack("!HHHH", *ports, 8 + len(data), 0)
            if len(source) == 16:  # IPv6 knows no absent checksum (RFC 8200 section 8.1).
                check = _checksum(_pseudo(source, target, _UDP, head + data)) or 0xFFFF
                head = head[:6] + struct.pack("!H", check)
            return _record(seen.at, source, target, _UDP, head + data)
        return b"".join(
            _record(seen.at, source, target, _TCP, segment)
            for segment in self._segments(seen, ports, source, target)
        )

    def _segments(self, seen: Seen, ports: tuple[int, int], source: bytes, target: bytes) -> Iterator[bytes]:
        if len(self._sent) > _MOST_FLOWS:
            self._sent.clear()
        there, back = (seen.source, seen.target), (seen.target, seen.source)
        for start in range(0, max(1, len(seen.data)), _MSS):
            piece = seen.data[start : start + _MSS]
            number = self._sent.get(there, 1)
            self._sent[there] = number + len(piece) & 0xFFFFFFFF
            seen_of_theirs = self._sent.get(back, 1)
            head = struct.pack("!HHIIBBHHH", *ports, number, seen_of_theirs, 5 << 4, 0x18, LONGEST, 0, 0)
            check = _checksum(_pseudo(source, target, _TCP, head + piece))
            yield head[:16] + struct.pack("!H", check) + head[18:] + piece


def _record(at: float, source: bytes, target: bytes, protocol: int, payload: bytes) -> bytes:
    if len(source) == 4:
        head = (
            struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0) + source + target
        )
        head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    else:
        head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + source + target
    microseconds = min(max(0, round(at * 1e6)), 0xFFFFFFFF * 1_000_000)  # The format ends in 2106.
    size = len(head) + len(payload)
    return struct.pack("=IIII", *divmod(microseconds, 1_000_000), size, size) + head + payload


def _packed(host: str) -> bytes:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).packed
    except ValueError:
        return bytes(4)


def _pseudo(source: bytes, target: bytes, protocol: int, payload: bytes) -> bytes:
    return source + target + struct.pack("!II", len(payload), protocol) + payload


def _checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class PcapReader:
    """Reads a file as it grows: `feed` it pieces of any size."""

    def __init__(self, name: str = "capture") -> None:
        """`name`: of the file, for errors."""
        self._name = name
        self._buffer = b""
        self._order = ""
        self._fraction = 1e-6
        self._link: tuple[int, int | None] = _LINKS[_LINK_IP]
        self._next: dict[tuple[Address, Address], int] = {}

    def feed(self, data: bytes) -> Iterator[Seen]:
        """What has become complete; packets that are neither UDP nor TCP are passed over. Raises
        `ParseError` for what is no capture file of this format."""
        self._buffer += data
        if not self._order and not self._begin():
            return
        while len(self._buffer) >= 16:
            seconds, fraction, size, _ = struct.unpack(f"{self._order}IIII", self._buffer[:16])
            if size > 262_144:
                raise ParseError("a packet longer than any can be", where=self._name)
            if len(self._buffer) < 16 + size:
                return
            packet, self._buffer = self._buffer[16 : 16 + size], self._buffer[16 + size :]
            seen = self._packet(packet, seconds + fraction * self._fraction)
            if seen is not None:
                yield seen

    def _begin(self) -> bool:
        magic = self._buffer[:4]
        if magic == b"\x0a\x0d\x0d\x0a":
            raise ParseError(
                "this is pcapng", where=self._name, hint="Save it as pcap: editcap -F pcap FILE OTHER"
            )
        for order in ("<", ">"):
            for number, fraction in ((_MAGIC, 1e-6), (0xA1B23C4D, 1e-9)):
                if magic == struct.pack(f"{order}I", number):
                    if len(self._buffer) < 24:
                        return False
                    (link,) = struct.unpack(f"{order}I", self._buffer[20:24])
                    if link & 0xFFFF not in _LINKS:
                        raise ParseError(f"link type {link & 0xFFFF} is not read", where=self._name)
                    self._order, self._fraction, self._link = order, fraction, _LINKS[link & 0xFFFF]
                    self._buffer = self._buffer[24:]
                    return True
        if len(magic) == 4:
            raise ParseError(
                "this is no capture file", where=self._name, hint="Give what --trace wrote, or a pcap file"
            )
        return False

    def _packet(self, packet: bytes, at: float) -> Seen | None:
        start, kind_at = self._link
        if kind_at is not None:
            kind = int.from_bytes(packet[kind_at : kind_at + 2], "big")
            while kind in _VLAN:
                kind = int.from_bytes(packet[start + 2 : start + 4], "big")
                start += 4
            if kind not in _IP_KINDS:
                return None
        packet = packet[start:]
        try:
            return self._ip(packet, at)
        except (struct.error, IndexError, ValueError):
            return None  # Cut short by the program that wrote it.

    def _ip(self, packet: bytes, at: float) -> Seen | None:
        version = packet[0] >> 4 if packet else 0
        if version == 4:
            size, fragment = struct.unpack("!2xH2xH", packet[:8])
            if fragment & 0x3FFF:  # A part of a larger one; these are not put together here.
                return None
            head, protocol = (packet[0] & 15) * 4, packet[9]
            source, target = packet[12:16], packet[16:20]
            payload = packet[head : size or None]
        elif version == 6:
            (size, protocol) = struct.unpack("!4xHB", packet[:7])
            source, target = packet[8:24], packet[24:40]
            payload = packet[40 : 40 + size]
        else:
            return None
        one, other = (str(ipaddress.ip_address(address)) for address in (source, target))
        from_port, to_port = struct.unpack("!HH", payload[:4])
        ends = (one, from_port), (other, to_port)
        if protocol == _UDP:
            return Seen(at, "udp", *ends, payload[8 : max(8, int.from_bytes(payload[4:6], "big"))])
        return self._segment(payload, ends, at) if protocol == _TCP else None

    def _segment(self, payload: bytes, ends: tuple[Address, Address], at: float) -> Seen | None:
        number, flags = struct.unpack("!4xI5xB", payload[:14])
        data = payload[(payload[12] >> 4) * 4 :]
        if flags & 0x02:
            self._next[ends] = number + 1 & 0xFFFFFFFF
        if not data:
            return None
        expected = self._next.get(ends, number)
        if number - expected & 0x80000000:
            return None  # Sent again.
        if len(self._next) > _MOST_FLOWS:
            self._next.clear()
        self._next[ends] = number + len(data) & 0xFFFFFFFF
        return Seen(at, "tcp", *ends, data)


def read_pcap(data: bytes) -> list[Seen]:
    """All of a file; a last packet that is cut short is left out. Raises `ParseError`."""
    reader = PcapReader()
    found = list(reader.feed(data))
    if len(data) < 24:
        raise ParseError(
            "this is no capture file", where="capture", hint="Give what --trace wrote, or a pcap file"
        )
    return found
