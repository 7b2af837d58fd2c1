"""Telnyx as it looks from here."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from legs.carrier_ends import PUBLIC, SocketEnd, World, world
from trunkline.audio.codecs.registry import codec_named
from trunkline.clock import SystemClock
from trunkline.legs.call_control import StreamSettings
from trunkline.legs.carriers import CarrierSettings
from trunkline.legs.telnyx import TelnyxSettings

ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
PRIVATE = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEY = base64.b64encode(PRIVATE.public_key().public_bytes_raw()).decode()
CALL = "v3:abc-DEF_1"

_events = iter(range(10**9))


def telnyx_settings(api: str, **more: Any) -> CarrierSettings:
    given = {
        "bind": "127.0.0.1:0",
        "public_url": PUBLIC,
        "api_key": "KEY0123",
        "public_key": PUBLIC_KEY,
        "connection_id": "7267",
        "number": "+15550001111",
        "api": api,
        **more,
    }
    return CarrierSettings(telnyx=TelnyxSettings(**given))


def event(kind: str, call: str = CALL, **payload: Any) -> dict[str, Any]:
    return {
        "data": {
            "record_type": "event",
            "event_type": kind,
            "id": f"event-{next(_events)}",
            "payload": {"call_control_id": call, **payload},
        }
    }


def signed(body: bytes, at: float | None = None, key: Any = PRIVATE) -> dict[str, str]:
    wall = SystemClock().wall().timestamp() if at is None else at
    signature = key.sign(f"{wall:.0f}|".encode() + body)
    return {
        "telnyx-timestamp": f"{wall:.0f}",
        "telnyx-signature-ed25519": base64.b64encode(signature).decode(),
    }


async def telnyx_post(here: World, value: dict[str, Any], headers: dict[str, str] | None = None) -> int:
    body = json.dumps(value).encode()
    sent = {"Content-Type": "application/json", **(signed(body) if headers is None else headers)}
    async with here.client.post(here.http + "/telnyx/voice", data=body, headers=sent) as answer:
        return int(answer.status)


class TelnyxEnd(SocketEnd):
    """One media streaming socket, seen from Telnyx."""

    def __init__(self, socket: Any, leg: Any, call: str = CALL, codec: str = "PCMU") -> None:
        self.codec = codec
        self._decode = codec_named(codec).make_decoder()
        self._encode = codec_named(codec).make_encoder()
        super().__init__(socket)
        self.leg = leg
        self.call = call
        self.chunk = 0

    def decoded(self, payload: bytes) -> bytes:
        return payload if self.codec == "L16" else self._decode(payload)

    async def speak(self, pcm: bytes) -> None:
        self.chunk += 1
        sound = pcm if self.codec == "L16" else self._encode(pcm)
        media = {
            "track": "inbound",
            "chunk": str(self.chunk),
            "timestamp": str(self.chunk * 20),
            "payload": base64.b64encode(sound).decode(),
        }
        await self.send(
            {"event": "media", "sequence_number": str(self.chunk), "media": media, "stream_id": "S"}
        )

    async def press(self, digit: str) -> None:
        await self.send({"event": "dtmf", "stream_id": "S", "sequence_number": "5", "dtmf": {"digit": digit}})

    async def hang_up(self) -> None:
        await self.send({"event": "stop", "sequence_number": "9", "stop": {"call_control_id": self.call}})


async def telnyx_connect(
    here: World, url: str, call: str = CALL, encoding: str = "PCMU", rate: int = 8000
) -> Any:
    target = url.removeprefix(PUBLIC.replace("https", "wss"))
    socket = await here.socket(target)
    await socket.send_str(json.dumps({"event": "connected", "version": "1.0.0"}))
    start = {
        "user_id": "U",
        "call_control_id": call,
        "from": "+15551110000",
        "to": "+15550001111",
        "custom_parameters": {"customer": "7"},
        "media_format": {"encoding": encoding, "sample_rate": rate, "channels": 1},
    }
    await socket.send_str(
        json.dumps({"event": "start", "sequence_number": "1", "start": start, "stream_id": "S"})
    )
    return socket


async def telnyx_answered(here: World, codec: str = "PCMU", rate: int = 8000) -> TelnyxEnd:
    headers = [{"name": "X-Campaign", "value": "spring"}]
    ringing = event(
        "call.initiated",
        direction="incoming",
        state="parked",
        custom_headers=headers,
        **{"from": "+15551110000", "to": "+15550001111"},
    )
    assert await telnyx_post(here, ringing) == 200
    leg = await here.next_call()
    answering = asyncio.create_task(leg.answer())
    asked = await here.api.asked_for(f"/calls/{CALL}/actions/answer")
    socket = await telnyx_connect(here, asked["stream_url"], encoding=codec, rate=rate)
    await answering
    return TelnyxEnd(socket, leg, codec=codec)


@asynccontextmanager
async def telnyx_call(times: StreamSettings | None = None, **settings: Any) -> AsyncIterator[TelnyxEnd]:
    codec = settings.get("codec", "PCMU")
    rate = settings.get("rate", 16000) if codec == "L16" else 8000
    async with world(lambda api: telnyx_settings(api, **settings), times) as here:
        end = await telnyx_answered(here, codec, rate)
        yield end
        await end.close()
