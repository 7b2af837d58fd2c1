"""Carriers as they look from here, played over real loopback sockets: their webhooks, sockets and APIs."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from trunkline.audio.codecs import pcmu
from trunkline.clock import SystemClock
from trunkline.legs.call_control import StreamSettings
from trunkline.legs.carriers import CarrierSettings, Carrying
from trunkline.legs.signatures import twilio_signature
from trunkline.legs.twilio import TwilioSettings
from trunkline.rtp.pacer import Pacer

aiohttp = pytest.importorskip("aiohttp", reason="carriers need: pip install aiohttp cryptography")
web = pytest.importorskip("aiohttp.web")

PUBLIC = "https://voice.example.com"
ACCOUNT = "ACXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"
AUTH_TOKEN = "12345"

Answer = Callable[[str, str, dict[str, str]], object]


class FakeApi:
    """A carrier's HTTP API: notes what it is asked, and answers what the test says."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.answers: dict[str, tuple[int, object]] = {}
        """By the end of the path: status and JSON. What is not here gets 200 and {}."""
        self.headers: list[dict[str, str]] = []
        self.base = ""
        self.came = asyncio.Event()

    async def handle(self, request: Any) -> Any:
        if request.content_type == "application/json":
            body = await request.json()
        else:
            form = await request.post()
            body = {name: form.getall(name) if len(form.getall(name)) > 1 else form[name] for name in form}
        self.headers.append(dict(request.headers))
        self.asked.append((request.method, request.path, body))
        self.came.set()
        for end, (status, value) in self.answers.items():
            if request.path.endswith(end):
                return web.json_response(value, status=status)
        return web.json_response({})

    async def asked_for(self, end: str) -> dict[str, Any]:
        """The body of the next request whose path ends so."""
        while True:
            for place, (_, path, body) in enumerate(self.asked):
                if path.endswith(end):
                    del self.asked[place]
                    return body
            self.came.clear()
            await self.came.wait()


