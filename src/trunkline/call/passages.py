"""Which sound belongs to which sentence, where a model gives text and sound side by side. Pure.

Vendors stream an answer's transcript and its sound without saying where in the one a place in the other is.
A sentence's sound is taken to end where its share of the letters ends: by a pace of speech while the answer
is still coming, by proportion once all of it is there; and then at the quietest place near by, for people
pause between sentences. Nothing is said twice or lost by a wrong guess: what is taken too early for one
sentence is the beginning of the next. Only where a sentence is left out (a guardrail blocked it) may a
syllable of it be heard, or one of its neighbours be missing.
"""

from __future__ import annotations

from enum import Enum

import numpy as np

SEARCH = 0.4
"""Seconds before and after the expected end of a sentence in which the quietest place is looked for."""
USUAL_PACE = 15.0
"""Characters a second, until an answer of this call was measured."""
MOST_SECONDS = 120.0
"""Of sound that may wait; an answer that is longer loses its end."""
_QUIET = 0.04
"""Seconds over which quiet is weighed; the cut is in their middle."""
_STEP = 0.01


class Progress(Enum):
    """How far a sentence's sound has been taken."""

    MORE = "more"
    """More of it comes, or may come."""
    OVER = "over"
    LOST = "lost"
    """The answer broke off within it, or before it."""


class Passages:
    """One answer: `text` for each sentence in order, `sound` as it comes; then `take` each one's sound, in
    order. Places are samples at `rate`. `pace`: characters a second to expect."""

    def __init__(self, rate: int, pace: float = USUAL_PACE) -> None:
        self.rate = rate
        self.complete = False
        """All of its text is known; more may still follow where it calls tools."""
        self.ended = False
        """All of its sound has come."""
        self.broken = False
        """It broke off: what is missing will not come."""
        self._pace = pace
        self._texts: list[str] = []
        self._next = 0
        """The first sentence that is not over yet."""
        self._sound = bytearray()
        self._base = 0
        """Where `_sound` begins."""
        self._at = 0
        """Where the next sentence's sound begins."""
        self._given = 0
        """Up to where its sound was taken."""

    @property
    def total(self) -> int:
        """How much sound has come, in samples."""
        return self._base + len(self._sound) // 2

    @property
    def measured_pace(self) -> float | None:
        """Characters a second, once all of it is there."""
        characters = sum(map(_letters, self._texts))
        whole = self.ended and self.complete and not self.broken and self.total and characters >= 20
        return characters * self.rate / self.total if whole else None

    def text(self, sentence: str) -> None:
        """The next sentence, as it is spoken."""
        self._texts.append(sentence)
        self.complete = False

    def sound(self, pcm: bytes) -> None:
        """The next piece."""
        if (self.total - self._given) / self.rate < MOST_SECONDS:
            self._sound += pcm

    def find(self, sentence: str) -> int | None:
        """The number of the next sentence with this text whose turn has not passed."""
        for number in range(self._next, len(self._texts)):
            if self._texts[number] == sentence:
                return number
        return None

    def take(self, number: int) -> tuple[bytes, Progress]:
        """The sound of this sentence that is there by now and was not taken. What lies before it is passed
        over."""
        unsure = Progress.LOST if self.broken else Progress.MORE
        while self._next < number:
            end = self._end_of(self._next)
            if end is None:
                return b"", unsure
            self._go_on(end)
        if self._next > number:
            return b"", Progress.OVER
        end = self._end_of(number)
        if end is None:
            sure = self._expected(number) - self._window
            return self._taken(self.total if self._is_last(number) else min(self.total, sure)), unsure
        pcm = self._taken(end)
        self._go_on(end)
        return pcm, Progress.OVER

    # --- where a sentence ends --------------------------------------------------------------------

    @property
    def _window(self) -> int:
        return round(SEARCH * self.rate)

    def _is_last(self, number: int) -> bool:
        return self.complete and not self.broken and number == len(self._texts) - 1

    def _expected(self, number: int) -> int:
        letters = _letters(self._texts[number])
        if self.ended and self.complete and not self.broken:
            left = sum(map(_letters, self._texts[number:]))
            return self._at + round((self.total - self._at) * letters / max(1, left))
        return self._at + round(letters * self.rate / self._pace)

    def _end_of(self, number: int) -> int | None:
        """Where it ends; None while that cannot be told."""
        if self._is_last(number):
            return self.total if self.ended else None
        if number == len(self._texts) - 1 and not self.broken:
            return None  # whether more follows is not known yet
        expected = self._expected(number)
        if not self.ended and self.total < expected + self._window:
            return None
        if expected > self.total + self._window:
            return None  # its text says that more should come: it will, or the answer broke off
        low = max(self._given, expected - self._window)
        return self._quietest(low, max(low, min(self.total, expected + self._window)), expected)

    def _quietest(self, low: int, high: int, expected: int) -> int:
        size, step = round(_QUIET * self.rate), round(_STEP * self.rate)
        if high - low < size:
            return min(max(expected, low), high)
        start = (low - self._base) * 2
        samples = np.frombuffer(bytes(self._sound[start : start + (high - low) * 2]), "<i2").astype(
            np.float64
        )
        sums = np.concatenate(((0.0,), np.cumsum(samples * samples)))
        places = np.arange(0, len(samples) - size + 1, step)
        energy = sums[places + size] - sums[places]
        # Of places that are equally quiet the one nearest to the expected end.
        near = np.abs(places + size // 2 + low - expected)
        best = int(places[np.lexsort((near, energy))[0]])
        return low + best + size // 2

    def _taken(self, until: int) -> bytes:
        until = max(self._given, until)
        pcm = bytes(self._sound[(self._given - self._base) * 2 : (until - self._base) * 2])
        self._given = until
        self._forget()
        return pcm

    def _go_on(self, end: int) -> None:
        self._next += 1
        self._at = self._given = max(self._given, end)
        self._forget()

    def _forget(self) -> None:
        if self._given - self._base > self.rate:
            del self._sound[: (self._given - self._base) * 2]
            self._base = self._given


def _letters(text: str) -> int:
    return len(text.strip())
