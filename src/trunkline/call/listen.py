"""The agent's ears: each frame of the caller to voice activity and to the recogniser.

The frame path is synchronous; what the recogniser hears comes back through one task. An engine that fails
is replaced behind `FailoverSpeechToText`, which loses no words; when none is left the call is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from trunkline.audio.frame import Frame
from trunkline.call.sounded_end import SoundedEnds
from trunkline.call.voice_batch import Track, VoiceBatch
from trunkline.clock import Clock
from trunkline.errors import EngineError
from trunkline.events import (
    EngineAsked,
    Event,
    Expectation,
    SpeechStarted,
    SpeechStopped,
    SpeechWeighed,
    Trouble,
)
from trunkline.providers.protocols import ListenOptions, Recognition, SpeechToText
from trunkline.providers.stt_failover import recognisers_reporting_to
from trunkline.turn.tones import ToneDetector


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
        self._engines = engines
        self._options = options
        self._clock = clock
        self._emit = emit
        self._recognition: Recognition | None = None
        self._track: Track | None = None
        self._tones: ToneDetector | None = None
        self._ends = ends.ear(options.rate, emit) if ends is not None else None
        self._speech = 0.0
        """When the latest speech began."""

    async def open(self, batch: VoiceBatch, vad: str) -> None:
        """Open the first engine that opens. Raises its `EngineError` when none does."""
        self._track = batch.open(self._options.rate, self._activity, vad=vad)
        engines = recognisers_reporting_to(self._engines, self._clock, self._trouble, self._asked)
        self._recognition = await engines.open(self._options)

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
        if self._recognition is not None:
            self._recognition.expect(expectation)

    def finalise(self) -> None:
        """The turn is over: whatever is not final yet is to be now."""
        if self._recognition is not None:
            self._recognition.finalise()

    async def run(self) -> None:
        """Pass on what is heard until `close`. Raises the `EngineError` that no engine is left for."""
        if self._recognition is not None:
            async for heard in self._recognition:
                self._emit(heard)

    def _trouble(self, name: str, error: EngineError) -> None:  # noqa: ARG002 - the error names its engine
        self._emit(Trouble(self._clock.now(), "stt", type(error).__name__, str(error), error.verdict))

    def _asked(self, name: str, seconds: float) -> None:
        self._emit(EngineAsked(self._clock.now(), "stt", name, seconds=seconds))

    async def close(self) -> None:
        """Hear no more. What told this listener is let go of, as it holds the listener."""
        recognition, self._recognition = self._recognition, None
        track, self._track = self._track, None
        ends, self._ends = self._ends, None
        if track is not None:
            track.close()
        if ends is not None:
            ends.close()
        if recognition is not None:
            with suppress(EngineError):  # it is being thrown away
                await recognition.close()
