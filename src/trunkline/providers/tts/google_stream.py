"""The voice of one call by Google's bidirectional stream, which Chirp 3 HD voices have: a stream for each
sentence, on one connection that all calls share.

`StreamingSynthesize` over gRPC, with the vendor's own messages (docs.cloud.google.com/text-to-speech/docs/
create-audio-text-streaming; of the formats, the reference of `StreamingAudioConfig`). The sound comes as it
is made. Closing a sentence early cancels its stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineError, EngineMissing, EngineNetwork, EngineTimeout
from trunkline.providers.google_errors import engine_error
from trunkline.providers.protocols import Spoken
from trunkline.providers.tts.sentence_sound import Encoding, SentenceSound, speakable

_API = "Text-to-Speech API"
_LONGEST_SECONDS = 600.0
"""A sentence's sound that is longer has no end."""


class GoogleStreams:
    """The connection. `url`: http for one without TLS, which is for tests."""

    def __init__(self, url: str, key: str, where: str) -> None:
        self._url = urlsplit(url)
        self._metadata = (("x-goog-api-key", key),)
        self._where = where
        self._channel: Any = None

    async def connect(self, seconds: float) -> None:
        """Load the library, and wait for the connection. Raises an `EngineError`."""
        try:
            # Reading the library's many files takes a second or so: not on the loop.
            await asyncio.to_thread(_messages)
            import grpc
        except ImportError as error:
            raise EngineMissing(
                f"google-cloud-texttospeech cannot be loaded ({error})",
                where=self._where,
                hint="Run: pip install 'trunkline[google]', or set streamed=no",
            ) from error
        if self._url.scheme == "http":
            self._channel = grpc.aio.insecure_channel(self._url.netloc)
        else:
            address = f"{self._url.hostname}:{self._url.port or 443}"
            self._channel = grpc.aio.secure_channel(address, grpc.ssl_channel_credentials())
        try:
            async with asyncio.timeout(seconds):
                await self._channel.channel_ready()
        except TimeoutError:
            await self.close()
            raise EngineNetwork(
                "it could not be reached in its time",
                where=self._where,
                hint="See that base_url is right and this machine has a way out",
            ) from None
        except BaseException:  # a stop in the middle of connecting leaves nothing open either
            await self.close()
            raise

    def open(self, requests: list[Any]) -> Any:
        """A stream that is told these. Raises `EngineDown` where the connection was closed."""
        if self._channel is None:
            raise EngineDown("it is not started, or was closed", where=self._where)
        types = _messages()
        synthesise = self._channel.stream_stream(
            "/google.cloud.texttospeech.v1.TextToSpeech/StreamingSynthesize",
            request_serializer=types.StreamingSynthesizeRequest.serialize,
            response_deserializer=types.StreamingSynthesizeResponse.deserialize,
        )
        return synthesise(requests, metadata=self._metadata)

    async def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()


@dataclass(slots=True)
class StreamedVoice:
    """Made by the engine's `open`. `speed`: a factor; `language`: as the vendor writes it."""

    where: str
    key_env: str
    streams: GoogleStreams
    clock: Clock
    encoding: Encoding
    rate: int
    name: str
    language: str
    speed: float
    first_audio_s: float
    between_audio_s: float = 3.0
    _closed: bool = False

    @property
    def closed(self) -> bool:
        return self._closed

    async def say(self, text: str) -> AsyncGenerator[Spoken, None]:
        """Speak one sentence. Closing the generator cancels."""
        if self._closed:
            raise EngineDown("the voice was closed", where=self.where)
        words = speakable(text)
        if not words:
            return
        from grpc.aio import EOF

        sound = SentenceSound(self.encoding, self.rate)
        deadline = self.clock.now() + self.first_audio_s
        stream = self.streams.open(self._requests(words))
        try:
            while (answer := await self._within(stream.read(), deadline)) is not EOF:
                if answer.audio_content:
                    deadline = self.clock.now() + self.between_audio_s
                if spoken := sound.push(answer.audio_content):
                    yield spoken
                if sound.received > _LONGEST_SECONDS:
                    raise EngineDown("a sentence's sound has no end", where=self.where)
        except EngineError:
            raise
        except Exception as error:
            # Whatever the client raises, it did not get through. Cancellation is not an Exception.
            raise engine_error(error, _API, "voice and base_url", self.key_env) from error
        finally:
            stream.cancel()
        if last := sound.flush():
            yield last

    def _requests(self, words: str) -> list[Any]:
        """What a stream is told: how to speak, then the words."""
        types = _messages()
        audio: dict[str, Any] = {
            "audio_encoding": "MULAW" if self.encoding is Encoding.MULAW else "PCM",
            "sample_rate_hertz": self.rate,
        }
        if self.speed != 1.0:
            audio["speaking_rate"] = self.speed
        config = types.StreamingSynthesizeConfig(
            voice={"language_code": self.language, "name": self.name}, streaming_audio_config=audio
        )
        return [
            types.StreamingSynthesizeRequest(streaming_config=config),
            types.StreamingSynthesizeRequest(input=types.StreamingSynthesisInput(text=words)),
        ]

    async def _within(self, waiting: Any, deadline: float) -> Any:
        try:
            async with asyncio.timeout(max(0.0, deadline - self.clock.now())):
                return await waiting
        except TimeoutError:
            raise EngineTimeout("no sound came in its time", where=self.where) from None

    async def close(self) -> None:
        self._closed = True


def _messages() -> Any:
    from google.cloud.texttospeech_v1.types import cloud_tts

    return cloud_tts
