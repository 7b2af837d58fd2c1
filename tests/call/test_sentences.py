"""Sentences leave early, whole, and the same however the text was split into tokens."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.call.sentences import MAX_CHARS, SentenceCutter


def cut(text: str, sizes: list[int] | None = None) -> list[str]:
    cutter = SentenceCutter()
    pieces: list[str] = []
    at = 0
    for size in sizes or []:
        pieces += cutter.feed(text[at : at + size])
        at += size
    pieces += cutter.feed(text[at:])
    return pieces + cutter.flush()


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Hello there. How are you?", ["Hello there.", "How are you?"]),
        ("Sure. I can do that.", ["Sure.", "I can do that."]),
        (
            "Thanks for waiting, I have found it. Shall I book?",
            ["Thanks for waiting,", "I have found it.", "Shall I book?"],
        ),
        ("Yes, we do that. Good.", ["Yes, we do that.", "Good."]),
        ("Well - let us see.", ["Well - let us see."]),
        ("All right, it is done.", ["All right,", "it is done."]),
        ('Say "all right," then go.', ['Say "all right,"', "then go."]),
        ("See https://a.example/?c=a,b for it.", ["See https://a.example/?c=a,b for it."]),
        ("That is fine — let us see.", ["That is fine —", "let us see."]),
        ("Ask Mr. Smith or Dr. Jones. Done.", ["Ask Mr. Smith or Dr. Jones.", "Done."]),
        ("Bring fruit, e.g. apples. Done.", ["Bring fruit,", "e.g. apples.", "Done."]),
        ("It is 3.5 percent of $1,200.50. Done.", ["It is 3.5 percent of $1,200.50.", "Done."]),
        ("Call at 10 a.m. tomorrow. Done.", ["Call at 10 a.m. tomorrow.", "Done."]),
        ("Call at 10 a.m. Then we talk.", ["Call at 10 a.m.", "Then we talk."]),
        ("Write to ann.lee@mail.example.com. Done.", ["Write to ann.lee@mail.example.com.", "Done."]),
        ("See https://a.example/b.html?c=1,2. Done.", ["See https://a.example/b.html?c=1,2.", "Done."]),
        ("It was in the U.S. in May. Done.", ["It was in the U.S. in May.", "Done."]),
        ("It is on January 5, 2026. Done.", ["It is on January 5, 2026.", "Done."]),
        ("Ask J. Smith. Done.", ["Ask J. Smith.", "Done."]),
        ("No. I do not.", ["No.", "I do not."]),
        ("It is No. 5 here. Done.", ["It is No. 5 here.", "Done."]),
        ("I am 35. Done.", ["I am 35.", "Done."]),
        ('She said "yes." Then we left.', ['She said "yes."', "Then we left."]),
        ("Hmm... let me see. Done.", ["Hmm... let me see.", "Done."]),
        ("Is it? Yes! Done.", ["Is it?", "Yes!", "Done."]),
        ("1. Apples\n2. Pears", ["1. Apples", "2. Pears"]),
        ("Call between 9-5 or 10:30. Done.", ["Call between 9-5 or 10:30.", "Done."]),
        ("It costs 5,000 dollars. Done.", ["It costs 5,000 dollars.", "Done."]),
        ("", []),
        ("   \n ", []),
    ],
)
def test_where_text_is_cut(text: str, pieces: list[str]) -> None:
    assert cut(text) == pieces


def test_the_first_clause_leaves_before_the_sentence_is_over() -> None:
    cutter = SentenceCutter()
    assert cutter.feed("Thanks for calling") == []
    assert cutter.feed(",") == ["Thanks for calling,"], "the comma is enough: nothing after it could join"
    assert cutter.feed(" I see it here, and it is on its way") == []
    assert cutter.flush() == ["I see it here, and it is on its way"]


def test_a_sentence_leaves_with_the_space_after_it() -> None:
    cutter = SentenceCutter()
    assert cutter.feed("How are you?") == []
    assert cutter.feed(" ") == ["How are you?"]


def test_later_very_short_sentences_go_together() -> None:
    assert cut("One. Two. Three. Four. Five. Six. Seven. Eight. Nine.") == [
        "One.",
        "Two.",
        "Three. Four. Five. Six.",
        "Seven. Eight. Nine.",
    ]


def test_a_cutter_is_ready_for_the_next_answer_after_flush() -> None:
    cutter = SentenceCutter()
    cutter.feed("One. Two. Three. Four.")
    cutter.flush()
    assert cutter.feed("Sure. ") == ["Sure."]


def test_text_without_an_end_is_cut_after_a_word() -> None:
    pieces = cut("word " * 200)
    assert all(len(piece) <= MAX_CHARS for piece in pieces)
    assert {word for piece in pieces for word in piece.split()} == {"word"}


_TEXTS = st.one_of(
    st.text(max_size=600),
    st.lists(
        st.sampled_from(
            ["Mr.", "e.g.", "3.5", "$1,200.50", "a.m.", "Hello", "yes,", "no.", "-", "—", "...", '"', "?",
             "!", "\n", " ", "  ", "12", "I", "U.S.", "x@y.example", "w" * 260, ",", "。", "?!" * 9, "5,",
             "😀"]
        ),
        max_size=80,
    ).map(" ".join),
    st.lists(st.sampled_from(list("Ab1 .,?!\"')-—:;\n")), max_size=400).map("".join),
)  # fmt: skip


@given(_TEXTS, st.integers(0, 2**32), st.integers(1, 30))
def test_pieces_are_the_text_whatever_the_tokens(text: str, seed: int, largest: int) -> None:
    chance = random.Random(seed)
    sizes = [chance.randint(1, largest) for _ in text]
    whole = cut(text)
    assert cut(text, sizes) == whole
    assert squeezed("".join(whole)) == squeezed(text)
    assert all(piece == piece.strip() and piece for piece in whole)
    assert all(len(piece) <= MAX_CHARS for piece in whole[:-1])


@given(_TEXTS)
def test_what_waits_is_bounded(text: str) -> None:
    cutter = SentenceCutter()
    given_out = 0
    for count, character in enumerate(text, 1):
        given_out += sum(len(squeezed(piece)) for piece in cutter.feed(character))
        assert len(squeezed(text[:count])) - given_out <= MAX_CHARS
