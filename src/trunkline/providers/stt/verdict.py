"""Whom to believe: the grammar, the free decoder, or neither. Pure.

A grammar gives the nearest of its sentences for anything at all. Two things tell that it was not what
was said. The sound: a word that is forced onto other sounds fits them badly, and each frame of a
segment has a score relative to the best of all the model's sounds in that frame, so that loudness
and channel cancel out. And the words: the free decoder, bad as it is, agrees with most of a sentence
that really was said. Where the limits lie was measured with `benchmarks/stt.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

FIT = -3.8
"""`Reading.soundness` that is enough by itself, in nats a 10 ms frame. Right sentences lie between
-1.5 and -3.8, others between -3.9 and -7."""
FIT_AGREED = -4.6
"""The same where the free decoder gives most of the same words."""
AGREED = 0.6
"""So much of the words must be the same to count as most."""
LONG_ENOUGH = 6
"""Frames below which one segment's score says nothing."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a reading: a word, or a filler (silence, noise; `filler`). Frames of 10 ms, the last
    included; `score` in nats, all frames together, 0 being the best sound in every frame."""

    word: str
    first: int
    last: int
    score: float = 0.0
    filler: bool = False

    @property
    def frames(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Reading:
    """What one decoder made of an utterance. `complete`: all of a sentence of its grammar."""

    segments: tuple[Segment, ...] = ()
    complete: bool = True

    @property
    def words(self) -> tuple[Segment, ...]:
        return tuple(each for each in self.segments if not each.filler)

    @property
    def text(self) -> str:
        return " ".join(each.word for each in self.words)

    def spoken(self) -> tuple[Segment, ...]:
        """From the first word to the last, with the fillers between: a grammar likes to call what it
        does not know silence."""
        places = [place for place, each in enumerate(self.segments) if not each.filler]
        return self.segments[places[0] : places[-1] + 1] if places else ()

    def fit(self) -> float:
        """The mean score of a frame."""
        spoken = self.spoken()
        frames = sum(each.frames for each in spoken)
        return sum(each.score for each in spoken) / frames if frames else float("-inf")

    def worst(self) -> float:
        """The mean score of the worst segment that is long enough to judge, the silence around the
        words too: what does not fit a grammar at all ends up in there."""
        fits = [each.score / each.frames for each in self.segments if each.frames >= LONG_ENOUGH]
        return min(fits, default=self.fit())

    def soundness(self) -> float:
        """How well the sound fits, all of it and its worst part together."""
        return 0.7 * self.fit() + 0.3 * self.worst()


NOTHING = Reading()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The reading that is believed. `source`: "grammar", "free" or "none"."""

    reading: Reading
    confidence: float
    source: str


def agreement(one: Sequence[str], other: Sequence[str]) -> float:
    """How much of two readings' words is the same, 0 to 1."""
    return Levenshtein.normalized_similarity(list(one), list(other)) if one or other else 0.0


def grammar_holds(grammar: Reading, free: Reading) -> bool:
    """Whether the grammar's reading is what was said. `free` is empty where no free decoder runs."""
    if not grammar.words or not grammar.complete:
        return False
    same = agreement(*([each.word for each in reading.words] for reading in (grammar, free)))
    return grammar.soundness() >= (FIT_AGREED if same >= AGREED else FIT)


def judge(grammar: Reading, free: Reading) -> Verdict:
    """Whom to believe, once both have ended. The free decoder's text is never worth much."""
    if grammar_holds(grammar, free):
        return Verdict(grammar, _trust(grammar.soundness()), "grammar")
    if sum(each.frames for each in free.words) >= 2 * LONG_ENOUGH:
        return Verdict(free, 0.35, "free")
    return Verdict(NOTHING, 0.0, "none")


def _trust(soundness: float) -> float:
    """1.0 where every sound is nearly the best one, 0.6 at the edge of what is believed."""
    return max(0.6, min(1.0, 1.0 - 0.4 * (-1.5 - soundness) / (-1.5 - FIT_AGREED)))
