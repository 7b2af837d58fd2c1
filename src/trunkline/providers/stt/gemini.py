"""Gemini's live transcription: `--stt gemini,model=gemini-3.5-transcribe-live`, the key in `GEMINI_API_KEY`.

The Live API with a model that only hears: it makes no answer, so none is paid for. Our voice activity cuts
the utterances, so that nothing is sent while nobody speaks. It tells no word times. A connection lasts ten
minutes or so: another is opened when the service announces its end, and takes over between two utterances.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from trunkline.audio.frame import Frame
from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineError
from trunkline.events import Expectation
from trunkline.providers.gemini_live_messages import HEARING_RATE, OFFICIAL, PATH, Sounds, ended
from trunkline.providers.hosted_engine import HostedEngine
from trunkline.providers.protocols import Heard, ListenOptions
from trunkline.providers.refusals import checked_limits
from trunkline.providers.socket_line import SocketLine
from trunkline.providers.stt.gemini_wire import OnSpoken, TranscribeWire
from trunkline.providers.stt.hearing import keyterms_of
from trunkline.providers.stt.line_sound import SoundFormat, line_format
from trunkline.providers.stt.openai_realtime import RealtimeRecognition

_WHERE = "gemini"
_MODES = ("", "smart", "verbatim")


class GeminiTranscribe(HostedEngine):
    """`language`: a BCP-47 code, in place of the call's; "auto" leaves it to the service. `mode`: "smart"
    (fillers left out), "verbatim", or empty for the service's own. `answer_s`: how long an utterance's last
    words may take."""

    def __init__(
        self,
        *,
        clock: Clock,
        model: str = "gemini-3.5-transcribe-live",
        language: str = "",
        mode: str = "",
        keyterms: str = "",
        base_url: str = OFFICIAL,
        key_env: str = "GEMINI_API_KEY",
        connect_s: float = 5.0,
        answer_s: float = 10.0,
        verify: bool = True,
    ) -> None:
        super().__init__(clock, f"gemini/{model}", _WHERE, base_url, key_env, connect_s, verify)
        self._model = model
        self._language = language
        self._mode = mode
        self._keyterms = tuple(keyterms.split("|"))
        self._answer = answer_s

    def _headers(self, key: str) -> dict[str, str]:
        return {"x-goog-api-key": key}

    def _card(self) -> str:
        return f"/v1beta/models/{self._model}"

    def _check(self) -> None:
        checked_limits(_WHERE, answer_s=self._answer)
        if self._mode not in _MODES:
            raise ConfigError(f"mode={self._mode!r} is not known", where=_WHERE, hint="Use smart or verbatim")

    async def open(self, options: ListenOptions) -> GeminiRecognition:
        return await self.listen(options)

    async def listen(self, options: ListenOptions, on_spoken: OnSpoken | None = None) -> GeminiRecognition:
        """A call's recognition; `on_spoken` is given each utterance's words with its sound, at
        `HEARING_RATE`."""
        key = self._key_when_started()
        line = SocketLine(
            _WHERE,
            self._base_url.replace("http", "ws", 1) + PATH,
            self._headers(key),
            self._key_env,
            _WHERE,
            connect_s=self._connect,
        )
        language = {"": options.language, "auto": ""}.get(self._language, self._language)
        told = ListenOptions(options.rate, language, keyterms_of(self._keyterms, options.keyterms))
        sound = line_format(options.rate, _WHERE, mulaw=False, wide=HEARING_RATE)

        def stream(keyterms: tuple[str, ...]) -> _Stream:
            wire = TranscribeWire(self._model, language, self._mode, Sounds(sound.rate), on_spoken)
            heard = ListenOptions(told.rate, told.language, keyterms)
            return _Stream(line, wire, self._clock, heard, sound, self._answer)

        return await self._opened(GeminiRecognition(stream, told))


class _Stream(RealtimeRecognition):
    """One connection's part of a call."""

    def __init__(
        self,
        line: SocketLine,
        wire: TranscribeWire,
        clock: Clock,
        options: ListenOptions,
        sound: SoundFormat,
        answer_s: float,
    ) -> None:
        super().__init__(line, wire, clock, options, sound, answer_s)
        self.wire = wire

    def _take(self, frame: Frame) -> None:
        super()._take(frame)
        for heard in self.wire.waited(self._clock.now()):
            self._outbox.put(heard)

    def _broken(self, error: Exception) -> EngineError:
        return ended(error, self._line)

    @property
    def quiet(self) -> bool:
        """Nobody speaks, and nothing waits to be told."""
        return not (self.wire.utterances.waiting or self._waiting or self._segmenter.speaking)

    def follow(self, earlier: _Stream) -> None:
        """Take over: the sound just before the next word is known to the one before."""
        self._segmenter = earlier._segmenter

    async def next(self) -> Heard:
        return await anext(self._outbox)


