"""Session descriptions (RFC 4566): text to values and back. What they mean is in `offer.py`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from trunkline.errors import ParseError

MAX_LINES = 1_000
_PORT = re.compile(r"([0-9]{1,5})(?:/[0-9]{1,5})?")
_RTPMAP = re.compile(r"([0-9]{1,3})\s+([^\s/]+)/([0-9]{1,9})(?:/([0-9]{1,3}))?", re.ASCII)

Attributes = tuple[tuple[str, str], ...]
"""`a=` lines in order: name and value, "" where there is none."""


@dataclass(frozen=True, slots=True)
class Media:
    """One m= section. `formats` as written: for RTP these are payload types."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    host: str = ""
    """Of its own c= line; empty where the session's counts."""
    attributes: Attributes = ()

    def attribute(self, name: str) -> str | None:
        """The value of the first attribute of that name; None where there is none."""
        return next((value for other, value in self.attributes if other == name), None)

    def rtpmaps(self) -> dict[int, tuple[str, int, int]]:
        """Payload type -> encoding name in upper case, clock rate, channels; broken lines are skipped."""
        maps: dict[int, tuple[str, int, int]] = {}
        for name, value in self.attributes:
            if name == "rtpmap" and (found := _RTPMAP.fullmatch(value.strip())):
                maps.setdefault(int(found[1]), (found[2].upper(), int(found[3]), int(found[4] or 1)))
        return maps


@dataclass(frozen=True, slots=True)
class Description:
    """A session description. `host`: the address of the session's c= line, empty where it has none."""

    user: str
    session_id: str
    version: int
    origin_host: str
    host: str
    media: tuple[Media, ...]
    attributes: Attributes = ()
    name: str = "-"

    def attribute(self, name: str) -> str | None:
        """The value of the session's first attribute of that name; None where there is none."""
        return next((value for other, value in self.attributes if other == name), None)

    def host_of(self, media: Media) -> str:
        """The address that counts for this media."""
        return media.host or self.host

    def __bytes__(self) -> bytes:
        lines = [
            "v=0",
            f"o={self.user} {self.session_id} {self.version} {_address(self.origin_host)}",
            f"s={self.name}",
        ]
        if self.host:
            lines.append(f"c={_address(self.host)}")
        lines.append("t=0 0")
        lines += [_attribute(*attribute) for attribute in self.attributes]
        for media in self.media:
            lines.append(f"m={media.kind} {media.port} {media.protocol} {' '.join(media.formats)}")
            if media.host:
                lines.append(f"c={_address(media.host)}")
            lines += [_attribute(*attribute) for attribute in media.attributes]
        return ("\r\n".join(lines) + "\r\n").encode("utf-8", "surrogateescape")


def _attribute(name: str, value: str) -> str:
    return f"a={name}:{value}" if value else f"a={name}"


def _address(host: str) -> str:
    return f"IN {'IP6' if ':' in host else 'IP4'} {host}"


@dataclass(slots=True)
class _Section:
    """An m= section as it is being read."""

    line: tuple[str, int, str, tuple[str, ...]]
    host: str = ""
    attributes: list[tuple[str, str]] | None = None


def parse_sdp(data: bytes) -> Description:
    """The description in `data`. Unknown lines are ignored, as RFC 4566 §5 asks for attributes; a
    missing s= or t= is forgiven. Raises `ParseError`."""
    lines = data.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n")
    if len(lines) > MAX_LINES:
        raise ParseError("more than 1000 lines", where="sdp")
    if lines[0].strip() != "v=0":
        raise ParseError(f"does not begin with v=0: {lines[0][:40]!r}", where="sdp")
    origin: list[str] | None = None
    host, name = "", "-"
    session: list[tuple[str, str]] = []
    sections: list[_Section] = []
    for line in lines[1:]:
        if not line.strip():
            continue
        kind, equals, value = line.partition("=")
        if not equals or len(kind) != 1:
            raise ParseError(f"not a line of SDP: {line[:40]!r}", where="sdp")
        value = value.rstrip()
        if kind == "o" and origin is None:
            origin = _origin(value)
        elif kind == "s":
            name = value or "-"
        elif kind == "c":
            if sections:
                sections[-1].host = sections[-1].host or _connection(value)
            else:
                host = _connection(value)
        elif kind == "m":
            sections.append(_Section(_media_line(value), attributes=[]))
        elif kind == "a":
            attribute, _, rest = value.partition(":")
            target = session if not sections else sections[-1].attributes
            assert target is not None
            target.append((attribute.strip().lower(), rest.strip()))
    if origin is None:
        raise ParseError("no o= line", where="sdp")
    media = tuple(Media(*section.line, section.host, tuple(section.attributes or ())) for section in sections)
    return Description(origin[0], origin[1], int(origin[2]), origin[5], host, media, tuple(session), name)


def _origin(value: str) -> list[str]:
    fields = value.split()
    if len(fields) != 6 or not (fields[2].isascii() and fields[2].isdigit() and len(fields[2]) <= 20):
        raise ParseError(f"a bad o= line: {value[:60]!r}", where="sdp")
    return fields


def _connection(value: str) -> str:
    fields = value.split()
    if len(fields) != 3 or fields[0].upper() != "IN" or fields[1].upper() not in ("IP4", "IP6"):
        raise ParseError(f"a bad c= line: {value[:60]!r}", where="sdp")
    return fields[2].partition("/")[0]


def _media_line(value: str) -> tuple[str, int, str, tuple[str, ...]]:
    fields = value.split()
    found = _PORT.fullmatch(fields[1]) if len(fields) >= 4 else None
    if found is None or int(found[1]) > 65535:
        raise ParseError(f"a bad m= line: {value[:60]!r}", where="sdp")
    return fields[0].lower(), int(found[1]), fields[2].upper(), tuple(fields[3:])
