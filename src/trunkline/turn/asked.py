"""What the question asks for, and so how long a pause within its answer may be.

People pause between the groups of a telephone number, the letters of a name and the parts of an
address; they do not pause within "yes".
"""

from __future__ import annotations

from trunkline.events import Answer, Expectation
from trunkline.turn.completeness import completeness
from trunkline.turn.wording import NO, NUMBERS, TENS, YES, count_digits, plain_words, words_of

DICTATED = frozenset({Answer.PHONE, Answer.EMAIL, Answer.ADDRESS, Answer.SPELLING})
_PHONE_DIGITS = 10
_DOMAINS = words_of("com org net edu gov io co uk de fr info biz")


def answered(text: str, asked: Expectation) -> float:
    """The probability, 0 to 1, that `text` is a whole answer to what was asked."""
    words = plain_words(text)
    if not words:
        return 0.0
    by_grammar = completeness(text)
    match asked.kind:
        case Answer.YES_NO:
            return max(by_grammar, 0.95) if words[-1] in YES | NO else by_grammar
        case Answer.PHONE:
            return _phone(words, asked.digits, by_grammar)
        case Answer.EMAIL:
            whole = any(word in {"at", "@"} for word in words) or "@" in text
            return 0.9 if whole and words[-1] in _DOMAINS else min(by_grammar, 0.2)
        case Answer.SPELLING:
            return 0.2 if len(words[-1]) == 1 else by_grammar
        case Answer.ADDRESS:
            # "Twelve Main Street" is grammatical, and the town follows.
            return min(by_grammar, 0.3) if len(words) < 5 else min(by_grammar, 0.55)
        case Answer.NUMBER | Answer.MONEY:
            if asked.digits > 0:
                return 0.95 if count_digits(words) >= asked.digits else 0.1
            if words[-1] in TENS:
                return 0.5
            return max(by_grammar, 0.75) if words[-1] in NUMBERS or words[-1].isdigit() else by_grammar
        case Answer.NAME | Answer.COMPANY | Answer.CHOICE | Answer.DATE:
            # A bare name or a day is a whole answer here, though no sentence.
            return max(by_grammar, 0.75) if by_grammar >= 0.5 else by_grammar
        case _:
            return by_grammar


def _phone(words: list[str], digits: int, by_grammar: float) -> float:
    count = count_digits(words)
    if count == 0:
        return by_grammar
    wanted = digits if digits > 0 else _PHONE_DIGITS
    if count >= wanted:
        return 0.95
    # Seven digits are a local number, where the caller does not say the area.
    return 0.35 if digits <= 0 and count == 7 else 0.05
