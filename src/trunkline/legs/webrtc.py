"""The edge of WebRTC: one connection with a browser, its ICE and DTLS by `aiortc`, its sound ours.

`aiortc`'s own media is left aside: its receiver holds sound back for four packets and decodes in a thread for
each call, where `rtp` gives a packet on as it comes and takes lost ones from the redundancy of the next. So
its transports are used alone (what it calls ORTC), and of their insides three names: packets come out of
`_handle_rtp_data` and `_handle_rtcp_data` decrypted and go in through `_send_rtp`. See
docs/decisions/0043-browser.md.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Any

import structlog

from trunkline.clock import Clock
from trunkline.errors import MediaError
from trunkline.legs.browser import BrowserSettings
from trunkline.legs.extra import extra
from trunkline.legs.webrtc_media import WebRtcMedia
from trunkline.legs.webrtc_sdp import Candidate, Ends, Offer, answer
from trunkline.rtp.pacer import Pacer

CONNECT_WITHIN = 15.0
"""Seconds for a path to be found and the handshake to be done."""
GATHER_WITHIN = 5.0
_CLOSE_WITHIN = 2.0
UNSENT = 50
"""Packets that wait to leave: one second. Then the oldest go."""

logger = structlog.get_logger(__name__)


@cache
def _transport_class() -> Any:
    """aiortc's DTLS transport, which gives decrypted packets to whoever holds it."""
    base = extra("aiortc", "browser").RTCDtlsTransport

    class PacketTransport(base):  # type: ignore[misc, valid-type]
        """One connection's packets, in the clear."""

        take: Callable[[bytes], None] | None = None

        async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:  # noqa: ARG002
            self._give(data)

        async def _handle_rtcp_data(self, data: bytes) -> None:
            self._give(data)

        def _give(self, data: bytes) -> None:
            if self.take is not None:
                self.take(data)

    return PacketTransport


@cache
def _certificate() -> Any:
    """Ours, for as long as the process runs; a browser knows it by its fingerprint alone."""
    return extra("aiortc", "browser").RTCCertificate.generateCertificate()


