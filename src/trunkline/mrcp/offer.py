"""What a client and a server agree on: one TCP channel for each resource, one stream of sound (RFC 6787
section 4.2, with RFC 4145's setup and connection). Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from trunkline.errors import ParseError, SipError
from trunkline.rtp.stream import Stream
from trunkline.sip.sdp import Description, Media, parse_sdp
from trunkline.sip.sdp_codecs import Codec, codec_attributes, listed_codecs

CONTROL = "TCP/MRCPV2"
"""As `parse_sdp` gives it; written `TCP/MRCPv2`."""
_WRITTEN = "TCP/MRCPv2"
RESOURCES = {"speechrecog": "sendonly", "speechsynth": "recvonly"}
"""The resources that there are here, and which way the client's sound goes for each."""
_TURNED = {"sendonly": "recvonly", "recvonly": "sendonly"}


def make_offer(host: str, port: int, resource: str, codecs: Sequence[Codec], session_id: int) -> bytes:
    """A client's offer: one resource, its sound at `port`."""
    control = Media(
        "application",
        9,
        _WRITTEN,
        ("1",),
        attributes=(("setup", "active"), ("connection", "new"), ("resource", resource), ("cmid", "1")),
    )
    sound = Media(
        "audio",
        port,
        "RTP/AVP",
        tuple(str(codec.payload_type) for codec in codecs),
        attributes=(
            *codec_attributes(tuple(codecs)),
            ("ptime", "20"),
            (RESOURCES[resource], ""),
            ("mid", "1"),
        ),
    )
    return bytes(Description("-", str(session_id), 1, host, host, (control, sound)))


@dataclass(frozen=True, slots=True)
class Granted:
    """What a server answers. `host`, `port`: of its TCP; `media`: where its sound is."""

    channel: str
    host: str
    port: int
    media: tuple[str, int]
    stream: Stream


def read_answer(data: bytes, resource: str, codecs: Sequence[Codec]) -> Granted:
    """Raises `SipError` where the server refuses, `ParseError` for what cannot be read."""
    answer = parse_sdp(data)
    control = next((one for one in answer.media if one.protocol == CONTROL), None)
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
        stream_of(sound, codecs, RESOURCES[resource]),
    )


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
    """What a client offers. `resources`: for each m-line that asks for one, its place and name."""

    description: Description
    resources: tuple[tuple[int, str], ...]
    sound: int
    """The place of the m-line of its sound."""
    media: tuple[str, int]
    stream: Stream


def read_offer(data: bytes, codecs: Sequence[Codec]) -> Asked:
    """Raises `SipError` for what we cannot give, `ParseError` for what cannot be read."""
    offer = parse_sdp(data)
    wanted = [
        (place, (media.attribute("resource") or "").lower())
        for place, media in enumerate(offer.media)
        if media.protocol == CONTROL and media.port
    ]
    known = tuple((place, name) for place, name in wanted if name in RESOURCES)
    if not known:
        raise SipError("an offer without a resource that we have", where="mrcp")
    sounds = [place for place, media in enumerate(offer.media) if media.kind == "audio" and media.port]
    if not sounds:
        raise SipError("an offer without sound", where="mrcp")
    sound = offer.media[sounds[0]]
    way = _our_way({name for _, name in known})
    return Asked(
        offer,
        known[:2],
        sounds[0],
        (_address(offer.host_of(sound)), sound.port),
        stream_of(sound, codecs, way),
    )


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
) -> bytes:
    """A server's answer: `channels` identify the m-lines that are given; the rest is refused."""
    sections: list[Media] = []
    way = _our_way({name for _, name in asked.resources})
    for place, media in enumerate(asked.description.media):
        if place in channels:
            attributes = [("setup", "passive"), ("connection", "new"), ("channel", channels[place])]
            if cmid := media.attribute("cmid"):
                attributes.append(("cmid", cmid))
            sections.append(
                Media("application", control_port, _WRITTEN, media.formats, attributes=tuple(attributes))
            )
        elif place == asked.sound:
            codec = next(one for one in listed_codecs(media) if one.payload_type == asked.stream.payload_type)
            attributes = [*codec_attributes((codec,)), ("ptime", "20"), (way, "")]
            if mid := media.attribute("mid"):
                attributes.append(("mid", mid))
            sections.append(
                Media(
                    "audio", media_port, "RTP/AVP", (str(codec.payload_type),), attributes=tuple(attributes)
                )
            )
        else:
            sections.append(Media(media.kind, 0, media.protocol, media.formats))
    return bytes(Description("-", str(session_id), 1, host, host, tuple(sections)))
