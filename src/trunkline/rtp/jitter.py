"""From packets to frames for a listener: in order, each as soon as it can be, and none forgotten.

A loudspeaker wants an even stream, so the usual jitter buffer holds every packet back. A recogniser
and a turn-taker want to know at once. So here:

* A packet that is next in order is released the moment it arrives.
* A gap (something later has come) is waited for, from the moment its packet was due, as long as
  packets have lately been late (`Lateness.wait`, 20 to 200 ms), and is then concealed.
* Where nothing comes at all, the clock releases silence in its place: after 200 ms, so that a stall of
  the network costs no sound, and sooner once the sender is known to send nothing during silence.
* What comes after its place was released is dropped and counted.

See docs/decisions/0004-listening-jitter-buffer.md. Pure: packets and times in, frames out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from trunkline.audio.codecs.codec import Decode, Recovers
from trunkline.audio.cut import FrameCutter
from trunkline.audio.frame import FRAME_SECONDS, Frame
from trunkline.errors import ParseError
from trunkline.rtp.burst import BurstMeter
from trunkline.rtp.conceal import Concealer
from trunkline.rtp.lateness import LONGEST_WAIT, Lateness
from trunkline.rtp.noise import ComfortNoise, noise_level
from trunkline.rtp.packet import Packet

MAX_DROPOUT = 3000
"""Sequence numbers that may be missing before it is another count (RFC 3550 appendix A.1)."""
MAX_MISORDER = 100
MAX_HELD = 64
"""Packets held behind a gap; the gap is given up when one more comes."""
OFF_CLOCK = LONGEST_WAIT
"""A newest packet that is this much beside its timestamp's due time moves the time line."""
HOPELESS = 2 * OFF_CLOCK
"""An older packet that is this much beside it is dropped, whatever its number."""
FORMER_SOURCE_SECONDS = 1.0
"""How long a source that was replaced cannot come back."""
_FILL_LIMIT = 50
"""Frames of silence at most in one go (the machine slept): a second."""


class Kind(Enum):
    """What a packet carries."""

    AUDIO = 0
    NOISE = 1
    """Comfort noise: RFC 3389."""
    OTHER = 2
    """No sound (keypad events): only its sequence number matters."""


@dataclass(frozen=True, slots=True)
class _Held:
    kind: Kind
    position: int
    payload: bytes
    at: float
    decode: Decode


@dataclass(slots=True)
class JitterCounts:
    """What went wrong so far; may be carried from one buffer to the next of the same call."""

    late: int = 0
    """Packets that came after their place was released."""
    doubled: int = 0
    undecodable: int = 0
    concealed_seconds: float = 0.0
    """Made up for lost packets; silence that was never sent does not count."""
    recovered_seconds: float = 0.0
    """Of lost packets, had from the redundancy in the ones after them."""
    restarts: int = 0
    """How often another source or count took over."""
    fates: BurstMeter = field(default_factory=BurstMeter)
    """Which packets were there when they were needed."""


