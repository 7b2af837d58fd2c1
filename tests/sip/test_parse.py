"""Any message that is printed is read back; no bytes raise anything but `ParseError`."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import ParseError, SipError
from trunkline.sip.fields import NameAddress, Via, parse_name_address, parse_via, split_list
from trunkline.sip.message import Headers, Message, Request, Response, respond
from trunkline.sip.parse import parse_message
from trunkline.sip.sdp import parse_sdp
from trunkline.sip.uri import Uri, escape_user, parse_uri, unescape

TOKEN = "abcXYZ019-.!%*_+`'~"
tokens = st.text(TOKEN, min_size=1, max_size=12)
hosts = st.sampled_from(["example.com", "a-b.example", "192.0.2.1", "[2001:db8::1]", "localhost"])
ports = st.none() | st.integers(1, 65535)
params = st.dictionaries(
    st.text("abcdef-", min_size=1, max_size=8), st.none() | st.text(TOKEN, min_size=1, max_size=8), max_size=3
)
uris = st.builds(
    Uri,
    scheme=st.sampled_from(["sip", "sips"]),
    user=st.text(max_size=12).map(escape_user),
    host=hosts,
    port=ports,
    params=params,
)
words = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=30)
values = words.map(lambda text: text.strip(" \t"))
name_addresses = st.builds(NameAddress, uri=uris, display=words, params=params)
vias = st.builds(Via, transport=st.sampled_from(["UDP", "TCP", "TLS"]), host=hosts, port=ports, params=params)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    method = draw(tokens)
    headers = Headers()
    headers.add("Via", str(draw(vias)))
    headers.add("From", str(draw(name_addresses)))
    headers.add("To", str(draw(name_addresses)))
    headers.add("Call-ID", draw(tokens))
    headers.add("CSeq", f"{draw(st.integers(0, 2**31 - 1))} {method}")
    for name, value in draw(st.lists(st.tuples(tokens.map(lambda t: f"X-{t}"), values), max_size=5)):
        headers.add(name, value)
    body = draw(st.binary(max_size=60))
    if draw(st.booleans()):
        return Request(headers, body, method=method, uri=str(draw(uris)))
    return Response(headers, body, status=draw(st.integers(100, 699)), reason=draw(values))


@given(messages())
def test_any_message_printed_reads_back(message: Message) -> None:
    back = parse_message(bytes(message))
    assert type(back) is type(message)
    assert back.start_line() == message.start_line()
    assert back.body == message.body
    assert [pair for pair in back.headers if pair[0] != "Content-Length"] == list(message.headers)
    assert (back.from_, back.to, back.via, back.cseq) == (
        message.from_,
        message.to,
        message.via,
        message.cseq,
    )


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_parse_error(data: bytes) -> None:
    with suppress(ParseError):
        parse_message(data)


@given(messages(), st.integers(0, 400), st.binary(max_size=6), st.integers(0, 20))
def test_no_damage_raises_anything_but_parse_error(
    message: Message, where: int, what: bytes, cut: int
) -> None:
    data = bytes(message)
    damaged = data[:where] + what + data[where + cut :]
    try:
        back = parse_message(damaged)
    except ParseError:
        return
    assert parse_message(bytes(back)).body == back.body


@given(st.text(max_size=80))
def test_no_text_breaks_the_field_parsers(text: str) -> None:
    for parse in (parse_uri, parse_name_address, parse_via, split_list):
        try:
            parse(text)
        except ParseError:
            continue


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: ("v=0\n" + t).encode()))
def test_no_bytes_break_the_sdp_parser(data: bytes) -> None:
    try:
        description = parse_sdp(data)
    except ParseError:
        return
    assert parse_sdp(bytes(description)).media == description.media


@given(st.text(max_size=20))
def test_a_user_part_survives_escaping(text: str) -> None:
    assert unescape(escape_user(text)) == text.encode("utf-8", "surrogateescape").decode(
        "utf-8", "surrogateescape"
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("example.com", "scheme"),
        ("sip:", "nothing"),
        ("sip:@host", "empty user"),
        ("sip:a@host:0", "out of range"),
        ("sip:a@host:70000", "out of range"),
        ("sip:a@host:5x", "bad port"),
        ("sip:a@host;;", "empty parameter"),
        ("sip:a@host;lr;lr", "twice"),
        ("sip:a b@host", "no address may hold"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(text: str, what: str) -> None:
    with pytest.raises(ParseError, match=what):
        parse_uri(text)


def test_short_names_and_case_find_the_same_header() -> None:
    headers = Headers([("i", "abc"), ("VIA", "one"), ("v", "two")])
    assert headers.get("Call-ID") == "abc"
    assert headers.all("Via") == ["one", "two"]
    headers.set("via", "three")
    assert list(headers) == [("i", "abc"), ("via", "three")]


def test_a_line_break_cannot_be_smuggled_into_a_header() -> None:
    with pytest.raises(SipError, match="line break"):
        Headers().add("X-campaign", "spring\r\nVia: evil")


def test_lines_that_end_in_lf_alone_are_read() -> None:
    data = (
        b"OPTIONS sip:a@b SIP/2.0\nVia: SIP/2.0/UDP b;branch=z9hG4bK1\nFrom: <sip:c@d>;tag=1\n"
        b"To: <sip:a@b>\nCall-ID: x\nCSeq: 1 OPTIONS\n\n"
    )
    request = parse_message(data)
    assert request.call_id == "x"
    assert isinstance(request, Request)
    assert respond(request, 200, to_tag="7").headers.get("To") == "<sip:a@b>;tag=7"
