"""MRCP messages: fixtures of the RFC, however they are cut, and whatever strangers send."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import ParseError
from trunkline.mrcp.message import (
    Event,
    Fields,
    Message,
    MessageCutter,
    Request,
    Response,
    State,
    content,
    field,
    parse_message,
)
from trunkline.mrcp.results import Recognised, cause, verdict, written

WIRE = Path(__file__).parents[1] / "wire" / "mrcp"
FIXTURES = sorted(WIRE.glob("*.msg"))


def fixture(name: str) -> bytes:
    return (WIRE / f"{name}.msg").read_bytes().replace(b"\n", b"\r\n")


@pytest.mark.parametrize("file", FIXTURES, ids=lambda file: file.stem)
def test_each_fixture_is_one_message_and_says_the_same_when_printed(file: Path) -> None:
    data = file.read_bytes().replace(b"\n", b"\r\n")
    (whole,) = MessageCutter().push(data)
    assert whole == data
    message = parse_message(whole)
    assert parse_message(bytes(message)) == _plain(message)


def _plain(message: Message) -> Message:
    """As it comes back: blanks in fields are one each, and the body's length is said."""
    return parse_message(bytes(message))


def test_what_the_fixtures_say() -> None:
    speak = parse_message(fixture("speak"))
    assert isinstance(speak, Request)
    assert (speak.method, speak.id) == ("SPEAK", 543257)
    assert field(speak, "channel-identifier") == "32AECB23433802@speechsynth"
    assert content(speak) == "application/ssml+xml"
    assert speak.body.startswith(b"<?xml")
    assert parse_message(fixture("speak-in-progress")) == Response(
        543257,
        200,
        State.IN_PROGRESS,
        (("Channel-Identifier", "32AECB23433802@speechsynth"), ("Speech-Marker", "timestamp=857206027059")),
    )
    complete = parse_message(fixture("recognition-complete"))
    assert isinstance(complete, Event)
    assert (complete.name, complete.id, complete.state) == ("RECOGNITION-COMPLETE", 543257, State.COMPLETE)
    assert cause(complete) == Recognised.SUCCESS
    assert field(complete, "Waveform-URI").endswith("size=342456;duration=25435")
    assert cause(parse_message(fixture("no-match"))) == Recognised.NO_MATCH
    assert written(Recognised.NO_MATCH) == "001 no-match"


NAMES = st.from_regex(r"[A-Z][A-Z-]{0,30}", fullmatch=True)
FIELDS = st.lists(
    st.tuples(
        st.from_regex(r"[A-Za-z][A-Za-z-]{0,20}", fullmatch=True).filter(
            lambda name: name.lower() != "content-length"
        ),
        st.from_regex(r"[!-~]{0,20}( [!-~]{1,20})?", fullmatch=True),
    ),
    max_size=6,
).map(tuple)
BODIES = st.binary(max_size=300)


@given(NAMES, st.integers(0, 2**32 - 1), FIELDS, BODIES)
def test_what_is_printed_is_read_back(name: str, ident: int, fields: Fields, body: bytes) -> None:
    messages: list[Message] = [
        Request(name, ident, fields, body),
        Response(ident, 200, State.PENDING, fields, body),
        Event(name, ident, State.IN_PROGRESS, fields, body),
    ]
    for message in messages:
        data = bytes(message)
        assert int(data.split()[1]) == len(data)
        back = parse_message(data)
        assert type(back) is type(message)
        assert back.body == body
        assert [value for value in back.fields if value[0].lower() != "content-length"] == [
            (name, " ".join(value.split())) for name, value in fields
        ]


@given(st.lists(st.integers(1, 200), max_size=40))
def test_however_the_bytes_come_the_messages_are_the_same(cuts: list[int]) -> None:
    whole = [fixture(file.stem) for file in FIXTURES]
    data = b"".join(whole)
    cutter, got = MessageCutter(), []
    for cut in [*cuts, len(data)]:
        got += cutter.push(data[:cut])
        data = data[cut:]
    assert got == whole


@given(st.binary(max_size=400))
def test_any_bytes_at_all_are_understood_or_refused(data: bytes) -> None:
    with suppress(ParseError):
        for whole in MessageCutter().push(data):
            parse_message(whole)
    with suppress(ParseError):
        parse_message(data)


@given(st.integers(0, 300), st.integers(0, 20), st.binary(max_size=20))
def test_whatever_is_done_to_a_message_it_is_understood_or_refused(at: int, length: int, put: bytes) -> None:
    data = fixture("recognition-complete")
    with suppress(ParseError):
        parse_message(data[:at] + put + data[at + length :])


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"MRCP/2.0 99999999 SPEAK 1\r\n",
        b"MRCP/2.0 0 SPEAK 1\r\n",
        b"x" * 300,
    ],
)
def test_a_connection_that_makes_no_sense_is_given_up(data: bytes) -> None:
    with pytest.raises(ParseError):
        MessageCutter().push(data)


@pytest.mark.parametrize(
    "data",
    [
        b"MRCP/2.0 30 SPEAK 1\r\n",
        b"MRCP/1.0 30 SPEAK 1\r\n\r\n",
        b"MRCP/2.0 30 speak 1\r\n\r\n",
        b"MRCP/2.0 30 SPEAK x\r\n\r\n",
        b"MRCP/2.0 30 1 999 COMPLETE\r\n\r\n",
        b"MRCP/2.0 30 1 200 DONE\r\n\r\n",
        b"MRCP/2.0 30 SPEAK 1\r\nno colon\r\n\r\n",
        b"MRCP/2.0 30 SPEAK 1\r\nContent-Length: 9\r\n\r\nshort",
        b"MRCP/2.0 30 SPEAK 1 2 3\r\n\r\n",
    ],
)
def test_what_is_no_message_is_an_error_of_its_own(data: bytes) -> None:
    with pytest.raises(ParseError):
        parse_message(data)


def test_methods_are_refused_by_what_is_wrong_with_them() -> None:
    assert verdict("speechrecog", "idle", "RECOGNIZE") == 0
    assert verdict("speechrecog", "idle", "START-INPUT-TIMERS") == 402
    assert verdict("speechrecog", "idle", "SPEAK") == 401
    assert verdict("speechsynth", "idle", "PAUSE") == 402
