"""The media ports of one service's calls, and what SDP says of them: where they are seen from outside too."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from contextlib import suppress

import structlog

from trunkline.clock import Clock
from trunkline.errors import ParseError
from trunkline.legs.sip_media import configured_codecs, configured_policy
from trunkline.legs.sip_settings import SipSettings
from trunkline.legs.sip_trace import Watcher
from trunkline.rtp.latch import Address
from trunkline.rtp.pacer import Pacer
from trunkline.rtp.port import MediaPort, Outside
from trunkline.sip.endpoint import SipEndpoint
from trunkline.sip.hop import Hop
from trunkline.sip.offer import Terms
from trunkline.sip.stun import Binding

LEARN_SECONDS = 1.2
"""For so long a call waits for the STUN server: for three questions 0.4 s apart."""
_ASK_AGAIN_SECONDS = 0.4
_DISCARD = 9
"""A port for terms that nobody is told."""

logger = structlog.get_logger("sip")


class MediaPorts:
    """Made by `SipService`, which says when its endpoint listens."""

    def __init__(self, settings: SipSettings, clock: Clock, pacer: Pacer) -> None:
        """Raises `ConfigError` for settings that cannot be."""
        self._settings = settings
        self._clock = clock
        self._pacer = pacer
        self._codecs = configured_codecs(settings.codecs)
        self._policy = configured_policy(
            srtp=settings.srtp,
            srtp_suites=settings.srtp_suites,
            packet_time=settings.packet_time,
            rtcp_mux=settings.rtcp_mux,
            comfort_noise=settings.comfort_noise,
            rtcp_xr=settings.rtcp_xr,
        )
        self.endpoint: SipEndpoint
        self.watcher: Watcher | None = None

    async def open(self, hop: Hop) -> MediaPort:
        """Media ports of the family that the other end's signalling comes by, seen from outside where STUN
        says how. Raises `MediaError`."""
        settings = self._settings
        host = self.endpoint.listens_on(hop)
        media = await MediaPort.open(
            self._pacer, self._clock, host, settings.rtp_ports, lost_after=settings.media_lost_after
        )
        if not settings.advertised_media_host and (server := self.endpoint.stun_for(hop)) is not None:
            try:
                media.outside = await seen_from_outside(media, self._clock, server)
            except asyncio.CancelledError:
                await media.close()
                raise
        if self.watcher is not None:
            media.tap = self.watcher.media_tap(self._host(hop))
        return media

    async def open_for(self, hops: Iterable[Hop]) -> dict[str, MediaPort]:
        """Media ports for a call that may go any of these ways: those of each family, by `listens_on`.
        Raises `MediaError`."""
        first: dict[str, Hop] = {}
        for hop in hops:
            host = self.endpoint.listens_on(hop)
            # Those outside have to be told what STUN says; whoever is near can be told without.
            if host not in first or (self._asks_stun(hop) and not self._asks_stun(first[host])):
                first[host] = hop
        found: dict[str, MediaPort] = {}
        try:
            for host, hop in first.items():
                found[host] = await self.open(hop)
        except BaseException:
            for media in found.values():
                await media.close()
            raise
        return found

    def _asks_stun(self, hop: Hop) -> bool:
        return self.endpoint.stun_for(hop) is not None

    def terms(self, hop: Hop, media: MediaPort | None = None) -> Terms:
        """What is offered to the other end of `hop`, and taken from it, for these ports."""
        secret = secrets.randbits(62)
        if media is not None and (outside := media.outside) is not None and self._asks_stun(hop):
            return Terms(
                outside.host,
                outside.port,
                self._codecs,
                session_id=secret,
                policy=self._policy,
                report_port=outside.report_port,
            )
        port = media.local_port if media is not None else _DISCARD
        return Terms(self._host(hop), port, self._codecs, session_id=secret, policy=self._policy)

    def _host(self, hop: Hop) -> str:
        return self.endpoint.media_host(hop, self._settings.advertised_media_host)


async def seen_from_outside(media: MediaPort, clock: Clock, server: Address) -> Outside | None:
    """How a STUN server sees this call's ports (RFC 8489); None where it does not say so in time: the call
    goes on with them as they are here."""
    sound, reports = bindings = Binding(clock.now()), Binding(clock.now())
    found: dict[Binding, Address] = {}
    done = asyncio.Event()

    def heard(on_reports: bool, data: bytes, source: Address) -> None:
        binding = reports if on_reports else sound
        if source != server or binding in found:
            return
        try:
            address = binding.receive(data)
        except ParseError as error:
            logger.info("the STUN server's answer cannot be used", error=error.what)
            done.set()
            return
        if address is not None:
            found[binding] = address
            if len(found) == len(bindings):
                done.set()

    media.on_stun = heard
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(LEARN_SECONDS):
                while not done.is_set() and not media.closed:
                    for binding in bindings:
                        if binding not in found:
                            media.ask(binding.request, server, reports=binding is reports)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_ASK_AGAIN_SECONDS):
                            await done.wait()
    finally:
        media.on_stun = None
    if sound not in found:
        logger.info("the STUN server does not say how a call's media is seen", port=media.local_port)
        return None
    host, port = found[sound]
    other_host, report_port = found.get(reports, (host, 0))
    # Seen under two addresses, as some NATs do: SDP's a=rtcp is left to those who latch.
    return Outside(host, port, report_port if other_host == host else 0)