class WebRtcConnection:
    """`open` it with where to look for addresses, `answer` an offer, `connect`, take its `media`; `close`.

    `on_gone(why)` is told once when it breaks off: with "" where the other end closed it itself.
    """

    def __init__(self, clock: Clock, pacer: Pacer, settings: BrowserSettings, *, lost_after: float) -> None:
        aiortc = extra("aiortc", "browser")
        servers = []
        if settings.stun:
            servers.append(aiortc.RTCIceServer(urls=settings.stun))
        if settings.turn:
            servers.append(aiortc.RTCIceServer(settings.turn, settings.turn_username, settings.turn_password))
        self.media: WebRtcMedia | None = None
        self.on_gone: Callable[[str], None] | None = None
        self._aiortc = aiortc
        self._clock = clock
        self._pacer = pacer
        self._media_host = settings.media_host
        self._lost_after = lost_after
        self._gatherer = aiortc.RTCIceGatherer(iceServers=servers)
        self._ice = aiortc.RTCIceTransport(self._gatherer)
        self._dtls = _transport_class()(self._ice, [_certificate()])
        self._theirs: Ends | None = None
        self._unsent: deque[bytes] = deque(maxlen=UNSENT)
        self._wake = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._closed = False

    async def gather(self) -> Ends:
        """Our own addresses, name and certificate. Raises `MediaError` where they cannot be had in time."""
        try:
            async with asyncio.timeout(GATHER_WITHIN):
                await self._gatherer.gather()
        except (OSError, TimeoutError) as error:
            raise MediaError(f"no address for sound ({type(error).__name__})", where="webrtc") from error
        told = self._gatherer.getLocalParameters()
        prints = tuple((one.algorithm, one.value) for one in self._dtls.getLocalParameters().fingerprints)
        return Ends(told.usernameFragment, told.password, prints, self._candidates())

    def _candidates(self) -> tuple[Candidate, ...]:
        found = []
        for one in self._gatherer.getLocalCandidates():
            host = (
                self._media_host if self._media_host and one.type == "host" and ":" not in one.ip else one.ip
            )
            found.append(Candidate(one.foundation, one.component, one.priority, host, one.port, one.type))
        return tuple(found)

    async def answer(self, offer: Offer) -> bytes:
        """Our answer to a browser's offer."""
        ours = await self.gather()
        self.agree(offer)
        # One fingerprint is enough, and some browsers take no more than they know.
        prints = tuple(one for one in ours.fingerprints if one[0] == "sha-256")
        ours = Ends(ours.username, ours.password, prints, ours.candidates)
        return answer(offer, ours, secrets.randbits(62))

    def agree(self, offer: Offer) -> None:
        """What the other end is, and what its sound will be. Raises `MediaError` where that cannot be had."""
        self._theirs = offer.theirs
        self.media = WebRtcMedia(
            self._clock, self._pacer, offer.stream, self._send, self._end, lost_after=self._lost_after
        )
        self._dtls.take = self.media.receive

    async def connect(self, *, controlling: bool = False) -> None:
        """Find a path, shake hands. Raises `MediaError` where that comes to nothing in its time."""
        assert self._theirs is not None
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                await self._connect(self._theirs, controlling=controlling)
        except TimeoutError as error:
            raise MediaError("the browser could not be reached in time", where="webrtc") from error
        self._dtls.on("statechange", self._changed)
        self._sender = asyncio.get_running_loop().create_task(self._write(), name="webrtc packets")
        if self._dtls.state != "connected":
            self._changed()

    async def _connect(self, theirs: Ends, *, controlling: bool) -> None:
        aiortc, ice, dtls = self._aiortc, self._ice, self._dtls
        self._gatherer._connection.ice_controlling = controlling
        for one in theirs.candidates:
            await ice.addRemoteCandidate(
                aiortc.RTCIceCandidate(
                    component=1,
                    foundation=one.foundation,
                    ip=one.host,
                    port=one.port,
                    priority=one.priority,
                    protocol="udp",
                    type=one.kind,
                )
            )
        await ice.start(aiortc.RTCIceParameters(usernameFragment=theirs.username, password=theirs.password))
        if ice.state != "completed":
            raise MediaError("no path to the browser was found", where="webrtc")
        prints = [
            aiortc.RTCDtlsFingerprint(algorithm=name, value=value) for name, value in theirs.fingerprints
        ]
        await dtls.start(aiortc.RTCDtlsParameters(fingerprints=prints))
        if dtls.state != "connected":
            raise MediaError("the browser's handshake failed", where="webrtc")

    async def close(self) -> None:
        """End it and free its sockets. May be called more than once."""
        if self.media is not None:
            await self.media.close()
        else:
            await self._end()

    async def _end(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._dtls.take = None
        if self._sender is not None:
            self._wake.set()
            await asyncio.wait((self._sender,), timeout=_CLOSE_WITHIN)
            self._sender.cancel()
        await self._dtls.stop()
        await self._ice.stop()

    def _changed(self) -> None:
        if self._closed or self._dtls.state not in ("closed", "failed"):
            return
        told, self.on_gone = self.on_gone, None
        if told is not None:
            # While ICE still stands it was the other end that closed; else the path is gone.
            told("" if self._ice.state == "completed" else "the path to the browser is gone")

    def _send(self, packet: bytes) -> None:
        self._unsent.append(packet)
        self._wake.set()

    async def _write(self) -> None:
        """Packets leave here; what the last tick left behind leaves before the end."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._unsent:
                try:
                    await self._dtls._send_rtp(self._unsent.popleft())
                except (ConnectionError, OSError):
                    # The path is gone; the transport's state tells the call.
                    self._unsent.clear()
            if self._closed:
                return
