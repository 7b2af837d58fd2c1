"""Two calls joined: what one end says, the other hears. For a person who takes over from the agent.

Where both calls have the same codec, its packets go across as they are, at once, under the other call's
own sequence, timestamps and keys; nothing is decoded, and what was lost stays lost for the far end's own
concealment. Only where codecs differ is sound decoded, brought to the other rate and coded again. Each
direction is decided for each packet, so a re-INVITE in the middle of it changes nothing here.
"""

from __future__ import annotations

from contextlib import suppress

from trunkline.audio.frame import Frame
from trunkline.audio.resample import Resampler
from trunkline.errors import MediaError
from trunkline.rtp.incoming import Meaning
from trunkline.rtp.jitter import Kind
from trunkline.rtp.packet import Packet
from trunkline.rtp.port import MediaPort, OnFrame


class Bridge:
    """Joins two started media ports from now on until it is closed. The ports stay their owners'.

    `hear_one`, `hear_other`: given what each end says, in 20 ms frames, for a recording; with them the
    sound is decoded beside what goes across. Keys go across as keys, and the ports' `on_dtmf` are told
    of them too. Raises `MediaError` where a port's media was not started, is over, or is joined already.
    """

    def __init__(
        self,
        one: MediaPort,
        other: MediaPort,
        *,
        hear_one: OnFrame | None = None,
        hear_other: OnFrame | None = None,
    ) -> None:
        if one is other:
            raise MediaError("a call cannot be joined to itself")
        self._ports = (one, other)
        self._ways = (_Way(one, other, hear_one), _Way(other, one, hear_other))
        one.give_to(self._ways[0])
        try:
            other.give_to(self._ways[1])
        except MediaError:
            one.give_to(None)
            raise
        self._joined = True

    @property
    def decoded(self) -> int:
        """Frames that had to be decoded and coded again so far, both ways."""
        return sum(way.decoded for way in self._ways)

    @property
    def forwarded(self) -> int:
        """Packets that went across as they came, both ways."""
        return sum(way.forwarded for way in self._ways)

    def close(self) -> None:
        """Each port has its own listener and speaker again. May be called more than once, and after
        the ports were closed."""
        if not self._joined:
            return
        self._joined = False
        for port in self._ports:
            if not port.closed:
                port.give_to(None)


class _Way:
    """One direction."""

    def __init__(self, source: MediaPort, sink: MediaPort, hear: OnFrame | None) -> None:
        self._source = source
        self._sink = sink
        self._hear = hear
        self._decodes = False
        """Whether the latest sound had to be decoded to go across."""
        self._resampler: Resampler | None = None
        self.decoded = self.forwarded = 0

    def packet(self, packet: Packet, meaning: Meaning, at: float) -> None:
        if not self._source.stream.receive:
            return  # we hold them: what they send all the same is for nobody
        theirs, ours = self._sink.session, self._source.session
        if meaning.kind is Kind.AUDIO:
            decodes = meaning.codec is not theirs.codec
            if decodes and not self._decodes and self._hear is None:
                ours.hear_anew(at)
            self._decodes = decodes
        if not self._decodes and meaning.kind is not Kind.OTHER:
            self.forwarded += 1
            self._sink.forward(packet, meaning, at)
        elif meaning.kind is Kind.OTHER and self._keys_go_across():
            self._sink.forward(packet, meaning, at)
        if self._decodes or self._hear is not None:
            self._take(ours.hear(packet, meaning, at), at)

    def beat(self, now: float) -> None:
        if self._decodes or self._hear is not None:
            self._take(self._source.session.advance(now), now)

    def digit(self, digit: str) -> None:
        if not self._keys_go_across() and self._sink.stream.dtmf_payload_type is not None:
            with suppress(MediaError):  # More wait there than anybody presses: on hold, or out of malice.
                self._sink.session.send_dtmf(digit)

    def _keys_go_across(self) -> bool:
        """Whether their packets mean the same there: between timestamps of the same clock."""
        return not self._decodes and self._source.session.codec is self._sink.session.codec

    def _take(self, frames: list[Frame], at: float) -> None:
        for frame in frames:
            if self._hear is not None:
                self._hear(frame)
            if self._decodes:
                self.decoded += 1
                self._sink.say(self._at_their_rate(frame), at)

    def _at_their_rate(self, frame: Frame) -> bytes:
        rate = self._sink.rate
        if frame.rate == rate:
            return frame.pcm
        if self._resampler is None or (self._resampler.source, self._resampler.target) != (frame.rate, rate):
            self._resampler = Resampler(frame.rate, rate)
        return self._resampler.push(frame.pcm)
