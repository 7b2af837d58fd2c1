"""What leaves one call: 20 ms of sound at a time in, RTP packets of the length asked for out."""

from __future__ import annotations

import struct

from trunkline.audio.codecs.codec import Codec
from trunkline.audio.frame import frame_bytes
from trunkline.errors import MediaError
from trunkline.rtp.dtmf import DtmfSender
from trunkline.rtp.packet import Packet
from trunkline.rtp.stream import Stream

_HEADER = struct.Struct("!BBHII")
_FARTHEST = 3000
"""Sequence numbers that a forwarded stream may jump; more begins another count."""


def packet_time(asked_ms: int, codec: Codec) -> int:
    """What one packet will hold: the most that the codec can and that was asked for."""
    return max((time for time in codec.packet_times if time <= asked_ms), default=min(codec.packet_times))


class Outgoing:
    """SSRC, sequence and timestamps of what one call sends; they go on whatever is negotiated.

    Call `tick` each 20 ms, and `half_tick` in the middle between two of them where `half_ticks` says
    so: packets of 10 and 30 ms leave there too.
    """

    def __init__(self, ssrc: int, sequence: int, timestamp: int) -> None:
        self.ssrc = ssrc
        self.packets = self.octets = 0
        self.timestamp = timestamp & 0xFFFFFFFF
        """Of the next sound, in the codec's clock."""
        self.half_ticks = False
        self._sequence = sequence & 0xFFFF
        self._codec: Codec | None = None
        self._fmtp = ""
        self._stream: Stream | None = None
        self._dtmf = DtmfSender(160)
        self._marker = True
        self._sends = True
        self._step = 160
        """Clock units in 20 ms."""
        self._size = self._frame = 320
        """Bytes of PCM in a packet, and in 20 ms."""
        self._halves = self._needed = 0
        """Half ticks since the last packet left, and how many lie between two packets."""
        self._waiting = b""
        self._from: tuple[int, int, int] | None = None
        """Of a stream that is forwarded: its SSRC, and what its sequence and timestamp are less than ours."""
        self._idle = 0
        """Ticks since something was forwarded."""

    def configure(self, stream: Stream, codec: Codec) -> None:
        """What was negotiated, now or again."""
        before = self._stream
        if self._codec is not codec or self._fmtp != stream.fmtp:
            self._encode = codec.make_encoder(stream.fmtp)
            self._codec, self._fmtp = codec, stream.fmtp
            self._step = codec.clock_rate // 50
            self._silence = bytes(frame_bytes(codec.rate))
            self._frame = len(self._silence)
        time = packet_time(stream.ptime_ms, codec)
        size = self._frame * time // 20
        if size != self._size or before is None or before.codec != stream.codec:
            self._waiting = b""
        self._size = size
        self._needed = time // 10
        self.half_ticks = time % 20 != 0
        clock = stream.dtmf_clock or codec.clock_rate
        self._dtmf.count(self._step, clock // 50)
        self._marker = self._marker or (stream.send and not self._sends)
        self._sends = stream.send
        self._stream = stream

    def send_dtmf(self, digits: str) -> None:
        """Queue keys to be pressed. Raises `MediaError` where the other end takes none."""
        if self._stream is None or self._stream.dtmf_payload_type is None:
            raise MediaError(
                "the other end did not agree to telephone-event", hint="Keys cannot be sent in this call"
            )
        self._dtmf.send(digits)

    def drop_dtmf(self) -> None:
        """Keys that were not begun are not pressed."""
        self._dtmf.drop()

    @property
    def sending_dtmf(self) -> bool:
        return self._dtmf.busy

    def tick(self, pcm: bytes | None, skipped: int = 0) -> bytes | None:
        """The packet for this tick, or None. `pcm`: 20 ms at the codec's rate (else it is cut or filled
        up to that), None for silence. `skipped`: ticks that were missed before this one: nothing was
        sent for them, but time passed, and timestamps say so."""
        stream, step = self._stream, self._step
        assert stream is not None
        if skipped:
            self.timestamp = (self.timestamp + step * skipped) & 0xFFFFFFFF
            self._waiting = b""
        now = self.timestamp
        self.timestamp = (now + step) & 0xFFFFFFFF
        self._halves += 1
        if not self._sends:
            self._waiting = b""
            return None
        if self._dtmf.busy:
            event = self._dtmf.tick(now)
            if event is not None and stream.dtmf_payload_type is not None:
                self._waiting = b""
                return self._packet(stream.dtmf_payload_type, event.timestamp, event.payload, event.marker)
        if pcm is None:
            pcm = self._silence
        elif len(pcm) != self._frame:
            pcm = pcm[: self._frame].ljust(self._frame, b"\0")
        if self._size == self._frame:
            return self._sound(now, pcm)
        self._waiting += pcm
        return self._gathered()

    def half_tick(self) -> bytes | None:
        """The packet that leaves 10 ms after a tick, or None."""
        self._halves += 1
        return self._gathered() if self._sends else None

    def _gathered(self) -> bytes | None:
        """The next packet, if its sound is there and the one before it left long enough ago."""
        if len(self._waiting) < self._size or (self.half_ticks and self._halves < self._needed):
            return None
        self._halves = 0
        return self._next_waiting()

    def _next_waiting(self) -> bytes:
        begun = self.timestamp - self._step * len(self._waiting) // self._frame
        pcm, self._waiting = self._waiting[: self._size], self._waiting[self._size :]
        return self._sound(begun & 0xFFFFFFFF, pcm)

    def _sound(self, timestamp: int, pcm: bytes) -> bytes:
        assert self._stream is not None
        marker, self._marker = self._marker, False
        return self._packet(self._stream.payload_type, timestamp, self._encode(pcm), marker)

    def _packet(self, payload_type: int, timestamp: int, payload: bytes, marker: bool) -> bytes:
        sequence = self._sequence
        self._sequence = (sequence + 1) & 0xFFFF
        self.packets += 1
        self.octets += len(payload)
        second = payload_type | 0x80 if marker else payload_type
        return _HEADER.pack(0x80, second, sequence, timestamp, self.ssrc) + payload

    # --- another call's packets ---------------------------------------------------------------------

    def idle(self, skipped: int = 0) -> None:
        """A tick went by in which only what is forwarded leaves."""
        self._idle += 1 + skipped

    def forward(self, packet: Packet, payload_type: int, *, sounds: bool = True) -> bytes | None:
        """A packet of another call under our name: what was lost before it stays lost, what came out
        of order stays so. `sounds`: it is no keypad event, whose timestamp stands still. None while we
        press keys ourselves, and on hold."""
        if not self._sends or self._dtmf.busy:
            self._from = None
            return None
        source, sequence_less, timestamp_less = self._from or (None, 0, 0)
        sequence = (packet.sequence + sequence_less) & 0xFFFF
        ahead = ((sequence - self._sequence + 0x8000) & 0xFFFF) - 0x8000
        marker = packet.marker
        if source != packet.ssrc or not -_FARTHEST < ahead < _FARTHEST:
            self.resume()
            sequence, ahead, marker = self._sequence, 0, True
            sequence_less = (sequence - packet.sequence) & 0xFFFF
            timestamp_less = (self.timestamp - packet.timestamp) & 0xFFFFFFFF
            self._from = (packet.ssrc, sequence_less, timestamp_less)
        timestamp = (packet.timestamp + timestamp_less) & 0xFFFFFFFF
        if ahead >= 0:
            self._sequence = (sequence + 1) & 0xFFFF
            if sounds:
                self.timestamp = (timestamp + self._step) & 0xFFFFFFFF
                self._idle = 0
        self.packets += 1
        self.octets += len(packet.payload)
        second = payload_type | 0x80 if marker else payload_type
        return _HEADER.pack(0x80, second, sequence, timestamp, self.ssrc) + packet.payload

    def say(self, pcm: bytes) -> list[bytes]:
        """20 ms of another call's sound, whenever it comes: the packets that it completes."""
        if self._from is not None:
            self.resume()
        self._idle = 0
        if self._dtmf.busy:
            return []  # the beat sends the keys, and counts the time
        self.timestamp = (self.timestamp + self._step) & 0xFFFFFFFF
        if not self._sends:
            return []
        self._waiting += pcm[: self._frame].ljust(self._frame, b"\0")
        packets = []
        while len(self._waiting) >= self._size:
            packets.append(self._next_waiting())
        return packets

    def resume(self) -> None:
        """Our own sound goes on, or another source is forwarded: time that passed is accounted for."""
        self.timestamp = (self.timestamp + self._step * self._idle) & 0xFFFFFFFF
        self._idle = 0
        self._from = None
        self._waiting = b""
        self._marker = True
