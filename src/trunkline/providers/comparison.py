"""Recognisers side by side on the same recordings: errors in words, and how long a caller would wait.

The word error rate is that of the field (NIST's): substitutions, deletions and insertions of the best
alignment, over the words that were said. Case and punctuation do not count; how a number is written does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

from rapidfuzz.distance import Levenshtein

from trunkline.clock import Clock
from trunkline.errors import EngineError
from trunkline.providers.protocols import SpeechToText
from trunkline.providers.recordings_to_hear import ToHear
from trunkline.providers.trial import Said, understood

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def words_of(text: str) -> list[str]:
    """The words that are compared."""
    return [word.replace("’", "'") for word in _WORD.findall(text.casefold())]


@dataclass(frozen=True, slots=True)
class Errors:
    """Of one text against what was said."""

    said: int
    substituted: int = 0
    deleted: int = 0
    inserted: int = 0

    @property
    def rate(self) -> float | None:
        """None where nothing was said."""
        wrong = self.substituted + self.deleted + self.inserted
        return wrong / self.said if self.said else None

    def __add__(self, other: Errors) -> Errors:
        return Errors(
            self.said + other.said,
            self.substituted + other.substituted,
            self.deleted + other.deleted,
            self.inserted + other.inserted,
        )


def errors_in(heard: str, reference: str) -> Errors:
    """How `heard` differs from what was said."""
    said, got = words_of(reference), words_of(heard)
    counts = {"replace": 0, "delete": 0, "insert": 0}
    for step in Levenshtein.editops(said, got):
        counts[step.tag] += 1
    return Errors(len(said), counts["replace"], counts["delete"], counts["insert"])


@dataclass(frozen=True, slots=True)
class Heard:
    """What one engine made of one recording; `failed` instead of words where it failed. Times in seconds, as
    `trial.Understood` has them."""

    name: str
    reference: str
    text: str = ""
    first: float = 0.0
    final: float = 0.0
    failed: str = ""

    @property
    def errors(self) -> Errors:
        return errors_in(self.text, self.reference)


@dataclass(slots=True)
class Column:
    """One engine on all recordings."""

    engine: str
    heard: list[Heard] = field(default_factory=list)

    @property
    def errors(self) -> Errors:
        """Over all recordings that it did not fail on."""
        return sum((each.errors for each in self.heard if not each.failed), Errors(0))

    @property
    def failures(self) -> int:
        return sum(bool(each.failed) for each in self.heard)

    def finals(self) -> tuple[float, float] | None:
        """Median and 95th percentile of what a caller waits for the last words, in seconds."""
        return _spread([each.final for each in self.heard if not each.failed and each.text])

    def firsts(self) -> tuple[float, float] | None:
        """The same, from the recording's beginning to the first words."""
        return _spread([each.first for each in self.heard if not each.failed and each.text])


def _spread(times: Sequence[float]) -> tuple[float, float] | None:
    if not times:
        return None
    return median(times), quantiles(times, n=20, method="inclusive")[18] if len(times) > 1 else times[0]


async def column_of(
    engine: SpeechToText, spec: str, recordings: Sequence[ToHear], clock: Clock, language: str
) -> Column:
    """A started engine on each recording in turn, at its own pace."""
    column = Column(spec)
    for one in recordings:
        speech = Said(one.pcm, one.rate, (), 0.0, 0.0, 0.0)
        try:
            told = await understood(engine, speech, clock, language, rate=one.rate)
        except EngineError as error:
            column.heard.append(Heard(one.name, one.reference, failed=str(error)))
        else:
            column.heard.append(Heard(one.name, one.reference, told.text, told.first, told.final))
    return column
