"""Thoughts between tags, however the stream is cut into pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.providers.llm.thoughts import WithoutThoughts


def said(pieces: list[str]) -> str:
    without = WithoutThoughts()
    return "".join([*map(without.feed, pieces), without.flush()])


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It is twenty dollars.", "It is twenty dollars."),
        ("<think>\nThey ask.\n</think>\n\nIt is twenty.", "It is twenty."),
        ("<think>\n\n</think>\n\nYes.", "Yes."),
        ("<Thinking>no</Thinking>Yes.", "Yes."),
        ("One. <think>and</think> Two.", "One. Two."),
        ("<think>never ends", ""),
        ("Less than 5 < 6 and <b>more</b> <", "Less than 5 < 6 and <b>more</b> <"),
        ("a <thi", "a <thi"),
        ("forgotten</think>\nYes.", "forgottenYes."),
    ],
)
def test_only_the_answer_is_said(written: str, spoken: str) -> None:
    assert said([written]) == spoken
    assert said(list(written)) == spoken


PARTS = st.sampled_from(["<think>", "</think>", "<thought>", "<", "/", "th", "ink>", "yes ", "\n"])


@given(st.lists(PARTS, max_size=20), st.lists(st.integers(0, 60), max_size=8))
def test_where_the_stream_is_cut_changes_nothing(parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[begin:end] for begin, end in pairwise(places)]
    assert said(pieces) == said([text])


@given(st.text())
def test_text_without_tags_is_said_as_it_is(text: str) -> None:
    if "<" not in text:
        assert said([text]) == text
