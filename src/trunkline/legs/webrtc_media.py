"""The sound of one call with a browser: our own RTP (jitter buffer, redundancy, reports) over packets that
somebody else encrypts and carries. What `rtp/port.py` is for sockets, this is for `webrtc.py`."""

from __future__ import annotations

import random
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace

from trunkline.clock import Clock
from trunkline.errors import MediaError
from trunkline.legs.leg import NextFrame, OnFrame
from trunkline.rtp.pacer import Pacer, Ticket
from trunkline.rtp.packet import looks_like_rtcp
from trunkline.rtp.quality import Quality
from trunkline.rtp.session import RtpSession
from trunkline.rtp.stream import Stream

_PEER = ("webrtc", 1)
"""Whoever the handshake proved the other end to be; addresses are ICE's affair."""
_REPORT_SECONDS = 5.0
_LOST_AGAIN_SECONDS = 1.0
_GAPS = 500


class WebRtcMedia:
    """Made with what was agreed; `send` takes packets that leave, and must not wait. Give what arrives to
    `receive`, decrypted."""

    def __init__(
        self,
        clock: Clock,
        pacer: Pacer,
        stream: Stream,
        send: Callable[[bytes], None],
        end: Callable[[], Awaitable[None]],
        *,
        lost_after: float,
    ) -> None:
        """`end` closes what carries the packets. Raises `MediaError` where Opus cannot be had."""
        self.on_dtmf: Callable[[str], None] | None = None
        self.on_lost: Callable[[float], None] | None = None
        self.on_back: Callable[[], None] | None = None
        self._clock = clock
        self._pacer = pacer
        self._send = send
        self._end = end
        self._lost_after = lost_after
        self._session = RtpSession(
            ssrc=secrets.randbits(32),
            sequence=secrets.randbits(15),  # the upper half left free: no early wrap (RFC 3711 3.3.1)
            timestamp=secrets.randbits(32),
            cname=secrets.token_urlsafe(12).encode(),
        )
        self._session.configure(stream, remote=_PEER, symmetric=False)
        self._on_frame: OnFrame | None = None
        self._next_frame: NextFrame | None = None
        self._ticket: Ticket | None = None
        self._heard_at = 0.0
        self._lost_told: float | None = None
        self._report_at = 0.0
        self._sent_at: float | None = None
        self._gaps: deque[float] = deque(maxlen=_GAPS)
        self._closed = False

    @property
    def rate(self) -> int:
        return self._session.codec.rate

    def start(self, on_frame: OnFrame, next_frame: NextFrame) -> None:
        """Begin: `on_frame` for each 20 ms received, `next_frame` each 20 ms for what leaves."""
        if self._closed:
            raise MediaError("the media has ended", where="webrtc")
        now = self._clock.now()
        self._on_frame, self._next_frame = on_frame, next_frame
        self._heard_at = now
        self._report_at = now + _REPORT_SECONDS * random.uniform(0.25, 0.75)
        self._session.start(now)
        if self._ticket is None:
            self._ticket = self._pacer.add(self._tick)

    def receive(self, data: bytes) -> None:
        """A packet came: sound, keys or a report."""
        at = self._clock.now()
        session = self._session
        if looks_like_rtcp(data):
            session.receive_report(data, _PEER, at, self._clock.wall().timestamp())
            return
        admitted = session.admit(data, _PEER, at)
        if admitted is not None and self._on_frame is not None:
            for frame in session.hear(*admitted, at):
                self._on_frame(frame)
        while session.digits:
            digit = session.digits.popleft()
            if self.on_dtmf is not None:
                self.on_dtmf(digit)

    def send_dtmf(self, digits: str) -> None:
        """Press these keys. Raises `MediaError` where the other end takes none."""
        self._session.send_dtmf(digits)

    def quality(self) -> Quality:
        """How the media did so far."""
        gaps = sorted(self._gaps)
        measured = self._session.quality(1000 * gaps[int(0.99 * (len(gaps) - 1))] if gaps else 0.0)
        return replace(measured, srtp="DTLS")

    async def close(self) -> None:
        """Say goodbye, stop ticking, end what carries it. May be called more than once."""
        if self._closed:
            return
        self._closed = True
        if self._ticket is not None:
            self._ticket.remove()
            self._report(self._clock.now(), goodbye=True)
        self._on_frame = self._next_frame = None
        await self._end()

    def _tick(self, now: float) -> None:
        ticket, on_frame, next_frame = self._ticket, self._on_frame, self._next_frame
        if ticket is None or on_frame is None or next_frame is None:
            return
        for frame in self._session.advance(now):
            on_frame(frame)
        if self._closed:  # a frame may have ended the call
            return
        datagram = self._session.send(next_frame(now), ticket.skipped)
        if datagram is not None:
            self._send(datagram)
            if self._sent_at is not None:
                self._gaps.append(now - self._sent_at)
            self._sent_at = now
        self._watch(now)
        if now >= self._report_at:
            self._report_at = now + _REPORT_SECONDS * random.uniform(0.5, 1.5)
            self._report(now)

    def _report(self, now: float, *, goodbye: bool = False) -> None:
        self._send(self._session.report(now, self._clock.wall().timestamp(), goodbye=goodbye))

    def _watch(self, now: float) -> None:
        """Notice that nothing comes any more, and that something comes again."""
        heard = self._session.last_received
        if heard is not None and heard > self._heard_at:
            self._heard_at = heard
            if self._lost_told is not None:
                self._lost_told = None
                if self.on_back is not None:
                    self.on_back()
        silent = now - self._heard_at
        if silent < self._lost_after:
            return
        if self._lost_told is None or now - self._lost_told >= _LOST_AGAIN_SECONDS:
            self._lost_told = now
            if self.on_lost is not None:
                self.on_lost(silent)
