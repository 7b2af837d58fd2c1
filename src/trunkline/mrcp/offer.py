"""What a client and a server agree on: one TCP or TLS channel for each resource, one stream of sound, which
may be encrypted (RFC 6787 section 4.2, with RFC 4145's setup and connection, RFC 4572's fingerprints, RFC
4568's keys). Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from trunkline.errors import ParseError, SipError
from trunkline.mrcp.fingerprint import fingerprints
from trunkline.rtp.stream import Keys, Stream
from trunkline.sip.sdp import Description, Media, parse_sdp
from trunkline.sip.sdp_codecs import Codec, codec_attributes, listed_codecs
from trunkline.sip.sdp_crypto import Crypto, cryptos

CONTROL, SECURE_CONTROL = "TCP/MRCPV2", "TCP/TLS/MRCPV2"
"""As `parse_sdp` gives them."""
_WRITTEN = {False: "TCP/MRCPv2", True: "TCP/TLS/MRCPv2"}
_PLAIN_SOUND, _SECURE_SOUND = "RTP/AVP", "RTP/SAVP"
RESOURCES = {"speechrecog": "sendonly", "speechsynth": "recvonly"}
"""The resources that there are here, and which way the client's sound goes for each."""
_TURNED = {"sendonly": "recvonly", "recvonly": "sendonly"}


@dataclass(frozen=True, slots=True)
class Terms:
    """What one end brings. `tls`: a client wants its channel so, a server can give it; `tcp`: a server gives
    others too. `fingerprint`: of our certificate, where we have one. `cryptos`: our key for each suite that
    may encrypt the sound, of this call alone; `srtp_needed`: it must be encrypted."""

    tls: bool = False
    tcp: bool = True
    fingerprint: str = ""
    cryptos: tuple[Crypto, ...] = field(default=(), repr=False)
    srtp_needed: bool = False


PLAIN = Terms()


def make_offer(
    host: str,
    port: int,
    resource: str,
    codecs: Sequence[Codec],
    session_id: int,
    terms: Terms = PLAIN,
) -> bytes:
    """A client's offer: one resource, its sound at `port`. Keys stand in it: it is not for logs."""
    known = terms.tls and terms.fingerprint
    control = Media(
        "application",
        9,
        _WRITTEN[terms.tls],
        ("1",),
        attributes=(
            ("setup", "active"),
            ("connection", "new"),
            *((("fingerprint", terms.fingerprint),) if known else ()),
            ("resource", resource),
            ("cmid", "1"),
        ),
    )
    sound = Media(
        "audio",
        port,
        _SECURE_SOUND if terms.cryptos else _PLAIN_SOUND,
        tuple(str(codec.payload_type) for codec in codecs),
        attributes=(
            *codec_attributes(tuple(codecs)),
            *(("crypto", str(crypto)) for crypto in terms.cryptos),
            ("ptime", "20"),
            (RESOURCES[resource], ""),
            ("mid", "1"),
        ),
    )
    return bytes(Description("-", str(session_id), 1, host, host, (control, sound)))


@dataclass(frozen=True, slots=True)
class Granted:
    """What a server answers. `host`, `port`: of its TCP; `media`: where its sound is. `fingerprints`: of the
    certificate that it will show."""

    channel: str
    host: str
    port: int
    media: tuple[str, int]
    stream: Stream
    fingerprints: tuple[str, ...] = ()


def read_answer(data: bytes, resource: str, codecs: Sequence[Codec], terms: Terms = PLAIN) -> Granted:
    """Raises `SipError` where the server refuses, `ParseError` for what cannot be read."""
    answer = parse_sdp(data)
    wanted = SECURE_CONTROL if terms.tls else CONTROL
    control = next((one for one in answer.media if one.protocol == wanted), None)
    sound = next((one for one in answer.media if one.kind == "audio"), None)
    if control is None or control.port == 0:
        raise SipError(f"the server has no {resource} for us", where="mrcp")
    if sound is None or sound.port == 0:
        raise SipError("the server takes no sound of ours", where="mrcp")
    channel = control.attribute("channel") or ""
    if channel.rpartition("@")[2].lower() != resource or len(channel) > 200:
        raise ParseError(f"an answer without a channel for {resource}", where="mrcp")
    return Granted(
        channel,
        _address(answer.host_of(control)),
        control.port,
        (_address(answer.host_of(sound)), sound.port),
        replace(stream_of(sound, codecs, RESOURCES[resource]), keys=_answered_keys(sound, terms)),
        fingerprints(answer, control) if terms.tls else (),
    )


def _answered_keys(sound: Media, terms: Terms) -> Keys | None:
    """The keys that an answer took of those we offered. Raises `SipError` where it took none."""
    if not terms.cryptos:
        return None
    ours = {crypto.tag: crypto for crypto in terms.cryptos}
    taken = cryptos(sound, (crypto.suite for crypto in terms.cryptos))
    if sound.protocol != _SECURE_SOUND or len(taken) != 1:
        raise SipError("the server does not encrypt its sound", where="mrcp")
    mine = ours.get(taken[0].tag)
    if mine is None or mine.suite != taken[0].suite:
        raise SipError("the server answers with keys that were not offered", where="mrcp")
    return Keys(mine.suite, mine.key, taken[0].key)


