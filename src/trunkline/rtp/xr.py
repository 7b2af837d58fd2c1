"""RTCP extended reports (RFC 3611): the VoIP metrics block, which tells the other end how its call sounds."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from trunkline.errors import ParseError

XR = 207
VOIP_METRICS = 7
UNAVAILABLE = 127
"""For levels, R and MOS: not known (sections 4.7.4 and 4.7.5)."""
_METRICS = struct.Struct("!I4B4H4B4BBxHHH")
_CONFIGURATION = 0xB0
"""Concealment enhanced, jitter buffer adaptive (section 4.7.6), its rate of adjusting not said."""


@dataclass(frozen=True, slots=True)
class VoipMetrics:
    """The block of section 4.7, about the source `ssrc`. Shares are 256ths, times milliseconds, `mos_…`
    tenths; `r_factor` 0 to 100."""

    ssrc: int
    loss_rate: int = 0
    discard_rate: int = 0
    burst_density: int = 0
    gap_density: int = 0
    burst_duration: int = 0
    gap_duration: int = 0
    round_trip: int = 0
    end_system_delay: int = 0
    signal_level: int = UNAVAILABLE
    noise_level: int = UNAVAILABLE
    echo_loss: int = UNAVAILABLE
    gmin: int = 16
    r_factor: int = UNAVAILABLE
    external_r_factor: int = UNAVAILABLE
    mos_listening: int = UNAVAILABLE
    mos_conversational: int = UNAVAILABLE
    configuration: int = _CONFIGURATION
    buffer_nominal: int = 0
    buffer_maximum: int = 0
    buffer_limit: int = 0

    def __bytes__(self) -> bytes:
        short, byte = (0xFFFF, 0xFF)
        body = _METRICS.pack(
            self.ssrc,
            min(byte, self.loss_rate),
            min(byte, self.discard_rate),
            min(byte, self.burst_density),
            min(byte, self.gap_density),
            min(short, self.burst_duration),
            min(short, self.gap_duration),
            min(short, self.round_trip),
            min(short, self.end_system_delay),
            self.signal_level & byte,
            self.noise_level & byte,
            self.echo_loss,
            self.gmin,
            self.r_factor,
            self.external_r_factor,
            self.mos_listening,
            self.mos_conversational,
            self.configuration,
            min(short, self.buffer_nominal),
            min(short, self.buffer_maximum),
            min(short, self.buffer_limit),
        )
        return struct.pack("!BxH", VOIP_METRICS, len(body) // 4) + body


@dataclass(frozen=True, slots=True)
class ExtendedReport:
    """An XR packet from `ssrc`. `metrics`: its VoIP metrics blocks; `others`: (type, its own byte, data)
    of blocks that are not read here."""

    ssrc: int
    metrics: tuple[VoipMetrics, ...] = ()
    others: tuple[tuple[int, int, bytes], ...] = ()

    def __bytes__(self) -> bytes:
        blocks = b"".join(map(bytes, self.metrics))
        for kind, own, data in self.others:
            blocks += struct.pack("!BBH", kind, own, len(data) // 4) + data
        return struct.pack("!BBHI", 0x80, XR, 1 + len(blocks) // 4, self.ssrc) + blocks

    @classmethod
    def parse(cls, body: bytes) -> ExtendedReport:
        """From what follows the packet's header. Raises `ParseError`."""
        if len(body) < 4:
            raise ParseError("an extended report is cut short", where="RTCP")
        metrics: list[VoipMetrics] = []
        others: list[tuple[int, int, bytes]] = []
        offset = 4
        while offset < len(body):
            if offset + 4 > len(body):
                raise ParseError("a report block is cut short", where="RTCP")
            kind, own, words = struct.unpack_from("!BBH", body, offset)
            end = offset + 4 + 4 * words
            if end > len(body):
                raise ParseError(f"a report block of {words} words does not fit", where="RTCP")
            data = bytes(body[offset + 4 : end])
            if kind == VOIP_METRICS and len(data) == _METRICS.size:
                metrics.append(VoipMetrics(*_METRICS.unpack(data)))
            else:
                others.append((kind, own, data))
            offset = end
        (ssrc,) = struct.unpack_from("!I", body)
        return cls(ssrc, tuple(metrics), tuple(others))
