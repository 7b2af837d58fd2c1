"""Google's StreamingSynthesize on gRPC, with the vendor's own messages.

`faults`, one for a sentence: "hang" after the first piece of sound, "silent" before it, "cut" (UNAVAILABLE)
after it, "garbage" (bytes that are no message), "endless"; and, before all sound, "key" (INVALID_ARGUMENT, as
the vendor refuses an API key), "denied", "quota", "voice", "error".
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import grpc
from google.cloud.texttospeech_v1.types import cloud_tts as types

from providers.servers.voice_sounds import pieces_of

_REFUSED = {
    "key": (grpc.StatusCode.INVALID_ARGUMENT, "API key not valid. Please pass a valid API key."),
    "denied": (grpc.StatusCode.PERMISSION_DENIED, "Cloud Text-to-Speech API has not been used in project 1"),
    "quota": (grpc.StatusCode.RESOURCE_EXHAUSTED, "Quota exceeded for quota metric 'Streaming requests'"),
    "voice": (grpc.StatusCode.INVALID_ARGUMENT, "Voice 'x' does not exist."),
    "error": (grpc.StatusCode.INTERNAL, "Internal error encountered."),
}


class GoogleVoiceStream:
    """`async with GoogleVoiceStream() as server:` listens on a free port of loopback."""

    def __init__(self) -> None:
        self.faults: deque[str] = deque()
        self.configs: list[Any] = []
        self.texts: list[str] = []
        self.keys: list[str] = []
        self.dropped = asyncio.Event()
        """The client gave a sentence up whose sound was not over."""
        self.address = ""
        self._server: grpc.aio.Server | None = None

    async def __aenter__(self) -> Self:
        handler = grpc.stream_stream_rpc_method_handler(
            self._synthesise,
            request_deserializer=types.StreamingSynthesizeRequest.deserialize,
            response_serializer=_serialized,
        )
        self._server = grpc.aio.server()
        service = "google.cloud.texttospeech.v1.TextToSpeech"
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {"StreamingSynthesize": handler}),)
        )
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        self.address = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        await self._server.stop(None)
        self._server = None

    async def _synthesise(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        fault = self.faults.popleft() if self.faults else ""
        self.keys.append(dict(context.invocation_metadata()).get("x-goog-api-key", ""))
        if fault in _REFUSED:
            async for _ in requests:  # else the client may learn of a write that failed, and not why
                pass
            await context.abort(*_REFUSED[fault])
        ended = False

        def over(_: Any) -> None:
            if not ended:
                self.dropped.set()

        context.add_done_callback(over)
        config = (await anext(requests)).streaming_config
        assert "Chirp3-HD" in config.voice.name, "no other voice streams"
        self.configs.append(config)
        audio = config.streaming_audio_config
        mulaw = audio.audio_encoding == types.AudioEncoding.MULAW
        assert mulaw or audio.audio_encoding == types.AudioEncoding.PCM
        async for request in requests:
            text = request.input.text
            self.texts.append(text)
            pieces = pieces_of(text.strip(), audio.sample_rate_hertz, mulaw=mulaw)
            if fault == "silent":
                await asyncio.Event().wait()
            for number, piece in enumerate(pieces):
                yield types.StreamingSynthesizeResponse(audio_content=piece)
                # What holds no sound may come between two pieces.
                yield types.StreamingSynthesizeResponse()
                if number == 1 and fault:
                    await self._go_wrong(fault, context)
                    while fault == "endless":
                        yield types.StreamingSynthesizeResponse(audio_content=bytes(3_000_000))
                    yield b"\xff\xff\xff"
        ended = True

    async def _go_wrong(self, fault: str, context: Any) -> None:
        if fault == "hang":
            await asyncio.Event().wait()
        if fault == "cut":
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")


def _serialized(answer: Any) -> bytes:
    if isinstance(answer, bytes):
        return answer
    return bytes(types.StreamingSynthesizeResponse.serialize(answer))
