"""REFER and its NOTIFYs, in every order in which they come (RFC 3515)."""

from __future__ import annotations

import pytest

from sip.server import HOP, Server
from sip.wire import ANSWER, OFFER, Ids
from trunkline.errors import SipError
from trunkline.sip.digest import Credentials
from trunkline.sip.layer import Identity
from trunkline.sip.session import Session
from trunkline.sip.signals import Ended, Referred
from trunkline.sip.uri import parse_uri
from trunkline.sip.user_agent import UserAgent

PERSON = parse_uri("sip:person@192.0.2.77")


def call_up() -> tuple[Server, Session]:
    agent = UserAgent(Identity("us", lambda _: ("192.0.2.1", 5060)), token=Ids("t"))
    session = agent.invite(
        parse_uri("sip:them@192.0.2.9"), HOP, 0.0, body=OFFER, credentials=(Credentials("u", "p"),)
    )
    server = Server(agent)
    headers = ("Contact", "<sip:them@192.0.2.9>"), ("Content-Type", "application/sdp")
    server.answer(server.take(), 200, *headers, body=ANSWER)
    server.take()
    agent.signals.clear()
    return server, session


def notify(
    session: Session, seq: int, fragment: str, *, state: str = "active", event: str = "refer"
) -> bytes:
    dialog = session.dialog
    assert dialog is not None
    return (
        f"NOTIFY sip:us@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKn{seq}\r\n"
        f"From: {dialog.remote}\r\nTo: {dialog.local}\r\nCall-ID: {dialog.call_id}\r\nCSeq: {seq} NOTIFY\r\n"
        f"Event: {event}\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag\r\n\r\n{fragment}"
    ).encode()


def told(server: Server) -> list[tuple[int, bool]]:
    return [(s.status, s.final) for s in server.agent.signals if isinstance(s, Referred)]


def test_a_transfer_is_followed_to_its_end() -> None:
    server, session = call_up()
    session.refer(PERSON, 1.0)
    refer = server.take()
    assert (refer.method, refer.headers.get("Refer-To")) == ("REFER", "<sip:person@192.0.2.77>")
    assert refer.contact is not None
    server.answer(refer, 202)
    assert server.ask(notify(session, 1, "SIP/2.0 100 Trying\r\n")).status == 200
    assert server.ask(notify(session, 2, "SIP/2.0 180 Ringing\r\n")).status == 200
    assert server.ask(notify(session, 3, "SIP/2.0 200 OK\r\n", state="terminated")).status == 200
    assert told(server) == [(100, False), (180, False), (200, True)]
    assert not session.referral.pending


def test_a_notify_may_come_before_the_202() -> None:
    server, session = call_up()
    session.refer(PERSON, 1.0)
    refer = server.take()
    assert server.ask(notify(session, 1, "SIP/2.0 486 Busy Here", state="terminated")).status == 200
    server.answer(refer, 202)
    assert told(server) == [(486, True)]


@pytest.mark.parametrize("status", [405, 501, 603])
def test_a_refused_refer_is_told(status: int) -> None:
    server, session = call_up()
    session.refer(PERSON, 1.0)
    server.answer(server.take(), status)
    assert told(server) == [(status, True)]
    assert session.is_up


def test_a_challenged_refer_is_answered() -> None:
    server, session = call_up()
    session.refer(PERSON, 1.0)
    refer = server.take()
    server.answer(refer, 407, ("Proxy-Authenticate", 'Digest realm="r", nonce="n", qop="auth"'))
    again = server.take()
    assert again.method == "REFER"
    assert "Proxy-Authorization" in again.headers
    assert again.cseq[0] == refer.cseq[0] + 1
    assert told(server) == []


def test_silence_ends_it_and_leaves_the_call_up() -> None:
    server, session = call_up()
    session.refer(PERSON, 0.0)
    server.wait(40.0)
    assert told(server) == [(408, True)]
    assert session.is_up


def test_a_subscription_that_ends_without_a_status_is_no_success() -> None:
    server, session = call_up()
    session.refer(PERSON, 1.0)
    server.answer(server.take(), 202)
    server.ask(notify(session, 1, "", state="terminated;reason=noresource"))
    assert told(server) == [(500, True)]


def test_whoever_will_tell_nothing_is_taken_at_their_word() -> None:
    server, session = call_up()
    session.refer(PERSON, 1.0)
    server.answer(server.take(), 200, ("Refer-Sub", "false"))
    assert told(server) == [(200, True)]


def test_a_notify_that_nobody_asked_for_is_refused() -> None:
    server, session = call_up()
    assert server.ask(notify(session, 1, "SIP/2.0 200 OK")).status == 481
    assert server.ask(notify(session, 2, "", event="dialog")).status == 489
    assert session.is_up


def test_the_bye_may_come_before_the_last_notify() -> None:
    server, session = call_up()
    session.refer(PERSON, 1.0)
    server.answer(server.take(), 202)
    bye = notify(session, 1, "").replace(b"NOTIFY", b"BYE")
    last = notify(session, 2, "SIP/2.0 200 OK", state="terminated")
    assert server.ask(bye).status == 200
    assert isinstance(server.agent.signals[-1], Ended)
    assert session.referral.accepted
    assert server.ask(last).status == 481


def test_two_at_once_cannot_be() -> None:
    _, session = call_up()
    session.refer(PERSON, 1.0)
    with pytest.raises(SipError):
        session.refer(PERSON, 1.0)
