"""What the question asks for, and so whether these words are a whole answer to it.

People pause between the groups of a telephone number, the letters of a name and the parts of an
address; they do not pause within "yes".
"""

from __future__ import annotations

from collections.abc import Sequence

from trunkline.events import Answer, Expectation
from trunkline.turn.completeness import completeness, without_fillers
from trunkline.turn.endings import ENDINGS
from trunkline.turn.filled import filled
from trunkline.turn.wordclasses import (
    CONJUNCTIONS,
    DETERMINERS,
    INTERJECTIONS,
    PREPOSITIONS,
    PRONOUNS,
    QUESTIONS,
)
from trunkline.turn.wording import (
    FILLERS,
    NUMBERS,
    TENS,
    count_digits,
    is_in_other_script,
    plain_words,
    words_of,
)

DICTATED = frozenset({Answer.PHONE, Answer.EMAIL, Answer.ADDRESS, Answer.SPELLING})
_PHONE_DIGITS = 10
_TRUNK_DIGITS = 11
"""A number that begins with 0 has one more in most countries that write it so (E.164 national forms)."""
_LOCAL_DIGITS = 7
_DOMAINS = words_of("com org net edu gov io uk de fr info biz eu at ch nl ie")
_HALF_DOMAINS = words_of("co")
_STREETS = words_of(
    "street road avenue lane drive way close court square gardens terrace crescent boulevard hill parkway "
    "place row walk grove mews circle highway"
)
_WITHIN_ADDRESSES = words_of(
    "flat apartment suite unit number floor house building north south east west upper lower"
)
_NATO = words_of("as in like for")
_SHORTEST_NAME = 3
_ANSWERING = words_of("do does did am is are was were can could will would should")
_FITTING = 0.85
_DICTATED_SOMEHOW = 0.3
"""Dictated in a script of which nothing else is known: the pauses of dictation."""
_BEGIN_CHOICES = (
    PRONOUNS
    | PREPOSITIONS
    | DETERMINERS
    | CONJUNCTIONS
    | QUESTIONS
    | INTERJECTIONS
    | FILLERS
    | words_of("number option")
) - words_of("both")
"""No choice by themselves."""


def answered(text: str, asked: Expectation) -> float:
    """The probability, 0 to 1, that `text` is a whole answer to what was asked."""
    words = plain_words(text)
    if not words:
        return 0.0
    by_grammar = completeness(text, asked.kind)
    match asked.kind:
        case Answer.EMAIL | Answer.SPELLING | Answer.ADDRESS if is_in_other_script(words):
            return min(by_grammar, _DICTATED_SOMEHOW)
        case Answer.PHONE:
            return _phone(words, asked.digits, by_grammar)
        case Answer.EMAIL:
            return _email(text, words, by_grammar)
        case Answer.SPELLING:
            return _spelling(words, by_grammar)
        case Answer.ADDRESS:
            return _address(words, by_grammar)
        case Answer.NUMBER | Answer.MONEY if asked.digits > 0:
            return 0.95 if count_digits(words) >= asked.digits else 0.1
        case Answer.NUMBER | Answer.MONEY if len(words) > 1 and words[-2] in TENS and words[-1] in NUMBERS:
            return max(by_grammar, 0.8, filled(without_fillers(words), asked.kind))
        case Answer.NUMBER | Answer.MONEY | Answer.CHOICE | Answer.YES_NO:
            return max(by_grammar, _short(words, asked.kind), filled(without_fillers(words), asked.kind))
        case Answer.DATE:
            return max(by_grammar, filled(without_fillers(words), asked.kind))
        case _:
            return by_grammar


def _short(words: Sequence[str], kind: Answer) -> float:
    """A word or two that fit the question are all of it: "twelve", "express", "I do". After "twenty", "the
    second" or "I have" more may follow; 0 where nothing is known."""
    match kind:
        case Answer.YES_NO:
            fits = len(words) == 2 and words[0] in PRONOUNS and words[1] in _ANSWERING
        case Answer.CHOICE:
            fits = len(words) == 1 and ENDINGS.knows(words[0]) and words[0] not in _BEGIN_CHOICES
        case _:
            fits = len(words) == 1 and words[0] in NUMBERS
    return _FITTING if fits else 0.0


def _phone(words: list[str], digits: int, by_grammar: float) -> float:
    count = count_digits(words)
    if count == 0:
        return by_grammar
    if digits <= 0 and count == _LOCAL_DIGITS:
        return 0.35  # a local number, where the caller does not say the area
    first = next(word for word in words if word.isdigit() or word in NUMBERS or word in TENS)
    trunk = first[0] == "0" or NUMBERS.get(first) == 0
    wanted = digits if digits > 0 else _TRUNK_DIGITS if trunk else _PHONE_DIGITS
    if count >= wanted:
        return 0.95
    return 0.5 if digits <= 0 and count >= _PHONE_DIGITS else 0.05


def _email(text: str, words: Sequence[str], by_grammar: float) -> float:
    if "at" not in words and "@" not in text:
        return min(by_grammar, 0.2) if "dot" in words or len(words) < 3 else by_grammar
    if words[-1] in _HALF_DOMAINS:
        return 0.3
    return 0.9 if words[-1] in _DOMAINS and (len(words) < 2 or words[-2] == "dot" or "." in text) else 0.2


def _spelling(words: Sequence[str], by_grammar: float) -> float:
    """Letters are whole where they spell a word that the table knows, or a name that was said before them."""
    letters = [word for word in words if len(word) == 1]
    if len(words[-1]) > 1:
        return 0.2 if letters and len(words) > 1 and words[-2] in _NATO else by_grammar
    spelled = "".join(letters)
    if len(spelled) >= _SHORTEST_NAME and spelled in words:
        return 0.9
    return 0.6 if len(spelled) > _SHORTEST_NAME and ENDINGS.knows(spelled) else 0.2


def _address(words: Sequence[str], by_grammar: float) -> float:
    """ "Twelve Main Street" is grammatical, and the town follows."""
    street = next((place for place, word in enumerate(words) if word in _STREETS and place), None)
    if street is None:
        return min(by_grammar, 0.3) if any(map(_is_number, words)) else by_grammar
    rest = [word for word in words[street + 1 :] if word not in _WITHIN_ADDRESSES and not _is_number(word)]
    if not rest or _is_number(words[-1]) or words[-1] in _WITHIN_ADDRESSES:
        return 0.3
    return max(0.65, min(by_grammar, 0.75))


def _is_number(word: str) -> bool:
    return word.isdigit() or word in NUMBERS or word in TENS or word == "hundred"
