"""Google Cloud Speech v2's StreamingRecognize on gRPC, by a pretended ear, with the vendor's own messages.

`faults`, one for a stream: "late", "silent", "cut" (UNAVAILABLE), "garbage" (bytes that are no message),
"error" (INTERNAL), "quota", "key", "expired" (the stream has lasted too long).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import grpc
from google.cloud.speech_v2.types import cloud_speech as types

from providers.servers.pretend_ear import PretendEar, Told
from trunkline.audio.codecs.pcmu import decode as decode_mulaw

_LATE_SECONDS = 0.2
_STATUS = {
    "cut": (grpc.StatusCode.UNAVAILABLE, "Socket closed"),
    "error": (grpc.StatusCode.INTERNAL, "The service is currently broken"),
    "quota": (grpc.StatusCode.RESOURCE_EXHAUSTED, "Quota exceeded"),
    "key": (grpc.StatusCode.UNAUTHENTICATED, "Request had invalid authentication credentials"),
    "expired": (grpc.StatusCode.ABORTED, "Max duration of 5 minutes reached for stream"),
}


class GoogleEars:
    """`async with GoogleEars() as server:` listens on a free port of loopback."""

    def __init__(self) -> None:
        self.faults: deque[str] = deque()
        self.configs: list[Any] = []
        self.recognizers: list[str] = []
        self.received: list[float] = []
        self.first_sound = asyncio.Event()
        self.ended = asyncio.Event()
        self._server: grpc.aio.Server | None = None
        self.address = ""

    async def __aenter__(self) -> Self:
        handler = grpc.stream_stream_rpc_method_handler(
            self._recognize,
            request_deserializer=types.StreamingRecognizeRequest.deserialize,
            response_serializer=_serialized,
        )
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(
                    "google.cloud.speech.v2.Speech", {"StreamingRecognize": handler}
                ),
            )
        )
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        self.address = f"127.0.0.1:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        await self._server.stop(None)
        self._server = None

    async def _recognize(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        fault = self.faults.popleft() if self.faults else ""
        if fault == "late":
            await asyncio.sleep(_LATE_SECONDS)
        self.received.append(0.0)
        number = len(self.received) - 1
        ear: PretendEar | None = None
        mulaw, rate = False, 8000
        context.add_done_callback(lambda _: self.ended.set())
        async for request in requests:
            if ear is None:
                self.recognizers.append(request.recognizer)
                config = request.streaming_config
                self.configs.append(config)
                decoding = config.config.explicit_decoding_config
                mulaw = decoding.encoding == types.ExplicitDecodingConfig.AudioEncoding.MULAW
                rate = decoding.sample_rate_hertz
                ear = PretendEar(rate)
                continue
            assert len(request.audio) <= 25_600
            if fault in _STATUS:
                await context.abort(*_STATUS[fault])
            pcm = decode_mulaw(request.audio) if mulaw else request.audio
            self.received[number] += len(pcm) / 2 / rate
            self.first_sound.set()
            for told in ear.hear(pcm):
                if fault and told.kind == "partial" and fault != "late":
                    if fault == "garbage":
                        yield b"\xff\xff\xff"
                    else:
                        await asyncio.Event().wait()
                if told.kind != "began":
                    yield _answer(told)
        if ear is not None and (forced := ear.force()):
            yield _answer(forced)


def _serialized(answer: Any) -> bytes:
    if isinstance(answer, bytes):
        return answer
    return bytes(types.StreamingRecognizeResponse.serialize(answer))


def _answer(told: Told) -> Any:
    final = told.kind == "final"
    words = [
        types.WordInfo(
            word=word.text,
            start_offset=timedelta(seconds=word.start),
            end_offset=timedelta(seconds=word.end),
            confidence=0.9,
        )
        for word in told.words
    ]
    best = types.SpeechRecognitionAlternative(
        transcript=told.text, confidence=0.95 if final else 0.0, words=words if final else []
    )
    ends = timedelta(seconds=told.words[-1].end if told.words else 0)
    result = types.StreamingRecognitionResult(
        alternatives=[best], is_final=final, stability=0.0 if final else 0.9, result_end_offset=ends
    )
    return types.StreamingRecognizeResponse(results=[result])
