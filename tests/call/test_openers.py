"""When a short word may cover a slow model, and which."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.call.openers import Openers, fits

WORDS = ("Got it.", "I see.", "Okay.")


@pytest.mark.parametrize(
    "said",
    [
        "We are about forty people.",
        "what does it cost",
        "And how does that work?",
        "I would like the other one",
    ],
)
def test_an_opener_may_follow(said: str) -> None:
    assert fits(said)


@pytest.mark.parametrize(
    "said",
    [
        "yes",
        "twelve",
        "can I get my money back",
        "Well, is there a contract?",
        "why does it cost so much",
        "I want to cancel my order",
        "my father has died last week",
        "I don't want to talk about that",
        "that is the worst service I have had",
        "",
    ],
)
def test_nothing_cheerful_before_bad_news(said: str) -> None:
    assert not fits(said)


def test_never_twice_running_and_never_the_same_one() -> None:
    openers = Openers(WORDS)
    said = "we are about forty people"
    assert [openers.choose(said, turn) for turn in range(1, 8)] == [
        "Got it.", "", "I see.", "", "Okay.", "", "Got it.",
    ]  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2), st.sampled_from(["we are forty people", "no", "can I", "it is 2 of them"])
        )
    )
)
def test_in_any_order_of_turns(steps: list[tuple[int, str]]) -> None:
    openers, turn, given_at, last = Openers(WORDS), 0, [], ""
    for more, said in steps:
        turn += more
        if word := openers.choose(said, turn):
            assert fits(said)
            assert word != last
            given_at.append(turn)
            last = word
    assert all(after - before >= 2 for before, after in pairwise(given_at))


def test_without_words_there_is_none() -> None:
    assert Openers(()).choose("we are about forty people", 1) == ""
    assert Openers(("", " ")).choose("we are about forty people", 1) == ""
