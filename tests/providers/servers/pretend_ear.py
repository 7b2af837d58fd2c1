"""How the local servers' recognisers hear: loud sound is set words, one each 0.3 s; a pause is the end.

Times are seconds of the sound that was received, as services count them.
"""

from __future__ import annotations

import audioop
from dataclasses import dataclass
from typing import Literal

WORD_SECONDS = 0.3
TEXTS = ("yes that is right", "no thank you")
_LOUD = 300
_STEP = 0.02


@dataclass(frozen=True)
class HeardWord:
    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Told:
    """`kind`: "began" with the first sound, "partial" with each new word, "final" after `gap` of quiet."""

    kind: Literal["began", "partial", "final"]
    words: list[HeardWord]

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


class PretendEar:
    """One connection's. `hear` takes 16-bit samples at `rate`."""

    def __init__(self, rate: int, gap: float = 0.3, texts: tuple[str, ...] = TEXTS) -> None:
        self.position = 0.0
        self._rate = rate
        self._gap = gap
        self._texts = texts
        self._turn = 0
        self._rest = b""
        self._began: float | None = None
        self._loud_until = 0.0
        self._said = 0

    def hear(self, pcm: bytes) -> list[Told]:
        told = []
        data, size = self._rest + pcm, round(self._rate * _STEP) * 2
        while len(data) >= size:
            told += self._step(data[:size])
            data = data[size:]
        self._rest = data
        return told

    def force(self) -> Told | None:
        """The utterance in progress is over; None where there is none."""
        if self._began is None:
            return None
        words = self._words_until(self._loud_until) or self._words_until(self._began + WORD_SECONDS)
        self._began = None
        self._turn += 1
        return Told("final", words)

    def _step(self, pcm: bytes) -> list[Told]:
        told: list[Told] = []
        self.position += _STEP
        if audioop.rms(pcm, 2) >= _LOUD:
            if self._began is None:
                self._began, self._said = self.position - _STEP, 0
                told.append(Told("began", []))
            self._loud_until = self.position
        elif self._began is not None and self.position - self._loud_until >= self._gap:
            last = self.force()
            return [last] if last else []
        if self._began is not None:
            words = self._words_until(self._loud_until)
            if len(words) > self._said:
                self._said = len(words)
                told.append(Told("partial", words))
        return told

    def _words_until(self, until: float) -> list[HeardWord]:
        assert self._began is not None
        words = self._texts[self._turn % len(self._texts)].split()
        count = min(len(words), int((until - self._began) / WORD_SECONDS + 1e-6))
        return [
            HeardWord(
                word, round(self._began + n * WORD_SECONDS, 3), round(self._began + (n + 1) * WORD_SECONDS, 3)
            )
            for n, word in enumerate(words[:count])
        ]
