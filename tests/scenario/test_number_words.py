"""Numbers become words that are read back as the same number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.scenario.number_words import LARGEST, cardinal_words, ordinal_words, year_words
from trunkline.scenario.numbers import find_numbers


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (99, "ninety-nine"),
        (100, "one hundred"),
        (1205, "one thousand two hundred and five"),
        (1005, "one thousand and five"),
        (1_000_000, "one million"),
        (-7, "minus seven"),
    ],
)
def test_counting(number: int, words: str) -> None:
    assert cardinal_words(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "first"),
        (12, "twelfth"),
        (20, "twentieth"),
        (21, "twenty-first"),
        (100, "one hundredth"),
        (5, "fifth"),
    ],
)
def test_ordering(number: int, words: str) -> None:
    assert ordinal_words(number) == words


@pytest.mark.parametrize(
    ("year", "words"),
    [
        (1905, "nineteen oh-five"),
        (1900, "nineteen hundred"),
        (2000, "two thousand"),
        (2005, "two thousand and five"),
        (2026, "twenty twenty-six"),
    ],
)
def test_years(year: int, words: str) -> None:
    assert year_words(year) == words


def test_what_is_too_large_says_so() -> None:
    with pytest.raises(ValueError, match="too large"):
        cardinal_words(LARGEST + 1)


@given(st.integers(0, 999_999))
def test_the_words_are_understood_as_the_number(number: int) -> None:
    found = find_numbers(cardinal_words(number).replace("-", " ").split())
    assert [each.value for each in found] == [number]