@dataclass
class World:
    """Carriers of ours listening, and a client with which to be the carrier."""

    carrying: Carrying
    client: Any
    api: FakeApi
    host: str
    port: int
    sockets: list[Any] = field(default_factory=list)

    @property
    def http(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def socket(self, target: str, **how: Any) -> Any:
        socket = await self.client.ws_connect(f"{self.http}{target}", **how)
        self.sockets.append(socket)
        return socket

    async def next_call(self) -> Any:
        return await anext(aiter(self.carrying.board.calls()))


@asynccontextmanager
async def fake_api() -> AsyncIterator[FakeApi]:
    """A carrier's HTTP API on loopback."""
    api = FakeApi()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        await runner.cleanup()


@asynccontextmanager
async def world(
    make: Callable[[str], CarrierSettings], times: StreamSettings | None = None
) -> AsyncIterator[World]:
    """`make` gets the address of the carrier's API."""
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    async with fake_api() as api, aiohttp.ClientSession() as client:
        carrying = await Carrying.open(make(api.base), clock, pacer, times)
        host, port = next(iter(carrying.listening.values()))
        here = World(carrying, client, api, host, port)
        try:
            yield here
        finally:
            for socket in here.sockets:
                await socket.close()
            await carrying.close()
            await pacer.close()


class SocketEnd:
    """A carrier's end of a media socket that speaks JSON."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.heard = bytearray()
        self.got: list[dict[str, Any]] = []
        """Messages other than audio, in their order."""
        self.closed = asyncio.Event()
        self.code: int | None = None
        self._reading = asyncio.create_task(self._read())

    async def send(self, value: object) -> None:
        await self.socket.send_str(json.dumps(value))

    async def _read(self) -> None:
        async for message in self.socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.take(json.loads(message.data))
            elif message.type is aiohttp.WSMsgType.BINARY:
                self.heard.extend(message.data)
        self.code = self.socket.close_code
        self.closed.set()

    def take(self, value: dict[str, Any]) -> None:
        if value.get("event") == "media":
            self.heard.extend(self.decoded(base64.b64decode(value["media"]["payload"])))
        else:
            self.got.append(value)

    def decoded(self, payload: bytes) -> bytes:
        return pcmu.decode(payload)

    async def close(self) -> None:
        await self.socket.close()
        await self._reading


# --- Twilio -----------------------------------------------------------------------------------------


def twilio_settings(api: str, **more: Any) -> CarrierSettings:
    given = {
        "bind": "127.0.0.1:0",
        "public_url": PUBLIC,
        "account_sid": ACCOUNT,
        "auth_token": AUTH_TOKEN,
        "number": "+15550001111",
        "api": api,
        **more,
    }
    return CarrierSettings(twilio=TwilioSettings(**given))


async def twilio_post(
    here: World, target: str, fields: dict[str, str], *, token: str = AUTH_TOKEN, signature: str | None = None
) -> tuple[int, str]:
    """A webhook as Twilio sends it, and what it is answered."""
    form = {"AccountSid": ACCOUNT, **fields}
    if signature is None:
        signature = twilio_signature(PUBLIC + target, form.items(), token)
    headers = {"X-Twilio-Signature": signature} if signature else {}
    async with here.client.post(here.http + target, data=form, headers=headers) as answer:
        return answer.status, await answer.text()


def start_message(call: str, parameters: dict[str, str], stream: str = "MZ1") -> dict[str, Any]:
    return {
        "event": "start",
        "sequenceNumber": "1",
        "start": {
            "accountSid": ACCOUNT,
            "streamSid": stream,
            "callSid": call,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": parameters,
        },
        "streamSid": stream,
    }


class TwilioEnd(SocketEnd):
    """One Media Streams socket, seen from Twilio."""

    def __init__(self, socket: Any, leg: Any, call: str) -> None:
        super().__init__(socket)
        self.leg = leg
        self.call = call
        self.chunk = 0

    async def media(self, payload: bytes, chunk: int, track: str = "inbound") -> None:
        await self.send(
            {
                "event": "media",
                "sequenceNumber": str(chunk + 1),
                "media": {
                    "track": track,
                    "chunk": str(chunk),
                    "timestamp": str(chunk * 20),
                    "payload": base64.b64encode(payload).decode(),
                },
                "streamSid": "MZ1",
            }
        )

    async def speak(self, pcm: bytes) -> None:
        self.chunk += 1
        await self.media(pcmu.encode(pcm), self.chunk)

    async def press(self, digit: str) -> None:
        await self.send(
            {
                "event": "dtmf",
                "streamSid": "MZ1",
                "sequenceNumber": "5",
                "dtmf": {"track": "inbound_track", "digit": digit},
            }
        )

    async def hang_up(self) -> None:
        await self.send({"event": "stop", "sequenceNumber": "9", "stop": {"callSid": self.call}})


async def twilio_connect(here: World, call: str, parameters: dict[str, str]) -> Any:
    socket = await here.socket("/twilio/stream")
    await socket.send_str(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
    await socket.send_str(json.dumps(start_message(call, parameters)))
    return socket


def values(document: str, names: Sequence[str]) -> list[str]:
    """The attributes and texts of some TwiML, by tag or attribute name."""
    from xml.etree import ElementTree

    found = {}
    for element in ElementTree.fromstring(document).iter():
        found[element.tag] = element.text or ""
        found |= element.attrib
    return [found.get(name, "") for name in names]


@asynccontextmanager
async def twilio_call(times: StreamSettings | None = None) -> AsyncIterator[TwilioEnd]:
    """An inbound call: the webhook, its answer, the stream that the answer asked for."""
    async with world(twilio_settings, times) as here:
        end = await twilio_answered(here)
        yield end
        await end.close()


async def twilio_answered(here: World, call: str = "CA1") -> TwilioEnd:
    said = {"CallSid": call, "From": "+15551110000", "To": "+15550001111"}
    status, document = await twilio_post(here, "/twilio/voice", said)
    assert status == 200
    name, value = values(document, ("name", "value"))
    leg = await here.next_call()
    answering = asyncio.create_task(leg.answer())
    socket = await twilio_connect(here, call, {name: value})
    await answering
    return TwilioEnd(socket, leg, call)
