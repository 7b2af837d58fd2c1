"""Which last words add nothing to those before them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.turn.alike import same_words
from trunkline.turn.courtesy import adds_nothing

ASKED = "I need a table for twelve"


@pytest.mark.parametrize(
    "after", ["please", ", please!", "Thank you.", "thanks a lot", "please, thank you so much", "um", "ma'am"]
)
def test_courtesies_and_fillers_add_nothing(after: str) -> None:
    assert adds_nothing(ASKED, f"{ASKED} {after}")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ASKED, f"{ASKED} tomorrow"),
        (ASKED, f"{ASKED} please tomorrow"),
        ("I love", "I love you"),
        ("my number is five", "my number is five oh"),
        ("it costs", "it costs a lot"),
        ("okay", "okay thanks"),
        ("a car", "a carpet"),
        ("at two", "at three"),
        ("at two please", "at two"),
        ("", "please"),
    ],
)
def test_what_may_change_the_answer_does(before: str, after: str) -> None:
    assert not adds_nothing(before, after)


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_same_words_add_nothing_and_shorter_ones_never_do(one: str, other: str) -> None:
    assert adds_nothing(one, one)
    if adds_nothing(one, other) and not same_words(one, other):
        assert not adds_nothing(other, one)


def test_a_number_in_digits_is_the_one_in_words() -> None:
    assert adds_nothing("a table for twelve", "A table for 12, please.")
    assert not adds_nothing("a table for twenty", "A table for 25, please.")
