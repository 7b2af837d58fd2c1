"""Answers that hold just what was asked for, and those that may still grow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.events import Answer, Expectation
from trunkline.turn.asked import answered
from trunkline.turn.end_of_turn import silence_wanted
from trunkline.turn.filled import FILLED, NEARLY, filled
from trunkline.turn.policy import TurnPolicy
from trunkline.turn.rhythm import Rhythm

WHOLE = [
    (Answer.NUMBER, "we are twelve people"),
    (Answer.NUMBER, "about forty of us"),
    (Answer.NUMBER, "it's twenty five"),
    (Answer.NUMBER, "um yes about twelve full time employees"),
    (Answer.NUMBER, "there are six of them at the moment"),
    (Answer.NUMBER, "we are twenty five in total"),
    (Answer.NUMBER, "thirty two people"),
    (Answer.NUMBER, "maybe five or six"),
    (Answer.NUMBER, "We are 12."),
    (Answer.NUMBER, "only one"),
    (Answer.NUMBER, "it's just me"),
    (Answer.NUMBER, "twelve I think"),
    (Answer.MONEY, "about three hundred dollars a month"),
    (Answer.MONEY, "a thousand euros"),
    (Answer.MONEY, "forty pounds per person"),
    (Answer.YES_NO, "not really"),
    (Answer.YES_NO, "yes of course"),
    (Answer.YES_NO, "no I am not"),
    (Answer.YES_NO, "that's right"),
    (Answer.YES_NO, "not that I know of"),
    (Answer.DATE, "tomorrow at ten"),
    (Answer.DATE, "how about Thursday at half past four"),
    (Answer.DATE, "March the third"),
    (Answer.DATE, "ten am"),
    (Answer.DATE, "this evening"),
]
NEARLY_WHOLE = [
    (Answer.NUMBER, "about fifty"),
    (Answer.NUMBER, "around a hundred"),
    (Answer.YES_NO, "I don't know"),
    (Answer.YES_NO, "I'm not sure"),
    (Answer.YES_NO, "it isn't"),
    (Answer.CHOICE, "the large one"),
    (Answer.CHOICE, "I'll take the cheaper one"),
]
OPEN = [
    (Answer.NUMBER, "we are"),
    (Answer.NUMBER, "we are about"),
    (Answer.NUMBER, "twenty"),
    (Answer.NUMBER, "we are twenty"),
    (Answer.NUMBER, "five hundred"),
    (Answer.NUMBER, "about a hundred and"),
    (Answer.NUMBER, "double four seven"),
    (Answer.NUMBER, "four seven two"),
    (Answer.NUMBER, "it's four seven two"),
    (Answer.NUMBER, "twelve people and"),
    (Answer.NUMBER, "we are twelve but"),
    (Answer.NUMBER, "twelve comes"),
    (Answer.NUMBER, "two point"),
    (Answer.MONEY, "two thousand"),
    (Answer.YES_NO, "I don't"),
    (Answer.YES_NO, "yes but"),
    (Answer.CHOICE, "the large"),
    (Answer.DATE, "tomorrow"),
    (Answer.DATE, "the fifth"),
    (Answer.DATE, "at three"),
    (Answer.DATE, "Thursday at"),
    (Answer.FREE, "we are twelve people"),
    (Answer.PHONE, "it's twenty five"),
]


@pytest.mark.parametrize(("kind", "text"), WHOLE)
def test_just_what_was_asked_for_is_waited_for_least(kind: Answer, text: str) -> None:
    silence, why = silence_wanted(text, Expectation(kind), Rhythm(), TurnPolicy())
    assert (silence, why) == (TurnPolicy().complete, "complete")


@pytest.mark.parametrize(("kind", "text"), NEARLY_WHOLE)
def test_what_has_a_small_way_to_go_on_is_nearly_whole(kind: Answer, text: str) -> None:
    assert filled(text.lower().split(), kind) == NEARLY
    assert answered(text, Expectation(kind)) >= NEARLY


@pytest.mark.parametrize(("kind", "text"), OPEN)
def test_what_may_still_grow_fills_nothing(kind: Answer, text: str) -> None:
    assert filled(text.lower().split(), kind) == 0.0


def test_a_dictated_number_keeps_its_time_however_it_begins() -> None:
    for text in ("double four seven", "it's twenty five", "about twelve"):
        assert silence_wanted(text, Expectation(Answer.PHONE), Rhythm(), TurnPolicy())[1] == "asked"
    # A number of so many digits is not whole before it has them.
    assert answered("it's twenty five", Expectation(Answer.NUMBER, digits=6)) < 0.5


def test_a_pause_within_a_number_keeps_its_time() -> None:
    asked = Expectation(Answer.NUMBER)
    for text in ("twenty", "we are twenty", "a hundred"):
        assert silence_wanted(text, asked, Rhythm(), TurnPolicy())[0] >= 0.8


_WORDS = """we are about twelve twenty five hundred thousand a people of us and or to between i think just
don't know not really yes no the large one at ten half past march third tomorrow dollars month per 12 300"""


@given(st.lists(st.sampled_from(_WORDS.split()), max_size=20), st.sampled_from(list(Answer)))
def test_it_is_one_of_three_and_never_for_words_that_end_on_a_conjunction(
    words: list[str], kind: Answer
) -> None:
    assert filled(words, kind) in (0.0, NEARLY, FILLED)
    for last in ("and", "or", "about", "the", "of"):
        assert filled([*words, last], kind) == 0.0
