"""The voice of one call over plain HTTP: a request a sentence, on a connection that is kept warm.

The connection belongs to the engine's client, which all calls share. Closing a sentence early closes its
connection, which is how such a service is told to stop.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineError, EngineTimeout
from trunkline.providers.protocols import Spoken
from trunkline.providers.refusals import refusal, unreachable
from trunkline.providers.tts.sentence_sound import Encoding, SentenceSound, speakable

if TYPE_CHECKING:
    import httpx

_LARGEST_ANSWER = 30_000_000
"""Bytes; ten minutes of the best sound that is asked for. A sentence is seconds."""
_PIECE_SECONDS = 0.2
"""How much of a sentence that came in one piece is given at a time."""


@dataclass(frozen=True, slots=True)
class SentenceRequest:
    """What to send for one sentence. `wrapped`: the answer is JSON with the whole sound in base64 under this
    name, and no stream of sound."""

    path: str
    body: bytes
    headers: dict[str, str]
    wrapped: str = ""


def json_request(path: str, body: Any, wrapped: str = "") -> SentenceRequest:
    return SentenceRequest(path, json.dumps(body).encode(), {"Content-Type": "application/json"}, wrapped)


@dataclass(slots=True)
class HttpVoice:
    """Made by an engine's `open`. `request`: the engine's own way to ask for a sentence."""

    where: str
    key_env: str
    client: httpx.AsyncClient
    clock: Clock
    encoding: Encoding
    rate: int
    request: Callable[[str], SentenceRequest]
    first_audio_s: float = 5.0
    between_audio_s: float = 3.0
    _closed: bool = field(default=False)

    @property
    def closed(self) -> bool:
        return self._closed

    async def say(self, text: str) -> AsyncGenerator[Spoken, None]:
        """Speak one sentence. Closing the generator cancels."""
        if self._closed or self.client.is_closed:
            raise EngineDown("the voice was closed", where=self.where)
        words = speakable(text)
        if not words:
            return
        sound = SentenceSound(self.encoding, self.rate)
        async with aclosing(self._bytes(self.request(words))) as pieces:
            async for raw in pieces:
                if self._is_closed():
                    return
                if spoken := sound.push(raw):
                    yield spoken
        if last := sound.flush():
            yield last

    def _is_closed(self) -> bool:
        return self._closed

    async def _bytes(self, asked: SentenceRequest) -> AsyncGenerator[bytes, None]:
        """The sound's bytes as they come. Raises an `EngineError` for all that goes wrong."""
        response: httpx.Response | None = None
        try:
            request = self.client.build_request("POST", asked.path, content=asked.body, headers=asked.headers)
            deadline = self.clock.now() + self.first_audio_s
            response = await self._within(self.client.send(request, stream=True), deadline)
            if response.status_code >= 400:
                said = await self._within(response.aread(), deadline)
                raise refusal(response.status_code, said.decode("utf-8", "replace"), self.where, self.key_env)
            if asked.wrapped:
                for piece in await self._unwrapped(response, asked.wrapped, deadline):
                    yield piece
                return
            size = 0
            stream = response.aiter_bytes()
            while (raw := await self._within(anext(stream, None), deadline)) is not None:
                size += len(raw)
                if size > _LARGEST_ANSWER:
                    raise EngineDown("a sentence's sound has no end", where=self.where)
                deadline = self.clock.now() + self.between_audio_s
                yield raw
        except EngineError:
            raise
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise EngineDown("it answered what is not its protocol", where=self.where) from error
        except Exception as error:
            # Whatever else the client raises, it did not get through. Cancellation is not an Exception.
            raise unreachable(error, self.where) from error
        finally:
            if response is not None:
                await asyncio.shield(response.aclose())

    async def _unwrapped(self, response: httpx.Response, name: str, deadline: float) -> list[bytes]:
        body = await self._within(_whole(response.aiter_bytes(), self.where), deadline)
        sound = without_wav_header(base64.b64decode(json.loads(body)[name], validate=True))
        size = round(_PIECE_SECONDS * self.rate) * (1 if self.encoding is Encoding.MULAW else 2)
        return [sound[at : at + size] for at in range(0, len(sound), size)]

    async def _within(self, waiting: Any, deadline: float) -> Any:
        try:
            async with asyncio.timeout(max(0.0, deadline - self.clock.now())):
                return await waiting
        except TimeoutError:
            raise EngineTimeout("no sound came in its time", where=self.where) from None

    async def close(self) -> None:
        self._closed = True


async def _whole(pieces: AsyncIterator[bytes], where: str) -> bytes:
    body = b""
    async for piece in pieces:
        body += piece
        if len(body) > _LARGEST_ANSWER:
            raise EngineDown("a sentence's sound has no end", where=where)
    return body


def without_wav_header(sound: bytes) -> bytes:
    """The samples alone, of what may be a RIFF file (its `data` chunk) or bare sound."""
    if sound[:4] != b"RIFF" or sound[8:12] != b"WAVE":
        return sound
    at = 12
    while at + 8 <= len(sound):
        size = int.from_bytes(sound[at + 4 : at + 8], "little")
        if sound[at : at + 4] == b"data":
            return sound[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return b""
