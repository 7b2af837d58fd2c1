"""Calls of ours: forked, sent on, given up; and what becomes of whoever answers too late."""

from __future__ import annotations

import pytest

from sip.server import HOP, Server
from sip.wire import ANSWER, OFFER, Ids
from trunkline.sip.digest import Credentials
from trunkline.sip.hop import Hop
from trunkline.sip.layer import Identity
from trunkline.sip.message import Request
from trunkline.sip.options import Options
from trunkline.sip.session import Session
from trunkline.sip.signals import Accepted, Ended, Failed
from trunkline.sip.uri import parse_uri
from trunkline.sip.user_agent import UserAgent

SDP = ("Content-Type", "application/sdp")
CONTACT = ("Contact", "<sip:them@192.0.2.9>")
CHALLENGE = ("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"')


def calling(
    uri: str = "sip:them@192.0.2.9", *, redirects: int = 5, password: bool = False
) -> tuple[Server, Session, Request]:
    agent = UserAgent(
        Identity("us", lambda _: ("192.0.2.1", 5060)),
        token=Ids("t"),
        options=Options(most_redirects=redirects),
    )
    server = Server(agent)
    credentials = (Credentials("u", "p"),) if password else ()
    session = agent.invite(parse_uri(uri), HOP, 0.0, body=OFFER, credentials=credentials)
    return server, session, server.take()


def failure(server: Server) -> Failed:
    (failed,) = [signal for signal in server.agent.signals if isinstance(signal, Failed)]
    return failed


# --- forked ---------------------------------------------------------------------------------------


def test_of_two_phones_that_answer_the_first_is_kept_and_the_other_let_go() -> None:
    server, session, invite = calling()
    server.answer_as("a", invite, 200, CONTACT, SDP, body=ANSWER)
    assert (server.take().method, session.is_up) == ("ACK", True)
    server.answer_as("b", invite, 200, ("Contact", "<sip:other@192.0.2.9>"), SDP, body=ANSWER)
    ack, bye = server.take(), server.take()
    assert (ack.method, ack.to.tag, ack.cseq[0]) == ("ACK", "b", invite.cseq[0])
    assert (bye.method, bye.to.tag, bye.uri) == ("BYE", "b", "sip:other@192.0.2.9")
    # Its ACK was lost: it gets that again, and no second BYE.
    server.answer_as("b", invite, 200, ("Contact", "<sip:other@192.0.2.9>"), SDP, body=ANSWER)
    assert server.take().to.tag == "b"
    assert server.nothing_more()
    assert len([s for s in server.agent.signals if isinstance(s, Accepted)]) == 1
    assert session.is_up


def test_a_phone_that_answers_a_call_given_up_long_ago_is_let_go() -> None:
    server, session, invite = calling()
    server.answer(invite, 180, CONTACT)
    session.hang_up(0.0)
    cancel = server.take()
    assert cancel.method == "CANCEL"
    server.answer(cancel, 200)
    server.answer_as("a", invite, 200, CONTACT, SDP, body=ANSWER)
    assert [server.take().method for _ in range(2)] == ["ACK", "BYE"]


def test_a_repeated_200_is_acknowledged_again_with_the_same_ack() -> None:
    server, _, invite = calling()
    server.answer(invite, 200, CONTACT, SDP, body=ANSWER)
    first = bytes(server.take())
    for _ in range(3):
        server.answer(invite, 200, CONTACT, SDP, body=ANSWER)
        assert bytes(server.take()) == first


# --- the route ------------------------------------------------------------------------------------


def test_the_route_is_that_of_the_200_and_reversed() -> None:
    server, session, invite = calling()
    server.answer(invite, 183, CONTACT, ("Record-Route", "<sip:wrong.example;lr>"))
    server.answer(
        invite, 200, CONTACT, SDP,
        ("Record-Route", "<sip:near.example;lr>, <sip:middle.example;lr>"),
        ("Record-Route", "<sip:far.example;lr>"),
        body=ANSWER,
    )  # fmt: skip
    data, hop = server.agent.outbox.popleft()
    assert hop.host == "far.example"
    routes = [line for line in data.decode().split("\r\n") if line.startswith("Route:")]
    assert routes == [
        "Route: <sip:far.example;lr>", "Route: <sip:middle.example;lr>", "Route: <sip:near.example;lr>"
    ]  # fmt: skip
    session.hang_up(1.0)
    bye = server.take()
    assert bye.headers.all("Route") == [route.removeprefix("Route: ") for route in routes]
    assert bye.uri == "sip:them@192.0.2.9"


def test_a_strict_router_gets_itself_in_the_request_line_and_the_target_last() -> None:
    server, session, invite = calling()
    server.answer(invite, 200, CONTACT, SDP, ("Record-Route", "<sip:old.example>"), body=ANSWER)
    server.take()
    session.hang_up(1.0)
    bye = server.take()
    assert bye.uri == "sip:old.example"
    assert bye.headers.all("Route") == ["<sip:them@192.0.2.9>"]


@pytest.mark.parametrize(
    "contact",
    ["sip:them@192.0.2.9;gr=urn:uuid:f81d4fae", "sip:them@192.0.2.9:5080;ob", "sip:192.0.2.9;gr;x=y"],
)
def test_a_contact_is_used_as_it_is_written(contact: str) -> None:
    server, session, invite = calling()
    server.answer(invite, 200, ("Contact", f"<{contact}>;+sip.instance=x"), SDP, body=ANSWER)
    assert server.take().uri == contact
    session.hang_up(1.0)
    assert server.take().uri == contact


# --- sent on --------------------------------------------------------------------------------------


def test_a_redirect_is_followed_the_liked_best_first_and_then_the_others() -> None:
    server, session, invite = calling()
    server.answer(invite, 302, ("Contact", "<sip:second@192.0.2.9>;q=0.3, <sip:first@192.0.2.9>;q=0.9"))
    assert server.take().method == "ACK"
    again = server.take()
    assert (again.uri, again.cseq, again.body) == ("sip:first@192.0.2.9", (2, "INVITE"), OFFER)
    assert (again.call_id, again.from_.tag, again.to.tag) == (invite.call_id, invite.from_.tag, "")
    assert again.via.branch != invite.via.branch
    server.answer(again, 404)
    server.take()
    third = server.take()
    assert third.uri == "sip:second@192.0.2.9"
    server.answer(third, 200, CONTACT, SDP, body=ANSWER)
    assert (server.take().cseq, session.is_up) == ((3, "ACK"), True)


def test_nobody_is_sent_round_in_circles() -> None:
    server, _, invite = calling()
    server.answer(invite, 302, ("Contact", "<sip:other@192.0.2.9>"))
    server.take()
    server.answer(server.take(), 302, ("Contact", "<sip:them@192.0.2.9>, <sip:other@192.0.2.9>"))
    server.take()
    assert server.nothing_more()
    assert failure(server).status == 302


def test_redirects_come_to_an_end() -> None:
    server, _, invite = calling(redirects=3)
    for number in range(4):
        server.answer(invite, 302, ("Contact", f"<sip:next{number}@192.0.2.9>"))
        server.take()
        if number < 3:
            invite = server.take()
    assert server.nothing_more()
    assert failure(server).status == 302


@pytest.mark.parametrize(
    ("status", "contact"),
    [
        (305, "<sip:proxy.example>"),
        (380, "<sip:other@192.0.2.9>"),
        (302, "<tel:+15551234>"),
        (302, "<mailto:them@example.com>"),
        (302, '"never ends'),
        (302, "<sip:"),
    ],
)
def test_what_cannot_be_followed_fails_the_call(status: int, contact: str) -> None:
    server, _, invite = calling()
    server.answer(invite, status, ("Contact", contact))
    server.take()
    assert server.nothing_more()
    assert failure(server).status == status


def test_a_secure_call_is_not_sent_on_to_an_insecure_address() -> None:
    server, _, invite = calling("sips:them@192.0.2.9")
    server.answer(invite, 302, ("Contact", "<sip:other@192.0.2.9>"))
    server.take()
    assert server.nothing_more()


@pytest.mark.parametrize("scheme", ["sip", "sips"])
def test_who_is_called_at_a_secure_address_gets_one_of_ours(scheme: str) -> None:
    agent = UserAgent(Identity("us", lambda _: ("192.0.2.1", 5061)), token=Ids("t"), options=Options())
    there = parse_uri(f"{scheme}:them@192.0.2.9;transport=tls")
    session = agent.invite(there, Hop("tls", "192.0.2.9", 5061), 0.0, body=OFFER)
    contact = session.invite.contact
    assert contact is not None
    assert (contact.uri.scheme, contact.uri.transport) == (scheme, "tls")


def test_a_password_is_not_given_to_whomever_a_redirect_names() -> None:
    server, _, invite = calling(password=True)
    server.answer(invite, 401, CHALLENGE)
    server.take()
    again = server.take()
    assert "Authorization" in again.headers
    server.answer(again, 302, ("Contact", "<sip:them@198.51.100.7>"))
    server.take()
    elsewhere = server.take()
    assert "Authorization" not in elsewhere.headers
    server.answer(elsewhere, 401, CHALLENGE)
    server.take()
    assert server.nothing_more()
    assert failure(server).status == 401


def test_a_refusal_for_everybody_ends_it() -> None:
    server, _, invite = calling()
    server.answer(invite, 302, ("Contact", "<sip:a@192.0.2.9>, <sip:b@192.0.2.9>"))
    server.take()
    server.answer(server.take(), 603)
    server.take()
    assert server.nothing_more()
    assert failure(server).status == 603


# --- given up -------------------------------------------------------------------------------------


def test_a_call_given_up_before_any_sign_of_life_is_cancelled_at_the_first() -> None:
    server, session, invite = calling()
    session.hang_up(0.1)
    assert server.nothing_more()
    server.answer(invite, 100)
    cancel = server.take()
    assert (cancel.method, cancel.via.branch) == ("CANCEL", invite.via.branch)
    server.answer(cancel, 200)
    server.answer(invite, 487)
    assert server.take().method == "ACK"
    (ended,) = [signal for signal in server.agent.signals if isinstance(signal, Ended)]
    assert ended.by == "us"


def test_a_challenge_after_the_call_was_given_up_is_not_answered() -> None:
    server, session, invite = calling(password=True)
    session.hang_up(0.1)
    server.answer(invite, 401, CHALLENGE)
    assert server.take().method == "ACK"
    assert server.nothing_more()
    assert not server.agent.calls


def test_whoever_never_ends_a_cancelled_call_is_not_waited_for() -> None:
    server, session, invite = calling()
    server.answer(invite, 180)
    session.hang_up(0.0)
    server.answer(server.take(), 200)
    server.wait(31.0)
    assert server.agent.calls
    server.wait(33.0)
    assert not server.agent.calls


# --- challenged again -----------------------------------------------------------------------------


def test_a_second_challenge_in_the_call_and_that_of_the_bye_are_answered() -> None:
    server, session, invite = calling(password=True)
    server.answer(invite, 401, CHALLENGE)
    server.take()
    server.answer(server.take(), 200, CONTACT, SDP, body=ANSWER)
    assert "Authorization" in server.take().headers  # The ACK carries the INVITE's.
    session.change(OFFER, 1.0)
    reinvite = server.take()
    server.answer(reinvite, 401, ("WWW-Authenticate", 'Digest realm="r", nonce="another", qop="auth"'))
    server.take()
    again = server.take()
    assert 'nonce="another"' in (again.headers.get("Authorization") or "")
    server.answer(again, 200, CONTACT, SDP, body=ANSWER)
    server.take()
    session.hang_up(2.0)
    bye = server.take()
    server.answer(bye, 401, ("WWW-Authenticate", 'Digest realm="r", nonce="third", qop="auth"'))
    last = server.take()
    assert last.method == "BYE"
    assert 'nonce="third"' in (last.headers.get("Authorization") or "")
    server.answer(last, 200)
    assert not server.agent.calls
