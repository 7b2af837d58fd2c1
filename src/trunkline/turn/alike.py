"""The same words, however they are written: many recognisers write "twenty five dollars" and "I'm" while
somebody speaks, and "$25" and "I am" in the end.

It decides only whether words changed, so it may be rough: what it takes for the same must be the same, and
where it finds a difference that is none, an answer is merely begun anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trunkline.turn.wording import NUMBERS, TENS, plain_words

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")
_POINT = re.compile(r"(?<=\d)\.(?=\d)")
_PERCENT = re.compile(r"(?<=\d)\s?%")
_MONEY = re.compile(r"([$£€])\s?(\d+(?: point \d+)?)")
_CURRENCIES = {"$": "dollars", "£": "pounds", "€": "euros"}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_WHOLE = {
    "cannot": "can not", "can't": "can not", "won't": "will not", "gonna": "going to", "wanna": "want to",
    "ok": "okay", "alright": "all right", "dollar": "dollars", "pound": "pounds", "euro": "euros",
}  # fmt: skip
_ENDINGS = {"n't": "not", "'m": "am", "'re": "are", "'ll": "will", "'ve": "have", "'d": "would", "'s": "is"}


def same_words(one: str, other: str) -> bool:
    """Whether two texts differ in nothing but how they are written."""
    return plain_words(one) == plain_words(other) or alike(one) == alike(other)


def alike(text: str) -> str:
    """The words for comparing: numbers as digits, those beside each other as one, contractions in full."""
    text = _PERCENT.sub(" percent", _POINT.sub(" point ", _THOUSANDS.sub("", text)))
    text = _MONEY.sub(lambda found: f"{found[2]} {_CURRENCIES[found[1]]}", text)
    words = [part for word in plain_words(text) for part in _in_full(word)]
    return " ".join(_joined(words))


def _in_full(word: str) -> list[str]:
    if word in _WHOLE:
        return _WHOLE[word].split()
    for ending, meant in _ENDINGS.items():
        if word.endswith(ending) and len(word) > len(ending):
            return [word[: -len(ending)], meant]
    return [word]


def _joined(words: list[str]) -> Iterator[str]:
    """Runs of number words as digits: "seven thirty" and "7 30" as 730."""
    at = 0
    while at < len(words):
        digits = ""
        while at < len(words) and (taken := _number(words, at)) is not None:
            number, at = taken
            digits += number
        if digits:
            yield digits
        else:
            yield words[at]
            at += 1


def _number(words: list[str], at: int) -> tuple[str, int] | None:
    """The number that begins at this word, as digits, and where it ends."""
    word = words[at]
    if word.isdigit():
        return word, at + 1
    total = part = 0
    began, is_open = at, True
    if word == "a" and words[at + 1 : at + 2] and words[at + 1] in _SCALES:
        part, at = 1, at + 1
    while at < len(words):
        word = words[at]
        if word in TENS and is_open:
            part += TENS[word]
            at += 1
            if at < len(words) and 0 < NUMBERS.get(words[at], 0) < 10:
                part += NUMBERS[words[at]]
                at += 1
            is_open = False
        elif word in NUMBERS and is_open:
            part += NUMBERS[word]
            at += 1
            is_open = False
        elif word == "hundred" and 0 < part < 100:
            part, is_open, at = part * 100, True, at + 1
        elif word in _SCALES and word != "hundred" and part:
            total, part, is_open, at = total + part * _SCALES[word], 0, True, at + 1
        elif word == "and" and is_open and at > began and _continues(words, at + 1):
            at += 1
        else:
            break
    return (str(total + part), at) if at > began else None


def _continues(words: list[str], at: int) -> bool:
    return at < len(words) and (words[at] in NUMBERS or words[at] in TENS)
