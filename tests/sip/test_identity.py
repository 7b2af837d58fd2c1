"""Who calls and on whose behalf, as carriers write it, and what strangers write in its place."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import ParseError
from trunkline.sip.fields import NameAddress
from trunkline.sip.identity import Diversion, Shown, diversions, shown_as, user_to_user, who_calls
from trunkline.sip.message import Request
from trunkline.sip.parse import parse_message
from trunkline.sip.passport import Passport, parse_passport
from trunkline.sip.uri import parse_uri

PLAIN = '"Ann" <sip:+4930123@carrier.example>;tag=1'


def invite(*headers: str, sender: str = PLAIN) -> Request:
    lines = [
        "INVITE sip:+49891@us.example SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
        f"From: {sender}",
        "To: <sip:+49891@us.example>",
        "Call-ID: 1",
        "CSeq: 1 INVITE",
        *headers,
    ]
    message = parse_message(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert isinstance(message, Request)
    return message


def piece(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


SHAKEN = {"typ": "passport", "alg": "ES256", "ppt": "shaken", "x5u": "https://cert.example/a.cer"}
CLAIMS = {
    "attest": "A",
    "dest": {"tn": ["49891"]},
    "iat": 1443208345,
    "orig": {"tn": "4930123"},
    "origid": "123e4567-e89b-12d3-a456-426655440000",
}


def identity(header: Any = SHAKEN, claims: Any = CLAIMS) -> str:
    return (
        f"{piece(header)}.{piece(claims)}.c2lnbmF0dXJl;info=<https://cert.example/a.cer>;alg=ES256;ppt=shaken"
    )


def test_a_plain_call() -> None:
    assert who_calls(invite(), trusted=True) == {"caller_number": "+4930123", "caller_name": "Ann"}


def test_what_a_trunk_asserts_is_believed_and_what_a_stranger_asserts_is_not() -> None:
    message = invite(
        'P-Asserted-Identity: "Bo" <sip:+49301@carrier.example;user=phone>, <tel:+49302>',
        "Remote-Party-ID: <sip:+49303@x>;party=calling;screen=yes",
        sender="<sip:anonymous@anonymous.invalid>;tag=1",
    )
    facts = who_calls(message, trusted=True)
    assert facts == {"caller_hidden": "yes", "asserted_number": "+49301", "asserted_name": "Bo"}
    assert who_calls(message, trusted=False) == {"caller_hidden": "yes"}


def test_remote_party_id_is_read_where_nothing_better_is_said() -> None:
    message = invite(
        "Remote-Party-ID: <sip:+49111@x>;party=called", 'Remote-Party-ID: "Cy" <sip:+49303@x>;party=calling'
    )
    facts = who_calls(message, trusted=True)
    assert (facts["asserted_number"], facts["asserted_name"]) == ("+49303", "Cy")


@pytest.mark.parametrize(
    ("header", "hidden"), [("id", True), ("user;id", True), ("header", True), ("none", False), ("", False)]
)
def test_privacy(header: str, hidden: bool) -> None:
    assert ("caller_hidden" in who_calls(invite(f"Privacy: {header}"), trusted=True)) is hidden


def test_the_latest_diversion_stands_first() -> None:
    message = invite(
        "Diversion: <sip:+49895@x>;reason=user-busy;counter=1, <tel:+49894>;reason=unconditional",
    )
    assert diversions(message) == [Diversion("+49895", "user-busy"), Diversion("+49894", "unconditional")]
    facts = who_calls(message, trusted=False)
    assert (facts["diverted_from"], facts["diverted_why"], facts["first_called"]) == (
        "+49895",
        "user-busy",
        "+49894",
    )


def test_history_info_tells_the_same() -> None:
    message = invite(
        "History-Info: <sip:+49894@x?Reason=SIP%3Bcause%3D302>;index=1, <sip:+49895@y;cause=302>;index=1.1",
        "History-Info: <sip:+49891@us.example;cause=486>;index=1.1.1",
        "History-Info: <sip:+49891@10.0.0.1>;index=1.1.1.1",
    )
    assert diversions(message) == [Diversion("+49895", "user-busy"), Diversion("+49894", "unconditional")]


def test_the_index_of_a_history_is_a_number_not_a_text() -> None:
    entries = [f"History-Info: <sip:+4989{n}@x>;index=1.{n}" for n in (10, 9, 2)]
    assert [diversion.who for diversion in diversions(invite(*entries))] == ["+49899", "+49892"]


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ("48656c6c6f;encoding=hex", "Hello"),
        ("0448656c6c6f;purpose=isdn-uui;content=isdn-uui;encoding=hex", "Hello"),
        ("ff00;encoding=hex", "ff00"),
        ("zz;encoding=hex", "zz"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_user_to_user(value: str, data: str) -> None:
    assert who_calls(invite(f"User-to-User: {value}"), trusted=False).get("user_to_user", "") == data


@given(st.text(max_size=40))
def test_user_to_user_comes_out_as_it_went_in(text: str) -> None:
    value = user_to_user(text)
    assert value.isascii()
    if text.isprintable() and not text.startswith("\x04"):
        found = who_calls(invite(f"User-to-User: {value}"), trusted=False).get("user_to_user", "")
        assert found == text


def test_a_shaken_passport_is_read() -> None:
    assert parse_passport(identity()) == Passport(
        "shaken",
        "A",
        "4930123",
        ("49891",),
        1443208345,
        "123e4567-e89b-12d3-a456-426655440000",
        "",
        "https://cert.example/a.cer",
    )
    facts = who_calls(invite(f"Identity: {identity()}"), trusted=False)
    assert facts["attestation"] == "A"
    assert facts["attested_number"] == "4930123"
    assert facts["attested_called"] == "49891"


def test_a_diverted_call_carries_a_passport_for_that_too() -> None:
    div = identity(
        {**SHAKEN, "ppt": "div"},
        {
            "dest": {"tn": ["49891"]},
            "div": {"tn": "49894"},
            "iat": 1,
            "orig": {"tn": "4930123"},
        },
    )
    passport = parse_passport(div)
    assert (passport.kind, passport.diverted, passport.attestation) == ("div", "49894", "")
    facts = who_calls(invite(f"Identity: {div}", f"Identity: {identity()}"), trusted=False)
    assert facts["attestation"] == "A"


def test_the_compact_form_says_only_which_kind_it_is() -> None:
    assert parse_passport("..c2ln;info=<https://c.example>;ppt=shaken") == Passport(
        "shaken", certificate="https://c.example"
    )


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a.b",
        "a.b.c.d",
        "!!.e30.x",
        f"{piece([])}.e30.x",
        f"{piece({})}.{base64.urlsafe_b64encode(b'[' * 3000).decode()}.x",
        "e30.e30.x" + "y" * 9000,
    ],
)
def test_what_is_no_passport_is_told_and_the_call_goes_on(value: str) -> None:
    with pytest.raises(ParseError):
        parse_passport(value)
    assert "attestation" not in who_calls(invite(f"Identity: {value}"), trusted=False)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(json_values, st.fixed_dictionaries({}, optional=dict.fromkeys(CLAIMS, json_values)))
def test_claims_of_any_shape_raise_nothing_else(header: Any, claims: dict[str, Any]) -> None:
    try:
        passport = parse_passport(identity(header, claims))
    except ParseError:
        return
    assert passport.attestation in ("", "A", "B", "C")
    assert all(isinstance(name, str) for name in passport.dest)


def test_the_carriers_own_verdict_is_kept() -> None:
    for header in (
        "P-Asserted-Identity: <tel:+49301;verstat=TN-Validation-Passed>",
        "P-Asserted-Identity: <sip:+49301;verstat=TN-Validation-Passed@x;user=phone>",
        "P-Asserted-Identity: <sip:+49301@x>;verstat=TN-Validation-Passed",
    ):
        assert who_calls(invite(header), trusted=True)["verstat"] == "TN-Validation-Passed"
    assert "verstat" not in who_calls(invite(header), trusted=False)


HEADERS = (
    "P-Asserted-Identity",
    "Remote-Party-ID",
    "Privacy",
    "Diversion",
    "History-Info",
    "User-to-User",
    "Identity",
)
odd = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=60)


@given(st.lists(st.tuples(st.sampled_from(HEADERS), odd), max_size=6))
def test_no_header_ends_a_call(headers: list[tuple[str, str]]) -> None:
    message = invite()
    for name, value in headers:
        message.headers.add(name, value)
    facts = who_calls(message, trusted=True)
    assert facts["caller_number"] == "+4930123"
    assert all(value and value.isprintable() and len(value) <= 512 for value in facts.values())


# --- calls of ours --------------------------------------------------------------------------------

CALLER = NameAddress(parse_uri("sip:+49301@us.example"), "Us")


@pytest.mark.parametrize(
    ("how", "hidden", "sender", "headers"),
    [
        (Shown.FROM, False, CALLER, {}),
        (Shown.FROM, True, CALLER, {"Privacy": "user;id"}),
        (Shown.ASSERTED, False, CALLER, {"P-Asserted-Identity": '"Us" <sip:+49301@us.example>'}),
        (Shown.PREFERRED, False, CALLER, {"P-Preferred-Identity": '"Us" <sip:+49301@us.example>'}),
        (
            Shown.REMOTE_PARTY,
            False,
            CALLER,
            {"Remote-Party-ID": '"Us" <sip:+49301@us.example>;party=calling;privacy=off;screen=yes'},
        ),
    ],
)
def test_how_a_caller_is_shown(
    how: Shown, hidden: bool, sender: NameAddress, headers: dict[str, str]
) -> None:
    assert shown_as(CALLER, how, hidden=hidden) == (sender, headers)


def test_a_hidden_caller_is_told_to_the_trunk_alone() -> None:
    sender, headers = shown_as(CALLER, Shown.ASSERTED, hidden=True)
    assert str(sender) == '"Anonymous" <sip:anonymous@anonymous.invalid>'
    assert headers == {"P-Asserted-Identity": '"Us" <sip:+49301@us.example>', "Privacy": "id"}
    _, headers = shown_as(CALLER, Shown.REMOTE_PARTY, hidden=True)
    assert headers["Remote-Party-ID"].endswith(";privacy=full;screen=yes")
