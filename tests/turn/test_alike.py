"""The same words in two ways of writing, and words that only look alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.call.spoken_numbers import cardinal, money
from trunkline.turn.alike import alike


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("we are twenty five people", "We are 25 people."),
        ("it costs twenty dollars", "It costs $20."),
        ("about five percent", "About 5%."),
        ("at seven thirty", "At 7:30."),
        ("five five five one two three four", "555-1234"),
        ("it was two thousand five hundred", "It was 2,500."),
        ("a hundred and five", "105"),
        ("one point five", "1.5"),
        ("for one dollar", "for $1"),
        ("in twenty twenty four", "In 2024"),
        ("i'm sure we can't", "I am sure we cannot."),
        ("ok", "Okay."),
    ],
)
def test_words_in_two_ways_of_writing_are_alike(spoken: str, written: str) -> None:
    assert alike(spoken) == alike(written)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("twenty", "twenty five"),
        ("it costs $1.25", "it costs $125"),
        ("on tuesday", "on thursday"),
        ("a hundred", "hundreds"),
        ("two hundred and", "two hundred"),
        ("I can", "I can't"),
        ("seven", "seventeen"),
        ("two and three", "five"),
        ("five dollars", "five euros"),
    ],
)
def test_other_words_are_not(one: str, other: str) -> None:
    assert alike(one) != alike(other)


@given(st.integers(0, 999_999))
def test_each_number_is_alike_in_words_and_in_digits(number: int) -> None:
    assert alike(f"we have {cardinal(str(number))} of them") == f"we have {number} of them"


@given(st.integers(1, 99_999))
def test_each_sum_of_money_is_alike(number: int) -> None:
    assert alike(money(f"${number:,}")) == f"{number} dollars"
    assert alike(f"${number:,}") == f"{number} dollars"


@given(st.text(max_size=80))
def test_any_text_is_alike_to_itself_written_out(text: str) -> None:
    assert alike(alike(text)) == alike(text)