class JitterBuffer:
    """The receiving side of one call's audio.

    `rate`: samples a second of the frames; `clock_rate`: of the RTP timestamps. `start` the clock once
    listeners are there. Every frame has exactly 20 ms. A frame's `at` is the arrival of the packet it
    came in (of the last one, where packets and frames do not match); of a frame that was made up, the
    moment it was due; never before that of the frame before it.
    """

    def __init__(
        self, *, rate: int, clock_rate: int, decode: Decode, counts: JitterCounts | None = None
    ) -> None:
        self._rate = rate
        self._clock_rate = clock_rate
        self._use(decode)
        self._conceal = Concealer(rate)
        self._noise = ComfortNoise()
        self._cutter = FrameCutter(rate)
        self._lateness = Lateness()
        self._unit = clock_rate // 50
        """Clock units in 20 ms."""
        self._packet_units = self._unit
        self._held: dict[int, _Held] = {}
        self._ssrc: int | None = None
        self._next = 0
        """Extended sequence number of the next packet in order."""
        self._highest = 0
        self._seen = 0
        """Bit n: the packet n before the highest has come."""
        self._position = 0
        """Extended timestamp up to which everything was released: the place of the next sample."""
        self._by_clock = 0
        """Units released by the clock since the last packet."""
        self._surplus = 0
        """Units released twice, once by the clock and once from a packet: the next silence gives less."""
        self._suppresses = False
        self._noisy = False
        self._started: float | None = None
        self._last_at = 0.0
        self._candidate: tuple[Packet, float, Kind] | None = None
        self._former: tuple[int, float] = (-1, 0.0)
        self.counts = counts or JitterCounts()

    @property
    def wait(self) -> float:
        """Seconds a missing packet is waited for at present."""
        return self._lateness.wait

    @property
    def packet_seconds(self) -> float:
        """How much sound a packet of theirs holds."""
        return self._packet_units / self._clock_rate

    def start(self, now: float) -> None:
        """Time begins: from here on silence is released where nothing comes."""
        self._started = self._last_at = now
        if self._ssrc is None:
            self._position = 0
            self._lateness.restart(now)

    def push(
        self, packet: Packet, at: float, kind: Kind = Kind.AUDIO, decode: Decode | None = None
    ) -> list[Frame]:
        """A packet arrived; gives the frames that can be released now. `decode`: what reads it, where
        that is not what read the one before; at the same clock, to PCM of the same rate."""
        frames: list[Frame] = []
        if decode is not None:
            self._arriving = decode
        if packet.ssrc != self._ssrc:
            self._strange(packet, at, kind, frames)
            return frames
        ahead = ((packet.sequence - self._next + 0x8000) & 0xFFFF) - 0x8000
        if not -MAX_MISORDER <= ahead <= MAX_DROPOUT:
            self._strange(packet, at, kind, frames)
            return frames
        self._accept(self._next + ahead, packet, at, kind, frames)
        return frames

    def advance(self, now: float) -> list[Frame]:
        """Time passed; gives the frames that are due: concealed ones, silence, and what waited."""
        frames: list[Frame] = []
        if self._held:
            self._drain(now, frames)
        if not self._held and self._started is not None:
            self._fill_by_clock(now, frames)
        return frames

    # --- packets ----------------------------------------------------------------------------------

    def _accept(self, number: int, packet: Packet, at: float, kind: Kind, frames: list[Frame]) -> None:
        if not self._note_number(number):
            self.counts.doubled += 1
            return
        position = self._position
        if kind is not Kind.OTHER:
            position += ((packet.timestamp - position + 0x80000000) & 0xFFFFFFFF) - 0x80000000
            transit = at - position / self._clock_rate
            off = abs(transit - self._lateness.base)
            if off > OFF_CLOCK:
                if number == self._highest:
                    self._move_time_line(position, transit, at, frames)
                elif off > HOPELESS:
                    self.counts.late += 1
                    return
            self._lateness.note(transit)
        if number < self._next:
            self.counts.late += 1
            return
        if number == self._next and not self._held:
            self._release(number, kind, position, packet.payload, at, self._arriving, frames)
            return
        self._held[number] = _Held(kind, position, packet.payload, at, self._arriving)
        if len(self._held) > MAX_HELD:
            first = min(self._held)
            self._next = first
        self._drain(at, frames)

    def _note_number(self, number: int) -> bool:
        """Marks a sequence number as come; False if it had."""
        behind = self._highest - number
        if behind < 0:
            self._seen = (self._seen << min(-behind, 128) | 1) & (1 << 128) - 1
            self._highest = number
            return True
        bit = 1 << min(behind, 128)
        if self._seen & bit:
            return False
        self._seen |= bit & (1 << 128) - 1
        return True

    def _strange(self, packet: Packet, at: float, kind: Kind, frames: list[Frame]) -> None:
        """Another source or count: believed on its second packet in a row, the very first at once."""
        if self._ssrc is None:
            self._restart(packet, at, kind, frames)
            return
        former, until = self._former
        if packet.ssrc == former and at < until:
            return
        before = self._candidate
        self._candidate = (packet, at, kind)
        if (
            before is not None
            and before[0].ssrc == packet.ssrc
            and (before[0].sequence + 1) & 0xFFFF == packet.sequence
        ):
            if packet.ssrc != self._ssrc:
                self._former = (self._ssrc, at + FORMER_SOURCE_SECONDS)
            self.counts.restarts += 1
            self._restart(*before, frames)
            self._accept(self._next, packet, at, kind, frames)

    def _restart(self, packet: Packet, at: float, kind: Kind, frames: list[Frame]) -> None:
        self._let_go(frames)
        if self._started is not None:  # the time until now is accounted for on the old time line
            self._fill_until(at - FRAME_SECONDS, frames)
        self._candidate = None
        self._ssrc = packet.ssrc
        self._next = self._highest = packet.sequence + 0x10000
        self._seen = 0
        self._position = packet.timestamp + 0x100000000
        self._by_clock = self._surplus = 0
        self._suppresses = self._noisy = False
        self._lateness.restart(at - self._position / self._clock_rate)
        self._accept(self._next, packet, at, kind, frames)

    def _move_time_line(self, position: int, transit: float, at: float, frames: list[Frame]) -> None:
        """The sender's timestamps jumped, or the network stalled for long: begin from this packet."""
        self._let_go(frames)
        if self._started is not None:
            self._fill_until(at - FRAME_SECONDS, frames)
        self._position = position
        self._next = self._highest
        self._by_clock = self._surplus = 0
        self._lateness.restart(transit)

    def _let_go(self, frames: list[Frame]) -> None:
        """Release everything held, missing packets or not."""
        for number in sorted(self._held):
            held = self._held.pop(number)
            missing = (number - self._next) * self._packet_units
            gap = min(held.position - self._position, missing, _FILL_LIMIT * self._unit)
            if held.kind is not Kind.OTHER and gap > 0:
                self._emit_lost(gap, held.at, frames)
            self._release_held(number, held, frames)

    def _drain(self, now: float, frames: list[Frame]) -> None:
        """Release what is held as far as it is in order, concealing what was waited for long enough."""
        while self._held:
            number = min(self._held)
            held = self._held[number]
            sounds = held.kind is not Kind.OTHER
            if number <= self._next or (sounds and held.position <= self._position):
                del self._held[number]
                self._release_held(number, held, frames)
            elif self._due() + self._lateness.wait <= now:
                if sounds:
                    units = min(self._packet_units, held.position - self._position)
                    follows = number == self._next + 1 and held.kind is Kind.AUDIO
                    self._emit_lost(units, held.at, frames, held if follows else None)
                self.counts.fates.missing()
                self._next = min(self._next + 1, number)
            else:
                return

    def _release_held(self, number: int, held: _Held, frames: list[Frame]) -> None:
        self._release(number, held.kind, held.position, held.payload, held.at, held.decode, frames)

    def _release(
        self,
        number: int,
        kind: Kind,
        position: int,
        payload: bytes,
        at: float,
        decode: Decode,
        frames: list[Frame],
    ) -> None:
        follows = number == self._next
        if not follows:
            self.counts.fates.missing(number - self._next)
        self.counts.fates.came()
        self._next = number + 1
        if kind is Kind.OTHER:
            return
        gap = position - self._position
        if gap > 0:  # if nothing is missing, nothing was sent
            self._suppresses = self._suppresses or follows
            self._emit_silence(gap, at, frames)
        elif gap < 0:
            self._surplus = min(self._surplus + min(-gap, self._by_clock), self._clock_rate)
        self._by_clock = 0
        self._position = position
        if kind is Kind.NOISE:
            self._take_noise(payload)
            return
        if decode is not self._decode:
            self._use(decode)
        try:
            pcm = self._decode(payload)
        except ParseError:
            self.counts.undecodable += 1
            self._emit_lost(self._packet_units, at, frames)
            return
        units = len(pcm) // 2 * self._clock_rate // self._rate
        self._packet_units = max(units, self._unit // 4)
        self._noisy = False
        self._position += units
        self._emit(self._conceal.good(pcm), at, False, frames)

    def _use(self, decode: Decode) -> None:
        self._decode = self._arriving = decode
        self._recovers = decode if isinstance(decode, Recovers) else None

    def _take_noise(self, payload: bytes) -> None:
        try:
            self._noise.set_level(noise_level(payload))
        except ParseError:
            self.counts.undecodable += 1
            return
        self._noisy = self._suppresses = True

    # --- what is made up --------------------------------------------------------------------------

    def _due(self) -> float:
        """When the packet for the present position would arrive by the fastest way."""
        return self._lateness.base + self._position / self._clock_rate

    def _fill_by_clock(self, now: float, frames: list[Frame]) -> None:
        wait = self._lateness.wait + FRAME_SECONDS if self._suppresses else LONGEST_WAIT
        self._fill_until(now - wait, frames, now)

    def _fill_until(self, due: float, frames: list[Frame], now: float | None = None) -> None:
        behind = due - self._due()
        if behind < 0:
            return
        count = int(behind * 50) + 1
        if count > _FILL_LIMIT:
            self._position += (count - _FILL_LIMIT) * self._unit
            count = _FILL_LIMIT
        for _ in range(count):
            at = self._due()
            self._by_clock += self._unit
            if self._surplus >= self._unit:
                self._surplus -= self._unit
                self._position += self._unit
            else:
                self._emit_silence(self._unit, min(at, due if now is None else now), frames)

    def _emit_silence(self, units: int, at: float, frames: list[Frame]) -> None:
        samples = units * self._rate // self._clock_rate
        limit = _FILL_LIMIT * self._rate // 50
        samples = min(samples, limit)
        made = self._conceal.silence(samples)
        if self._noisy:
            made = self._noise.make(samples)
        self._position += units
        self._emit(made, at, True, frames)

    def _emit_lost(self, units: int, at: float, frames: list[Frame], following: _Held | None = None) -> None:
        """Something for a packet that did not come. `following`: the one after it, where that is there."""
        samples = units * self._rate // self._clock_rate
        at = min(at, self._due())
        self._position += units
        decoder = self._recovers
        if decoder is not None and following is not None and following.decode is decoder:
            real = decoder.recover(following.payload, samples)
            if real is not None:
                self.counts.recovered_seconds += samples / self._rate
                self._emit(self._conceal.good(real), at, False, frames)
                return
        self.counts.concealed_seconds += samples / self._rate
        made = decoder.conceal(samples) if decoder is not None else None
        made = self._conceal.lost(samples) if made is None else self._conceal.good(made)
        self._emit(made, at, True, frames)

    def _emit(self, pcm: bytes, at: float, made_up: bool, frames: list[Frame]) -> None:
        at = max(at, self._last_at)
        self._last_at = at
        rate = self._rate
        frames.extend([Frame(piece, rate, at, made_up) for piece in self._cutter.push(pcm)])
