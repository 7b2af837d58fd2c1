"""What can be set about the speech resources that we offer to others: the `[mrcp]` table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MrcpSettings:
    """How platforms reach our engines over MRCPv2."""

    bind: str = ""
    """Where to listen for its SIP, `udp:HOST:PORT`; empty: not at all."""
    control_port: int = 0
    """The TCP port for its requests, on the same host; 0 for any."""
    allow: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Addresses and networks that may use our engines: the protocol has no password."""
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    """In order of preference; L16 is 16 kHz."""
    rtp_ports: tuple[int, int] = (0, 0)
    """First and last port for sound; 0, 0 for any."""
    max_channels: int = 100
    """Channels at once; more are refused."""
    language: str = "en"
    """What a recogniser is told where a request does not say."""
