"""Our engines as speech resources of other people's telephone platforms, over MRCPv2 (RFC 6787)."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trunkline.call.mrcp_recogniser import RecogniserResource
from trunkline.call.mrcp_settings import MrcpSettings
from trunkline.call.mrcp_synthesiser import SynthesiserResource
from trunkline.call.service import CallService
from trunkline.errors import ConfigError
from trunkline.mrcp.codecs import codecs_named
from trunkline.mrcp.server import MrcpServer, Resource, ServerChannel
from trunkline.mrcp.tls import ServerSecurity
from trunkline.sip.connections import TlsFiles
from trunkline.sip.flood import FloodLimit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@asynccontextmanager
async def open_mrcp(service: CallService, settings: MrcpSettings) -> AsyncIterator[MrcpServer]:
    """Listen, with the engines of a service. Raises `ConfigError`, `SipError`, `MediaError`."""
    allowed = [_network(one) for one in settings.allow]

    def make(channel: ServerChannel) -> Resource:
        if channel.kind == "speechrecog":
            return RecogniserResource(
                channel,
                service.engines.stt,
                service.clock,
                service.batch,
                vad=service.settings.call.vad,
                language=settings.language,
            )
        return SynthesiserResource(channel, service.engines.tts, service.clock, language=settings.language)

    server = await MrcpServer.open(
        settings.bind,
        service.clock,
        service.pacer,
        make,
        codecs=codecs_named(" ".join(settings.codecs)),
        accepts=lambda host: _is_in(host, allowed),
        rtp_ports=settings.rtp_ports,
        control_port=settings.control_port,
        max_channels=settings.max_channels,
        security=ServerSecurity(
            bind=settings.tls_bind,
            control_port=settings.tls_control_port,
            only=settings.tls_only,
            srtp=settings.srtp,
            files=TlsFiles(
                settings.tls_certificate_file,
                settings.tls_key_file,
                settings.tls_trusted_file,
                settings.tls_demand_certificate,
                section="mrcp",
            ),
        ),
        flood=FloodLimit(service.settings.sip.stranger_rate, service.settings.sip.strangers_rate),
    )
    try:
        yield server
    finally:
        await server.close()


def _network(written: str) -> Network:
    try:
        return ipaddress.ip_network(written, strict=False)
    except ValueError as error:
        raise ConfigError(f"{written!r} is no address or network", where="mrcp.allow") from error


def _is_in(host: str, allowed: list[Network]) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return any(address in network for network in allowed)
