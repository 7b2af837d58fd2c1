"""Calls out of a trace: who sent what to whom and when, drawn as ladders. Pure.

    trace = Trace()
    for seen in reader.feed(data): trace.add(seen)
    for call in trace.calls: print("\n".join(call.lines()))

Messages of one Call-ID are one call; media belongs to the call whose SDP named its address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from trunkline.errors import ParseError
from trunkline.rtp.packet import looks_like_rtcp
from trunkline.sip.masking import covered
from trunkline.sip.message import Message, Request, Response
from trunkline.sip.parse import parse_message
from trunkline.sip.pcap import Address, Seen
from trunkline.sip.sdp import Description, parse_sdp
from trunkline.sip.stream import PING, Framer

MOST_MESSAGES = 100_000
"""Messages that one trace holds; of what comes after, only the number is kept."""
MOST_FLOWS = 4_096
_MOST_STREAMS = 20_000
_CALL_ID = re.compile(rb"^(?:call-id|i)[ \t]*:[ \t]*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)
_START = re.compile(rb"(?:SIP/2\.0 [1-6]\d\d|[A-Z]{2,20} \S+ SIP/2\.0)", re.IGNORECASE)
_STATIC = {0: "PCMU", 3: "GSM", 4: "G723", 8: "PCMA", 9: "G722", 13: "CN", 18: "G729"}
"""Payload types that need no rtpmap (RFC 3551 section 6)."""
_GAP = 44
"""Columns between two parties."""


@dataclass(slots=True)
class Step:
    """One message."""

    at: float
    transport: str
    source: Address
    target: Address
    text: str
    """What stands on the arrow."""
    raw: bytes
    """The message, its secrets covered."""
    status: int = 0
    again: bool = False


@dataclass(slots=True)
class Media:
    """One stream of RTP, one direction."""

    source: Address
    target: Address
    began: float
    codec: str
    first: int
    highest: int
    """Sequence numbers, extended past 16 bits."""
    packets: int = 0
    ended: float = 0.0

    @property
    def lost(self) -> int:
        """Sequence numbers that never came, as far as the trace shows."""
        return max(0, self.highest - self.first + 1 - self.packets)

    def text(self) -> str:
        seconds = self.ended - self.began
        lost = f", {self.lost} lost" if self.lost else ""
        return f"RTP {self.codec}: {self.packets} packets, {seconds:.1f} s{lost}"


@dataclass(slots=True)
class TracedCall:
    """All that passed with one Call-ID."""

    call_id: str
    steps: list[Step] = field(default_factory=list)
    media: dict[tuple[Address, Address, int, int], Media] = field(default_factory=dict)
    """By source, target, SSRC and payload type."""
    owners: dict[Address, Address] = field(default_factory=dict)
    """Which party's SDP named an address for media."""
    names: dict[int, str] = field(default_factory=dict)
    """Encoding names by payload type, from its SDP."""
    title: str = ""

    def lines(self, *, full: bool = False) -> Iterator[str]:
        """The ladder. `full`: every message is written out under its arrow."""
        yield self.title
        parties = self._parties()
        columns = {party: 13 + place * _GAP for place, party in enumerate(parties)}
        width = 13 + (len(parties) - 1) * _GAP + 12
        head = [" "] * (width + 12)
        for party, column in columns.items():
            label = _named(party)
            start = max(0, column - len(label) // 2)
            head[start : start + len(label)] = label
        yield "".join(head).rstrip()
        zero = self.steps[0].at
        rows: list[tuple[float, str, Address, Address, str, Step | None]] = [
            (step.at, "─", step.source, step.target, step.text, step) for step in self.steps
        ]
        rows += [
            (one.began, "═", self._owner(one.source), self._owner(one.target), one.text(), None)
            for one in self.media.values()
        ]
        for at, stroke, source, target, text, step in sorted(rows, key=lambda row: row[0]):
            line = [" "] * width
            for column in columns.values():
                line[column] = "│"
            line[:9] = f"{at - zero:9.3f}"
            if source in columns and target in columns and source != target:
                _arrow(line, columns[source], columns[target], text, stroke)
                yield "".join(line).rstrip()
            else:  # Media of somebody who named no address for it, or a message to oneself.
                yield f"{at - zero:9.3f}    {stroke * 2} {text}  {_named(source)} → {_named(target)}"
            if full and step is not None:
                yield from _written_out(step.raw)

    def _owner(self, media: Address) -> Address:
        """Whose media it is: that of whoever named this address, else of the only one with that host."""
        if media in self.owners:
            return self.owners[media]
        alike = [party for party in self._parties() if party[0] == media[0]]
        return alike[0] if len(alike) == 1 else media

    def _parties(self) -> list[Address]:
        parties: dict[Address, None] = {}
        for step in self.steps:
            parties[step.source] = parties[step.target] = None
        return list(parties)


class Trace:
    """Sorts what was seen into calls, in the order in which these begin."""

    def __init__(self) -> None:
        self.by_id: dict[str, TracedCall] = {}
        self.unread = 0
        """Messages beyond the bound, and pieces of streams that could not be followed."""
        self._count = 0
        self._framers: dict[tuple[Address, Address], Framer] = {}
        self._media_at: dict[Address, TracedCall] = {}
        self._flow_call: dict[tuple[Address, Address], TracedCall] = {}
        self._hashes: set[tuple[str, Address, Address, int]] = set()

    @property
    def calls(self) -> list[TracedCall]:
        return list(self.by_id.values())

    def add(self, seen: Seen) -> list[tuple[TracedCall, Step]]:
        """Take one more; gives the messages that it completed."""
        if seen.transport != "udp":
            return [found for data in self._framed(seen) if (found := self._message(seen, data)) is not None]
        if _START.match(seen.data.lstrip(b"\r\n")):
            found = self._message(seen, seen.data)
            return [found] if found is not None else []
        self._packet(seen)
        return []

    def call_of(self, seen: Seen) -> TracedCall | None:
        """Which call a datagram, or a piece of a stream, belongs to, as far as it is known by now."""
        if found := _CALL_ID.search(seen.data) if _START.match(seen.data.lstrip(b"\r\n")) else None:
            return self.by_id.get(_text(found[1]).strip())
        if seen.transport != "udp":
            return self._flow_call.get((seen.source, seen.target))
        return self._media_at.get(seen.target) or self._media_at.get(seen.source)

    def _framed(self, seen: Seen) -> Iterator[bytes]:
        key = seen.source, seen.target
        if len(self._framers) > MOST_FLOWS:
            self._framers.clear()
            self._flow_call.clear()
        framer = self._framers.setdefault(key, Framer())
        try:
            yield from (message for message in framer.feed(seen.data) if message != PING)
        except ParseError:
            self.unread += 1
            del self._framers[key]

    def _message(self, seen: Seen, data: bytes) -> tuple[TracedCall, Step] | None:
        if self._count >= MOST_MESSAGES:
            self.unread += 1
            return None
        raw = covered(data)
        message: Message | None
        try:
            message = parse_message(data)
            call_id, text = message.call_id, _on_arrow(message)
        except ParseError as error:
            message = None
            found = _CALL_ID.search(data)
            call_id = _text(found[1]).strip() if found else "(none)"
            text = f"{_text(data.lstrip()[:30]).split(chr(13))[0]} (malformed: {error.args[0][:60]})"
        self._count += 1
        call = self.by_id.get(call_id)
        if call is None:
            call = self.by_id[call_id] = TracedCall(
                call_id, title=_title(len(self.by_id) + 1, call_id, message)
            )
        mark = call_id, seen.source, seen.target, hash(raw)
        step = Step(seen.at, seen.transport, seen.source, seen.target, text, raw, again=mark in self._hashes)
        self._hashes.add(mark)
        if isinstance(message, Response):
            step.status = message.status
        if step.again:
            step.text += " (again)"
        call.steps.append(step)
        if seen.transport != "udp":
            self._flow_call[seen.source, seen.target] = call
        if message is not None:
            self._note_media(call, message, seen.source)
        return call, step

    def _note_media(self, call: TracedCall, message: Message, source: Address) -> None:
        description = _sdp(message)
        if description is None:
            return
        for media in description.media:
            if media.kind == "audio" and media.port and len(self._media_at) < _MOST_STREAMS:
                place = description.host_of(media), media.port
                self._media_at[place] = call
                call.owners[place] = source
                call.names.update({number: one[0] for number, one in media.rtpmaps().items()})

    def _packet(self, seen: Seen) -> None:
        data = seen.data
        if len(data) < 12 or data[0] >> 6 != 2 or looks_like_rtcp(data):
            return
        call = self._media_at.get(seen.target) or self._media_at.get(seen.source)
        if call is None:
            return
        kind, number, ssrc = (
            data[1] & 0x7F,
            int.from_bytes(data[2:4], "big"),
            int.from_bytes(data[8:12], "big"),
        )
        key = seen.source, seen.target, ssrc, kind
        stream = call.media.get(key)
        if stream is None:
            if len(call.media) >= 64:
                return
            codec = call.names.get(kind) or _STATIC.get(kind, f"type {kind}")
            stream = call.media[key] = Media(seen.source, seen.target, seen.at, codec, number, number)
        ahead = (number - stream.highest & 0xFFFF ^ 0x8000) - 0x8000
        stream.highest += max(0, ahead)
        stream.packets += 1
        stream.ended = seen.at


def live_line(call_number: int, step: Step, clock: str) -> str:
    """One message as it is told while calls run; `clock`: the time of day, written."""
    return f"{clock}  {_named(step.source)} → {_named(step.target)}  {step.text}  [call {call_number}]"


def _on_arrow(message: Message) -> str:
    if isinstance(message, Response):
        text = f"{message.status} {message.reason} ({message.cseq[1]})"
    else:
        assert isinstance(message, Request)
        text = message.method
    description = _sdp(message)
    if description is None:
        return text
    for media in description.media:
        if media.kind == "audio":
            maps = media.rtpmaps()
            names = [maps[int(f)][0] if f.isdigit() and int(f) in maps else _STATIC.get(int(f), f)
                     if f.isdigit() else f for f in media.formats]  # fmt: skip
            shown = [name for name in names if name != "TELEPHONE-EVENT"][:4]
            ways = ("sendonly", "recvonly", "inactive")
            held = [way for way in ways if (media.attribute(way), description.attribute(way)) != (None, None)]
            return " ".join([text, "·", *shown, *held[:1]])
    return f"{text} · SDP"


def _sdp(message: Message) -> Description | None:
    if not message.body or message.content_type != "application/sdp":
        return None
    try:
        return parse_sdp(message.body)
    except ParseError:
        return None


def _title(number: int, call_id: str, message: Message | None) -> str:
    if not isinstance(message, Request):
        return f"Call {number}  {call_id}"
    return f"Call {number}  {message.method} {message.from_.uri} → {message.to.uri}  ({call_id})"


def _arrow(line: list[str], start: int, end: int, text: str, stroke: str) -> None:
    low, high = min(start, end), max(start, end)
    room = high - low - 3
    shown = text if len(text) <= room - 2 else text[: room - 3] + "…"
    body = f" {shown} ".center(room, stroke)
    line[low + 1 : high] = f"{stroke}{body}▶" if end > start else f"◀{body}{stroke}"


def _written_out(raw: bytes) -> Iterator[str]:
    yield ""
    for line in _text(raw).replace("\r\n", "\n").rstrip("\n").split("\n"):
        yield f"              {line}"
    yield ""


def _text(data: bytes) -> str:
    """Bytes of strangers, fit for a terminal."""
    return "".join(c if c.isprintable() or c in "\r\n" else "?" for c in data.decode("utf-8", "replace"))


def _named(party: Address) -> str:
    host, port = party
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
