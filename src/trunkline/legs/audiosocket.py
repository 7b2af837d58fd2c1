"""Asterisk's AudioSocket: one TCP connection a call, packets of three bytes' header and sound.

Source: https://docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket/. The protocol has no
password: whoever can connect can talk. So only addresses in `allow` may, loopback by default. In the
dialplan: `same => n,Answer()` and `same => n,AudioSocket(${UUID()},127.0.0.1:9092)`. The end of the
connection is the end of the call; Asterisk does not come back. `audiosocket_server.py` is the edge.
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from trunkline.audio.resample import RATES, Resampler
from trunkline.errors import ParseError
from trunkline.legs.stream import Complained, Happening, Heard, Message, Opened, Pressed, Stopped

_HEADER = struct.Struct(">BH")
_KEYS = frozenset("0123456789*#ABCD")
_SOUND = {
    0x10: 8000,
    0x11: 12000,
    0x12: 16000,
    0x13: 24000,
    0x14: 32000,
    0x15: 44100,
    0x16: 48000,
    0x17: 96000,
    0x18: 192000,
}
"""Kinds of packets with 16-bit little-endian samples, and their rates."""
_KIND_OF = {rate: kind for kind, rate in _SOUND.items()}


class Kind(IntEnum):
    """Packets that are no sound."""

    HANG_UP = 0x00
    UUID = 0x01
    DTMF = 0x03
    ERROR = 0xFF


@dataclass(frozen=True, slots=True)
class AudioSocketSettings:
    """How calls reach us from an Asterisk."""

    bind: str = ""
    """Where to listen, `HOST:PORT`; empty: not at all."""
    allow: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Addresses and networks that may connect."""
    rate: Literal[8000, 16000, 24000, 48000] = 8000
    """Samples a second of what we send; the dialplan's AudioSocket() takes 8000."""


class PacketCutter:
    """Cuts what a connection delivers, in pieces of any size, into packets, header and all."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def push(self, data: bytes) -> list[bytes]:
        """The packets that this piece completes. A packet is 64 KiB at most, which bounds what waits."""
        data = self._rest + data
        packets: list[bytes] = []
        start = 0
        while len(data) - start >= _HEADER.size:
            end = start + _HEADER.size + _HEADER.unpack_from(data, start)[1]
            if end > len(data):
                break
            packets.append(data[start:end])
            start = end
        self._rest = data[start:]
        return packets


def packet(kind: int, payload: bytes = b"") -> bytes:
    """One packet."""
    return _HEADER.pack(kind, len(payload)) + payload


class AudioSocketStream:
    """The pure half of one connection. A message is one packet."""

    name = "audiosocket"
    buffers = False

    def __init__(self, rate: int = 8000) -> None:
        self.rate = rate
        self._resampler: Resampler | None = None

    def receive(self, message: Message) -> list[Happening]:
        if not isinstance(message, bytes) or len(message) < _HEADER.size:
            raise ParseError("a packet without its header", where=self.name)
        kind, length = _HEADER.unpack_from(message)
        payload = message[_HEADER.size :]
        if length != len(payload):
            raise ParseError("a packet of another length than it says", where=self.name)
        if kind in _SOUND:
            return [Heard(self._sound(payload, _SOUND[kind]))]
        match kind:
            case Kind.UUID:
                if length != 16:
                    raise ParseError(f"a UUID of {length} bytes", where=self.name)
                call = str(uuid.UUID(bytes=payload))
                return [Opened(call, call, "L16", self.rate)]
            case Kind.DTMF:
                digit = payload.decode("latin-1").upper()
                if length != 1 or digit not in _KEYS:
                    raise ParseError("a key that is on no keypad", where=self.name)
                return [Pressed(digit)]
            case Kind.HANG_UP:
                return [Stopped("hung up")]
            case Kind.ERROR:
                return [Complained(f"error {payload[:8].hex() or 'without a code'}")]
            case _:
                raise ParseError(f"a packet of the unknown kind {kind:#04x}", where=self.name)

    def _sound(self, payload: bytes, rate: int) -> bytes:
        if len(payload) % 2:
            raise ParseError("sound that is not whole samples", where=self.name)
        if rate == self.rate:
            return payload
        if rate not in RATES:
            raise ParseError(f"sound at {rate} Hz, which is not known here", where=self.name)
        if self._resampler is None or self._resampler.source != rate:
            self._resampler = Resampler(rate, self.rate)
        return self._resampler.push(payload)

    def audio(self, pcm: bytes) -> Message:
        return packet(_KIND_OF[self.rate], pcm)

    def clear(self) -> Message | None:
        return None

    def mark(self, name: str) -> Message | None:  # noqa: ARG002 - it has no marks: what arrives is played
        return None

    def goodbye(self) -> Message | None:
        return packet(Kind.HANG_UP)
