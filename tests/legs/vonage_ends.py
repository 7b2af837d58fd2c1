"""Vonage as it looks from here."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import pytest

from legs.carrier_ends import PUBLIC, SocketEnd, World, world
from trunkline.clock import SystemClock
from trunkline.legs.call_control import StreamSettings
from trunkline.legs.carriers import CarrierSettings
from trunkline.legs.vonage import VonageSettings

rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")

SECRET = "s3cret-of-the-account"
APPLICATION = "app-1"
CALL = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
_numbers = iter(range(10**9))


@cache
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return str(pem.decode())


def vonage_settings(api: str, **more: Any) -> CarrierSettings:
    given = {
        "bind": "127.0.0.1:0",
        "public_url": PUBLIC,
        "application_id": APPLICATION,
        "private_key": private_key(),
        "signature_secret": SECRET,
        "number": "+15550001111",
        "api": api,
        **more,
    }
    return CarrierSettings(vonage=VonageSettings(**given))


def _segment(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def bearer(body: bytes, secret: str = SECRET, **claims: Any) -> str:
    """The Authorization header with which Vonage signs a webhook."""
    said = {
        "iat": int(SystemClock().wall().timestamp()),
        "jti": f"jti-{next(_numbers)}",
        "iss": "Vonage",
        "payload_hash": hashlib.sha256(body).hexdigest(),
        "application_id": APPLICATION,
        **claims,
    }
    head = _segment(b'{"alg":"HS256","typ":"JWT"}')
    signed = f"{head}.{_segment(json.dumps(said).encode())}"
    return f"Bearer {signed}.{_segment(hmac.new(secret.encode(), signed.encode(), 'sha256').digest())}"


async def vonage_post(
    here: World, target: str, value: dict[str, Any], authorization: str | None = None
) -> tuple[int, Any]:
    body = json.dumps(value).encode()
    headers = {
        "Content-Type": "application/json",
        "Authorization": bearer(body) if authorization is None else authorization,
    }
    async with here.client.post(here.http + target, data=body, headers=headers) as answer:
        said = await answer.text()
        return int(answer.status), json.loads(said) if said else None


class VonageEnd(SocketEnd):
    """One WebSocket endpoint, seen from Vonage."""

    def __init__(self, here: World, socket: Any, leg: Any, call: str = CALL) -> None:
        super().__init__(socket)
        self.here = here
        self.leg = leg
        self.call = call

    async def speak(self, pcm: bytes) -> None:
        await self.socket.send_bytes(pcm)

    async def press(self, digit: str) -> None:
        await self.send({"event": "websocket:dtmf", "digit": digit, "duration": 260})

    async def hang_up(self) -> None:
        await self.socket.close()
        await vonage_post(self.here, "/vonage/events", {"uuid": self.call, "status": "completed"})


async def vonage_connect(here: World, ncco: list[dict[str, Any]]) -> Any:
    (endpoint,) = ncco[0]["endpoint"]
    socket = await here.socket(endpoint["uri"].removeprefix(PUBLIC.replace("https", "wss")))
    first = {"event": "websocket:connected", "content-type": endpoint["content-type"], **endpoint["headers"]}
    await socket.send_str(json.dumps(first))
    return socket


async def vonage_answered(here: World) -> VonageEnd:
    said = {"uuid": CALL, "from": "15551110000", "to": "15550001111", "conversation_uuid": "CON-1"}
    status, ncco = await vonage_post(here, "/vonage/answer?campaign=spring", said)
    assert status == 200
    leg = await here.next_call()
    answering = asyncio.create_task(leg.answer())
    socket = await vonage_connect(here, ncco)
    await answering
    return VonageEnd(here, socket, leg)


@asynccontextmanager
async def vonage_call(times: StreamSettings | None = None, **settings: Any) -> AsyncIterator[VonageEnd]:
    async with world(lambda api: vonage_settings(api, **settings), times) as here:
        end = await vonage_answered(here)
        yield end
        await end.close()
