"""The least SIP that a load caller needs: INVITE, ACK, BYE, as bytes. Pure.

Written by hand and apart from `trunkline.sip`, so that the load costs little and the agent's user
agent is measured against a peer that shares no code with it. It follows RFC 3261 for one dialog
over UDP: an ACK for every 2xx, retransmission of INVITE (timer A) and BYE (timer E), a response to
whatever the agent asks in the dialog.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

T1 = 0.5
GIVE_UP = 32.0
LARGEST_MESSAGE = 65_535


@dataclass(frozen=True, slots=True)
class Heard:
    """A SIP message as far as a load caller reads it."""

    status: int
    """0 for a request."""
    method: str
    headers: dict[str, str]
    body: str


def read(data: bytes) -> Heard | None:
    """The message, or None for what is none."""
    head, _, body = data[:LARGEST_MESSAGE].decode("utf-8", "replace").partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), value.strip())
    response = re.match(r"SIP/2\.0 (\d{3}) ", first)
    if response is not None:
        method = headers.get("cseq", "").partition(" ")[2].strip()
        return Heard(int(response[1]), method, headers, body)
    request = re.match(r"([A-Z]+) \S+ SIP/2\.0$", first)
    return Heard(0, request[1], headers, body) if request is not None else None


def media_address(sdp: str) -> tuple[str, int] | None:
    """Where the agent wants RTP, from its SDP answer (RFC 4566)."""
    host = re.search(r"^c=IN IP4 ([\d.]+)", sdp, re.MULTILINE)
    port = re.search(r"^m=audio (\d{1,5}) ", sdp, re.MULTILINE)
    return (host[1], int(port[1])) if host is not None and port is not None else None


@dataclass(slots=True)
class Dialog:
    """One call's signalling. `start`, `hear`, `hang_up` and `late` give datagrams to send."""

    number: int
    host: str
    sip_port: int
    rtp_port: int
    agent: str
    """host:port of the agent."""
    answered: Heard | None = None
    refused: int = 0
    ended: bool = False
    _sent: bytes = b""
    _due: float = 0.0
    _wait: float = T1
    _since: float = 0.0
    _remote: str = ""
    _to: str = ""
    _headers: list[str] = field(default_factory=list)

    @property
    def call_id(self) -> str:
        return f"load-{self.number}@{self.host}"

    def start(self, now: float) -> bytes:
        """The INVITE, offering PCMU (RFC 3551) with a session of its own."""
        sdp = (
            f"v=0\r\no=load {self.number} 1 IN IP4 {self.host}\r\ns=-\r\nc=IN IP4 {self.host}\r\nt=0 0\r\n"
            f"m=audio {self.rtp_port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n"
        )
        self._remote = f"sip:agent@{self.agent}"
        self._to = f"<{self._remote}>"
        return self._keep(self._request("INVITE", 1, sdp), now)

    def hear(self, message: Heard) -> bytes | None:
        """What a message from the agent asks to be sent."""
        if not message.status:
            if message.method == "ACK":
                return None
            self.ended = self.ended or message.method == "BYE"
            return self._response(message)
        if message.method == "BYE":
            self.ended, self._sent = True, b""
            return None
        if message.method != "INVITE":
            return None
        if message.status < 200:
            self._sent = b""
            return None
        self._sent = b""
        self._to = message.headers.get("to", self._to)
        if message.status >= 300:
            self.refused, self.ended = message.status, True
            return self._request("ACK", 1, branch="INVITE")
        contact = re.search(r"<(sip:[^>]+)>", message.headers.get("contact", ""))
        if contact is not None:
            self._remote = contact[1]
        self.answered = message
        return self._request("ACK", 1)

    def hang_up(self, now: float) -> bytes:
        return self._keep(self._request("BYE", 2), now)

    def late(self, now: float) -> bytes | None:
        """The request again, where its response is overdue; gives up after 32 s."""
        if not self._sent or now < self._due:
            return None
        if now - self._since > GIVE_UP:
            self.ended, self._sent = True, b""
            return None
        self._wait = min(4.0, 2 * self._wait)
        self._due = now + self._wait
        return self._sent

    def _keep(self, request: bytes, now: float) -> bytes:
        self._sent, self._since, self._wait, self._due = request, now, T1, now + T1
        return request

    def _request(self, method: str, sequence: int, body: str = "", branch: str = "") -> bytes:
        here = f"{self.host}:{self.sip_port}"
        lines = [
            f"{method} {self._remote} SIP/2.0",
            f"Via: SIP/2.0/UDP {here};branch=z9hG4bK-{self.number}-{branch or method};rport",
            "Max-Forwards: 70",
            f"From: <sip:load{self.number}@{here}>;tag=l{self.number}",
            f"To: {self._to}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {sequence} {method}",
            f"Contact: <sip:load{self.number}@{here}>",
        ]
        if body:
            lines.append("Content-Type: application/sdp")
        lines += [f"Content-Length: {len(body)}", "", body]
        return "\r\n".join(lines).encode()

    def _response(self, request: Heard) -> bytes:
        names = ("Via", "From", "To", "Call-ID", "CSeq")
        same = [f"{name}: {request.headers.get(name.lower(), '')}" for name in names]
        return "\r\n".join(["SIP/2.0 200 OK", *same, "Content-Length: 0", "", ""]).encode()
