"""The agent's ears: each frame of the caller to voice activity and to the recogniser.

The frame path is synchronous; what the recogniser hears comes back through one task. An engine that
fails is opened again, then replaced by the next one configured, with the words said meanwhile lost
at worst once; when none is left the call is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from trunkline.audio.frame import Frame
from trunkline.call.sounded_end import SoundedEnds
from trunkline.call.voice_batch import Track, VoiceBatch
from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineError
from trunkline.events import Event, Expectation, SpeechStarted, SpeechStopped, SpeechWeighed, Trouble
from trunkline.providers.protocols import ListenOptions, Recognition, SpeechToText
from trunkline.turn.tones import ToneDetector

MAX_FAILURES = 4
"""How often a call's recognition may fail before the call gives up on it."""

RETRY_AFTER = 0.5
"""Seconds between the second failure and the next try; half a second more each time. The first is tried
again at once, for a connection that merely broke."""


class Listener:
    """One for each call. `emit` takes what was heard, voice activity and trouble."""

    def __init__(
        self,
        engines: Sequence[SpeechToText],
        options: ListenOptions,
        clock: Clock,
        emit: Callable[[Event], None],
        ends: SoundedEnds | None = None,
    ) -> None:
        self._engines = list(engines)
        self._options = options
        self._clock = clock
        self._emit = emit
        self._recognition: Recognition | None = None
        self._track: Track | None = None
        self._expectation: Expectation | None = None
        self._tones: ToneDetector | None = None
        self._ends = ends.ear(options.rate, emit) if ends is not None else None
        self._speech = 0.0
        """When the latest speech began."""

    async def open(self, batch: VoiceBatch, vad: str) -> None:
        """Open the first engine that opens. Raises its `EngineError` when none does."""
        self._track = batch.open(self._options.rate, self._activity, vad=vad)
        self._recognition = await self._open_first()

    async def _open_first(self) -> Recognition:
        failure: EngineError = EngineDown("no recogniser is configured", where="stt")
        for engine in self._engines:
            try:
                recognition = await engine.open(self._options)
            except EngineError as error:
                failure = error
                self._trouble(error)
                continue
            if self._expectation is not None:
                recognition.expect(self._expectation)
            return recognition
        raise failure

    def hear(self, frame: Frame, *, tones: bool = False) -> None:
        """20 ms of the caller. `tones`: whether a beep in them is to be told."""
        if self._recognition is not None:
            self._recognition.push(frame)
        if self._ends is not None:
            self._ends.push(frame)
        if self._track is not None:
            self._track.push(frame)
        if tones:
            if self._tones is None:
                self._tones = ToneDetector(self._options.rate)
            for tone in self._tones.push(frame):
                self._emit(tone)

    def played(self, pcm: bytes | None) -> None:
        """20 ms of the agent left; None: silence. Voice activity knows it again when it comes back."""
        if self._track is not None:
            self._track.played(pcm)

    def _activity(self, event: SpeechStarted | SpeechWeighed | SpeechStopped) -> None:
        if self._recognition is not None:
            if isinstance(event, SpeechStarted):
                self._recognition.speech_started(event.since)
            elif isinstance(event, SpeechStopped):
                self._recognition.speech_stopped(event.until)
        self._emit(event)
        if isinstance(event, SpeechStarted):
            self._speech = event.since
        elif isinstance(event, SpeechStopped) and self._ends is not None:
            self._ends.paused(self._speech, event.until)

    def expect(self, expectation: Expectation) -> None:
        """What the agent asks now."""
        self._expectation = expectation
        if self._recognition is not None:
            self._recognition.expect(expectation)

    def finalise(self) -> None:
        """The turn is over: whatever is not final yet is to be now."""
        if self._recognition is not None:
            self._recognition.finalise()

    async def run(self) -> None:
        """Pass on what is heard until `close`. Raises the `EngineError` that no engine is left for."""
        failures = 0
        while (recognition := self._recognition) is not None:
            try:
                async for heard in recognition:
                    self._emit(heard)
                return
            except EngineError as error:
                failures += 1
                self._trouble(error)
                await recognition.close()
                if failures >= MAX_FAILURES:
                    raise
                await self._clock.sleep(RETRY_AFTER * (failures - 1))
                if failures >= 2 and len(self._engines) > 1:
                    self._engines.append(self._engines.pop(0))
                self._recognition = await self._open_first()

    def _trouble(self, error: EngineError) -> None:
        self._emit(Trouble(self._clock.now(), "stt", type(error).__name__, str(error), error.verdict))

    async def close(self) -> None:
        recognition, self._recognition = self._recognition, None
        if self._track is not None:
            self._track.close()
        if self._ends is not None:
            self._ends.close()
        if recognition is not None:
            with suppress(EngineError):  # it is being thrown away
                await recognition.close()
