"""What can be set about the speech resources that we offer to others: the `[mrcp]` table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class MrcpSettings:
    """How platforms reach our engines over MRCPv2."""

    bind: str = ""
    """Where to listen for its SIP, `udp:HOST:PORT`; empty: not at all."""
    control_port: int = 0
    """The TCP port for its requests, on the same host; 0 for any."""
    tls_bind: str = ""
    """Where to listen for SIP over TLS as well: `tls:HOST:PORT`; needs a certificate."""
    tls_control_port: int = 0
    """The port for requests over TLS, where there is a certificate; 0 for any."""
    tls_only: bool = False
    """Give channels over TLS alone."""
    tls_certificate_file: str = ""
    """Our certificate and those that vouch for it, PEM; empty: nothing over TLS."""
    tls_key_file: str = ""
    """Its private key; empty: it stands in the certificate's file."""
    tls_trusted_file: str = ""
    """Who may vouch for platforms, PEM; empty: whom this machine trusts."""
    tls_demand_certificate: bool = False
    """Turn away platforms that connect without a certificate of theirs (mutual TLS)."""
    srtp: Literal["off", "preferred", "required"] = "off"
    """Whether sound is encrypted, with keys in the SDP: use it over TLS."""
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
