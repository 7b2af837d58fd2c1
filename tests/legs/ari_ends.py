"""An Asterisk as it looks from here: its REST interface and events, channels, bridges, and sound over RTP or
WebSockets.

Written from https://docs.asterisk.org and the API's description. It refuses what the real one refuses:
channels that are not there (404), and those that are not in the application (409).
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from legs.chan_websocket_ends import MediaChannel
from legs.far_ends import FarEnd, until
from trunkline.clock import SystemClock
from trunkline.legs.ari import STREAMS, AriSettings
from trunkline.legs.ari_calls import Ari
from trunkline.legs.ari_socket import SocketMedia
from trunkline.legs.call_control import StreamSettings
from trunkline.legs.leg import Leg
from trunkline.legs.switchboard import Switchboard
from trunkline.rtp.pacer import Pacer
from trunkline.rtp.port import MediaPort

aiohttp = pytest.importorskip("aiohttp", reason="needs: pip install aiohttp")
web = pytest.importorskip("aiohttp.web")

USER, PASSWORD = "trunkline", "secret"


@dataclass
class Channel:
    """One channel at Asterisk."""

    id: str
    endpoint: str
    number: str = ""
    extension: str = ""
    state: str = "Down"
    inside: bool = False
    """It is in the Stasis application."""
    media: MediaPort | None = None
    socket: MediaChannel | None = None

    def described(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": f"{self.endpoint}-00000001",
            "state": self.state,
            "caller": {"name": "", "number": self.number},
            "connected": {"name": "", "number": ""},
            "dialplan": {"context": "default", "exten": self.extension, "priority": 1},
            "channelvars": {"CAMPAIGN": "spring"},
        }


@dataclass
class Asterisk:
    """Made by `asterisk`. What it was asked stands in `asked`."""

    pacer: Pacer
    url: str = ""
    channels: dict[str, Channel] = field(default_factory=dict)
    bridges: dict[str, list[str]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    refuse: dict[str, int] = field(default_factory=dict)
    """Status for requests whose path ends so."""
    heard: bytearray = field(default_factory=bytearray)
    mouth: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(100))
    sockets: set[Any] = field(default_factory=set)
    words: str = "plain-text"
    old: bool = False
    """Of `MediaChannel`, for channels that are made."""
    opens: tuple[str, str] = ("", "")
    """The section of its websocket_client.conf, and where it leads."""
    shows: str = ""
    """The password there."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    # --- what people at Asterisk do -----------------------------------------------------------------

    async def tell(self, kind: str, channel: Channel, **more: Any) -> None:
        value = {"type": kind, "application": "trunkline", "channel": channel.described(), **more}
        for socket in list(self.sockets):
            await socket.send_str(json.dumps(value))

    async def call(self, number: str = "+15551110000", *args: str) -> Channel:
        """Somebody calls, and the dialplan says Stasis(trunkline)."""
        channel = Channel(f"17000000.{len(self.channels)}", "PJSIP/trunk", number, "100", "Ring", inside=True)
        self.channels[channel.id] = channel
        await self.tell("StasisStart", channel, args=list(args))
        return channel

    async def enter(self, channel: Channel) -> None:
        """A channel that we asked for is answered."""
        channel.state, channel.inside = "Up", True
        await self.tell("StasisStart", channel, args=["ours"])

    async def gone(self, channel: Channel, cause: int = 16) -> None:
        """A channel ends."""
        if self.channels.pop(channel.id, None) is None:
            return
        if channel.inside:
            await self.tell("StasisEnd", channel)
        await self.tell("ChannelDestroyed", channel, cause=cause, cause_txt="…")
        if channel.media is not None:
            await channel.media.close()
        if channel.socket is not None and channel.socket.socket is not None:
            await channel.socket.socket.close()

    def named(self, part: str) -> Channel:
        return next(one for one in self.channels.values() if part in one.id or part in one.endpoint)

    # --- its interface ------------------------------------------------------------------------------

    async def events(self, request: Any) -> Any:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        assert request.query["app"] == "trunkline"
        self.sockets.add(socket)
        async for _ in socket:
            pass
        self.sockets.discard(socket)
        return socket

    async def handle(self, request: Any) -> Any:
        if request.path.startswith("/media/"):
            return await self._media(request)
        right = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if request.headers.get("Authorization") != right:
            return web.json_response({"message": "Authentication required"}, status=401)
        path = request.path.removeprefix("/ari")
        self.asked.append((request.method, path, dict(request.query)))
        for end, status in self.refuse.items():
            if path.endswith(end):
                return web.json_response({"message": "no"}, status=status)
        if path == "/events":
            return await self.events(request)
        words = path.strip("/").split("/")
        if words[0] == "bridges":
            return self._bridge(request, words)
        return await self._channel(request, words)

    def _bridge(self, request: Any, words: list[str]) -> Any:
        if request.method == "POST" and len(words) == 1:
            self.bridges[request.query["bridgeId"]] = []
            return web.json_response({"id": request.query["bridgeId"]})
        bridge = self.bridges.get(words[1])
        if bridge is None:
            return web.json_response({"message": "Bridge not found"}, status=404)
        if request.method == "DELETE":
            del self.bridges[words[1]]
            return web.Response(status=204)
        for name in request.query["channel"].split(","):
            if name not in self.channels:
                return web.json_response({"message": "Channel not found"}, status=400)
            if not self.channels[name].inside:
                return web.json_response({"message": "Channel not in Stasis application"}, status=409)
            bridge.append(name)
        return web.Response(status=204)

    async def _channel(self, request: Any, words: list[str]) -> Any:
        query = request.query
        if words == ["channels"]:
            made = Channel(query["channelId"], query["endpoint"], state="Down")
            self.channels[made.id] = made
            return web.json_response(made.described())
        if words == ["channels", "externalMedia"]:
            return await self._external_media(query)
        channel = self.channels.get(words[1])
        if channel is None:
            return web.json_response({"message": "Channel not found"}, status=404)
        match (request.method, words[2:]):
            case ("DELETE", []):
                await self.gone(channel, 17 if query.get("reason") == "busy" else 16)
                return web.Response(status=204)
            case ("GET", ["variable"]) if channel.socket is not None:
                assert query["variable"] == "MEDIA_WEBSOCKET_CONNECTION_ID"
                return web.json_response({"value": channel.socket.connection_id})
            case ("GET", ["variable"]):
                assert channel.media is not None
                told = {"UNICASTRTP_LOCAL_ADDRESS": "127.0.0.1"}
                port = str(channel.media.local_port)
                return web.json_response({"value": told.get(query["variable"], port)})
            case ("POST", ["answer"]):
                channel.state = "Up"
                return web.Response(status=204)
            case ("POST", ["dtmf"]):
                return web.Response(status=204)
            case _:
                return web.json_response(channel.described())

    # --- external media -----------------------------------------------------------------------------

    async def _external_media(self, query: Any) -> Any:
        if query.get("transport") == "websocket":
            return await self._websocket_media(query)
        host, _, port = query["external_host"].rpartition(":")
        media = await MediaPort.open(self.pacer, SystemClock(), "127.0.0.1")
        media.configure(STREAMS[query["format"]], remote=(host, int(port)))
        media.start(lambda frame: self.heard.extend(frame.pcm), self._next_frame)
        channel = Channel(query["channelId"], "UnicastRTP/127.0.0.1", inside=True, media=media)
        self.channels[channel.id] = channel
        await self.tell("StasisStart", channel, args=[])
        return web.json_response(channel.described())

    async def _websocket_media(self, query: Any) -> Any:
        if query.get("encapsulation") != "none":
            return web.json_response({"message": "encapsulation must be 'none'"}, status=400)
        name = f"WebSocket/{query['external_host']}/0x7f00"
        media = MediaChannel(
            query["channelId"], name, query["format"], self.heard, words=self.words, old=self.old
        )
        channel = Channel(query["channelId"], "WebSocket", socket=media)
        if query.get("connection_type", "client") == "client":
            if query["external_host"] != self.opens[0]:
                return web.json_response({"message": "external_host must be valid"}, status=400)
            self.channels[channel.id] = channel
            task = asyncio.create_task(self._open_media(channel))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        else:
            self.channels[channel.id] = channel
        said = {**channel.described(), "channelvars": {"MEDIA_WEBSOCKET_CONNECTION_ID": media.connection_id}}
        return web.json_response(said)

    async def _open_media(self, channel: Channel) -> None:
        pair = f"{USER}:{self.shows or PASSWORD}"
        headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        try:
            async with (
                aiohttp.ClientSession(headers=headers) as session,
                session.ws_connect(self.opens[1], protocols=("media",)) as socket,
            ):
                await self._serve_media(channel, socket)
        except aiohttp.ClientError:
            await self.gone(channel, 3)

    async def _media(self, request: Any) -> Any:
        """Somebody connects to a channel that waits for it."""
        ident = request.path.removeprefix("/media/")
        channels = (one for one in self.channels.values() if one.socket is not None)
        channel = next((one for one in channels if one.socket and one.socket.connection_id == ident), None)
        for end, status in self.refuse.items():
            if "/media".endswith(end):
                return web.Response(status=status)
        if channel is None:
            return web.Response(status=404)
        assert channel.socket is not None
        if channel.socket.socket is not None:
            return web.Response(status=409)
        socket = web.WebSocketResponse(protocols=("media",))
        await socket.prepare(request)
        await self._serve_media(channel, socket)
        return socket

    async def _serve_media(self, channel: Channel, socket: Any) -> None:
        assert channel.socket is not None
        channel.inside = True
        entering = asyncio.create_task(self.tell("StasisStart", channel, args=[]))
        await channel.socket.serve(socket)
        await entering
        await self.gone(channel)

    def _next_frame(self, _at: float) -> bytes | None:
        return None if self.mouth.empty() else self.mouth.get_nowait()


