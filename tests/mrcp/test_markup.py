"""NLSML, SRGS and SSML: as the RFC writes them, as servers write them, and as nobody should."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrcp.test_message import fixture
from trunkline.errors import ParseError
from trunkline.mrcp.markup import Script, parse_script, parse_xml, phrases_of, print_grammar, print_script
from trunkline.mrcp.message import parse_message
from trunkline.mrcp.nlsml import Reading, parse_nlsml, print_nlsml


def test_the_results_of_the_fixtures() -> None:
    assert parse_nlsml(parse_message(fixture("recognition-complete")).body) == [
        Reading("may I speak to Andre Roy", 1.0, "Andre Roy")
    ]
    assert parse_nlsml(parse_message(fixture("unimrcp")).body) == [
        Reading("book a hotel", 0.99, "book a hotel")
    ]


@pytest.mark.parametrize(
    ("inner", "readings"),
    [
        ("<interpretation><input><nomatch/></input></interpretation>", []),
        ('<interpretation confidence="0.2"><input>no</input></interpretation>', [Reading("no", 0.2)]),
        ("<interpretation><instance>seven</instance></interpretation>", [Reading("seven", 1.0, "seven")]),
        ('<interpretation confidence="high"><input>no</input></interpretation>', [Reading("no", 1.0)]),
        ("", []),
        (
            (
                '<interpretation confidence="0.2"><input>a</input></interpretation>'
                '<interpretation confidence="0.9"><input>b</input></interpretation>'
            ),
            [Reading("b", 0.9), Reading("a", 0.2)],
        ),
    ],
)
def test_readings_come_best_first_and_nothing_is_none(inner: str, readings: list[Reading]) -> None:
    assert parse_nlsml(f"<result>{inner}</result>".encode()) == readings


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<result>",
        b"<other/>",
        b"no xml",
        b'<!DOCTYPE r [<!ENTITY a "aaaa">]><result>&a;</result>',
        b"<result>" + b"x" * 600_000 + b"</result>",
    ],
)
def test_what_is_no_result_is_an_error_of_its_own(data: bytes) -> None:
    with pytest.raises(ParseError):
        parse_nlsml(data)


@given(st.text(max_size=80), st.floats(0, 1), st.text(max_size=30))
def test_a_result_of_ours_is_read_back(text: str, confidence: float, grammar: str) -> None:
    readings = parse_nlsml(print_nlsml(Reading(text, confidence), grammar))
    for reading in readings:
        assert reading.confidence == pytest.approx(confidence, abs=0.01)
        if text.isascii() and text.isprintable():
            assert reading.text == " ".join(text.split())


@given(st.binary(max_size=300))
def test_any_bytes_at_all_are_understood_or_refused(data: bytes) -> None:
    for read in (parse_nlsml, phrases_of, parse_script):
        with suppress(ParseError):
            read(data)


def test_a_grammar_is_read_for_its_sentences() -> None:
    assert phrases_of(parse_message(fixture("recognize")).body) == (
        "may I speak to Michel Tremblay",
        "may I speak to Andre Roy",
    )
    optional = (
        '<grammar root="a"><rule id="a">I want <item repeat="0-1">some</item> <ruleref uri="#b"/></rule>'
        '<rule id="b"><one-of><item>tea<tag>out=1</tag></item><item>milk</item></one-of></rule></grammar>'
    )
    assert phrases_of(optional.encode()) == (
        "I want tea",
        "I want milk",
        "I want some tea",
        "I want some milk",
    )


def test_a_grammar_without_end_ends() -> None:
    endless = '<grammar root="a"><rule id="a">very <ruleref uri="#a"/></rule></grammar>'
    assert len(phrases_of(endless.encode())) == 1
    wide = "".join(f"<one-of>{'<item>x</item><item>y</item>' * 20}</one-of>" for _ in range(20))
    assert len(phrases_of(f'<grammar root="a"><rule id="a">{wide}</rule></grammar>'.encode())) <= 500


@given(st.lists(st.text("abc <>&'\"é", max_size=12), max_size=6))
def test_a_grammar_of_ours_is_read_back(phrases: list[str]) -> None:
    wanted = tuple(dict.fromkeys(" ".join(one.split()) for one in phrases if one.strip()))
    if not wanted:
        with pytest.raises(ParseError):
            print_grammar(phrases, "en")
        return
    assert phrases_of(print_grammar(phrases, "en")) == wanted


def test_a_script_is_read_for_its_words_and_marks() -> None:
    script = parse_script(parse_message(fixture("speak")).body)
    assert script.text.startswith("You have 4 new messages. The first is from Stephanie Williams and arrived")
    ((name, place),) = script.marks
    assert name == "Stephanie"
    assert script.text[:place].endswith("Stephanie Williams")
    alias = b'<speak><sub alias="World Wide Web">WWW</sub> <audio src="x">beep</audio> ends</speak>'
    assert parse_script(alias) == Script("World Wide Web ends")


@given(st.text("ab cé<&>", min_size=1, max_size=60))
def test_a_script_of_ours_is_read_back(text: str) -> None:
    data, places = print_script(text, "en")
    script = parse_script(data)
    assert script.text == " ".join(text.split())
    assert [place for _, place in script.marks] == [
        len(" ".join(text.split()[: count + 1])) for count in range(len(text.split()))
    ]
    assert all(text[:place].endswith(text.split()[at]) for at, place in enumerate(places.values()))


def test_entities_are_refused_before_they_grow() -> None:
    with pytest.raises(ParseError):
        parse_xml(b'<!ENTITY x "y"><a/>', "test")
