"""Messages cut from a stream, however it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import ParseError
from trunkline.sip.parse import MAX_MESSAGE
from trunkline.sip.stream import PING, Framer


def message(body: bytes, name: str = "Content-Length") -> bytes:
    return f"OPTIONS sip:a@b SIP/2.0\r\nX: 1\r\n{name}: {len(body)}\r\n\r\n".encode() + body


@given(
    st.lists(st.tuples(st.binary(max_size=80), st.sampled_from(["Content-Length", "l", "CONTENT-LENGTH "]))),
    st.lists(st.integers(1, 60), max_size=60),
    st.integers(0, 3),
)
def test_the_same_messages_come_out_however_the_stream_is_cut(
    bodies: list[tuple[bytes, str]], cuts: list[int], pongs: int
) -> None:
    messages = [message(*body) for body in bodies]
    stream = (b"\r\n" * (pongs % 2)).join(messages)
    framer, place = Framer(), 0
    out: list[bytes] = []
    for cut in [*cuts, len(stream)]:
        out += framer.feed(stream[place : place + cut])
        place += cut
    assert out == messages
    assert framer.idle


def test_a_ping_between_messages_is_told() -> None:
    framer = Framer()
    assert list(framer.feed(message(b"x") + PING + message(b""))) == [message(b"x"), PING, message(b"")]
    assert list(framer.feed(b"\r\n\r")) == []
    assert list(framer.feed(b"\n")) == [PING]


@pytest.mark.parametrize(
    "data",
    [
        message(b"").replace(b": 0", b": -1"),
        message(b"").replace(b": 0", b": 1e3"),
        message(b"").replace(b": 0", b": 0\r\nl: 5"),
        message(b"").replace(b": 0", b": 99999999"),
        b"A" * (MAX_MESSAGE + 1),
    ],
)
def test_a_length_in_doubt_ends_the_stream(data: bytes) -> None:
    with pytest.raises(ParseError):
        list(Framer().feed(data))


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_the_documented_error(data: bytes) -> None:
    try:
        list(Framer().feed(data))
    except ParseError:
        return
