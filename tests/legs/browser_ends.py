"""Browsers as they look from here: a page on a WebSocket, and one on WebRTC."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from legs.carrier_ends import World, world
from legs.far_ends import FarEnd
from trunkline.clock import SystemClock
from trunkline.legs.browser import BrowserSettings
from trunkline.legs.call_control import StreamSettings
from trunkline.legs.carriers import CarrierSettings
from trunkline.legs.leg import Leg
from trunkline.legs.webrtc import WebRtcConnection
from trunkline.legs.webrtc_sdp import Ends, Offer, described, ends_of
from trunkline.rtp.pacer import Pacer
from trunkline.rtp.stream import Stream
from trunkline.sip.sdp import Description, parse_sdp

pytest.importorskip("aiohttp", reason="needs: pip install aiohttp")
ice = pytest.importorskip("aioice.ice", reason="needs: pip install aiortc")
pytest.importorskip("aiortc", reason="needs: pip install aiortc")

WORD = "0123456789abcdef0123456789abcdef"
"""What a page calls its call."""
OFFERED = Stream("OPUS", 111, fmtp="minptime=10;useinbandfec=1", dtmf_payload_type=110, dtmf_clock=48000)


def browser_settings(**more: Any) -> CarrierSettings:
    return CarrierSettings(browser=BrowserSettings(**{"bind": "127.0.0.1:0", **more}))


@asynccontextmanager
async def browsers(times: StreamSettings | None = None, **settings: Any) -> AsyncIterator[World]:
    """Our side listening. Candidates are loopback's, so that no network is needed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ice, "get_host_addresses", lambda *_, **__: ["127.0.0.1"])
        async with world(lambda _: browser_settings(**settings), times) as here:
            yield here


# --- over a WebSocket -------------------------------------------------------------------------------


class PageSocket:
    """A page's end of a WebSocket, which plays what it gets at once."""

    def __init__(self, socket: Any, leg: Any) -> None:
        self.leg = leg
        self.socket = socket
        self.heard = bytearray()
        self.got: list[dict[str, Any]] = []
        self.closed = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.socket:
            if isinstance(message.data, bytes):
                self.heard.extend(message.data)
                continue
            value = json.loads(message.data)
            self.got.append(value)
            if value["type"] == "mark":
                await self.send({"type": "played", "mark": value["mark"]})
        self.closed.set()

    async def send(self, value: object) -> None:
        await self.socket.send_str(json.dumps(value))

    async def speak(self, pcm: bytes) -> None:
        await self.socket.send_bytes(pcm)

    async def press(self, digit: str) -> None:
        await self.send({"type": "key", "digit": digit})

    async def hang_up(self) -> None:
        await self.send({"type": "stop"})

    async def close(self) -> None:
        await self.socket.close()
        await self._reading


def start(**more: Any) -> str:
    return json.dumps({"type": "start", "call": WORD, **more})


async def socket_answered(here: World, **more: Any) -> PageSocket:
    socket = await here.socket("/browser/stream")
    await socket.send_str(start(**more))
    leg = await here.next_call()
    await leg.answer()
    return PageSocket(socket, leg)


@asynccontextmanager
async def browser_socket_call(times: StreamSettings | None = None) -> AsyncIterator[FarEnd]:
    async with browsers(times) as here:
        end = await socket_answered(here)
        yield end
        await end.close()


# --- over WebRTC ------------------------------------------------------------------------------------


def offer_text(ends: Ends) -> bytes:
    """An offer as a browser writes it, of a stream of sound alone."""
    attributes = [
        ("mid", "0"),
        ("sendrecv", ""),
        ("rtcp-mux", ""),
        ("setup", "actpass"),
        ("rtpmap", "111 opus/48000/2"),
        ("fmtp", f"111 {OFFERED.fmtp}"),
        ("rtpmap", "110 telephone-event/48000"),
    ]
    media = described(attributes, [111, 110], ends)
    return bytes(Description("-", "1", 2, "127.0.0.1", "", (media,), (("group", "BUNDLE 0"),)))


def from_answer(text: str) -> Offer:
    """What an answer says, as the one who offered needs it."""
    description = parse_sdp(text.encode())
    media = description.media[0]
    return Offer(description, media, "0", ends_of(description, media), OFFERED)


class PagePeer:
    """A page's end of a WebRTC call: a connection of our own code, with the other role."""

    def __init__(self, here: World, leg: Leg, connection: WebRtcConnection, location: str) -> None:
        self.leg = leg
        self.heard = bytearray()
        self.location = location
        self.connection = connection
        self.mouth: asyncio.Queue[bytes] = asyncio.Queue(100)
        self._here = here
        self.listen(connection)

    def listen(self, connection: WebRtcConnection) -> None:
        assert connection.media is not None
        self.connection = connection
        connection.media.start(lambda frame: self.heard.extend(frame.pcm), self._next_frame)

    def _next_frame(self, _at: float) -> bytes | None:
        return None if self.mouth.empty() else self.mouth.get_nowait()

    async def speak(self, pcm: bytes) -> None:
        await self.mouth.put(pcm)

    async def press(self, digit: str) -> None:
        assert self.connection.media is not None
        self.connection.media.send_dtmf(digit)

    async def hang_up(self) -> None:
        async with self._here.client.delete(self._here.http + self.location) as answer:
            assert answer.status == 200


@asynccontextmanager
async def offering(here: World, pacer: Pacer) -> AsyncIterator[tuple[WebRtcConnection, str]]:
    """A page's connection and the offer that it makes."""
    connection = WebRtcConnection(SystemClock(), pacer, BrowserSettings(), lost_after=5.0)
    try:
        yield connection, offer_text(await connection.gather()).decode()
    finally:
        await connection.close()


async def post_offer(
    here: World, offer: str, to: str = "/browser/calls", **headers: str
) -> tuple[int, str, str]:
    """Status, answer and where the call is."""
    sent = {"Content-Type": "application/sdp", **headers}
    async with here.client.post(here.http + to, data=offer, headers=sent) as reply:
        return reply.status, await reply.text(), reply.headers.get("Location", "")


@asynccontextmanager
async def page_peer(here: World) -> AsyncIterator[PagePeer]:
    pacer = Pacer(SystemClock())
    pacer.start()
    async with offering(here, pacer) as (connection, offer):
        posting = asyncio.create_task(post_offer(here, offer))
        leg = await here.next_call()
        answering = asyncio.create_task(leg.answer())
        status, answer, location = await posting
        assert status == 201
        connection.agree(from_answer(answer))
        await connection.connect(controlling=True)
        await answering
        yield PagePeer(here, leg, connection, location)
    await pacer.close()


@asynccontextmanager
async def webrtc_call(times: StreamSettings | None = None) -> AsyncIterator[FarEnd]:
    async with browsers(times) as here, page_peer(here) as end:
        yield end


def without_candidates(offer: str) -> str:
    return re.sub(r"a=candidate:[^\r\n]*\r\n", "", offer)
