"""What can be set about calls over SIP: the `[sip]` table of the configuration."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal

from trunkline.errors import ConfigError
from trunkline.legs.sip_trunk import Trunk


@dataclass(frozen=True, slots=True)
class SipSettings:
    """How calls reach us over SIP."""

    bind: str = "udp:127.0.0.1:5060"
    """Where to listen: `udp:HOST:PORT`; port 0 for any, host 0.0.0.0 for all interfaces."""
    bind_also: str = ""
    """A second address, of the other family: `udp:[::]:5060` beside an IPv4 one."""
    tls_bind: str = ""
    """Where to listen for TLS as well: `tls:HOST:PORT`; needs a certificate."""
    tls_certificate_file: str = ""
    """Our certificate and those that vouch for it, PEM."""
    tls_key_file: str = ""
    """Its private key; empty: it stands in the certificate's file."""
    tls_trusted_file: str = ""
    """Who may vouch for others, PEM; empty: whom this machine trusts."""
    tls_demand_certificate: bool = False
    """Turn away whoever connects without a certificate of theirs (mutual TLS)."""
    user: str = "trunkline"
    """The user part of our own addresses."""
    advertised_host: str = ""
    """How others reach our signalling (Contact, Via), where that is not the address of this machine."""
    advertised_port: int = 0
    """The same for the port of UDP and TCP; 0: the one that we listen on."""
    advertised_media_host: str = ""
    """The same for media (SDP); empty: as for signalling."""
    local_networks: tuple[str, ...] = ()
    """Networks on our side of the NAT, such as `192.168.0.0/16`: they are told this machine's own address."""
    stun_server: str = ""
    """Who tells us by which address others see us, `HOST[:PORT]`, where none is advertised."""
    nameservers: tuple[str, ...] = ()
    """Whom to ask for names, `ADDRESS[:PORT]`; empty: whom the system asks."""
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    """What may be spoken, in order of preference."""
    ring_timeout: float = 60.0
    """Seconds that a call may ring, either way."""
    rtp_ports: tuple[int, int] = (0, 0)
    """First and last port for media; 0, 0 for any."""
    packet_time: int = 20
    """Milliseconds of sound that a packet to us should hold: 10, 20, 30, 40 or 60."""
    srtp: Literal["off", "preferred", "required"] = "off"
    """Whether media is encrypted, with keys in the SDP: use it over TLS."""
    srtp_suites: tuple[str, ...] = ("AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM")
    """What is offered to encrypt with, in order of preference; anything known is taken from others."""
    rtcp_mux: bool = True
    """Offer and take reports on the port of the sound."""
    rtcp_xr: bool = False
    """Offer reports with VoIP metrics; to those who ask for them they are sent anyway."""
    comfort_noise: bool = False
    """Offer comfort noise, which invites others to send nothing during silence."""
    media_lost_after: float = 5.0
    """Seconds without a packet after which the media counts as lost."""
    max_calls: int = 1000
    """Calls at once; more are refused with 503."""
    trunks: tuple[Trunk, ...] = ()
    """Who carries calls to numbers: written as `[[trunks]]`, one table each."""
    known_peers_only: bool = False
    """Take calls from the trunks' servers and peers alone, and from `allowed`."""
    allowed: tuple[str, ...] = ()
    """Addresses and networks that may call, beside the trunks, where only known peers may."""
    denied: tuple[str, ...] = ()
    """Addresses and networks that may not call, whoever else may."""
    refused_with: int = 403
    """The status that a caller gets who may not call: 403, 404, 480, 503, 603, …"""
    headers: tuple[str, ...] = ()
    """Headers of calls in that become variables of the call, beside X- ones: `P-Charging-Vector`."""
    stranger_rate: float = 40.0
    """Messages a second that one address may send which is no trunk's; 0: any number."""
    strangers_rate: float = 400.0
    """Messages a second that all of them may send together; 0: any number."""
    max_stranger_calls: int = 0
    """Calls at once from those who come by no trunk; more are refused with 503. 0: as many as others."""
    never_flooding: tuple[str, ...] = ("127.0.0.0/8", "::1")
    """Addresses and networks that are never taken for a flood, beside the trunks."""
    test_lines: bool = False
    """Answer the users echo, ring, tone, dtmf, silence and busy without an agent."""
    session_expires: int = 1800
    """Seconds after which a call that nobody refreshed is over (RFC 4028); 0: only where others ask."""
    min_session_expires: int = 90
    """The shortest such time that is agreed to; not below 90."""
    reliable_provisional: bool = True
    """Acknowledge what comes before a call is taken, early media above all (100rel, PRACK)."""
    redirects: int = 5
    """Addresses that one call may be sent on to (302); 0: none."""
    accept_refer: bool = False
    """Call somebody else where the other end of a call asks for it (REFER): it can make us dial."""
    accept_replaces: bool = True
    """Let a new call take the place of one whose identifiers it knows: how others' attended transfers
    reach us."""
    trace: str = ""
    """A capture file (pcap) in which to write all that passes, for `trunkline sip trace`; empty: none."""
    trace_megabytes: int = 64
    """How large it may grow, with the older half that is kept as `FILE.1`."""
    trace_media: bool = True
    """Write media too, not signalling alone."""

    def __post_init__(self) -> None:
        """Raises `ConfigError` for what cannot be."""
        for key in ("allowed", "denied", "never_flooding"):
            for network in getattr(self, key):
                try:
                    ipaddress.ip_network(network, strict=False)
                except ValueError as error:
                    what = f"{network!r} is no address or network"
                    raise ConfigError(what, where=f"sip.{key}") from error
        if not 400 <= self.refused_with <= 699:
            what = f"{self.refused_with} is no status that refuses"
            raise ConfigError(what, where="sip.refused_with", hint="400 to 699, such as 403 or 480")
        if not 0 <= self.advertised_port <= 65_535:
            raise ConfigError(f"{self.advertised_port} is no port", where="sip.advertised_port")
        if min(self.stranger_rate, self.strangers_rate, self.max_stranger_calls) < 0:
            raise ConfigError("a limit must be 0 or more", where="sip.stranger_rate")
