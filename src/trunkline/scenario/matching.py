"""How well words match an intent: patterns that are sure, example sentences that are scored.

`Matcher` weighs words so that telling ones count ("cost" more than "how") and forgives what a
recogniser gets wrong. Measured in docs/decisions/0006-scenario-engine.md.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import fuzz, process

from trunkline.scenario.intents import BUILT_IN
from trunkline.scenario.numbers import plain

SURE = 86.0
"""At this score and above, nobody need be asked."""
LIKELY = 66.0
"""Below this the words match nothing."""


@dataclass(frozen=True, slots=True)
class Match:
    """An intent that these words may mean. `score` 0 to 100; `sure` where nobody need be asked."""

    name: str
    score: float

    @property
    def sure(self) -> bool:
        return self.score >= SURE


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (name, re.compile("|".join(f"(?:{pattern})" for pattern in intent.patterns)))
        for name, intent in BUILT_IN.items()
        if intent.patterns
    )


def matching_patterns(said: str) -> list[str]:
    """The built-in intents whose patterns are in these plain words."""
    return [name for name, pattern in _patterns() if pattern.search(said)]


_STOP = frozenset(
    [
        "a",
        "an",
        "the",
        "is",
        "it",
        "to",
        "of",
        "and",
        "or",
        "you",
        "your",
        "i",
        "we",
        "our",
        "us",
        "my",
        "me",
        "do",
        "does",
        "are",
        "was",
        "be",
        "been",
        "for",
        "with",
        "on",
        "in",
        "at",
        "that",
        "this",
        "what",
        "how",
        "can",
        "could",
        "would",
        "will",
        "have",
        "has",
        "had",
        "so",
        "just",
        "please",
        "am",
        "not",
        "no",
        "yes",
        "but",
        "there",
        "some",
        "any",
        "if",
        "they",
    ]
)


def stem(word: str) -> str:
    """The word without its ending, roughly: enough to match "cancelling" with "cancel"."""
    for ending in ("ings", "ing", "ies", "ed", "es", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word


class Matcher:
    """Sentences by intent, weighed so that telling words count: "cost" more than "how"."""

    def __init__(self, sentences: Mapping[str, tuple[str, ...]]) -> None:
        pairs = [(name, plain(line)) for name, lines in sentences.items() for line in lines]
        self._names = [name for name, _ in pairs]
        self._lines = [line for _, line in pairs]
        self._words = [frozenset(stem(word) for word in line.split()) for line in self._lines]
        spread = Counter(
            word for words in {name: self._all(name) for name in sentences}.values() for word in words
        )
        total = max(len(sentences), 2)
        self._weight = {word: 0.2 + math.log(total / count + 0.5) for word, count in spread.items()}
        for word in _STOP:
            self._weight[stem(word)] = 0.25

    def _all(self, name: str) -> set[str]:
        chosen = (words for at, words in zip(self._names, self._words, strict=True) if at == name)
        return set().union(*chosen)

    def matches(self, said: str) -> list[Match]:
        """Best first, each intent once, nothing below `LIKELY`. `said` is plain."""
        if not said or not self._lines:
            return []
        heard = frozenset(stem(word) for word in said.split())
        best: dict[str, float] = {}
        close = process.cdist([said], self._lines, scorer=fuzz.ratio)[0]
        for place, line in enumerate(self._lines):
            name = self._names[place]
            overlap = self._overlap(heard, self._words[place])
            # Letters alone are weak evidence: "what is the capital" is spelled much like "the price".
            score = max(float(close[place]) - (0 if overlap else 15), overlap)
            # A short phrase inside a long turn is chance: "hold on to our number" is no "hold on".
            told = line.count(" ") + 1
            if (told > 3 or told * 2 > said.count(" ")) and told > 1 and f" {line} " in f" {said} ":
                score = max(score, 90 + min(len(line) / 10, 9))
            elif said == line:
                score = 100
            best[name] = max(best.get(name, 0), score)
        ranked = sorted(best.items(), key=lambda item: -item[1])
        return [Match(name, score) for name, score in ranked if score >= LIKELY]

    def _overlap(self, heard: frozenset[str], wanted: frozenset[str]) -> float:
        shared = heard & wanted
        telling = sum(self._weight.get(word, 0.5) for word in shared)
        if telling < 1.0:  # only words that every sentence has
            return 0.0
        of_wanted = telling / sum(self._weight.get(word, 0.5) for word in wanted)
        of_heard = telling / sum(self._weight.get(word, 0.6) for word in heard)
        return 85 * (0.6 * of_wanted + 0.4 * of_heard)
