"""Where an English sentence can stop: clauses, what none ends on, and the table of endings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import ParseError
from trunkline.events import Answer, Expectation
from trunkline.turn.asked import answered
from trunkline.turn.clauses import count_clauses, without_opening
from trunkline.turn.completeness import completeness
from trunkline.turn.endings import ENDINGS, NEVER, Endings
from trunkline.turn.never_last import cannot_end


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        ("while I have you on the phone", 1),
        ("the person who used to do this", 1),
        ("the person who used to do this has left", 0),
        ("what did you say your name", 1),
        ("if it is not too much trouble", 1),
        ("if it rains we stay", 0),
        ("when are you open", 0),
        ("the last time we tried it", 1),
        ("it was fine until yesterday", 0),
        ("can you say it again", 0),
        ("the letter on the table", 1),
    ],
)
def test_clauses_without_their_verb_are_counted(text: str, lacking: int) -> None:
    assert count_clauses(text.lower().split()).lacking == lacking


def test_a_condition_after_yes_needs_no_second_clause() -> None:
    words = ["if", "it", "does", "not", "take", "too", "long"]
    assert count_clauses(words).lacking == 1
    assert count_clauses(words, after_answer=True).lacking == 0


def test_openings_are_no_sentence() -> None:
    words = ["well", "to", "be", "honest", "yes", "but", "it", "is", "late"]
    assert without_opening(words) == ["it", "is", "late"]
    assert without_opening(["yes", "to", "tell", "you", "the", "truth"]) == []


@pytest.mark.parametrize(
    "text",
    [
        "the problem is that",
        "I am at work so",
        "who will pay for",
        "how far is it from",
        "I'll",
        "what I mean is",
        "do you know if",
        "it is half past",
        "she says",
        "the battery is",
        "I would like to",
        "tell her that",
    ],
)
def test_no_sentence_ends_here(text: str) -> None:
    assert cannot_end(text.lower().split())


@pytest.mark.parametrize(
    "text",
    [
        "I think so",
        "here it is",
        "what is it for",
        "the forms you asked for",
        "what did you say your name was",
        "yes I am",
        "I would love to",
        "switch it off",
        "I do not want to",
        "in the month of may",
        "half past four",
    ],
)
def test_sentences_may_end_here(text: str) -> None:
    assert not cannot_end(text.lower().split())


@pytest.mark.parametrize(
    ("kind", "text", "low", "high"),
    [
        (Answer.PHONE, "oh one two three four five six seven eight nine", 0.4, 0.6),
        (Answer.PHONE, "oh one two three four five six seven eight nine one", 0.9, 1.0),
        (Answer.PHONE, "five five five oh one two three", 0.3, 0.4),
        (Answer.SPELLING, "c l a r k", 0.5, 1.0),
        (Answer.SPELLING, "x q z", 0.0, 0.3),
        (Answer.SPELLING, "meyer m e y e r", 0.9, 1.0),
        (Answer.ADDRESS, "nine oak road leeds", 0.6, 1.0),
        (Answer.ADDRESS, "nine oak road flat", 0.0, 0.4),
        (Answer.ADDRESS, "nine oak", 0.0, 0.4),
        (Answer.EMAIL, "ann at mail dot co", 0.0, 0.4),
        (Answer.EMAIL, "ann at mail dot co dot uk", 0.8, 1.0),
        (Answer.EMAIL, "ann dot lee", 0.0, 0.3),
        (Answer.NUMBER, "thirty four", 0.75, 1.0),
    ],
)
def test_dictated_answers_are_whole_when_their_parts_are_there(
    kind: Answer, text: str, low: float, high: float
) -> None:
    assert low <= answered(text, Expectation(kind)) <= high


def test_other_languages_are_left_to_plain_silence() -> None:
    assert completeness("ich möchte gerne einen Termin vereinbaren") == 0.5


def test_a_broken_table_names_its_line() -> None:
    with pytest.raises(ParseError) as caught:
        Endings("# fine\nthe 22 n\nof x n\n")
    assert caught.value.where == "endings:3"
    assert Endings("so 12 n think:3\n").rarely(["think", "so"]) == 0.3


def test_pairs_say_more_than_their_last_word() -> None:
    assert ENDINGS.rarely(["think", "so"]) < ENDINGS.rarely_after("so")
    assert ENDINGS.rarely([]) == NEVER
    assert ENDINGS.is_verb("ordered")
    assert not ENDINGS.is_verb("table")


_COMMON = """i you we is are that if when because who what the a to of for like said not so may times yes no
one house ordered works half past please um well thank"""
_WORDS = st.lists(st.sampled_from(_COMMON.split()) | st.text(max_size=6), max_size=30).map(" ".join)


@given(_WORDS, st.sampled_from(list(Answer)))
def test_it_is_always_a_probability(text: str, kind: Answer) -> None:
    assert 0 <= answered(text, Expectation(kind)) <= 1
    assert 0 <= completeness(text, kind) <= 1


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Answer.YES_NO, "I do"),
        (Answer.YES_NO, "it is"),
        (Answer.YES_NO, "mm-hm"),
        (Answer.YES_NO, "uh-huh"),
        (Answer.CHOICE, "express"),
        (Answer.CHOICE, "both"),
        (Answer.NUMBER, "three"),
        (Answer.MONEY, "ten"),
    ],
)
def test_a_word_or_two_that_fit_the_question_are_whole(kind: Answer, text: str) -> None:
    assert answered(text, Expectation(kind)) >= 0.85


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Answer.YES_NO, "I have"),
        (Answer.YES_NO, "um"),
        (Answer.CHOICE, "the"),
        (Answer.CHOICE, "the second"),
        (Answer.CHOICE, "maybe"),
        (Answer.CHOICE, "option"),
        (Answer.NUMBER, "twenty"),
        (Answer.NUMBER, "about"),
        (Answer.FREE, "I do"),
    ],
)
def test_a_word_that_something_may_follow_is_not(kind: Answer, text: str) -> None:
    assert answered(text, Expectation(kind)) < 0.8


@pytest.mark.parametrize("text", ["mm-hm", "all of them", "some of us", "I understand", "how come", "maybe"])
def test_short_answers_are_no_halves(text: str) -> None:
    assert completeness(text) >= 0.35
    assert completeness("some of the") < 0.35
