"""An MRCP server, played: SIP over UDP, MRCPv2 over TCP and RTP, written from RFC 6787 and nothing of ours.

Its messages are those of the RFC's examples, put together as text; its sound is mu-law by the standard
library's `audioop`. What it was asked stands in `asked`; what it is to do differently, in its attributes.
"""

from __future__ import annotations

import asyncio
import audioop
import re
import ssl
import struct
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

RESULT = (
    '<?xml version="1.0"?>\n<result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin">'
    '<interpretation confidence="{confidence}"><instance>{text}</instance><input mode="speech">{text}</input>'
    "</interpretation></result>"
)


@dataclass
class Asked:
    """One request."""

    method: str
    fields: dict[str, str]
    body: str


def wire(rest: str, fields: dict[str, str], body: str = "") -> bytes:
    """A message, its length counted the slow way."""
    if body:
        fields = {**fields, "Content-Length": str(len(body.encode()))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    for length in range(20, 100_000):
        whole = f"MRCP/2.0 {length} {rest}\r\n{lines}\r\n{body}".encode()
        if len(whole) == length:
            return whole
    raise AssertionError("a message without end")


@dataclass
class PlayedServer:
    """Made by `played_server`."""

    port: int = 0
    control: int = 0
    refuse: str = ""
    """A SIP status line to refuse calls with."""
    statuses: dict[str, int] = field(default_factory=dict)
    """Status of the answer to a method, where it is not 200."""
    result: str = "may I speak to Andre Roy"
    """What is recognised; empty: no-match."""
    complete: list[tuple[str, str, str]] = field(default_factory=list)
    """Completion-Causes, media types and bodies to give in turn, before those that follow from `result`."""
    fingerprint: str = ""
    """Its control is TLS, with the certificate of this hash (RFC 4572)."""
    silent: bool = False
    """Says nothing: neither sound nor events."""
    asked: list[Asked] = field(default_factory=list)
    heard: bytearray = field(default_factory=bytearray)
    """The client's sound, 16-bit PCM at 8 kHz."""
    calls: int = 0
    byes: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    _sip: asyncio.DatagramTransport | None = None
    _media: dict[str, Media] = field(default_factory=dict)

    async def until_asked(self, method: str, count: int = 1) -> Asked:
        """The latest request of this kind, once there were so many."""
        async with asyncio.timeout(15):
            while True:
                found = [one for one in self.asked if one.method == method]
                if len(found) >= count:
                    return found[count - 1]
                self.came.clear()
                await self.came.wait()

    def break_off(self) -> None:
        """Every connection is gone."""
        for writer in self.writers:
            writer.transport.abort()

    # --- SIP ----------------------------------------------------------------------------------------

    def take_sip(self, data: bytes, source: tuple[str, int]) -> None:
        head, _, body = data.decode().partition("\r\n\r\n")
        lines = head.split("\r\n")
        method = lines[0].split()[0]
        fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        if method == "INVITE":
            self._spawn(self._invited(fields, body, source))
        elif method == "BYE":
            self.byes += 1
            self._answer(fields, source, "200 OK")
        elif method == "CANCEL":
            self._answer(fields, source, "200 OK")

    def _answer(self, fields: dict[str, str], to: tuple[str, int], status: str, body: str = "") -> None:
        assert self._sip is not None
        tag = "" if ";tag=" in fields["To"] else ";tag=server"
        kind = "Content-Type: application/sdp\r\n" if body else ""
        self._sip.sendto(
            (
                f"SIP/2.0 {status}\r\nVia: {fields['Via']}\r\nFrom: {fields['From']}\r\n"
                f"To: {fields['To']}{tag}\r\nCall-ID: {fields['Call-ID']}\r\nCSeq: {fields['CSeq']}\r\n"
                f"Contact: <sip:server@127.0.0.1:{self.port}>\r\n{kind}"
                f"Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode(),
            to,
        )

    async def _invited(self, fields: dict[str, str], offer: str, source: tuple[str, int]) -> None:
        if self.refuse:
            self._answer(fields, source, self.refuse)
            return
        self.calls += 1
        resource = re.findall(r"a=resource:(\w+)", offer)[0]
        channel = f"32AECB2343380{self.calls}@{resource}"
        media = await Media.open(self)
        media.remote = ("127.0.0.1", int(re.findall(r"m=audio (\d+)", offer)[0]))
        self._media[channel] = media
        way = "recvonly" if resource == "speechrecog" else "sendonly"
        self._answer(
            fields,
            source,
            "200 OK",
            "v=0\r\no=- 2890842808 2890842808 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=application {self.control} {self._protocol(offer)} 1\r\n"
            "a=setup:passive\r\na=connection:new\r\n"
            + (f"a=fingerprint:{self.fingerprint}\r\n" if self.fingerprint else "")
            + f"a=channel:{channel}\r\na=cmid:1\r\n"
            f"m=audio {media.port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na={way}\r\na=mid:1\r\n",
        )

    def _protocol(self, offer: str) -> str:
        """Of what was offered, which must be what is there."""
        offered = re.findall(r"m=application 9 (\S+) 1", offer)[0]
        assert offered == ("TCP/TLS/MRCPv2" if self.fingerprint else "TCP/MRCPv2")
        return str(offered)

    # --- MRCP ---------------------------------------------------------------------------------------

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        work: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                start = (await reader.readuntil(b"\r\n")).decode()
                length = int(start.split()[1]) - len(start)
                head, _, body = (await reader.readexactly(length)).decode().partition("\r\n\r\n")
                fields = dict(line.split(": ", 1) for line in head.split("\r\n") if ": " in line)
                method, ident = start.split()[2:4]
                self.asked.append(Asked(method, fields, body))
                self.came.set()
                channel = fields["Channel-Identifier"]
                told = {"Channel-Identifier": channel}
                status = self.statuses.get(method, 200)
                going = method in ("RECOGNIZE", "SPEAK") and status == 200
                if method == "STOP" and channel in work:
                    work.pop(channel).cancel()
                writer.write(wire(f"{ident} {status} {'IN-PROGRESS' if going else 'COMPLETE'}", told))
                if going and not self.silent:
                    act = self._recognise if method == "RECOGNIZE" else self._speak
                    work[channel] = self._spawn(act(writer, ident, told, body))
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _recognise(
        self, writer: asyncio.StreamWriter, ident: str, told: dict[str, str], _: str
    ) -> None:
        media = self._media[told["Channel-Identifier"]]
        await media.until_speech()
        writer.write(wire(f"START-OF-INPUT {ident} IN-PROGRESS", told))
        await media.until_silence()
        if self.complete:
            cause, kind, body = self.complete.pop(0)
            self._tell(writer, ident, told, cause, kind, body)
        elif self.result:
            body = RESULT.format(text=self.result, confidence="0.9")
            self._tell(writer, ident, told, "000 success", "application/nlsml+xml", body)
        else:
            self._tell(writer, ident, told, "001 no-match", "", "")

    def _tell(
        self, writer: asyncio.StreamWriter, ident: str, told: dict[str, str], cause: str, kind: str, body: str
    ) -> None:
        fields = {**told, "Completion-Cause": cause, **({"Content-Type": kind} if kind else {})}
        writer.write(wire(f"RECOGNITION-COMPLETE {ident} COMPLETE", fields, body))

    async def _speak(self, writer: asyncio.StreamWriter, ident: str, told: dict[str, str], body: str) -> None:
        """A tenth of a second of tone for each word, with the marks that the script has."""
        media = self._media[told["Channel-Identifier"]]
        marks = re.findall(r'<mark name="(\w+)"/>', body)
        words = re.sub(r"<[^>]*>", " ", body).split()
        for place in range(len(words)):
            await media.say(5)
            if place < len(marks):
                fields = {**told, "Speech-Marker": f"timestamp=857206027059;{marks[place]}"}
                writer.write(wire(f"SPEECH-MARKER {ident} IN-PROGRESS", fields))
        await media.say(3, loud=False)
        cause = self.complete.pop(0)[0] if self.complete else "000 normal"
        writer.write(wire(f"SPEAK-COMPLETE {ident} COMPLETE", {**told, "Completion-Cause": cause}))

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


class Media(asyncio.DatagramProtocol):
    """One stream of sound at the server."""

    def __init__(self, server: PlayedServer) -> None:
        self.remote = ("", 0)
        self.port = 0
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None
        self._loud = asyncio.Event()
        self._quiet = asyncio.Event()
        self._silent = 0
        self._sequence = 1

    @classmethod
    async def open(cls, server: PlayedServer) -> Media:
        loop = asyncio.get_running_loop()
        transport, media = await loop.create_datagram_endpoint(
            lambda: cls(server), local_addr=("127.0.0.1", 0)
        )
        media._transport = transport
        media.port = transport.get_extra_info("sockname")[1]
        return media

    def datagram_received(self, data: bytes, _addr: object) -> None:
        if data[1] & 0x7F != 0:
            return
        pcm = audioop.ulaw2lin(data[12:], 2)
        self._server.heard += pcm
        if audioop.rms(pcm, 2) > 1000:
            self._silent = 0
            self._quiet.clear()
            self._loud.set()
        else:
            self._silent += 1
            if self._silent >= 10:
                self._loud.clear()
                self._quiet.set()

    async def until_speech(self) -> None:
        await self._loud.wait()

    async def until_silence(self) -> None:
        await self._quiet.wait()

    async def say(self, frames: int, *, loud: bool = True) -> None:
        sound = b"\x20\xa0" * 80 if loud else b"\xff" * 160
        for _ in range(frames):
            assert self._transport is not None
            header = struct.pack("!BBHII", 0x80, 0, self._sequence & 0xFFFF, self._sequence * 160, 0x5EED)
            self._transport.sendto(header + sound, self.remote)
            self._sequence += 1
            await asyncio.sleep(0.02)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class _Sip(asyncio.DatagramProtocol):
    def __init__(self, server: PlayedServer) -> None:
        self._server = server

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._server.take_sip(data, addr)


@asynccontextmanager
async def played_server(
    tls: ssl.SSLContext | None = None, fingerprint: str = ""
) -> AsyncIterator[PlayedServer]:
    server = PlayedServer(fingerprint=fingerprint)
    loop = asyncio.get_running_loop()
    sip, _ = await loop.create_datagram_endpoint(lambda: _Sip(server), local_addr=("127.0.0.1", 0))
    server._sip = sip
    server.port = sip.get_extra_info("sockname")[1]
    control = await asyncio.start_server(server.connected, "127.0.0.1", 0, ssl=tls)
    server.control = control.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        control.close()
        for writer in server.writers:
            writer.close()
        for task in list(server.tasks):
            task.cancel()
        await asyncio.gather(*server.tasks, return_exceptions=True)
        for media in server._media.values():
            media.close()
        sip.close()
        await control.wait_closed()
