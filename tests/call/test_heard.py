"""What was heard ends at a whole word, and heard plus unheard is all that was said."""

from hypothesis import given
from hypothesis import strategies as st

from trunkline.call.heard import Piece, heard_and_unheard

TEXT = "Our plans start at twenty dollars a month for each person."


def piece(played: int, *, made: int = 8000, complete: bool = True) -> Piece:
    return Piece(0, TEXT, TEXT, made=made, played=played, complete=complete)


def test_nothing_played_is_nothing_heard() -> None:
    assert heard_and_unheard([piece(0)], 100) == ("", TEXT)


def test_all_played_is_all_heard() -> None:
    assert heard_and_unheard([piece(8000)], 100) == (TEXT, "")


def test_half_played_is_about_half_and_ends_at_a_word() -> None:
    heard, unheard = heard_and_unheard([piece(4000)], 100)
    assert heard == "Our plans start at twenty"
    assert f"{heard} {unheard}" == TEXT


def test_marks_decide_where_the_voice_gives_them() -> None:
    marked = piece(4000)
    marked.marks = [(1000, 3), (3900, 9), (5000, 15)]
    assert heard_and_unheard([marked], 100)[0] == "Our plans"


@given(st.lists(st.tuples(st.text(max_size=60), st.integers(0, 9000), st.booleans()), max_size=4))
def test_no_word_is_lost_or_doubled(parts: list[tuple[str, int, bool]]) -> None:
    pieces = [
        Piece(i, text, text, made=8000, played=min(played, 8000), complete=complete)
        for i, (text, played, complete) in enumerate(parts)
    ]
    heard, unheard = heard_and_unheard(pieces, 100)
    assert sorted((heard + " " + unheard).split()) == sorted(" ".join(text for text, _, _ in parts).split())
