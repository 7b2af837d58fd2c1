"""One call's recognition by Google Cloud Speech v2: one stream after the other, and the sound that waits.

One task runs the streams. What is pushed waits in a bounded queue that the stream's requests are made from;
where a stream has ended and the next one has not begun, it waits a little longer, and none of it is lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from trunkline.audio.frame import Frame
from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineError, EngineRequest, EngineTimeout
from trunkline.events import Expectation, Word
from trunkline.providers.google_errors import engine_error
from trunkline.providers.protocols import Heard, ListenOptions
from trunkline.providers.stt.hearing import final, keyterms_of, partial, spread, trust
from trunkline.providers.stt.line_sound import SoundEncoder, SoundFormat
from trunkline.providers.stt.outbox import Outbox
from trunkline.providers.stt.socket_recognition import MOST_BEHIND
from trunkline.providers.stt.timeline import Timeline

_WHERE = "google"
_API = "Speech-to-Text API"
_CHECK = "project, location, model and language"
_PIECE = 0.1
"""Seconds of sound in a request; the vendor recommends 100 ms."""
_LARGEST_PIECE = 0.5
"""A request holds 25 kB at most: half a second at 24 kHz, and a little more."""
_PAUSE_COMES = 30.0
_MARGIN = 120.0
"""Seconds that a stream may last beyond the plan, before the client itself gives up."""
_LAST_WORDS = 5.0
"""Seconds that a stream whose sound has ended may take for its last words."""
_SURE = 0.8
"""Interim results with at least this stability will not change."""
_BOOST = 10.0


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """How each stream is asked for. `longest`: seconds after which another is begun where the caller pauses,
    or half a minute later anyway."""

    recognizer: str
    model: str
    language: str
    endpointing: int
    on_pause: bool
    longest: float


class GoogleRecognition:
    """Made by the engine's `open`."""

    def __init__(
        self, client: Any, plan: StreamPlan, clock: Clock, options: ListenOptions, sound: SoundFormat
    ) -> None:
        self._client = client
        self._plan = plan
        self._clock = clock
        self._options = options
        self._format = sound
        self._keyterms = options.keyterms
        self._outbox = Outbox()
        self._waiting: deque[tuple[bytes, float] | None] = deque()
        """Sound and when its last sample was heard; None: this stream's sound ends here."""
        self._behind = 0.0
        self._news = asyncio.Event()
        self._timeline = Timeline()
        self._began = 0.0
        self._sounded = False
        """The present stream was given sound."""
        self._said = 0.0
        """Second of the stream's sound at which its last final words end."""
        self._closed = False
        self._task = asyncio.create_task(self._streams(), name="google: streams")

    # --- what a call does with it -----------------------------------------------------------------

    def push(self, frame: Frame) -> None:
        if self._outbox.ended:
            return
        if frame.rate != self._options.rate or len(frame.pcm) % 2:
            self._outbox.complain(EngineRequest(f"a frame is not {self._options.rate} Hz", where=_WHERE))
            return
        self._waiting.append((frame.pcm, frame.at))
        self._behind += frame.seconds
        if self._behind > MOST_BEHIND:
            self._outbox.complain(EngineDown("it cannot keep up; sound was dropped", where=_WHERE))
            while self._behind > MOST_BEHIND and self._waiting:
                self._taken()
        self._news.set()

    def speech_started(self, since: float) -> None:
        """The service hears for itself."""

    def speech_stopped(self, until: float) -> None:  # noqa: ARG002 - all sound up to now belongs to it
        if self._plan.on_pause or self._clock.now() - self._began > self._plan.longest:
            self._end_stream()

    def finalise(self) -> None:
        self._end_stream()

    def expect(self, expectation: Expectation) -> None:
        """For the next stream: the present one has its settings."""
        self._keyterms = keyterms_of(self._options.keyterms, expectation.keyterms)

    def __aiter__(self) -> AsyncIterator[Heard]:
        return self._outbox

    @property
    def closed(self) -> bool:
        return self._closed

    async def close(self) -> None:
        self._closed = True
        self._outbox.close()
        self._waiting.clear()
        self._behind = 0.0
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _end_stream(self) -> None:
        sound = any(piece is not None for piece in self._waiting) or self._sounded
        ending = bool(self._waiting) and self._waiting[-1] is None
        if sound and not ending and not self._outbox.ended:
            self._waiting.append(None)
            self._news.set()

    def _taken(self) -> tuple[bytes, float] | None:
        piece = self._waiting.popleft()
        if piece is not None:
            self._behind = max(0.0, self._behind - len(piece[0]) / 2 / self._options.rate)
        return piece

    # --- the streams ------------------------------------------------------------------------------

    async def _streams(self) -> None:
        try:
            while True:
                while not self._waiting:  # a stream without sound would be ended by the service
                    self._news.clear()
                    await self._news.wait()
                if self._waiting[0] is None:
                    self._waiting.popleft()
                else:
                    await self._one_stream()
        except EngineError as error:
            self._outbox.fail(error)
        except Exception as error:  # noqa: BLE001 - the task ends here, and a call is told why
            # Whatever the client raises, it did not get through.
            self._outbox.fail(engine_error(error, _API, _CHECK))

    async def _one_stream(self) -> None:
        self._timeline, self._began, self._said, self._sounded = Timeline(), self._clock.now(), 0.0, False
        # The bare call, not the client's wrapper: that one waits for the service's first word before it can
        # be cancelled, and the service has none while the caller is silent.
        call = self._client.transport.streaming_recognize(
            metadata=(("x-goog-request-params", f"recognizer={quote(self._plan.recognizer, safe='')}"),),
            timeout=self._plan.longest + _MARGIN,
        )
        writing = asyncio.create_task(self._write_all(call))
        reading = asyncio.create_task(self._read_all(call))
        try:
            await asyncio.wait((writing, reading), return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                await asyncio.wait((reading,), timeout=_LAST_WORDS)
            if not reading.done():
                raise EngineTimeout(f"no last words came within {_LAST_WORDS:g} s", where=_WHERE)
            reading.result()  # a write that failed is told here, with the service's own reason
        finally:
            call.cancel()
            writing.cancel()
            reading.cancel()
            await asyncio.gather(writing, reading, return_exceptions=True)

    async def _write_all(self, call: Any) -> None:
        """What a stream is sent, until its sound ends."""
        from google.cloud.speech_v2.types import cloud_speech

        request = cloud_speech.StreamingRecognizeRequest
        await call.write(
            request(recognizer=self._plan.recognizer, streaming_config=self._config(cloud_speech))
        )
        encoder = SoundEncoder(self._options.rate, self._format)
        while self._clock.now() - self._began < self._plan.longest + _PAUSE_COMES:
            if self._waiting and self._waiting[0] is None:
                self._waiting.popleft()
                break
            enough = self._behind >= _PIECE - 1e-6 or None in self._waiting
            if not self._waiting or not enough:
                self._news.clear()
                await self._news.wait()  # the service ends a stream without sound
            elif data := self._piece(encoder):
                self._sounded = True
                await call.write(request(audio=data))
        await call.done_writing()

    def _piece(self, encoder: SoundEncoder) -> bytes:
        data, length = b"", 0.0
        while self._waiting and self._waiting[0] is not None and length < _LARGEST_PIECE:
            piece = self._taken()
            assert piece is not None
            pcm, at = piece
            seconds = len(pcm) / 2 / self._options.rate
            self._timeline.sent(seconds, at)
            length += seconds
            data += encoder.push(pcm)
        return data

    def _config(self, types: Any) -> Any:
        decoding = types.ExplicitDecodingConfig(
            encoding=types.ExplicitDecodingConfig.AudioEncoding[
                "MULAW" if self._format.mulaw else "LINEAR16"
            ],
            sample_rate_hertz=self._format.rate,
            audio_channel_count=1,
        )
        features = types.RecognitionFeatures(
            enable_word_time_offsets=True, enable_word_confidence=True, enable_automatic_punctuation=True
        )
        config: dict[str, Any] = {"explicit_decoding_config": decoding, "features": features}
        if self._plan.model:
            config |= {"model": self._plan.model, "language_codes": [self._plan.language]}
        if self._keyterms:
            phrases = [types.PhraseSet.Phrase(value=term, boost=_BOOST) for term in self._keyterms]
            inline = types.SpeechAdaptation.AdaptationPhraseSet(
                inline_phrase_set=types.PhraseSet(phrases=phrases)
            )
            config["adaptation"] = types.SpeechAdaptation(phrase_sets=[inline])
        return types.StreamingRecognitionConfig(
            config=types.RecognitionConfig(**config),
            streaming_features=types.StreamingRecognitionFeatures(
                interim_results=True, endpointing_sensitivity=self._plan.endpointing
            ),
        )

    # --- what it tells ----------------------------------------------------------------------------

    async def _read_all(self, answers: Any) -> None:
        async for answer in answers:
            for heard in self._read(answer):
                self._outbox.put(heard)

    def _read(self, answer: Any) -> list[Heard]:
        now = self._clock.now()
        told: list[Heard] = []
        words: list[Word] = []
        stable = 0
        for result in answer.results:
            if not result.alternatives:
                continue
            best = result.alternatives[0]
            ends = max(self._said, result.result_end_offset.total_seconds())
            if result.is_final:
                told.append(final(now, self._words(best, ends, now), trust(best.confidence or None)))
                self._said = ends
                continue
            begins = words[-1].end if words else self._at(self._said, now)
            words += spread(best.transcript, begins, max(begins, self._at(ends, now)))
            if result.stability >= _SURE:
                stable = len(words)
        return [*told, partial(now, words, stable)] if words else told

    def _words(self, best: Any, ends: float, now: float) -> tuple[Word, ...]:
        written = best.transcript.split()
        if len(best.words) != len(written):
            return spread(best.transcript, self._at(self._said, now), self._at(ends, now))
        return tuple(
            Word(
                shown,
                self._at(word.start_offset.total_seconds(), now),
                self._at(word.end_offset.total_seconds(), now),
                trust(word.confidence or None),
            )
            for shown, word in zip(written, best.words, strict=True)
        )

    def _at(self, second: float, now: float) -> float:
        return min(now, self._timeline.at(second))
