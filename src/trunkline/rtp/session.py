"""One call's RTP: who is believed, what goes out next, what came in, how well it does.

Pure: datagrams and times in, frames and datagrams out. `port.py` gives it sockets and a clock;
`incoming.py` and `outgoing.py` are its two directions.
"""

from __future__ import annotations

from collections import deque

from trunkline.audio.codecs.codec import Codec
from trunkline.audio.codecs.registry import codec_named
from trunkline.audio.frame import FRAME_SECONDS, Frame
from trunkline.errors import MediaError, ParseError
from trunkline.rtp import rtcp
from trunkline.rtp.incoming import COMFORT_NOISE, Incoming, Meaning
from trunkline.rtp.jitter import Kind
from trunkline.rtp.latch import Address, Latch
from trunkline.rtp.lateness import LONGEST_WAIT
from trunkline.rtp.outgoing import Outgoing
from trunkline.rtp.packet import Packet
from trunkline.rtp.quality import Opinion, Quality, opinion
from trunkline.rtp.srtp import Srtp
from trunkline.rtp.statistics import round_trip, to_ntp
from trunkline.rtp.stream import EVENTS, NOISE, Stream
from trunkline.rtp.xr import UNAVAILABLE, ExtendedReport, VoipMetrics


class RtpSession:
    """The state of one call's media. Configure it before anything else.

    `ssrc`, `sequence` and `timestamp` are where the sender begins; random, from the edge. `cname`
    names this end in RTCP (RFC 3550 section 6.5.1; random too: RFC 7022).
    """

    def __init__(self, *, ssrc: int, sequence: int, timestamp: int, cname: bytes) -> None:
        self.ssrc = ssrc
        self.latch = Latch()
        self.last_received: float | None = None
        self.remote_said_goodbye = False
        self._incoming = Incoming()
        self._outgoing = Outgoing(ssrc, sequence, timestamp)
        self._cname = cname
        self._codec: Codec | None = None
        self._stream: Stream | None = None
        self._srtp: Srtp | None = None
        """What is in force; None for plain RTP."""
        self._context: Srtp | None = None
        """The same, kept while the call is in the clear: its counters must never run twice."""
        self._reported_sent = 0
        self._round_trip: float | None = None
        self._remote_report: rtcp.ReportBlock | None = None
        self._remote_metrics: VoipMetrics | None = None

    def configure(self, stream: Stream, *, remote: Address | None, symmetric: bool = True) -> None:
        """What was negotiated, now or again; `remote` None leaves it where it was.

        Raises `MediaError` for what cannot be done; what was in force then stays so.

        SSRC, sequence and timestamps go on, and so do keys that stay the same, with their rollover
        counters; another codec begins another receiving side.
        """
        codec = codec_named(stream.codec)
        codec.check()
        if not 0 <= stream.payload_type <= 127:
            raise MediaError(f"{stream.payload_type} is no payload type")
        for _, name in stream.receivable:
            if name not in (EVENTS, NOISE):
                codec_named(name).check()
        if stream.keys is None:
            self._srtp = None
        elif self._context is None:
            self._srtp = self._context = Srtp(stream.keys)
        else:
            self._context.rekey(stream.keys)
            self._srtp = self._context
        self._incoming.configure(stream, codec)
        self._outgoing.configure(stream, codec)
        self._codec, self._stream = codec, stream
        if remote is not None:
            self.latch.signal(remote, symmetric=symmetric)

    @property
    def configured(self) -> bool:
        return self._codec is not None

    @property
    def codec(self) -> Codec:
        if self._codec is None:
            raise MediaError("the media was not configured yet")
        return self._codec

    @property
    def stream(self) -> Stream:
        """What is in force."""
        if self._stream is None:
            raise MediaError("the media was not configured yet")
        return self._stream

    @property
    def digits(self) -> deque[str]:
        """Keys the other end pressed and nobody took from here yet."""
        return self._incoming.digits

    def start(self, now: float) -> None:
        """Listeners are there: from now on every 20 ms is accounted for."""
        self._incoming.start(now)

    # --- receiving --------------------------------------------------------------------------------

    def receive(self, data: bytes, source: Address, at: float) -> list[Frame]:
        """A datagram came to the RTP port. Gives the frames it sets free; digits go to `digits`."""
        admitted = self.admit(data, source, at)
        return self._incoming.hear(*admitted, at) if admitted is not None else []

    def admit(self, data: bytes, source: Address, at: float) -> tuple[Packet, Meaning] | None:
        """The packet in a datagram, if it is the other end's and means something in this call."""
        if self._codec is None:
            return None
        srtp = self._srtp
        if srtp is not None:
            if not self.latch.may_count(source, at):
                return None
            opened = srtp.open(data)
            if opened is None:
                return None
            data = opened
        incoming = self._incoming
        try:
            packet = Packet.parse(data)
        except ParseError:
            incoming.malformed += 1
            return None
        meaning = incoming.meaning(packet.payload_type)
        if meaning is None or not self.latch.admit(
            source, packet.ssrc, packet.sequence, at, proven=srtp is not None
        ):
            return None
        self.last_received = at
        incoming.note(packet, meaning, at)
        return packet, meaning

    def hear(self, packet: Packet, meaning: Meaning, at: float) -> list[Frame]:
        """The frames that an admitted packet sets free."""
        return self._incoming.hear(packet, meaning, at)

    def hear_anew(self, now: float) -> None:
        """Packets were forwarded and not heard for a while: the next one is as the first."""
        self._incoming.begin_anew(now)

    def advance(self, now: float) -> list[Frame]:
        """Time passed; gives what the jitter buffer releases by the clock."""
        return self._incoming.advance(now)

    # --- sending ----------------------------------------------------------------------------------

    @property
    def half_ticks(self) -> bool:
        """Whether packets leave between two ticks too."""
        return self._outgoing.half_ticks

    def send(self, pcm: bytes | None, skipped: int = 0) -> bytes | None:
        """The datagram for this tick, or None. Call once for each 20 ms tick.

        `pcm`: 20 ms at the codec's rate (else it is cut or filled up to that), None for silence.
        `skipped`: ticks that were missed before this one: nothing was sent for them, but time passed,
        and timestamps say so.
        """
        return self._sealed(self._outgoing.tick(pcm, skipped))

    def send_between(self) -> bytes | None:
        """The datagram that leaves 10 ms after a tick, or None."""
        return self._sealed(self._outgoing.half_tick())

    def _sealed(self, datagram: bytes | None) -> bytes | None:
        if datagram is None or self._srtp is None:
            return datagram
        return self._srtp.protect(datagram)

    def send_dtmf(self, digits: str) -> None:
        """Queue keys to be pressed. Raises `MediaError` where the other end takes none."""
        self._outgoing.send_dtmf(digits)

    def drop_dtmf(self) -> None:
        """Keys that were not begun are not pressed."""
        self._outgoing.drop_dtmf()

    @property
    def sending_dtmf(self) -> bool:
        return self._outgoing.sending_dtmf

    # --- forwarding, for a bridge -----------------------------------------------------------------

    def forward(self, packet: Packet, meaning: Meaning) -> bytes | None:
        """Another call's packet as ours, undecoded; None where it cannot be said here (on hold, keys to
        one who takes none). Only for a call of the same codec."""
        stream = self.stream
        payload_type: int | None = stream.payload_type
        if meaning.kind is Kind.OTHER:
            payload_type = stream.dtmf_payload_type
        elif meaning.kind is Kind.NOISE:
            payload_type = stream.noise_payload_type
            if payload_type is None and self.codec.clock_rate == 8000:
                payload_type = COMFORT_NOISE
        if payload_type is None:
            return None
        try:
            sounds = meaning.kind is not Kind.OTHER
            return self._sealed(self._outgoing.forward(packet, payload_type, sounds=sounds))
        except MediaError:  # the same number twice, which SRTP must not send
            return None

    def say(self, pcm: bytes) -> list[bytes]:
        """20 ms of another call's sound at our codec's rate: the datagrams that it completes."""
        return [sealed for packet in self._outgoing.say(pcm) if (sealed := self._sealed(packet)) is not None]

    def idle(self, skipped: int = 0) -> bytes | None:
        """A tick of a call whose sound is forwarded: only keys leave on the beat."""
        if self._outgoing.sending_dtmf:
            return self._sealed(self._outgoing.tick(None, skipped))
        self._outgoing.idle(skipped)
        return None

    def resume(self) -> None:
        """Our own sound goes on."""
        self._outgoing.resume()

    # --- reports ----------------------------------------------------------------------------------

    def report(self, now: float, wall: float, *, goodbye: bool = False) -> bytes:
        """The RTCP datagram to send now. `wall`: seconds since 1970 at the same moment."""
        outgoing = self._outgoing
        blocks = self._incoming.statistics.report(now)
        first: rtcp.Rtcp
        if outgoing.packets > self._reported_sent:
            first = rtcp.SenderReport(
                self.ssrc, to_ntp(wall), outgoing.timestamp, outgoing.packets, outgoing.octets, blocks
            )
        else:
            first = rtcp.ReceiverReport(self.ssrc, blocks)
        self._reported_sent = outgoing.packets
        packets: list[rtcp.Rtcp] = [
            first,
            rtcp.SourceDescription(((self.ssrc, ((rtcp.CNAME, self._cname),)),)),
        ]
        if self._stream is not None and self._stream.xr:
            packets += self._extended()
        if goodbye:
            packets.append(rtcp.Goodbye((self.ssrc,)))
        report = rtcp.print_compound(tuple(packets))
        return report if self._srtp is None else self._srtp.protect_report(report)

    def _extended(self) -> list[rtcp.Rtcp]:
        """What we think of the sound they send."""
        formed, source = self._opinion(), self._incoming.statistics.ssrc
        if formed is None or source is None:
            return []
        packet_ms = self._incoming.jitter.packet_seconds * 1000
        late = self._incoming.counts.late / self._incoming.counts.fates.packets
        wait = round(self._incoming.jitter.wait * 1000)
        metrics = VoipMetrics(
            source,
            loss_rate=int(256 * max(0.0, formed.loss - late)),
            discard_rate=int(256 * late),
            burst_density=int(256 * formed.bursts.burst_loss),
            gap_density=int(256 * formed.bursts.gap_loss),
            burst_duration=round(formed.bursts.burst_packets * packet_ms),
            gap_duration=round(formed.bursts.gap_packets * packet_ms),
            round_trip=round((self._round_trip or 0) * 1000),
            end_system_delay=round(packet_ms + FRAME_SECONDS * 1000),
            r_factor=round(formed.r_factor),
            mos_listening=round(formed.mos_listening * 10),
            mos_conversational=round(formed.mos_conversational * 10),
            buffer_nominal=wait,
            buffer_maximum=wait,
            buffer_limit=round(LONGEST_WAIT * 1000),
        )
        return [ExtendedReport(self.ssrc, (metrics,))]

    def receive_report(self, data: bytes, source: Address, at: float, wall: float) -> bool:
        """A report came; believed from the host that the media comes from. Gives whether it was."""
        remote = self.latch.remote
        if self._codec is None or remote is None or source[0] != remote[0]:
            self.latch.strangers += 1
            return False
        if self._srtp is not None:
            opened = self._srtp.open_report(data)
            if opened is None:
                return False
            data = opened
        try:
            packets = rtcp.parse_compound(data)
        except ParseError:
            self._incoming.malformed += 1
            return False
        statistics = self._incoming.statistics
        for packet in packets:
            match packet:
                case rtcp.SenderReport(ssrc=ssrc, ntp=ntp, reports=blocks):
                    if ssrc == statistics.ssrc:
                        statistics.sender_report(ntp, at)
                    self._take_blocks(blocks, wall)
                case rtcp.ReceiverReport(reports=blocks):
                    self._take_blocks(blocks, wall)
                case rtcp.Goodbye(ssrcs=ssrcs) if statistics.ssrc in ssrcs:
                    self.remote_said_goodbye = True
                case ExtendedReport(metrics=metrics):
                    ours = [block for block in metrics if block.ssrc == self.ssrc]
                    self._remote_metrics = ours[-1] if ours else self._remote_metrics
                case _:
                    pass
        return True

    def _take_blocks(self, blocks: tuple[rtcp.ReportBlock, ...], wall: float) -> None:
        for block in blocks:
            if block.ssrc == self.ssrc:
                self._remote_report = block
                trip = round_trip(block, wall)
                self._round_trip = self._round_trip if trip is None else trip

    def _opinion(self) -> Opinion | None:
        packet = self._incoming.jitter.packet_seconds
        return opinion(self._incoming.counts.fates, (self._round_trip or 0.0) / 2 + packet)

    def quality(self, send_gap_p99_ms: float = 0.0) -> Quality:
        """The figures so far."""
        if self._codec is None:
            return Quality()
        remote, incoming, sent = self._remote_report, self._incoming, self._outgoing.packets
        counts, statistics, formed = incoming.counts, incoming.statistics, self._opinion()
        bursts = counts.fates.figures()
        packet_ms = incoming.jitter.packet_seconds * 1000
        return Quality(
            codec=self._codec.name,
            packets_sent=sent,
            packets_received=statistics.packets,
            packets_lost=statistics.lost,
            packets_late=counts.late,
            packets_doubled=counts.doubled,
            concealed_ms=counts.concealed_seconds * 1000,
            jitter_ms=statistics.jitter_seconds * 1000,
            round_trip_ms=None if self._round_trip is None else self._round_trip * 1000,
            send_gap_p99_ms=send_gap_p99_ms,
            remote_loss=None if remote is None else max(0, remote.lost) / max(1, sent),
            remote_jitter_ms=None if remote is None else remote.jitter * 1000 / self._codec.clock_rate,
            wait_ms=incoming.jitter.wait * 1000,
            malformed=incoming.malformed,
            strangers=self.latch.strangers,
            refused=self._srtp.refused if self._srtp is not None else 0,
            srtp=self._srtp.suite if self._srtp is not None else "",
            undecodable=counts.undecodable,
            recovered_ms=counts.recovered_seconds * 1000,
            burst_loss=bursts.burst_loss,
            burst_ms=bursts.burst_packets * packet_ms,
            gap_loss=bursts.gap_loss,
            gap_ms=bursts.gap_packets * packet_ms,
            mos=None if formed is None else round(formed.mos_conversational, 2),
            remote_mos=self._remote_mos(),
        )

    def _remote_mos(self) -> float | None:
        theirs = self._remote_metrics
        if theirs is None:
            return None
        for tenths in (theirs.mos_conversational, theirs.mos_listening):
            if 10 <= tenths <= 50 and tenths != UNAVAILABLE:
                return tenths / 10
        return None
