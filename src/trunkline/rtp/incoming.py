"""What one call receives: packets to frames and keys, whichever of the agreed payload types they carry."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from trunkline.audio.codecs.codec import Codec, Decode
from trunkline.audio.codecs.registry import codec_named
from trunkline.audio.frame import Frame
from trunkline.audio.resample import Resampler
from trunkline.errors import ParseError
from trunkline.rtp.dtmf import DtmfReceiver
from trunkline.rtp.jitter import JitterBuffer, JitterCounts, Kind
from trunkline.rtp.packet import Packet
from trunkline.rtp.statistics import ReceiveStatistics
from trunkline.rtp.stream import EVENTS, NOISE, Stream

COMFORT_NOISE = 13
"""Static payload type (RFC 3389 section 4)."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a payload type stands for. `codec` and `decode` where it carries sound."""

    kind: Kind
    codec: Codec | None = None
    decode: Decode | None = None


_NOISE, _KEYS = Meaning(Kind.NOISE), Meaning(Kind.OTHER)


class Incoming:
    """The receiving side of one call. Frames have the rate of the codec that was configured, even where
    another of the agreed ones comes."""

    def __init__(self) -> None:
        self.digits: deque[str] = deque(maxlen=64)
        self.malformed = 0
        self.counts = JitterCounts()
        self.statistics = ReceiveStatistics(8000)
        self.jitter: JitterBuffer
        self._codec: Codec | None = None
        self._clock_rate = 0
        self._meanings: dict[int, Meaning] = {}
        self._listens = True
        self._keys = DtmfReceiver()
        self._now: float | None = None
        """The latest time told, once listeners are there."""

    def configure(self, stream: Stream, codec: Codec) -> None:
        """What was negotiated, now or again. What was agreed before is still read under its payload
        type, unless that means something else now: such packets are under way yet (RFC 3264 section
        8.3.2). Raises `MediaError` where a codec cannot be had; nothing has changed then."""
        kept = self._meanings if codec is self._codec else {}
        meanings: dict[int, Meaning] = {COMFORT_NOISE: _NOISE}
        for payload_type, name in (*stream.receivable, (stream.payload_type, codec.name)):
            if name in (EVENTS, NOISE):
                meanings[payload_type] = _KEYS if name == EVENTS else _NOISE
                continue
            found = codec_named(name)
            before = next((m for m in (*kept.values(), *meanings.values()) if m.codec is found), None)
            meanings[payload_type] = before or Meaning(Kind.AUDIO, found, _reading(found, codec.rate))
        if stream.noise_payload_type is not None:
            meanings[stream.noise_payload_type] = _NOISE
        if stream.dtmf_payload_type is not None:
            meanings[stream.dtmf_payload_type] = _KEYS
        if self._codec is None or codec is not self._codec:
            for payload_type, meaning in self._meanings.items():
                if meaning.codec is not None and payload_type not in meanings:
                    decode = _reading(meaning.codec, codec.rate)
                    meanings[payload_type] = Meaning(Kind.AUDIO, meaning.codec, decode)
            self._codec = codec
            self._begin(meanings[stream.payload_type])
        self._meanings = {**kept, **meanings}
        self._listens = stream.receive

    def _begin(self, meaning: Meaning) -> None:
        """A time line in the clock of this codec."""
        assert self._codec is not None
        assert meaning.codec is not None
        assert meaning.decode is not None
        self._clock_rate = meaning.codec.clock_rate
        self.statistics.set_clock_rate(self._clock_rate)
        self.jitter = JitterBuffer(
            rate=self._codec.rate,
            clock_rate=self._clock_rate,
            decode=meaning.decode,
            counts=self.counts,
        )
        if self._now is not None:
            self.jitter.start(self._now)

    def start(self, now: float) -> None:
        """Listeners are there: from now on every 20 ms is accounted for."""
        self._now = now
        self.jitter.start(now)

    def begin_anew(self, now: float) -> None:
        """Nobody listened for a while: the next packet is as the first."""
        assert self._codec is not None
        self._now = now
        codec = self._codec
        self._begin(next(m for m in self._meanings.values() if m.codec is codec))

    def meaning(self, payload_type: int) -> Meaning | None:
        """What a payload type stands for in this call; None, and counted, where that is nothing."""
        meaning = self._meanings.get(payload_type)
        if meaning is None:
            self.malformed += 1
        return meaning

    def note(self, packet: Packet, meaning: Meaning, at: float) -> None:
        """A packet of the other end came: for the statistics, and the keys in it."""
        keys = meaning.kind is Kind.OTHER
        self.statistics.received(packet.ssrc, packet.sequence, packet.timestamp, at, not keys)
        if keys and self._listens:
            try:
                digit = self._keys.push(packet.payload, packet.timestamp, packet.ssrc)
            except ParseError:
                self.malformed += 1
                return
            if digit is not None:
                self.digits.append(digit)

    def hear(self, packet: Packet, meaning: Meaning, at: float) -> list[Frame]:
        """The frames that this packet sets free."""
        if not self._listens:
            return []
        codec = meaning.codec
        if codec is not None and codec.clock_rate != self._clock_rate:
            if self._now is not None:
                self._now = at
            self._begin(meaning)
        return self.jitter.push(packet, at, meaning.kind, meaning.decode)

    def advance(self, now: float) -> list[Frame]:
        """Time passed; gives what the jitter buffer releases by the clock."""
        self._now = now
        return self.jitter.advance(now)


def _reading(codec: Codec, rate: int) -> Decode:
    """A decoder of one call whose sound comes at `rate`."""
    decode = codec.make_decoder()
    if codec.rate == rate:
        return decode
    resampler = Resampler(codec.rate, rate)
    return lambda payload: resampler.push(decode(payload))
