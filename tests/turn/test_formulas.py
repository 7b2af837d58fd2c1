"""What people say on the telephone and are done."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import ParseError
from trunkline.events import Answer, Expectation
from trunkline.turn.completeness import completeness
from trunkline.turn.end_of_turn import silence_wanted
from trunkline.turn.formulas import FORMULAS, MOSTLY, SURELY, Formulas
from trunkline.turn.policy import TurnPolicy
from trunkline.turn.rhythm import Rhythm
from trunkline.turn.wording import plain_words


def judged(text: str) -> float:
    return FORMULAS.judged(plain_words(text))


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("That's right.", SURELY),
        ("that is right", SURELY),
        ("Well, that's right, yes.", SURELY),
        ("who is this please", SURELY),
        ("Is this a recording?", SURELY),
        ("take me off your list", SURELY),
        ("Sorry, you have the wrong number.", SURELY),
        ("okay let's do it", SURELY),
        ("No thanks, I'm not interested, please stop calling me.", SURELY),
        ("I'm not interested", MOSTLY),
        ("no, we're not really interested at the moment, thank you", MOSTLY),
        ("one moment please", MOSTLY),
        ("hold on", MOSTLY),
        ("I don't know", MOSTLY),
    ],
)
def test_formulas_are_known_with_what_stands_around_them(text: str, grade: float) -> None:
    assert judged(text) == grade


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yes",
        "well",
        "thank you",
        "I'm",
        "we have",
        "that is",
        "tell me",
        "I'm not interested in your",
        "that's right but",
        "who is this for",
        "the price",
        "I don't know whether",
        "let's",
        "how",
        "can you send",
        "who is",
        "I'd like to speak to your",
        "let me talk to a real",
        "please call me back in",
        "that sounds",
    ],
)
def test_beginnings_and_single_openings_are_none(text: str) -> None:
    assert judged(text) == 0.0


@pytest.mark.parametrize("text", ["that's right um", "I'm not interested uh"])
def test_a_filler_behind_them_says_that_more_comes(text: str) -> None:
    assert completeness(text) < 0.2


@pytest.mark.parametrize(
    ("text", "longest"),
    [("that's right", 0.3), ("sounds good to me", 0.3), ("tell me more", 0.3), ("I'm busy", 0.6)],
)
def test_they_are_waited_for_less(text: str, longest: float) -> None:
    seconds, _ = silence_wanted(text, Expectation(Answer.FREE), Rhythm(), TurnPolicy())
    assert seconds <= longest


WORDS = st.sampled_from(
    ["yes", "no", "wait", "that", "is", "right", "i", "am", "not", "sure", "it", "so", "you"]
)


@given(st.lists(WORDS, max_size=14))
def test_any_row_of_their_words_is_judged(said: list[str]) -> None:
    assert FORMULAS.judged(said) in (0.0, MOSTLY, SURELY)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("perhaps: who is this", "surely"),
        ("surely:", "surely"),
        ("surely: who (is", "not closed"),
        ("surely: who (is]", "do not fit"),
        ("surely: who is)", "do not fit"),
        ("surely: who | what", "outside"),
    ],
)
def test_a_broken_line_is_named(line: str, why: str) -> None:
    with pytest.raises(ParseError, match=why) as error:
        Formulas(f"# formulas\n\n{line}\n")
    assert error.value.where == "formulas:3"
