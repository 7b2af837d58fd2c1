"""Reliable provisional responses and PRACK (RFC 3262), and UPDATE (RFC 3311), both ways."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.server import HOP, Server
from sip.wire import ANSWER, LOST, OFFER, Fate, Ids, Phone, Wire, call, is_up
from trunkline.errors import SipError
from trunkline.sip.layer import Identity
from trunkline.sip.message import Request, Response
from trunkline.sip.options import Options
from trunkline.sip.parse import parse_message
from trunkline.sip.session import Phase, Session
from trunkline.sip.signals import Accepted, EarlyConfirmed, Incoming, Progress, Reoffered, Signal
from trunkline.sip.uri import parse_uri
from trunkline.sip.user_agent import UserAgent

SDP = ("Content-Type", "application/sdp")
CONTACT = ("Contact", "<sip:them@192.0.2.9>")
RELIABLE = ("Require", "100rel")
OTHER = OFFER.replace(b"4000", b"4444")


def agent_of(options: Options | None = None) -> UserAgent:
    return UserAgent(Identity("us", lambda _: ("192.0.2.1", 5060)), token=Ids("t"), options=options)


def calling() -> tuple[Server, Session, Request]:
    server = Server(agent_of())
    session = server.agent.invite(parse_uri("sip:them@192.0.2.9"), HOP, 0.0, body=OFFER)
    return server, session, server.take()


def told(server: Server, kind: type[Signal]) -> list[Signal]:
    return [signal for signal in server.agent.signals if isinstance(signal, kind)]


# --- as whoever called ----------------------------------------------------------------------------


def test_a_reliable_183_is_acknowledged_once_and_its_sdp_counts_for_the_200_without_one() -> None:
    server, session, invite = calling()
    assert "100rel" in invite.headers.items("Supported")
    server.answer(invite, 183, CONTACT, SDP, RELIABLE, ("RSeq", "7"), body=ANSWER)
    prack = server.take()
    assert (prack.method, prack.headers.get("RAck")) == ("PRACK", "7 1 INVITE")
    assert (prack.to.tag, prack.uri) == ("server", "sip:them@192.0.2.9")
    server.answer(prack, 200)
    server.answer(invite, 183, CONTACT, SDP, RELIABLE, ("RSeq", "7"), body=ANSWER)
    assert server.nothing_more()
    server.answer(invite, 200, CONTACT)
    ack = server.take()
    assert (ack.method, ack.cseq[0]) == ("ACK", 1)
    (accepted,) = told(server, Accepted)
    assert isinstance(accepted, Accepted)
    assert accepted.body == ANSWER
    assert len(told(server, Progress)) == 1
    # The numbers go on from the PRACK's.
    session.hang_up(1.0)
    assert server.take().cseq == (3, "BYE")


def test_a_reliable_response_out_of_order_is_not_acknowledged() -> None:
    server, _, invite = calling()
    server.answer(invite, 180, CONTACT, RELIABLE, ("RSeq", "7"))
    assert server.take().method == "PRACK"
    server.answer(invite, 183, CONTACT, RELIABLE, ("RSeq", "9"))
    assert server.nothing_more()
    server.answer(invite, 183, CONTACT, RELIABLE, ("RSeq", "8"))
    assert server.take().headers.get("RAck") == "8 1 INVITE"


def test_each_phone_of_a_forked_call_numbers_its_own() -> None:
    server, _, invite = calling()
    for tag in ("a", "b"):
        server.answer_as(tag, invite, 180, CONTACT, RELIABLE, ("RSeq", "1"))
        prack = server.take()
        assert (prack.to.tag, prack.headers.get("RAck")) == (tag, "1 1 INVITE")


def test_an_early_medium_of_one_phone_is_no_answer_of_another() -> None:
    server, _, invite = calling()
    server.answer_as("a", invite, 183, CONTACT, SDP, body=ANSWER)
    server.answer_as("b", invite, 200, CONTACT)
    (accepted,) = told(server, Accepted)
    assert isinstance(accepted, Accepted)
    assert accepted.body == b""


def test_an_early_medium_alone_is_no_answer() -> None:
    server, session, invite = calling()
    server.answer(invite, 183, CONTACT, SDP, RELIABLE, ("RSeq", "7"), body=ANSWER)
    assert not session.is_up
    assert told(server, Accepted) == []


def test_an_update_goes_to_a_ringing_phone_that_allows_it_and_has_answered() -> None:
    server, session, invite = calling()
    server.answer(
        invite, 183, CONTACT, SDP, RELIABLE, ("RSeq", "7"), ("Allow", "INVITE, UPDATE"), body=ANSWER
    )
    server.answer(server.take(), 200)
    session.change(OTHER, 1.0)
    update = server.take()
    assert (update.method, update.body, update.to.tag) == ("UPDATE", OTHER, "server")
    server.answer(update, 200, CONTACT, SDP, body=ANSWER)
    assert type(server.agent.signals[-1]).__name__ == "Changed"


@pytest.mark.parametrize("allow", [None, "INVITE, ACK, BYE"])
def test_no_update_goes_to_whoever_did_not_allow_it(allow: str | None) -> None:
    server, session, invite = calling()
    headers = [("Allow", allow)] if allow else []
    server.answer(invite, 183, CONTACT, SDP, RELIABLE, ("RSeq", "7"), *headers, body=ANSWER)
    server.answer(server.take(), 200)
    with pytest.raises(SipError):
        session.change(OTHER, 1.0)
    assert server.nothing_more()


def test_their_update_before_our_offer_is_answered_is_glare() -> None:
    server, session, invite = calling()
    server.answer(invite, 180, CONTACT)
    assert server.ask(request_of(session.invite, "UPDATE", 1, OTHER)).status == 491


def request_of(
    invite: Request, method: str, seq: int, body: bytes = b"", *lines: str, tag: str = "server"
) -> bytes:
    """A request of theirs in a call of ours."""
    head = (
        f"{method} sip:us@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKq{method}{seq}\r\n"
        f"From: {invite.headers.get('To')};tag={tag}\r\nTo: {invite.headers.get('From')}\r\n"
        f"Call-ID: {invite.call_id}\r\nCSeq: {seq} {method}\r\nContact: <sip:them@192.0.2.9>\r\n"
    )
    head += "".join(f"{line}\r\n" for line in lines)
    return (head + ("Content-Type: application/sdp\r\n" if body else "") + "\r\n").encode() + body


def test_their_update_while_it_rings_is_told_and_answered() -> None:
    server, session, invite = calling()
    server.answer(invite, 183, CONTACT, SDP, RELIABLE, ("RSeq", "7"), body=ANSWER)
    server.answer(server.take(), 200)
    server.agent.receive(request_of(session.invite, "UPDATE", 1, OTHER), HOP, 1.0)
    (reoffered,) = told(server, Reoffered)
    assert isinstance(reoffered, Reoffered)
    assert reoffered.body == OTHER
    session.accept_change(ANSWER, 1.0)
    response = parse_message(server.agent.outbox.popleft()[0])
    assert isinstance(response, Response)
    assert (response.status, response.body) == (200, ANSWER)
    assert response.contact is not None


def test_in_a_call_an_update_without_sdp_moves_the_target() -> None:
    server, session, invite = calling()
    server.answer(invite, 200, CONTACT, SDP, body=ANSWER)
    server.take()
    moved = request_of(session.invite, "UPDATE", 1).replace(b"Contact: <sip:them@", b"Contact: <sip:moved@")
    assert server.ask(moved).status == 200
    session.hang_up(1.0)
    assert server.take().uri == "sip:moved@192.0.2.9"


def test_updates_that_cross_are_glare() -> None:
    server, session, invite = calling()
    server.answer(invite, 200, CONTACT, SDP, ("Allow", "UPDATE"), body=ANSWER)
    server.take()
    session.change(OTHER, 1.0)
    reinvite = server.take()
    assert server.ask(request_of(session.invite, "UPDATE", 1, OTHER)).status == 491
    server.at = 1.0
    server.answer(reinvite, 491)
    server.take()
    server.wait(3.9)  # Whoever made the Call-ID waits between 2.1 and 4 s (§14.1).
    assert server.nothing_more()
    server.wait(4.0)
    assert (server.take().method, session.is_up) == ("INVITE", True)


def test_the_called_end_waits_less_after_glare() -> None:
    server, session = invited()
    session.accept(ANSWER, 0.0)
    tag = answered(server).to.tag
    server.agent.receive(theirs("ACK", 1, tag), HOP, 0.0)
    session.change(OTHER, 0.0)
    server.answer(server.take(), 491)
    server.take()
    server.wait(0.9)  # Between 0 and 2 s, for whoever did not make the Call-ID (§14.1).
    assert server.nothing_more()
    server.wait(2.0)
    assert server.take().method == "INVITE"


# --- as whoever was called ------------------------------------------------------------------------


def invited(*lines: str, body: bytes = OFFER, options: Options | None = None) -> tuple[Server, Session]:
    server = Server(agent_of(options))
    head = (
        "INVITE sip:us@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKi\r\n"
        "From: <sip:them@192.0.2.9>;tag=a\r\nTo: <sip:us@192.0.2.1>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
        "Contact: <sip:them@192.0.2.9>\r\n"
    )
    head += "".join(f"{line}\r\n" for line in lines)
    head += "Content-Type: application/sdp\r\n\r\n" if body else "\r\n"
    server.agent.receive(head.encode() + body, HOP, 0.0)
    incoming = server.agent.signals.popleft()
    assert isinstance(incoming, Incoming)
    return server, incoming.session


def answered(server: Server) -> Response:
    response = parse_message(server.agent.outbox.popleft()[0])
    assert isinstance(response, Response)
    return response


def theirs(method: str, seq: int, to_tag: str, body: bytes = b"", *lines: str) -> bytes:
    head = (
        f"{method} sip:us@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{method}{seq}\r\n"
        f"From: <sip:them@192.0.2.9>;tag=a\r\nTo: <sip:us@192.0.2.1>;tag={to_tag}\r\nCall-ID: c\r\n"
        f"CSeq: {seq} {method}\r\nContact: <sip:them@192.0.2.9>\r\n"
    )
    head += "".join(f"{line}\r\n" for line in lines)
    return (head + ("Content-Type: application/sdp\r\n" if body else "") + "\r\n").encode() + body


def test_sdp_before_the_answer_goes_reliably_and_the_200_waits_for_its_prack() -> None:
    server, session = invited("Supported: 100rel")
    session.ring(0.0, status=183, body=ANSWER)
    early = answered(server)
    assert early.headers.items("Require") == ["100rel"]
    session.accept(ANSWER, 0.1)
    assert server.nothing_more()
    rack = f"RAck: {early.headers.get('RSeq')} 1 INVITE"
    server.agent.receive(theirs("PRACK", 2, early.to.tag, b"", rack), HOP, 0.2)
    assert answered(server).cseq == (2, "PRACK")
    final = answered(server)
    assert (final.status, final.cseq, final.body) == (200, (1, "INVITE"), b"")


def test_it_is_repeated_until_the_prack_and_the_call_refused_without_one() -> None:
    server, session = invited("Supported: 100rel")
    session.ring(0.0, status=183, body=ANSWER)
    server.wait(31.9)
    # At 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s: doubled each time, without T2's bound (§3).
    copies = [data for data, _ in server.agent.outbox]
    assert len(copies) == 7
    assert len(set(copies)) == 1
    server.agent.outbox.clear()
    server.wait(32.1)
    assert answered(server).status == 504
    assert not server.agent.calls


def test_a_prack_of_something_else_is_refused() -> None:
    server, session = invited("Supported: 100rel")
    session.ring(0.0, status=183, body=ANSWER)
    tag = answered(server).to.tag
    assert server.ask(theirs("PRACK", 2, tag, b"", "RAck: 1 1 INVITE")).status == 481
    assert server.ask(theirs("PRACK", 3, tag, b"", "RAck: nonsense")).status == 481
    assert server.ask(theirs("PRACK", 4, tag)).status == 481
    assert session.phase is Phase.OFFERED


def test_ringing_alone_goes_reliably_only_where_they_demand_it() -> None:
    server, session = invited("Supported: 100rel")
    session.ring(0.0)
    assert "Require" not in answered(server).headers
    server, session = invited("Require: 100rel")
    session.ring(0.0)
    assert answered(server).headers.items("Require") == ["100rel"]


def test_the_next_waits_for_the_first_to_be_acknowledged() -> None:
    server, session = invited("Require: 100rel")
    session.ring(0.0)
    first = answered(server)
    session.ring(0.1, status=183, body=ANSWER)
    assert server.nothing_more()
    rack = f"RAck: {first.headers.get('RSeq')} 1 INVITE"
    assert server.ask(theirs("PRACK", 2, first.to.tag, b"", rack)).status == 200
    second = answered(server)
    assert second.status == 183
    assert int(second.headers.get("RSeq") or 0) == int(first.headers.get("RSeq") or 0) + 1


def test_a_call_without_an_offer_gets_ours_in_the_183_and_their_answer_in_the_prack() -> None:
    server, session = invited("Supported: 100rel", body=b"")
    session.ring(0.0, status=183, body=OFFER)
    early = answered(server)
    rack = f"RAck: {early.headers.get('RSeq')} 1 INVITE"
    assert server.ask(theirs("PRACK", 2, early.to.tag, ANSWER, rack)).status == 200
    (confirmed,) = told(server, EarlyConfirmed)
    assert isinstance(confirmed, EarlyConfirmed)
    assert confirmed.body == ANSWER


def test_a_prack_that_crosses_the_200_is_answered() -> None:
    server, session = invited("Require: 100rel")
    session.ring(0.0)
    early = answered(server)
    session.accept(ANSWER, 0.1)
    assert answered(server).status == 200
    rack = f"RAck: {early.headers.get('RSeq')} 1 INVITE"
    assert server.ask(theirs("PRACK", 2, early.to.tag, b"", rack)).status == 200


def test_no_offer_goes_where_nobody_acknowledges_it() -> None:
    server, session = invited(body=b"")
    session.ring(0.0, status=183, body=OFFER)
    assert answered(server).body == b""
    session.accept(OFFER, 0.1)
    assert answered(server).body == OFFER


def test_a_new_offer_in_the_prack_is_answered_in_its_200() -> None:
    server, session = invited("Supported: 100rel")
    session.ring(0.0, status=183, body=ANSWER)
    early = answered(server)
    rack = f"RAck: {early.headers.get('RSeq')} 1 INVITE"
    server.agent.receive(theirs("PRACK", 2, early.to.tag, OTHER, rack), HOP, 0.2)
    (reoffered,) = told(server, Reoffered)
    assert isinstance(reoffered, Reoffered)
    session.accept_change(ANSWER, 0.2)
    response = answered(server)
    assert (response.status, response.content_type, response.body) == (200, "application/sdp", ANSWER)


def test_their_update_before_we_answered_is_put_off() -> None:
    server, session = invited("Supported: 100rel")
    session.ring(0.0)
    tag = answered(server).to.tag
    response = server.ask(theirs("UPDATE", 2, tag, OTHER))
    assert response.status == 500
    assert "Retry-After" in response.headers


def test_whoever_demands_what_we_were_told_not_to_do_is_told_so() -> None:
    server = Server(agent_of(Options(reliable=False)))
    invite = (
        b"INVITE sip:us@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKi\r\n"
        b"From: <sip:them@192.0.2.9>;tag=a\r\nTo: <sip:us@192.0.2.1>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
        b"Contact: <sip:them@192.0.2.9>\r\nRequire: 100rel\r\n\r\n"
    )
    response = server.ask(invite)
    assert (response.status, response.headers.get("Unsupported")) == (420, "100rel")


# --- under loss -----------------------------------------------------------------------------------

fates = st.lists(
    st.builds(
        Fate, copies=st.sampled_from([0, 0, 1, 1, 1, 2]), delay=st.sampled_from([0.001, 0.02, 0.7, 3.0])
    ),
    max_size=60,
)


def early_then_answering(phone: Phone, signal: Signal, at: float) -> None:
    if isinstance(signal, Incoming):
        signal.session.ring(at, status=183, body=ANSWER)
        signal.session.accept(ANSWER, at)
    elif isinstance(signal, Reoffered):
        signal.session.accept_change(ANSWER, at)


@given(fates)
@settings(max_examples=200, deadline=None)
def test_with_early_media_a_call_is_up_at_both_ends_or_at_neither(pattern: list[Fate]) -> None:
    one, two = Phone("one", "192.0.2.1"), Phone("two", "192.0.2.2", early_then_answering)
    wire = Wire(one, two, pattern)
    call(wire, one, two)
    wire.run()
    assert is_up(one) == is_up(two)
    for signal in one.signals:
        assert not isinstance(signal, Accepted) or signal.body == ANSWER
    for phone in (one, two):
        assert len(phone.agent.layer) == 0
        assert phone.agent.next_deadline() is None


def test_a_lost_prack_is_sent_again_and_one_answer_suffices() -> None:
    one, two = Phone("one", "192.0.2.1"), Phone("two", "192.0.2.2", early_then_answering)
    # INVITE and 183 pass, the PRACK is lost, and so is the repeated 183.
    wire = Wire(one, two, [Fate(), Fate(), LOST, LOST])
    call(wire, one, two)
    wire.run()
    assert is_up(one)
    assert is_up(two)
    assert sum(data.startswith(b"PRACK") for _, data in wire.sent) == 2


def test_terms_changed_while_it_rings_stand_when_it_is_taken() -> None:
    server, session, invite = calling()
    server.answer(invite, 183, CONTACT, SDP, RELIABLE, ("RSeq", "7"), body=ANSWER)
    server.answer(server.take(), 200)
    server.agent.receive(request_of(session.invite, "UPDATE", 1, OTHER), HOP, 1.0)
    session.accept_change(ANSWER, 1.0)
    server.agent.outbox.clear()
    server.answer(invite, 200, CONTACT)
    (accepted,) = told(server, Accepted)
    assert isinstance(accepted, Accepted)
    assert (accepted.body, accepted.settled) == (b"", True)
