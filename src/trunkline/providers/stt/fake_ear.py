"""When a pretended recogniser says what: pure, time passed in.

Two ears: one follows a script of utterances, the other finds speech by the energy of the frames and
spreads set words over it. Both are asked `due()` for the next moment at which they have something to
give, and `wake(now)` for what is due by then.
"""

from __future__ import annotations

import audioop
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from trunkline.audio.frame import Frame
from trunkline.events import Final, Partial, Word
from trunkline.providers.protocols import Heard

WORD_SECONDS = 0.3
"""How far apart words stand that have no times of their own."""
LOUD = 300.0
"""Root mean square above which a frame counts as speech: 41 dB below full scale."""
ONSET_FRAMES = 3
"""So many loud frames in a row begin an utterance; a click is shorter."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One scripted utterance: when it starts and its words, each with the time at which it ends, all
    in seconds on the call's clock."""

    start: float
    words: tuple[tuple[str, float], ...]

    @property
    def end(self) -> float:
        return self.words[-1][1] if self.words else self.start


class Ear(Protocol):
    """What decides the moments of a fake recognition."""

    def hear(self, frame: Frame) -> None: ...

    def due(self) -> float | None:
        """The next moment at which `wake` will give something; None while there is none."""

    def wake(self, now: float) -> list[Heard]:
        """What is due by `now`."""

    def finalise(self, now: float) -> list[Heard]:
        """A `Final` for the words heard so far, whatever the delays."""


def _timed(words: Sequence[tuple[str, float]], start: float) -> tuple[Word, ...]:
    timed = []
    for text, end in words:
        timed.append(Word(text, start, max(start, end)))
        start = max(start, end)
    return tuple(timed)


def _text(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)


def _partial(words: tuple[Word, ...], now: float) -> Partial:
    return Partial(now, _text(words), words, stable=len(words))


class ScriptedEar:
    """Says the script's words: each in a `Partial` `partial_delay` seconds after it ends, and the
    `Final` `final_delay` seconds after the utterance's end. Partials that would come after their
    `Final` are left out. What was due before `opened` was some other stream's to say."""

    def __init__(
        self, script: Sequence[Utterance], final_delay: float, partial_delay: float, opened: float
    ) -> None:
        self._final_delay = final_delay
        self._partial_delay = partial_delay
        self._left = [each for each in script if each.words and each.end + final_delay >= opened]
        self._left.sort(key=lambda each: each.start)
        self._opened = opened
        self._said = 0  # words of the first utterance left that a Partial has given

    def hear(self, frame: Frame) -> None:
        """The script knows already."""

    def due(self) -> float | None:
        if not self._left:
            return None
        first = self._left[0]
        final = first.end + self._final_delay
        if self._said < len(first.words):
            return min(final, first.words[self._said][1] + self._partial_delay)
        return final

    def wake(self, now: float) -> list[Heard]:
        heard: list[Heard] = []
        while (due := self.due()) is not None and due <= now:
            first = self._left[0]
            if due >= first.end + self._final_delay:
                heard.append(self._finish(len(first.words), now))
                continue
            while self._said < len(first.words) and first.words[self._said][1] + self._partial_delay <= now:
                self._said += 1
            heard.append(_partial(_timed(first.words, first.start)[: self._said], now))
        return heard

    def finalise(self, now: float) -> list[Heard]:
        heard = self.wake(now)
        if self._left:
            over = sum(1 for _, end in self._left[0].words if end <= now)
            if over:
                heard.append(self._finish(over, now))
        return heard

    def _finish(self, count: int, now: float) -> Final:
        first = self._left.pop(0)
        words = _timed(first.words[:count], first.start)
        if count < len(first.words):  # finalised in the middle: the rest is an utterance of its own
            self._left.insert(0, Utterance(words[-1].end, first.words[count:]))
        self._said = 0
        return Final(now, _text(words), words)


class EnergyEar:
    """Hears speech where frames are loud, and says set texts, one an utterance, in turn.

    A pause of `gap` seconds ends an utterance. Its `Final` comes `final_delay` seconds after its last
    loud frame (not before the pause is known to be one), with all its words spread over it; until
    then a word comes each 0.3 s of speech, in a `Partial` `partial_delay` seconds later.
    """

    def __init__(self, texts: Sequence[str], final_delay: float, partial_delay: float, gap: float) -> None:
        self._texts = [text.split() for text in texts]
        self._final_delay = max(final_delay, gap)
        self._partial_delay = partial_delay
        self._turn = 0
        self._row = 0  # loud frames in a row, before an utterance begins
        self._began: float | None = None
        self._loud_until = 0.0
        self._said = 0

    def hear(self, frame: Frame) -> None:
        if level(frame.pcm) < LOUD:
            self._row = 0
            return
        self._row += 1
        if self._began is None:
            if self._row < ONSET_FRAMES:
                return
            self._began = frame.at - self._row * frame.seconds
            self._said = 0
        self._loud_until = frame.at

    def due(self) -> float | None:
        if self._began is None:
            return None
        final = self._loud_until + self._final_delay
        partial = self._partial_due(self._said)
        return final if partial is None else min(final, partial)

    def wake(self, now: float) -> list[Heard]:
        if self._began is None:
            return []
        if now >= self._loud_until + self._final_delay:
            return [self._finish(now)]
        before = self._said
        while (due := self._partial_due(self._said)) is not None and due <= now:
            self._said += 1
        if self._said == before:
            return []
        began = self._began
        spread = [(word, began + WORD_SECONDS * (place + 1)) for place, word in enumerate(self._words)]
        return [_partial(_timed(spread[: self._said], began), now)]

    def finalise(self, now: float) -> list[Heard]:
        return [self._finish(now)] if self._began is not None else []

    @property
    def _words(self) -> list[str]:
        return self._texts[self._turn % len(self._texts)] if self._texts else []

    def _partial_due(self, place: int) -> float | None:
        if self._began is None or place >= len(self._words):
            return None
        ends = self._began + WORD_SECONDS * (place + 1)
        # A word that speech has not lasted for yet is not heard yet.
        return ends + self._partial_delay if ends <= self._loud_until else None

    def _finish(self, now: float) -> Final:
        assert self._began is not None
        words, began = self._words, self._began
        each = max(0.0, self._loud_until - began) / max(1, len(words))
        timed = _timed([(word, began + each * (place + 1)) for place, word in enumerate(words)], began)
        self._began = None
        self._row = 0
        self._turn += 1
        return Final(now, _text(timed), timed, rejected=not timed, confidence=1.0 if timed else 0.0)


def level(pcm: bytes) -> int:
    """The root mean square of 16-bit samples, 0 to 32768, without its fraction; every second sample is
    enough. An odd last byte is left out."""
    return audioop.rms(array("h", pcm[: len(pcm) // 2 * 2])[::2].tobytes(), 2)
