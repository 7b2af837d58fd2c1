"""What hosted recognisers' answers have in common, read with care. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from trunkline.events import Final, Partial, Word

MOST_KEYTERMS = 100
LONGEST_KEYTERM = 50


def trust(value: object, default: float = 1.0) -> float:
    """A confidence, 0 to 1. Raises `ValueError` for what is no number."""
    if value is None:
        return default
    number = float(value)  # type: ignore[arg-type]
    if math.isnan(number):
        raise ValueError("a confidence is not a number")
    return min(1.0, max(0.0, number))


def seconds(value: object) -> float:
    """A time within the sound. Raises `ValueError` where it is none."""
    number = float(value)  # type: ignore[arg-type]
    if not math.isfinite(number) or number < 0:
        raise ValueError("a time is not a number of seconds")
    return number


def in_order(words: Iterable[Word]) -> tuple[Word, ...]:
    """The words with times that never run backwards; none without letters."""
    ordered: list[Word] = []
    floor = -math.inf
    for word in words:
        text = " ".join(word.text.split())
        if text:
            start = max(floor, word.start)
            floor = max(start, word.end)
            ordered.append(Word(text, start, floor, word.confidence))
    return tuple(ordered)


def spread(text: str, start: float, end: float, confidence: float = 1.0) -> tuple[Word, ...]:
    """The words of a text whose times are not known, spread over the time in which they were said."""
    parts = text.split()
    letters = sum(len(part) for part in parts) or 1
    each = max(0.0, end - start) / letters
    words, at = [], start
    for part in parts:
        words.append(Word(part, at, at + each * len(part), confidence))
        at = words[-1].end
    return tuple(words)


def partial(at: float, words: Sequence[Word], stable: int = 0) -> Partial:
    ordered = in_order(words)
    return Partial(at, _text(ordered), ordered, min(stable, len(ordered)))


def final(at: float, words: Sequence[Word], confidence: float = 1.0) -> Final:
    """A `Final` of these words; of none, where the service says that there were none."""
    ordered = in_order(words)
    return Final(at, _text(ordered), ordered, confidence)


def _text(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)


def keyterms_of(*lists: Sequence[str]) -> tuple[str, ...]:
    """The terms that are worth sending, each once: services refuse long ones, and too many."""
    found: dict[str, Any] = {}
    for terms in lists:
        for term in terms:
            plain = " ".join("".join(letter if letter.isprintable() else " " for letter in term).split())
            if plain and len(plain) <= LONGEST_KEYTERM and len(found) < MOST_KEYTERMS:
                found.setdefault(plain)
    return tuple(found)
