"""A recogniser for `marked_voice`: it knows by the pitch of what it hears which sentence is being said."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

from calls.marked_voice import MarkedTextToSpeech, numbers_in
from trunkline.audio.frame import Frame
from trunkline.events import Expectation, Final
from trunkline.providers.protocols import Heard, ListenOptions
from trunkline.providers.stt.outbox import Outbox

PAUSE_FRAMES = 10
"""Silence that ends an utterance: 200 ms."""


class MarkedSpeechToText:
    """Hears what a caller with this voice says, and nothing else."""

    name = "marked"

    def __init__(self, voice: MarkedTextToSpeech) -> None:
        self._voice = voice

    async def start(self) -> None:
        """Nothing to load."""

    async def open(self, options: ListenOptions) -> MarkedRecognition:
        return MarkedRecognition(self._voice)

    async def close(self) -> None:
        """Nothing is held."""


class MarkedRecognition:
    def __init__(self, voice: MarkedTextToSpeech) -> None:
        self._voice = voice
        self._outbox = Outbox()
        self._heard: Counter[int] = Counter()
        self._quiet = 0

    def push(self, frame: Frame) -> None:
        numbers = numbers_in(frame.pcm) if frame.pcm.strip(b"\0") else ()
        self._heard.update(numbers)
        self._quiet = 0 if numbers else self._quiet + 1
        if self._heard and self._quiet >= PAUSE_FRAMES:
            self._give(frame.at)

    def _give(self, at: float) -> None:
        number, _ = self._heard.most_common(1)[0]
        # Pitches come again after seventy sentences: the latest with this one is meant.
        said = [n for n in range(len(self._voice.asked)) if n % 70 == number]
        self._heard.clear()
        if said:
            self._outbox.put(Final(at, self._voice.asked[said[-1]]))

    def speech_started(self, since: float) -> None:
        """It hears for itself."""

    def speech_stopped(self, until: float) -> None:
        """It hears for itself."""

    def expect(self, expectation: Expectation) -> None:
        """It needs no help."""

    def finalise(self) -> None:
        """It gives what it has by itself."""

    def __aiter__(self) -> AsyncIterator[Heard]:
        return self._outbox

    async def close(self) -> None:
        self._outbox.close()
