"""Values that events carry: a word, and what the agent has just asked for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its place in time (monotonic seconds) and the engine's trust in it, 0 to 1."""

    text: str
    start: float
    end: float
    confidence: float = 1.0


class Answer(StrEnum):
    """The kind of answer a question asks for; decides how long a pause within it may be."""

    FREE = "free"
    YES_NO = "yes-no"
    CHOICE = "choice"
    NAME = "name"
    COMPANY = "company"
    NUMBER = "number"
    MONEY = "money"
    PHONE = "phone"
    EMAIL = "email"
    ADDRESS = "address"
    SPELLING = "spelling"
    DATE = "date"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the caller is likely to say next, for the recogniser and for turn-taking."""

    kind: Answer = Answer.FREE
    phrases: tuple[str, ...] = ()
    """Whole sentences that would be understood, in plain lower-case words without punctuation. A
    phrase may hold slots in angle brackets, each a class of the small closed vocabularies that
    recognisers with grammars know: `<number>`, `<money>`, `<day>`, `<time>`, `<name>`."""
    keyterms: tuple[str, ...] = ()
    """Words worth listening for: product names, the person's name."""
    digits: int = 0
    """How many keypad digits would answer it; 0 where the keypad is not asked for, -1 for any
    number of them ended by #."""
