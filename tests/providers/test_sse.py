"""Server-sent events: cut anywhere, hostile or endless."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import EngineDown
from trunkline.providers.sse import EventStream

LINES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)


@given(
    st.lists(st.lists(LINES, min_size=1, max_size=3), max_size=5), st.data(), st.sampled_from(["\n", "\r\n"])
)
def test_cutting_changes_nothing(events: list[list[str]], data: st.DataObject, newline: str) -> None:
    body = "".join(
        f": note{newline}event: x{newline}" + "".join(f"data: {line}{newline}" for line in event) + newline
        for event in events
    ).encode()
    stream, got = EventStream("x"), []
    while body:
        size = data.draw(st.integers(1, len(body)))
        got += stream.push(body[:size])
        body = body[size:]
    assert got == ["\n".join(event) for event in events]


def test_what_is_not_text_or_has_no_end() -> None:
    with pytest.raises(EngineDown, match="not text"):
        EventStream("x").push(b"data: \xff\n\n")
    for piece in (b"x" * 100_000, b"data: y\n" * 10_000):
        stream = EventStream("x")
        with pytest.raises(EngineDown, match="no end"):
            push_all(stream, [piece] * 300)


def push_all(stream: EventStream, pieces: list[bytes]) -> None:
    for piece in pieces:
        stream.push(piece)
