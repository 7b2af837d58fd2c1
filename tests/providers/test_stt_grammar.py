"""Grammars out of expectations: read, written, asked whether a sentence is whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.events import Answer, Expectation
from trunkline.providers.stt.grammar import MOST_PHRASES, Grammar, read_phrase
from trunkline.providers.stt.pronounce import pronounce

CONSONANTS = {"B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T"}
VOWELS = {"AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"}
PHONES = CONSONANTS | VOWELS | {"TH", "V", "W", "Y", "Z", "ZH"}


def grammar(*phrases: str, kind: Answer = Answer.FREE, keyterms: tuple[str, ...] = ()) -> Grammar:
    return Grammar.expecting(Expectation(kind, phrases, keyterms))


@pytest.mark.parametrize(
    ("phrase", "said", "whole"),
    [
        ("yes please", "yes please", True),
        ("yes please", "yes", False),
        ("yes please", "yes please please", False),
        ("Yes, PLEASE!", "yes please", True),
        ("[about] <number> people", "about thirty five people", True),
        ("[about] <number> people", "nine people", True),
        ("[about] <number> people", "about people", False),
        ("[about] <number> people", "two hundred and twelve people", True),
        ("<money> a month", "three hundred dollars a month", True),
        ("<money> a month", "ninety nine dollars and fifty cents a month", True),
        ("<day> at <time>", "next monday at half past two", True),
        ("<day> at <time>", "the twenty first of june at noon", True),
        ("<day> at <time>", "monday", False),
        ("my name is <name>", "my name is olivia", True),
        ("my name is <name>", "my name is table", False),
        ("(yes | no) thank you", "no thank you", True),
        ("(yes | no) thank you", "thank you", False),
        ("don’t call", "don't call", True),
        ("a well-known brand", "a well known brand", True),
    ],
)
def test_a_sentence_is_whole_or_not(phrase: str, said: str, whole: bool) -> None:
    assert grammar(phrase).accepts(said.split()) is whole


@pytest.mark.parametrize(
    "phrase",
    [
        "",
        "   ",
        "<nosuch>",
        "[yes]",
        "[yes",
        "yes]",
        "(a|)",
        "call 911",
        "x" * 401,
        "a;",
        "<a",
        "☃",
        "[" * 50 + "a",
    ],
)
def test_what_cannot_be_used_is_left_out(phrase: str) -> None:
    if phrase == "a;":  # punctuation at the end of a word is nothing
        assert read_phrase(phrase) == "a"
    else:
        assert read_phrase(phrase) is None
    assert grammar("yes", phrase).accepts(["yes"])


def test_kinds_bring_what_people_say_to_them() -> None:
    assert grammar(kind=Answer.YES_NO).accepts(["no", "thanks"])
    assert grammar(kind=Answer.NUMBER).accepts(["about", "twelve"])
    assert grammar(kind=Answer.DATE).accepts(["thursday", "at", "four"])
    assert grammar(kind=Answer.PHONE).accepts(["five", "five", "five", "oh", "one"])
    assert not grammar(kind=Answer.FREE).phrases
    assert grammar(keyterms=("Clearline",)).accepts(["clearline"])


def test_phrases_with_words_that_have_no_sound_are_dropped() -> None:
    left = grammar("call zxqw now", "yes").without(lambda word: word == "zxqw")
    assert left.accepts(["yes"])
    assert not left.accepts(["call", "zxqw", "now"])


def test_the_number_of_phrases_is_bounded() -> None:
    words = [f"{a}{b}{c}" for a in "bcdfghklmn" for b in "aeiou" for c in "bcdfghklmnprstvwz"]
    assert len(grammar(*words).phrases) == MOST_PHRASES


def test_jsgf_names_every_rule_it_uses() -> None:
    text = grammar("<day> at <time>", "yes").jsgf()
    assert text.startswith("#JSGF V1.0;\n")
    assert "public <said> = <phrase>;" in text
    for rule in ("day", "time", "weekday", "month", "ordinal", "hour"):
        assert f"<{rule}> = " in text
    assert "<money>" not in text
    assert grammar().jsgf() == ""


@given(st.text(max_size=60))
def test_any_text_is_a_phrase_or_none(text: str) -> None:
    part = read_phrase(text)
    if part is not None:
        assert Grammar((part,)).words()
        assert Grammar((part,)).jsgf().isascii()


@given(st.lists(st.sampled_from(["yes", "no", "[ah]", "(a | b)", "<digit>"]), min_size=1, max_size=8))
def test_a_reading_of_a_grammar_is_accepted(parts: list[str]) -> None:
    said = [{"[ah]": "ah", "(a | b)": "b", "<digit>": "nine"}.get(part, part) for part in parts]
    phrase = read_phrase(" ".join(parts))
    if phrase is None:
        assert set(parts) == {"[ah]"}
        return
    assert Grammar((phrase,)).accepts(said)
    assert not Grammar((phrase,)).accepts([*said, "zebra"])


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz'", min_size=1, max_size=20))
def test_every_word_has_a_sound(word: str) -> None:
    phones = pronounce(word).split()
    assert set(phones) <= PHONES
    assert phones or not word.strip("'e")  # a lone last e is silent


@pytest.mark.parametrize(
    ("word", "phones"),
    [("crm", "S IY AA R EH M"), ("knight", "N AY T"), ("site", "S AY T"), ("99", ""), ("", "")],
)
def test_words_sound_about_right(word: str, phones: str) -> None:
    assert pronounce(word) == phones
