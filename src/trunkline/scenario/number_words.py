"""Whole numbers in English words, as people count, order and name years. Pure."""

from __future__ import annotations

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ("", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion")
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
LARGEST = 1000 ** len(_SCALES) - 1
"""Beyond this, read digits one by one instead."""


def cardinal_words(number: int) -> str:
    """1205 is "one thousand two hundred and five". Raises `ValueError` beyond `LARGEST`, either way."""
    if number < 0:
        return f"minus {cardinal_words(-number)}"
    if number > LARGEST:
        raise ValueError(f"{number} is too large for words")
    if number == 0:
        return _ONES[0]
    parts: list[str] = []
    for scale in reversed(range(len(_SCALES))):
        group = number // 1000**scale % 1000
        if group:
            # "one thousand and five": people say "and" before the last group where it is small.
            joined = "and " if scale == 0 and group < 100 and parts else ""
            parts.append(f"{joined}{_below_thousand(group)} {_SCALES[scale]}".rstrip())
    return " ".join(parts)


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    words = f"{_ONES[hundreds]} hundred" if hundreds else ""
    if not rest:
        return words
    return f"{words} and {_below_hundred(rest)}" if words else _below_hundred(rest)


def _below_hundred(number: int) -> str:
    if number < 20:
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return f"{_TENS[tens - 2]}-{_ONES[ones]}" if ones else _TENS[tens - 2]


def ordinal_words(number: int) -> str:
    """21 is "twenty-first"."""
    words = cardinal_words(number)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    head, last = words[:cut], words[cut:]
    if last in _ORDINALS:
        return head + _ORDINALS[last]
    return head + (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")


def year_words(year: int) -> str:
    """1905 is "nineteen oh-five", 2005 "two thousand and five", 2026 "twenty twenty-six"."""
    century, rest = divmod(year, 100)
    if not 1000 <= year <= 9999 or (century % 10 == 0 and rest < 10):
        return cardinal_words(year)
    if rest == 0:
        return f"{_below_hundred(century)} hundred"
    return f"{_below_hundred(century)} {f'oh-{_ONES[rest]}' if rest < 10 else _below_hundred(rest)}"
