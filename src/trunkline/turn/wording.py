"""Words as turn-taking compares them: lower case, no punctuation, small closed sets.

What decides about English knows only English; that two texts are the same, that something was said at all,
and how much of it, must hold in every script.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

_WORD = re.compile(r"[a-z0-9\x80-\U0010ffff]+(?:'[a-z\x80-\U0010ffff]+)*")
_UNSPACED = ("CJK ", "HIRAGANA ", "KATAKANA", "HALFWIDTH KATAKANA")
"""Chinese and Japanese leave no space between words: each of their signs counts as one."""
_LATIN_ENDS = "\u024f"
LONGEST_TEXT = 4000
"""Characters of one text that are looked at, from its end: a transcript comes from outside."""


def plain_words(text: str) -> list[str]:
    """The words of `text` in lower case: `"Uh-huh, I'm OK."` gives `uh huh i'm ok`, `"Да, конечно!"` gives
    `да конечно`, and of `"はい。"` each sign is a word."""
    text = text[-LONGEST_TEXT:].lower().replace("’", "'")
    if not text.isascii():
        text = "".join(map(_apart, unicodedata.normalize("NFC", text)))
    return _WORD.findall(text)


@lru_cache(maxsize=4096)
def _apart(character: str) -> str:
    """The character, set apart as far as words are in its script; a space for what is no part of a word."""
    if character.isascii():
        return character
    category = unicodedata.category(character)
    # Marks belong to words: without its vowel signs, Hindi's "की" would be its "का".
    if category[0] not in "LM" and category != "Nd":
        return " "
    return f" {character} " if unicodedata.name(character, "").startswith(_UNSPACED) else character


def is_in_other_script(words: Sequence[str]) -> bool:
    """Whether the last of these words is not in Latin letters: what tells where English sentences end has
    nothing to say then."""
    return bool(words) and words[-1][0] > _LATIN_ENDS


def words_of(text: str) -> frozenset[str]:
    """A closed set of words, written as a line of text."""
    return frozenset(text.split())


def one_of(phrases: str) -> str:
    """A regular expression's group that takes one of these phrases, written with commas between them."""
    # The longest first: "at about" before "at".
    each = sorted((phrase.strip() for phrase in phrases.split(",")), key=len, reverse=True)
    return f"(?:{'|'.join(each)})"


YES = words_of("yes yeah yep yup sure okay ok right correct exactly absolutely definitely certainly")
NO = words_of("no nope nah never")
FILLERS = words_of("um uh er erm eh hmm hm mm mhm ah oh well")
GREETINGS = words_of("hello hi hey bye goodbye thanks")

NUMBERS = {
    word: value
    for value, words in enumerate(
        (
            "zero oh nought",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        )
    )
    for word in words.split()
}
TENS = {
    word: 10 * value
    for value, word in enumerate(
        ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), start=2
    )
}
_TIMES = {"double": 2, "triple": 3}


def count_digits(words: list[str]) -> int:
    """How many digits of a dictated number these words hold: "double five, oh, 42" holds five."""
    count, times = 0, 1
    for word in words:
        if word in _TIMES:
            times = _TIMES[word]
            continue
        if word.isdigit():
            count += len(word) if times == 1 else times
        elif word in NUMBERS:
            count += times * len(str(NUMBERS[word]))
        elif word in TENS:
            # "twenty five" is two digits, and "five" adds the second.
            count += 1
        times = 1
    # A number that ends on a bare ten has its second digit after all: "seventy".
    if words and words[-1] in TENS:
        count += 1
    return count