@asynccontextmanager
async def asterisk(
    times: StreamSettings | None = None, *, words: str = "plain-text", old: bool = False, **settings: Any
) -> AsyncIterator[tuple[Asterisk, Ari, Switchboard]]:
    """An Asterisk, and our side leading it."""
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    here = Asterisk(pacer, words=words, old=old)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", here.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    here.url = f"http://127.0.0.1:{runner.addresses[0][1]}/ari"
    board = Switchboard(clock, pacer, times)
    given = {"url": here.url, "username": USER, "password": PASSWORD, "format": "ulaw", **settings}
    ari = await Ari.open(AriSettings(**given), board)
    if isinstance(ari.media, SocketMedia):
        here.opens = ("trunkline", f"http://127.0.0.1:{ari.media.address[1]}/")
    try:
        await ari.connected()
        await until(lambda: bool(here.sockets))
        yield here, ari, board
    finally:
        await board.close()
        await ari.close()
        for channel in list(here.channels.values()):
            await here.gone(channel)
        await asyncio.gather(*here.tasks, return_exceptions=True)
        await runner.cleanup()
        await pacer.close()


class AsteriskEnd:
    """A call, seen from Asterisk."""

    def __init__(self, here: Asterisk, leg: Leg, channel: Channel) -> None:
        self.here = here
        self.leg = leg
        self.channel = channel
        self.heard = here.heard

    @property
    def media(self) -> MediaChannel:
        """The channel of external media, over a WebSocket."""
        found = [one.socket for one in self.here.channels.values() if one.socket is not None]
        assert len(found) == 1
        return found[0]

    async def speak(self, pcm: bytes) -> None:
        if any(one.socket for one in self.here.channels.values()):
            await self.media.speak(pcm)
        else:
            await self.here.mouth.put(pcm)

    async def press(self, digit: str) -> None:
        await self.here.tell("ChannelDtmfReceived", self.channel, digit=digit, duration_ms=100)

    async def hang_up(self) -> None:
        await self.here.gone(self.channel)


async def answered(here: Asterisk, board: Switchboard) -> AsteriskEnd:
    channel = await here.call()
    leg = await anext(aiter(board.calls()))
    await leg.answer()
    return AsteriskEnd(here, leg, channel)


@asynccontextmanager
async def ari_call(times: StreamSettings | None = None, **settings: Any) -> AsyncIterator[FarEnd]:
    async with asterisk(times, **settings) as (here, _, board):
        yield await answered(here, board)