_MakeStream = Callable[[tuple[str, ...]], _Stream]
"""A connection that listens for these key terms, not opened yet."""


class GeminiRecognition:
    """One call's recognition, over as many connections as the call lasts. Made by `listen`, which awaits
    `connect`."""

    def __init__(self, stream: _MakeStream, options: ListenOptions) -> None:
        self._make = stream
        self._options = options
        self._stream = stream(options.keyterms)
        self._following: asyncio.Task[_Stream] | None = None
        self._parting: set[asyncio.Task[None]] = set()

    async def connect(self) -> None:
        await self._stream.connect()

    # --- what a call does with it -----------------------------------------------------------------

    def push(self, frame: Frame) -> None:
        if self._stream.wire.leaving:
            self._change()
        self._stream.push(frame)

    def speech_started(self, since: float) -> None:
        self._stream.speech_started(since)

    def speech_stopped(self, until: float) -> None:
        self._stream.speech_stopped(until)

    def expect(self, expectation: Expectation) -> None:
        self._stream.expect(expectation)

    def finalise(self) -> None:
        self._stream.finalise()

    def __aiter__(self) -> AsyncIterator[Heard]:
        return self

    async def __anext__(self) -> Heard:
        while True:
            stream = self._stream
            try:
                return await stream.next()
            except StopAsyncIteration:
                if stream is self._stream:
                    raise

    def in_progress(self) -> list[tuple[str, bytes]]:
        """The words so far of the utterances that are not final, and their sound so far."""
        return self._stream.wire.in_progress()

    # --- from one connection to the next ----------------------------------------------------------

    def _change(self) -> None:
        """Open the next connection, then change over as soon as nobody speaks. Where it cannot be opened the
        end of this one tells the call, which opens another recognition."""
        if self._following is None:
            self._following = asyncio.create_task(self._opened(), name="gemini: next connection")
        if not self._following.done() or self._following.exception() is not None or not self._stream.quiet:
            return
        before, self._stream, self._following = self._stream, self._following.result(), None
        self._stream.follow(before)
        task = asyncio.create_task(before.close(), name="gemini: last connection")
        self._parting.add(task)
        task.add_done_callback(self._parting.discard)

    async def _opened(self) -> _Stream:
        stream = self._make(keyterms_of(self._options.keyterms, self._stream.wire.keyterms))
        await stream.connect()
        return stream

    @property
    def closed(self) -> bool:
        return self._stream.closed

    @property
    def failed(self) -> bool:
        """It was closed, or its connection is gone."""
        return self._stream.ended

    async def close(self) -> None:
        """End the call's recognition; may be called more than once."""
        following, self._following = self._following, None
        if following is not None:
            following.cancel()
            opened = (await asyncio.gather(following, return_exceptions=True))[0]
            if isinstance(opened, _Stream):
                await opened.close()
        await self._stream.close()
        await asyncio.gather(*self._parting, return_exceptions=True)