def _address(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise ParseError(f"{host[:60]!r} is no address", where="mrcp") from None


def stream_of(sound: Media, codecs: Sequence[Codec], way: str) -> Stream:
    """The sound that both ends know, sent or received by us. Raises `SipError` where there is none."""
    known = next((one for one in listed_codecs(sound) if any(one.same_encoding(own) for own in codecs)), None)
    if known is None:
        raise SipError("no codec in common", where="mrcp")
    return Stream(
        known.name,
        known.payload_type,
        fmtp=known.fmtp,
        send=way in ("sendonly", "sendrecv"),
        receive=way in ("recvonly", "sendrecv"),
    )


# --- the server's side ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client offers. `resources`: for each m-line that asks for one, its place and name; `secure`: the
    places of those that ask for TLS, with the fingerprints of the certificates they will show. `crypto`: how
    our sound is encrypted, None for not at all."""

    description: Description
    resources: tuple[tuple[int, str], ...]
    sound: int
    """The place of the m-line of its sound."""
    media: tuple[str, int]
    stream: Stream
    secure: dict[int, tuple[str, ...]] = field(default_factory=dict)
    crypto: Crypto | None = field(default=None, repr=False)


def read_offer(data: bytes, codecs: Sequence[Codec], terms: Terms = PLAIN) -> Asked:
    """Raises `SipError` for what we cannot give, `ParseError` for what cannot be read."""
    offer = parse_sdp(data)
    given = [CONTROL] * terms.tcp + [SECURE_CONTROL] * terms.tls
    if not any(media.protocol in given and media.port for media in offer.media):
        raise SipError(f"an offer without {' or '.join(given)}", where="mrcp")
    wanted = [
        (place, (media.attribute("resource") or "").lower())
        for place, media in enumerate(offer.media)
        if media.protocol in given and media.port
    ]
    known = tuple((place, name) for place, name in wanted if name in RESOURCES)
    if not known:
        raise SipError("an offer without a resource that we have", where="mrcp")
    sounds = [place for place, media in enumerate(offer.media) if media.kind == "audio" and media.port]
    if not sounds:
        raise SipError("an offer without sound", where="mrcp")
    sound = offer.media[sounds[0]]
    way = _our_way({name for _, name in known})
    crypto, keys = _chosen_keys(sound, terms)
    secure = [place for place, _ in known[:2] if offer.media[place].protocol == SECURE_CONTROL]
    return Asked(
        offer,
        known[:2],
        sounds[0],
        (_address(offer.host_of(sound)), sound.port),
        replace(stream_of(sound, codecs, way), keys=keys),
        {place: fingerprints(offer, offer.media[place]) for place in secure},
        crypto,
    )


def _chosen_keys(sound: Media, terms: Terms) -> tuple[Crypto | None, Keys | None]:
    """Of the keys that a client offers, the first that we can take (RFC 4568 section 5.1.2), with ours.
    Raises `SipError` where there are none and must be."""
    ours = {crypto.suite: crypto for crypto in terms.cryptos}
    offered = cryptos(sound, ours)
    if not offered:
        if terms.srtp_needed or sound.protocol != _PLAIN_SOUND:
            raise SipError(f"{sound.protocol} without keys that we can take", where="mrcp")
        return None, None
    theirs = offered[0]
    mine = ours[theirs.suite]
    return Crypto(theirs.tag, mine.suite, mine.key), Keys(mine.suite, mine.key, theirs.key)


def _our_way(resources: set[str]) -> str:
    """Which way our sound goes for these resources."""
    ways = {_TURNED[RESOURCES[name]] for name in resources}
    return ways.pop() if len(ways) == 1 else "sendrecv"


def make_answer(
    asked: Asked,
    host: str,
    control_port: int,
    media_port: int,
    channels: dict[int, str],
    session_id: int,
    *,
    secure_port: int = 0,
    fingerprint: str = "",
) -> bytes:
    """A server's answer: `channels` identify the m-lines that are given; the rest is refused. `control_port`,
    `secure_port`: of TCP and of TLS, for which we have the certificate of `fingerprint`."""
    sections: list[Media] = []
    way = _our_way({name for _, name in asked.resources})
    for place, media in enumerate(asked.description.media):
        if place in channels:
            secure = place in asked.secure
            attributes = [("setup", "passive"), ("connection", "new"), ("channel", channels[place])]
            if secure:
                attributes.insert(2, ("fingerprint", fingerprint))
            if cmid := media.attribute("cmid"):
                attributes.append(("cmid", cmid))
            sections.append(
                Media(
                    "application",
                    secure_port if secure else control_port,
                    _WRITTEN[secure],
                    media.formats,
                    attributes=tuple(attributes),
                )
            )
        elif place == asked.sound:
            codec = next(one for one in listed_codecs(media) if one.payload_type == asked.stream.payload_type)
            attributes = [*codec_attributes((codec,)), ("ptime", "20"), (way, "")]
            if asked.crypto is not None:
                attributes.append(("crypto", str(asked.crypto)))
            if mid := media.attribute("mid"):
                attributes.append(("mid", mid))
            sections.append(
                Media(
                    "audio",
                    media_port,
                    media.protocol,
                    (str(codec.payload_type),),
                    attributes=tuple(attributes),
                )
            )
        else:
            sections.append(Media(media.kind, 0, media.protocol, media.formats))
    return bytes(Description("-", str(session_id), 1, host, host, tuple(sections)))
