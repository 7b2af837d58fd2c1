"""Plain words, and the numbers in them: "about twelve hundred" holds 1200.

`plain` is the one normal form that understanding, grammars and examples share: lower case, words and
digits only, contractions written out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

LONGEST = 2000
"""Characters of one utterance that are looked at; a caller's turn is shorter."""

_UNITS = {
    "zero": 0, "oh": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14,
    "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60, "seventy": 70,
    "eighty": 80, "ninety": 90,
}  # fmt: skip
_SCALES = {"hundred": 100, "thousand": 1000, "grand": 1000, "million": 1_000_000}
SOUNDS_LIKE = {"to": 2, "too": 2, "for": 4, "fore": 4, "ate": 8, "won": 1, "tree": 3, "fife": 5, "tan": 10}
"""What recognisers write for a short number, believed only where a number was asked for."""
ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14,
    "fifteenth": 15, "sixteenth": 16, "seventeenth": 17, "eighteenth": 18, "nineteenth": 19,
    "twentieth": 20, "thirtieth": 30,
}  # fmt: skip

_CONTRACTIONS = {
    "i'm": "i am", "it's": "it is", "we're": "we are", "you're": "you are", "that's": "that is",
    "they're": "they are", "there's": "there is", "what's": "what is", "who's": "who is",
    "don't": "do not", "doesn't": "does not", "didn't": "did not", "can't": "can not", "cannot": "can not",
    "won't": "will not", "isn't": "is not", "aren't": "are not", "wasn't": "was not", "haven't": "have not",
    "i've": "i have", "we've": "we have", "i'd": "i would", "we'd": "we would", "i'll": "i will",
    "we'll": "we will", "he's": "he is", "she's": "she is", "let's": "let us", "couldn't": "could not",
    "wouldn't": "would not", "shouldn't": "should not", "gonna": "going to", "wanna": "want to",
    "dunno": "do not know", "yeah": "yes", "yep": "yes", "yup": "yes", "nope": "no", "nah": "no",
    "ok": "okay", "e-mail": "email", "thanks": "thanks",
}  # fmt: skip
_TOKEN = re.compile(r"[0-9]{1,2}:[0-9]{2}|[0-9][0-9,]*(?:\.[0-9]+)?|[^\W\d_]+(?:['’-][^\W\d_]+)*|[@%$£€]")


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """Lower case, words and digits only, contractions written out, hyphens opened."""
    words: list[str] = []
    for token in _TOKEN.findall(text[:LONGEST].lower().replace("’", "'")):
        written = _CONTRACTIONS.get(token)
        if written is None:
            written = token.replace(",", "") if token[0].isdecimal() else token.replace("-", " ")
        words.extend(written.split())
    return " ".join(words)


@lru_cache(maxsize=4096)
def contracted(text: str) -> str:
    """A plain phrase as people mostly say it: "i am not sure" gives "i'm not sure"."""
    for short, long in _SAID_SHORT:
        text = re.sub(rf"\b{long}\b(?= )", short, text)
    return text


_SAID_SHORT = [
    (short, long)
    for short, long in _CONTRACTIONS.items()
    if " " in long and "'" in short and short not in ("i'd", "we'd", "he's", "she's", "let's")
]


@dataclass(frozen=True, slots=True)
class Found:
    """A number at words `start` to `end` (not included). `sure`: no guess was needed."""

    value: float
    start: int
    end: int
    sure: bool = True


def find_numbers(words: Sequence[str], *, guess: bool = False) -> list[Found]:
    """All numbers in plain words, left to right. With `guess`, words that sound like one count too."""
    found: list[Found] = []
    place = 0
    while place < len(words):
        number = _number_at(words, place)
        if number is None and guess and words[place] in SOUNDS_LIKE:
            number = Found(SOUNDS_LIKE[words[place]], place, place + 1, sure=False)
        if number is None:
            place += 1
        else:
            found.append(number)
            place = number.end
    return found


def _number_at(words: Sequence[str], start: int) -> Found | None:
    first = words[start]
    following = words[start + 1] if start + 1 < len(words) else ""
    if first[0].isdecimal() and ":" not in first:
        return _scaled(words, Found(float(first), start, start + 1))
    if first in ("a", "half"):
        if first == "a" and following in _SCALES:
            hundred = _number_at(["one", *words[start + 1 :]], 0)
            assert hundred is not None
            return Found(hundred.value, start, start + hundred.end)
        if (first, following) in (("a", "dozen"), ("half", "a")) and "dozen" in words[start : start + 3]:
            return Found(12, start, start + 2) if first == "a" else Found(6, start, start + 3)
        return Found(2, start, start + 2, sure=False) if following == "couple" else None
    total, group, place = 0.0, -1.0, start
    last = ""  # the kind of the word before: unit, ten, scale
    while place < len(words):
        word = words[place]
        if word in _UNITS:
            unit = _UNITS[word]
            if last == "unit" or (last == "ten" and not 0 < unit < 10):
                break
            group = max(group, 0) + unit
            last = "unit"
        elif word in _TENS:
            if last in ("unit", "ten"):
                break
            group = max(group, 0) + _TENS[word]
            last = "ten"
        elif word in _SCALES and last:
            if word == "hundred":
                group = max(group, 1) * 100
            else:
                total, group = total + max(group, 1) * _SCALES[word], 0
            last = "scale"
        elif word == "and" and last == "scale" and place + 1 < len(words):
            if words[place + 1] not in _UNITS and words[place + 1] not in _TENS:
                break
        else:
            break
        place += 1
    if not last:
        return None
    while words[place - 1] == "and":
        place -= 1
    return _fraction(words, Found(total + max(group, 0), start, place))


def _scaled(words: Sequence[str], found: Found) -> Found:
    value, place = found.value, found.end
    while place < len(words) and (words[place] in _SCALES or words[place] == "k"):
        value *= _SCALES.get(words[place], 1000)
        place += 1
    return Found(value, found.start, place, found.sure)


def _fraction(words: Sequence[str], found: Found) -> Found:
    rest = words[found.end : found.end + 4]
    if len(rest) >= 2 and rest[0] == "point":
        digits = ""
        for word in rest[1:]:
            if word not in _UNITS or _UNITS[word] > 9:
                break
            digits += str(_UNITS[word])
        if digits:
            value = float(f"{int(found.value)}.{digits}")
            return Found(value, found.start, found.end + 1 + len(digits), found.sure)
    if rest[:3] == ["and", "a", "half"]:
        return Found(found.value + 0.5, found.start, found.end + 3, found.sure)
    return found


def ordinal_at(words: Sequence[str], place: int) -> tuple[int, int] | None:
    """The ordinal at this word and the place after it: "twenty first", "12th", "third"."""
    word = words[place]
    if word in ORDINALS:
        return ORDINALS[word], place + 1
    if word in ("twenty", "thirty") and place + 1 < len(words) and ORDINALS.get(words[place + 1], 99) < 10:
        return _TENS[word] + ORDINALS[words[place + 1]], place + 2
    if word.isdecimal() and place + 1 < len(words) and words[place + 1] in ("st", "nd", "rd", "th"):
        return int(word), place + 2
    return None
