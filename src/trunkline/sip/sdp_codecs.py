"""Codecs in a session description: payload types, rtpmap, fmtp."""

from __future__ import annotations

from dataclasses import dataclass, replace

from trunkline.sip.sdp import Attributes, Media

# RFC 3551 table 4: payload types that mean something without an rtpmap.
STATIC = {
    0: ("PCMU", 8000, 1),
    3: ("GSM", 8000, 1),
    8: ("PCMA", 8000, 1),
    9: ("G722", 8000, 1),
    10: ("L16", 44100, 2),
    11: ("L16", 44100, 1),
    13: ("CN", 8000, 1),
    18: ("G729", 8000, 1),
}


@dataclass(frozen=True, slots=True)
class Codec:
    """A way to send sound: encoding name in upper case, payload type, RTP clock rate in Hz. `fmtp`: what
    its receiver asks of the sender."""

    name: str
    payload_type: int
    clock: int = 8000
    channels: int = 1
    fmtp: str = ""

    def same_encoding(self, other: Codec) -> bool:
        """Whether both mean the same sound, under whatever payload type."""
        return (self.name, self.clock, self.channels) == (other.name, other.clock, other.channels)


PCMU = Codec("PCMU", 0)
PCMA = Codec("PCMA", 8)
G722 = Codec("G722", 9)
"""16 kHz under a clock of 8000 (RFC 3551 section 4.5.2)."""
OPUS = Codec("OPUS", 96, 48000, 2, "maxplaybackrate=16000;sprop-maxcapturerate=16000;useinbandfec=1")
"""Always 48000 and two channels (RFC 7587 section 7), and we say that 16 kHz are all we hear."""
L16 = Codec("L16", 97, 16000)
KNOWN = {codec.name: codec for codec in (PCMU, PCMA, G722, OPUS, L16)}
"""The codecs that can be named in settings, with the payload types that we offer them under."""

EVENTS, NOISE = "TELEPHONE-EVENT", "CN"
_EVENTS_OFFERED = {8000: 101, 16000: 102, 48000: 103}
_NOISE_OFFERED = {8000: 13, 16000: 104}
_WRITTEN = {EVENTS: "telephone-event", "OPUS": "opus"}
"""Names that some peers know in small letters only, though their case means nothing."""


def events_for(codecs: tuple[Codec, ...]) -> tuple[Codec, ...]:
    """Telephone-events to offer: at each of the clocks of these codecs (RFC 4733 section 2.1)."""
    clocks = dict.fromkeys(codec.clock for codec in codecs)
    return tuple(Codec(EVENTS, _EVENTS_OFFERED[clock], clock, fmtp="0-16") for clock in clocks)


def noise_for(codecs: tuple[Codec, ...]) -> tuple[Codec, ...]:
    """Comfort noise to offer, likewise; Opus has its own."""
    clocks = dict.fromkeys(codec.clock for codec in codecs if codec.clock in _NOISE_OFFERED)
    return tuple(Codec(NOISE, _NOISE_OFFERED[clock], clock) for clock in clocks)


def numbered_as(codecs: tuple[Codec, ...], known: tuple[Codec, ...]) -> tuple[Codec, ...]:
    """These codecs under the payload types by which both ends know them already, and new ones under types
    that mean nothing yet: within a call a type never changes its meaning (RFC 3264 §8.3.2)."""
    taken = {codec.payload_type for codec in known}
    numbered: list[Codec] = []
    for codec in codecs:
        same = next((other for other in known if other.same_encoding(codec)), None)
        payload_type = codec.payload_type if same is None else same.payload_type
        if same is None and payload_type in taken:
            payload_type = next((free for free in range(127, 95, -1) if free not in taken), payload_type)
        taken.add(payload_type)
        numbered.append(replace(codec, payload_type=payload_type))
    return tuple(numbered)


def codec_attributes(codecs: tuple[Codec, ...]) -> Attributes:
    """The rtpmap and fmtp lines that say what these are."""
    lines: list[tuple[str, str]] = []
    for codec in codecs:
        channels = f"/{codec.channels}" if codec.channels > 1 else ""
        name = _WRITTEN.get(codec.name, codec.name)
        lines.append(("rtpmap", f"{codec.payload_type} {name}/{codec.clock}{channels}"))
        if codec.fmtp:
            lines.append(("fmtp", f"{codec.payload_type} {codec.fmtp}"))
    return tuple(lines)


def listed_codecs(media: Media) -> list[Codec]:
    """What an audio section lists, in its order; formats that mean nothing are left out."""
    maps = media.rtpmaps()
    formats: dict[str, str] = {}
    for name, value in media.attributes:
        if name == "fmtp":
            payload_type, _, rest = value.partition(" ")
            formats.setdefault(payload_type, rest.strip())
    codecs: list[Codec] = []
    for text in media.formats:
        if not (text.isascii() and text.isdigit()) or len(text) > 3 or int(text) > 127:
            continue
        known = maps.get(int(text)) or STATIC.get(int(text))
        if known:
            codecs.append(Codec(known[0], int(text), known[1], known[2], formats.get(text, "")))
    return codecs
