"""The header fields that the machinery itself reads: Via, From, To, Contact, Route, CSeq (§20)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from trunkline.errors import ParseError
from trunkline.sip.uri import DEFAULT_PORTS, Uri, parse_uri

BRANCH_MAGIC = "z9hG4bK"
MAX_SEQUENCE = 2**31 - 1

TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")
_VIA = re.compile(
    r"SIP\s*/\s*2\.0\s*/\s*([A-Za-z0-9.!%*_+`'~-]+)\s+"
    r"(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9_.-]+)\s*(?::\s*(\d{1,5}))?\s*(?=;|$)",
    re.IGNORECASE | re.ASCII,
)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_PARAM = re.compile(
    r";\s*([A-Za-z0-9.!%*_+`'~-]+)\s*"
    r"(?:=\s*(\"(?:[^\"\\]|\\.)*\"|\[[0-9A-Fa-f:.]+\]|[^\s;,\"]*)\s*)?",
    re.DOTALL | re.ASCII,
)
_CSEQ = re.compile(r"([0-9]{1,32})\s+([A-Za-z0-9.!%*_+`'~-]+)", re.ASCII)

Params = dict[str, str | None]


def parse_field_params(text: str, what: str) -> Params:
    """`;tag=a;lr;x="y z"` as a dict, names in lower case, quotes kept. Raises `ParseError`."""
    params: Params = {}
    place = 0
    while place < len(text):
        found = _PARAM.match(text, place)
        if found is None:
            raise ParseError(f"bad parameters in {what}: {text[place : place + 40]!r}")
        params.setdefault(found[1].lower(), found[2])
        place = found.end()
    return params


def print_params(params: Params) -> str:
    """The parameters as they stand in a header: `;tag=a;lr`."""
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in params.items())


def split_list(value: str) -> list[str]:
    """The elements of a comma-separated value, commas within quotes and <> left alone (§7.3.1)."""
    if "," not in value:
        return [value]
    pieces: list[str] = []
    start, depth, place = 0, 0, 0
    while place < len(value):
        char = value[place]
        if char == '"':
            found = _QUOTED.match(value, place)
            if found is None:
                raise ParseError(f"a quote that never ends: {value[place : place + 40]!r}")
            place = found.end()
            continue
        if char == "<":
            depth += 1
        elif char == ">":
            depth = max(0, depth - 1)
        elif char == "," and not depth:
            pieces.append(value[start:place].strip())
            start = place + 1
        place += 1
    pieces.append(value[start:].strip())
    return pieces


@dataclass(frozen=True, slots=True)
class Via:
    """One hop of a Via (§20.42). `transport` in upper case; `host` keeps IPv6 brackets."""

    transport: str
    host: str
    port: int | None = None
    params: Params = field(default_factory=dict)

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {self.host}{port}{print_params(self.params)}"

    @property
    def branch(self) -> str:
        return self.params.get("branch") or ""

    @property
    def has_magic(self) -> bool:
        """Whether the branch alone names the transaction (§17.2.3): the cookie and then something."""
        branch = self.branch
        return branch[:7].lower() == "z9hg4bk" and len(branch) > 7

    @property
    def sent_by(self) -> tuple[str, int]:
        """Host in lower case and port, the transport's own where none is written."""
        return self.host.lower(), self.port or DEFAULT_PORTS.get(self.transport.lower(), 5060)


def parse_via(text: str) -> Via:
    """The first hop of a Via value that holds exactly one. Raises `ParseError`."""
    found = _VIA.match(text)
    if found is None:
        raise ParseError(f"a bad Via: {text[:80]!r}")
    port = int(found[3]) if found[3] else None
    if port is not None and not 0 < port < 65536:
        raise ParseError(f"port {port} in a Via is out of range")
    return Via(found[1].upper(), found[2], port, parse_field_params(text[found.end() :], "a Via"))


@dataclass(frozen=True, slots=True)
class NameAddress:
    """A From, To, Contact, Route or Refer-To: name, address, parameters (§20.10)."""

    uri: Uri
    display: str = ""
    """The name, without its quotes and escapes."""
    params: Params = field(default_factory=dict)

    def __str__(self) -> str:
        name = ""
        if self.display:
            name = '"' + self.display.replace("\\", "\\\\").replace('"', '\\"') + '" '
        return f"{name}<{self.uri}>{print_params(self.params)}"

    @property
    def tag(self) -> str:
        return self.params.get("tag") or ""


def parse_name_address(text: str) -> NameAddress:
    """The address a header value is. Raises `ParseError`.

    Where no angle brackets stand, parameters belong to the header, not to the address (§20.10).
    Spaces just within the brackets are forgiven.
    """
    rest = text.strip()
    display = ""
    if rest.startswith('"'):
        found = _QUOTED.match(rest)
        if found is None:
            raise ParseError(f"a quote that never ends: {text[:80]!r}")
        display = re.sub(r"\\(.)", r"\1", found[0][1:-1], flags=re.DOTALL)
        rest = rest[found.end() :].lstrip()
        if not rest.startswith("<"):
            raise ParseError(f"a quoted name without <address>: {text[:80]!r}")
    if "<" in rest:
        before, _, rest = rest.partition("<")
        if before.strip():
            if not all(TOKEN.fullmatch(word) for word in before.split()):
                raise ParseError(f"a name that needs quotes has none: {text[:80]!r}")
            display = " ".join(before.split())
        address, closed, tail = rest.partition(">")
        if not closed:
            raise ParseError(f"< without >: {text[:80]!r}")
        uri = parse_uri(address.strip())
    else:
        address, semicolon, tail = rest.partition(";")
        if "?" in address or "," in address:
            raise ParseError(f"an address with , or ? must stand in <>: {text[:80]!r}")
        uri = parse_uri(address.strip())
        tail = semicolon + tail
    return NameAddress(uri, display, parse_field_params(tail.strip(), "an address header"))


def parse_cseq(text: str) -> tuple[int, str]:
    """CSeq's number (below 2**31) and method (§20.16). Raises `ParseError`."""
    found = _CSEQ.fullmatch(text)
    if found is None or int(found[1]) > MAX_SEQUENCE:
        raise ParseError(f"a bad CSeq: {text[:60]!r}")
    return int(found[1]), found[2]
