"""A browser's offer and our answer (RFC 8829, RFC 8839): one stream of sound, Opus, DTLS-SRTP, one port.
Pure; the words that both ends use for it are SDP's own."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from trunkline.errors import ParseError
from trunkline.rtp.stream import Stream
from trunkline.sip.sdp import Description, Media, parse_sdp

CANDIDATES_BOUND = 24
"""Addresses of the other end that are tried at most."""
PROTOCOL = "UDP/TLS/RTP/SAVPF"
_CODEC, _EVENTS = "OPUS", "TELEPHONE-EVENT"
_CLOCK = 48000


@dataclass(frozen=True, slots=True)
class Candidate:
    """An address that may lead to an end (RFC 8839 section 5.1). `kind`: host, srflx, prflx, relay."""

    foundation: str
    component: int
    priority: int
    host: str
    port: int
    kind: str


@dataclass(frozen=True, slots=True)
class Ends:
    """What either end says of itself, so that the other can reach and know it."""

    username: str
    password: str
    fingerprints: tuple[tuple[str, str], ...]
    """Hash function and value of the certificate."""
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a browser offers."""

    description: Description
    media: Media
    mid: str
    theirs: Ends
    stream: Stream
    """What of it we take."""


def parse_offer(data: bytes) -> Offer:
    """The offer in `data`. Raises `ParseError` for what is none, or has nothing in it for us."""
    description = parse_sdp(data)
    media = next((one for one in description.media if one.kind == "audio" and one.port), None)
    if media is None or "RTP" not in media.protocol or "TLS" not in media.protocol:
        raise ParseError("an offer without encrypted sound", where="webrtc")
    if media.attribute("rtcp-mux") is None:
        raise ParseError("an offer that wants a second port for reports", where="webrtc")
    if _of(description, media, "setup") not in ("actpass", "passive"):
        raise ParseError("an offer that does not let us begin the handshake", where="webrtc")
    return Offer(
        description, media, media.attribute("mid") or "0", ends_of(description, media), _stream(media)
    )


def ends_of(description: Description, media: Media) -> Ends:
    """What the writer of a description says of itself. Raises `ParseError` where something is missing."""
    username, password = _of(description, media, "ice-ufrag"), _of(description, media, "ice-pwd")
    if not 4 <= len(username) <= 256 or not 22 <= len(password) <= 256:
        raise ParseError("no name or password for ICE", where="webrtc")
    written = [value for name, value in (*media.attributes, *description.attributes) if name == "fingerprint"]
    fingerprints = []
    for value in written[:8]:
        function, _, digest = value.partition(" ")
        fingerprints.append((function.lower(), digest.strip().upper()))
    if not any(function.startswith("sha-") and digest for function, digest in fingerprints):
        raise ParseError("no fingerprint of a certificate", where="webrtc")
    found = [_candidate(value) for name, value in media.attributes if name == "candidate"]
    candidates = tuple(one for one in found if one is not None)[:CANDIDATES_BOUND]
    return Ends(username, password, tuple(fingerprints), candidates)


def _of(description: Description, media: Media, name: str) -> str:
    return media.attribute(name) or description.attribute(name) or ""


def _candidate(value: str) -> Candidate | None:
    """None for what is of no use here: TCP, a second component, names (mDNS) in the place of addresses."""
    words = value.split()
    if len(words) < 8 or words[2].lower() != "udp" or words[1] != "1" or words[6] != "typ":
        return None
    if not all(word.isascii() and word.isdigit() and len(word) <= 10 for word in (words[3], words[5])):
        return None
    try:
        address = ipaddress.ip_address(words[4].partition("%")[0])
    except ValueError:
        return None
    port = int(words[5])
    if not 0 < port < 65536 or address.is_multicast or address.is_unspecified:
        return None
    return Candidate(words[0][:32], 1, int(words[3]), str(address), port, words[7])


def _stream(media: Media) -> Stream:
    named = {(name, clock): number for number, (name, clock, _) in reversed(media.rtpmaps().items())}
    opus = named.get((_CODEC, _CLOCK))
    if opus is None or str(opus) not in media.formats:
        raise ParseError("an offer without Opus", where="webrtc")
    events = {clock: number for (name, clock), number in named.items() if name == _EVENTS}
    keys = events.get(_CLOCK, events.get(8000))
    clock = _CLOCK if _CLOCK in events else 8000
    others = tuple((number, _EVENTS) for number in events.values() if number != keys)
    wanted = [value.partition(" ") for name, value in media.attributes if name == "fmtp"]
    fmtp = next((rest for number, _, rest in wanted if number == str(opus)), "")
    return Stream(
        _CODEC, opus, fmtp=fmtp, receivable=others, dtmf_payload_type=keys, dtmf_clock=clock, rtcp_mux=True
    )


def answer(offer: Offer, ours: Ends, session_id: int) -> bytes:
    """Our answer. Other streams of the offer are turned down."""
    sections = [
        _taken(offer, ours)
        if media is offer.media
        else Media(media.kind, 0, media.protocol, media.formats, "0.0.0.0", _mid(media))  # noqa: S104
        for media in offer.description.media
    ]
    group = (("group", f"BUNDLE {offer.mid}"),) if offer.description.attribute("group") else ()
    return bytes(Description("-", str(session_id), 1, "0.0.0.0", "", tuple(sections), group))  # noqa: S104


def _mid(media: Media) -> tuple[tuple[str, str], ...]:
    mid = media.attribute("mid")
    return (("inactive", ""), *((("mid", mid),) if mid is not None else ()))


def _taken(offer: Offer, ours: Ends) -> Media:
    stream = offer.stream
    formats = [stream.payload_type]
    attributes: list[tuple[str, str]] = [
        ("mid", offer.mid),
        ("sendrecv", ""),
        ("rtcp-mux", ""),
        ("setup", "active"),
        ("rtpmap", f"{stream.payload_type} opus/48000/2"),
        ("fmtp", f"{stream.payload_type} minptime=10;useinbandfec=1"),
    ]
    if stream.dtmf_payload_type is not None:
        formats.append(stream.dtmf_payload_type)
        attributes.append(("rtpmap", f"{stream.dtmf_payload_type} telephone-event/{stream.dtmf_clock}"))
    return described(attributes, formats, ours)


def described(attributes: Sequence[tuple[str, str]], formats: Sequence[int], ours: Ends) -> Media:
    """An m= section with how its writer is reached."""
    reached = [
        ("ptime", "20"),
        ("msid", "trunkline agent"),
        ("ice-ufrag", ours.username),
        ("ice-pwd", ours.password),
        *(("fingerprint", f"{function} {value}") for function, value in ours.fingerprints),
        *(("candidate", _written(one)) for one in ours.candidates),
        ("end-of-candidates", ""),
    ]
    return Media(
        "audio",
        9,
        PROTOCOL,
        tuple(map(str, formats)),
        "0.0.0.0",  # noqa: S104 - what RFC 8829 has written where candidates say it
        (*attributes, *reached),
    )


def _written(one: Candidate) -> str:
    where = f"{one.foundation} {one.component} udp {one.priority} {one.host} {one.port} typ {one.kind}"
    return where if one.kind == "host" else f"{where} raddr 0.0.0.0 rport 0"
