"""Digest answers (RFC 2617, 7616, 8760), and every request of a call answered where it is challenged."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.server import HOP, Server, fields_of, verifies
from sip.wire import ANSWER, OFFER, Ids
from trunkline.errors import ParseError
from trunkline.sip.digest import (
    Answers,
    Challenge,
    Credentials,
    authorization,
    challenges_in,
    digest_response,
    parse_challenge,
)
from trunkline.sip.layer import Identity
from trunkline.sip.message import Headers, Request, Response
from trunkline.sip.session import Session
from trunkline.sip.signals import Accepted, Changed, Ended, Failed
from trunkline.sip.uri import parse_uri
from trunkline.sip.user_agent import UserAgent

MUFASA = Credentials("Mufasa", "Circle of Life")
RFC7616 = Challenge(
    "http-auth@example.org",
    "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    "MD5",
    session=False,
    named=True,
    qop=True,
    stale=False,
)
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm: str, response: str) -> None:
    password = dataclasses.replace(MUFASA, password="Circle of Life")
    challenge = dataclasses.replace(RFC7616, algorithm=algorithm)
    assert digest_response(challenge, password, "GET", "/dir/index.html", count=1, cnonce=CNONCE) == response


def test_the_example_of_rfc_2617() -> None:
    challenge = dataclasses.replace(
        RFC7616, realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"
    )
    credentials = Credentials("Mufasa", "Circle Of Life")
    assert (
        digest_response(challenge, credentials, "GET", "/dir/index.html", count=1, cnonce="0a4f113b")
        == "6629fae49393a05397450978507c4ef1"
    )


def test_without_qop_the_answer_is_that_of_rfc_2069() -> None:
    challenge = parse_challenge('Digest realm="r", nonce="n"')
    assert challenge is not None
    value = fields_of(authorization(challenge, MUFASA, "INVITE", "sip:a@b", count=1, cnonce="c"))
    assert set(value) == {"username", "realm", "nonce", "uri", "response"}
    assert verifies(
        authorization(challenge, MUFASA, "BYE", "sip:a@b", count=1, cnonce="c"), challenge, MUFASA, "BYE"
    )


@pytest.mark.parametrize(
    "text",
    [
        'Basic realm="r"',
        'Digest realm="r", nonce="n", algorithm=SHA-512',
        'Digest realm="r", nonce="n", qop="auth-int"',
    ],
)
def test_what_we_do_not_speak_is_left_alone(text: str) -> None:
    assert parse_challenge(text) is None


@pytest.mark.parametrize("text", ['Digest nonce="n"', 'Digest realm="r"', "Digest ====", 'Digest realm="r'])
def test_a_broken_challenge_is_told(text: str) -> None:
    with pytest.raises(ParseError):
        parse_challenge(text)


@given(st.text(max_size=80))
def test_no_text_raises_anything_but_the_documented_error(text: str) -> None:
    for scheme in ("Digest ", ""):
        try:
            parse_challenge(scheme + text)
        except ParseError:
            continue


@given(st.text(max_size=20), st.text(max_size=20))
def test_whatever_stands_in_quotes_comes_back_as_it_was(realm: str, nonce: str) -> None:
    quoted = [text.replace("\\", "\\\\").replace('"', '\\"') for text in (realm, nonce)]
    challenge = parse_challenge(f'Digest realm="{quoted[0]}", nonce="{quoted[1]}"')
    assert challenge is not None
    assert (challenge.realm, challenge.nonce) == (realm, nonce)


def test_of_several_algorithms_the_first_that_we_speak_is_answered() -> None:
    response = Response(
        Headers(
            [
                ("WWW-Authenticate", 'Digest realm="r", nonce="1", algorithm=SHA-512-256'),
                ("WWW-Authenticate", 'Digest realm="r", nonce="2", algorithm=SHA-256, qop="auth"'),
                ("WWW-Authenticate", 'Digest realm="r", nonce="3", algorithm=MD5, qop="auth"'),
            ]
        ),
        status=401,
    )
    assert [(c.nonce, c.algorithm) for c in challenges_in(response)] == [("2", "SHA-256")]


def test_a_password_is_not_shown() -> None:
    assert "Circle" not in repr(MUFASA)


def test_credentials_of_a_realm_come_before_those_of_any() -> None:
    answers = Answers((Credentials("any", "1"), Credentials("own", "2", realm="r")), cnonce=lambda: "c")
    response = Response(
        Headers(
            [
                ("Proxy-Authenticate", 'Digest realm="r", nonce="1"'),
                ("Proxy-Authenticate", 'Digest realm="s", nonce="2"'),
            ]
        ),
        status=407,
    )
    assert answers.take(response, set())
    request = Request(Headers(), method="INVITE", uri="sip:a@b")
    answers.sign(request)
    users = [fields_of(value)["username"] for value in request.headers.all("Proxy-Authorization")]
    assert users == ["own", "any"]


# --- whole calls ----------------------------------------------------------------------------------

CONTACT = ("Contact", "<sip:far@192.0.2.9>")
SDP = ("Content-Type", "application/sdp")


def challenge(nonce: str, *, more: str = "", proxy: bool = False, realm: str = "trunk") -> tuple[str, str]:
    name = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
    return name, f'Digest realm="{realm}", nonce="{nonce}", qop="auth"{more}'


def calling(*credentials: Credentials) -> tuple[Server, Session]:
    agent = UserAgent(Identity("us", lambda _: ("192.0.2.1", 5060)), token=Ids("t"))
    session = agent.invite(
        parse_uri("sip:15551234@192.0.2.9"), HOP, 0.0, body=OFFER, credentials=credentials or (MUFASA,)
    )
    return Server(agent), session


def signed(request: Request, nonce: str, *, count: int, proxy: bool = False, realm: str = "trunk") -> bool:
    for value in request.headers.all("Proxy-Authorization" if proxy else "Authorization"):
        fields = fields_of(value)
        if fields["nonce"] == nonce and int(fields["nc"], 16) == count and fields["realm"] == realm:
            asked = parse_challenge(challenge(nonce, realm=realm)[1])
            assert asked is not None
            return verifies(value, asked, MUFASA, request.method)
    return False


def answered(server: Server) -> None:
    """The call is challenged once with nonce n1, then taken; its ACK is read."""
    first = server.take()
    server.answer(first, 401, challenge("n1"))
    assert server.take().method == "ACK"
    second = server.take()
    assert signed(second, "n1", count=1)
    assert second.cseq == (2, "INVITE")
    assert second.call_id == first.call_id
    assert second.via.branch != first.via.branch
    assert second.body == first.body
    server.answer(second, 200, CONTACT, SDP, body=ANSWER)
    ack = server.take()
    assert (ack.method, ack.cseq[0]) == ("ACK", 2)
    assert ack.headers.all("Authorization") == second.headers.all("Authorization")


def test_the_invite_the_re_invite_and_the_bye_are_answered_each_with_its_own_count() -> None:
    server, session = calling()
    answered(server)
    session.change(OFFER, 1.0)
    again = server.take()
    assert signed(again, "n1", count=2)
    server.answer(again, 200, CONTACT, SDP, body=ANSWER)
    assert server.take().method == "ACK"
    session.hang_up(2.0)
    bye = server.take()
    assert signed(bye, "n1", count=3)
    server.answer(bye, 200)
    assert [type(signal) for signal in server.agent.signals] == [Accepted, Changed, Ended]


def test_a_second_challenge_in_the_call_is_answered_with_the_new_nonce() -> None:
    server, session = calling()
    answered(server)
    session.hang_up(2.0)
    bye = server.take()
    server.answer(bye, 401, challenge("n2"))  # Without stale=true, as some trunks do.
    again = server.take()
    assert again.method == "BYE"
    assert again.cseq[0] == bye.cseq[0] + 1
    assert signed(again, "n2", count=1)
    server.answer(again, 200)
    assert isinstance(server.agent.signals[-1], Ended)


def test_a_challenged_re_invite_is_asked_again_and_acknowledged() -> None:
    server, session = calling()
    answered(server)
    session.change(OFFER, 1.0)
    server.answer(server.take(), 407, challenge("p1", proxy=True))
    assert server.take().method == "ACK"
    again = server.take()
    assert signed(again, "p1", count=1, proxy=True)
    assert signed(again, "n1", count=3)
    server.answer(again, 200, CONTACT, SDP, body=ANSWER)
    ack = server.take()
    assert (ack.method, ack.cseq[0]) == ("ACK", again.cseq[0])
    assert isinstance(server.agent.signals[-1], Changed)


def test_the_proxy_and_the_far_end_may_both_ask() -> None:
    server, _ = calling()
    server.answer(server.take(), 407, challenge("p1", proxy=True, realm="proxy"))
    assert server.take().method == "ACK"
    server.answer(server.take(), 401, challenge("n1"))
    assert server.take().method == "ACK"
    both = server.take()
    assert signed(both, "p1", count=2, proxy=True, realm="proxy")
    assert signed(both, "n1", count=1)


def test_a_wrong_password_is_told_at_once() -> None:
    server, _ = calling()
    server.answer(server.take(), 401, challenge("n1"))
    assert server.take().method == "ACK"
    server.answer(server.take(), 401, challenge("n2"))
    assert server.take().method == "ACK"
    assert server.nothing_more()
    (failed,) = server.agent.signals
    assert isinstance(failed, Failed)
    assert failed.status == 401


def test_a_server_that_finds_every_nonce_stale_is_given_up() -> None:
    server, _ = calling()
    for number in range(10):
        server.answer(server.take(), 401, challenge(f"n{number}", more=", stale=TRUE"))
        assert server.take().method == "ACK"
        if server.nothing_more():
            break
    assert [request.method for request in server.seen].count("INVITE") == 5
    assert isinstance(server.agent.signals[-1], Failed)


def test_whoever_has_hung_up_does_not_answer_a_challenge() -> None:
    server, session = calling()
    invite = server.take()
    session.hang_up(1.0)
    server.answer(invite, 401, challenge("n1"))
    assert server.take().method == "ACK"
    assert server.nothing_more()
    assert [type(signal) for signal in server.agent.signals] == [Ended]


def test_a_call_hung_up_between_challenge_and_ringing_is_cancelled_by_its_second_invite() -> None:
    server, session = calling()
    first = server.take()
    server.answer(first, 100)
    server.answer(first, 401, challenge("n1"))
    assert server.take().method == "ACK"
    second = server.take()
    session.hang_up(1.0)
    server.answer(second, 180)
    cancel = server.take()
    assert cancel.method == "CANCEL"
    assert cancel.via.branch == second.via.branch
    assert cancel.cseq[0] == second.cseq[0]


def test_without_credentials_a_challenge_is_a_refusal() -> None:
    agent = UserAgent(Identity("us", lambda _: ("192.0.2.1", 5060)), token=Ids("t"))
    agent.invite(parse_uri("sip:1@192.0.2.9"), HOP, 0.0, body=OFFER)
    server = Server(agent)
    server.answer(server.take(), 407, challenge("n", proxy=True))
    assert isinstance(agent.signals[-1], Failed)
