"""A voice whose every sentence has a pitch of its own, so that a frame tells which sentence it is of.

Sentence n of the process sounds at 50 * (n % 70 + 5) Hz: a whole number of periods in 20 ms, so a
frame's spectrum has one line, wherever the sentence is cut, and however quiet it is made.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import numpy as np

from trunkline.audio.frame import Frame
from trunkline.clock import Clock
from trunkline.providers.protocols import Spoken, VoiceOptions

RATE = 8000
_LOWEST, _PITCHES = 5, 70


class MarkedTextToSpeech:
    """`delay`: seconds until a sentence's first sound. The rest comes in pieces of 0.1 s, at once."""

    name = "marked"

    def __init__(self, clock: Clock | None = None, delay: float = 0.0) -> None:
        self.clock = clock
        self.delay = delay
        self.asked: list[str] = []
        """All sentences, by their number."""

    async def start(self) -> None:
        """Nothing to load."""

    async def open(self, options: VoiceOptions) -> MarkedVoice:
        assert options.rate == RATE
        return MarkedVoice(self)

    async def close(self) -> None:
        """Nothing is held."""


class MarkedVoice:
    rate = RATE

    def __init__(self, engine: MarkedTextToSpeech) -> None:
        self._engine = engine

    async def say(self, text: str) -> AsyncGenerator[Spoken, None]:
        engine = self._engine
        number = len(engine.asked)
        engine.asked.append(text)
        if engine.clock is not None:
            await engine.clock.sleep(engine.delay)
        t = np.arange(RATE // 10) / RATE
        line = (_LOWEST + number % _PITCHES) * 50
        piece = (8000 * np.sin(2 * np.pi * line * t)).astype("<i2").tobytes()
        for _ in range(max(1, len(text.split())) * 3):
            yield Spoken(piece)

    async def close(self) -> None:
        """Nothing is held."""


class MarkedEar:
    """What the caller received: for each audible frame, when it came and which sentences are in it."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, tuple[int, ...]]] = []

    def hear(self, frame: Frame) -> None:
        numbers = numbers_in(frame.pcm)
        if numbers:
            self.heard.append((frame.at, numbers))


def numbers_in(pcm: bytes) -> tuple[int, ...]:
    """The numbers of the sentences that sound in 20 ms (a frame in which the gain glides or a sentence
    begins has its line broadened: neighbours of a stronger line do not count)."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(float)
    if not samples.any():
        return ()
    strength = np.abs(np.fft.rfft(samples)) / 80
    found = []
    for line in range(_LOWEST, min(len(strength) - 1, _LOWEST + _PITCHES)):
        around = strength[max(0, line - 3) : line + 4]
        if strength[line] > 300 and strength[line] == around.max() and strength[line] > 0.3 * strength.max():
            found.append(line - _LOWEST)
    return tuple(found)
