"""An agent's voice that says what was recorded beforehand: real speech in virtual time, at a set delay."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping

import numpy as np

from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineRequest
from trunkline.lab.overtalk.sounds import Samples
from trunkline.lab.recordings import RATE
from trunkline.providers.protocols import Spoken, VoiceOptions

_PIECE = round(0.1 * RATE)
_SPEED = 20
"""How many times faster than it sounds a sentence is made."""


class RecordedVoice:
    """A `TextToSpeech` and its only voice. `lines`: sound at 8 kHz by the words."""

    name = "recorded"
    rate = RATE

    def __init__(self, clock: Clock, lines: Mapping[str, Samples], delay: float) -> None:
        self._clock = clock
        self._lines = lines
        self._delay = delay

    async def start(self) -> None:
        """Nothing to load."""

    async def open(self, options: VoiceOptions) -> RecordedVoice:
        if options.rate != RATE:
            raise EngineRequest(f"it speaks at {RATE} Hz, not {options.rate}", where="recorded voice")
        return self

    async def say(self, text: str) -> AsyncGenerator[Spoken, None]:
        sound = self._lines.get(text)
        if sound is None:
            raise EngineDown(f"nobody has recorded {text!r}", where="recorded voice")
        await self._clock.sleep(self._delay)
        pcm = np.clip(sound, -32768, 32767).astype("<i2").tobytes()
        marks = tuple((end, place) for place, end in word_ends(text, len(sound) / RATE))
        for at in range(0, len(pcm), 2 * _PIECE):
            yield Spoken(pcm[at : at + 2 * _PIECE], () if at else marks)
            await self._clock.sleep(_PIECE / RATE / _SPEED)

    async def close(self) -> None:
        """Nothing is held."""


def word_ends(text: str, seconds: float) -> list[tuple[int, float]]:
    """For each word, after how many characters and seconds it ends, were all letters equally long."""
    return [(word.end(), seconds * word.end() / len(text)) for word in re.finditer(r"\S+", text)]
