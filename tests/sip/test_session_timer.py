"""Session timers, both ways (RFC 4028)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.server import HOP, Server
from sip.wire import ANSWER, LOST, OFFER, Fate, Ids, Phone, Wire, answering, call, is_up
from trunkline.sip.layer import Identity
from trunkline.sip.message import Request
from trunkline.sip.options import Options
from trunkline.sip.session import Session
from trunkline.sip.session_timer import Expires, min_se, session_expires
from trunkline.sip.signals import Ended
from trunkline.sip.uri import parse_uri
from trunkline.sip.user_agent import UserAgent

SDP = ("Content-Type", "application/sdp")
CONTACT = ("Contact", "<sip:them@192.0.2.9>")


def calling(session_expires: int) -> tuple[Server, Session]:
    agent = UserAgent(
        Identity("us", lambda _: ("192.0.2.1", 5060)),
        token=Ids("t"),
        options=Options(session_expires=session_expires),
    )
    return Server(agent), agent.invite(parse_uri("sip:them@192.0.2.9"), HOP, 0.0, body=OFFER)


def taken(server: Server, *headers: tuple[str, str]) -> Request:
    """Their 200 to the INVITE that is out; gives that INVITE."""
    invite = server.take()
    server.answer(invite, 200, CONTACT, SDP, *headers, body=ANSWER)
    assert server.take().method == "ACK"
    return invite


def invited(*lines: str, session_expires: int = 0, min_session_expires: int = 90) -> Server:
    options = Options(session_expires=session_expires, min_session_expires=min_session_expires)
    agent = UserAgent(Identity("us", lambda _: ("192.0.2.1", 5060)), token=Ids("t"), options=options)
    server = Server(agent)
    head = (
        "INVITE sip:us@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKi\r\n"
        "From: <sip:them@192.0.2.9>;tag=a\r\nTo: <sip:us@192.0.2.1>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
        "Contact: <sip:them@192.0.2.9>\r\nContent-Type: application/sdp\r\n"
    )
    agent.receive((head + "".join(f"{line}\r\n" for line in lines) + "\r\n").encode() + OFFER, HOP, 0.0)
    return server


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("1800", Expires(1800)),
        ("1800;refresher=uac", Expires(1800, "uac")),
        (" 90 ; x=y ; Refresher=UAS", Expires(90, "uas")),
        ("90;refresher=both", Expires(90)),
        ("soon", None),
        ("-1", None),
        ("99999999999999", None),
    ],
)
def test_what_session_expires_says(text: str, read: Expires | None) -> None:
    server, _ = calling(0)
    invite = server.take()
    invite.headers.set("Session-Expires", text)
    assert session_expires(invite) == read


@given(st.text(alphabet=st.characters(exclude_characters="\r\n"), max_size=40))
def test_nothing_in_these_headers_raises(text: str) -> None:
    server, _ = calling(0)
    invite = server.take()
    invite.headers.set("Session-Expires", text)
    invite.headers.set("Min-SE", text)
    assert min_se(invite) >= 0
    session_expires(invite)


# --- as whoever called ----------------------------------------------------------------------------


def test_it_is_asked_for_and_refreshed_with_an_update_where_that_is_allowed() -> None:
    server, session = calling(session_expires=1800)
    invite = taken(server, ("Session-Expires", "1800;refresher=uac"), ("Allow", "INVITE, UPDATE, BYE"))
    assert invite.headers.get("Session-Expires") == "1800"
    assert "timer" in invite.headers.items("Supported")
    server.wait(899.0)
    assert server.nothing_more()
    server.wait(900.2)
    update = server.take()
    assert (update.method, update.body) == ("UPDATE", b"")
    assert update.headers.get("Session-Expires") == "1800;refresher=uac"
    server.answer(update, 200, ("Session-Expires", "1800;refresher=uac"))
    server.wait(1800.4)
    assert server.take().method == "UPDATE"
    assert session.is_up


def test_it_is_refreshed_with_a_reinvite_that_offers_the_same_where_no_update_was_allowed() -> None:
    server, session = calling(session_expires=1800)
    taken(server, ("Session-Expires", "1800;refresher=uac"), ("Allow", "INVITE, BYE"))
    server.wait(900.2)
    again = server.take()
    assert (again.method, again.body) == ("INVITE", OFFER)
    server.answer(again, 200, CONTACT, SDP, ("Session-Expires", "1800;refresher=uac"), body=ANSWER)
    assert server.take().method == "ACK"
    assert type(server.agent.signals[-1]).__name__ == "Refreshed"
    server.wait(1750.0)
    assert session.is_up


@pytest.mark.parametrize("status", [405, 501])
def test_an_update_that_they_refuse_after_all_is_followed_by_a_reinvite(status: int) -> None:
    server, _ = calling(session_expires=1800)
    taken(server, ("Session-Expires", "1800;refresher=uac"), ("Allow", "INVITE, UPDATE"))
    server.wait(900.2)
    server.answer(server.take(), status)
    assert server.take().method == "INVITE"


def test_a_longer_interval_is_agreed_to_where_422_asks_for_it() -> None:
    server, session = calling(session_expires=120)
    first = server.take()
    server.answer(first, 422, ("Min-SE", "600"))
    assert server.take().method == "ACK"
    again = taken(server, ("Session-Expires", "600;refresher=uas"))
    assert again.call_id == first.call_id
    assert again.cseq == (2, "INVITE")
    assert again.headers.get("Session-Expires") == "600"
    assert again.headers.get("Min-SE") == "600"
    assert session.timer.interval == 600
    assert not session.timer.ours


def test_a_422_that_asks_for_nothing_longer_is_a_refusal() -> None:
    server, _ = calling(session_expires=600)
    server.answer(server.take(), 422, ("Min-SE", "90"))
    assert server.take().method == "ACK"
    assert server.nothing_more()
    assert type(server.agent.signals[-1]).__name__ == "Failed"


def test_without_an_interval_in_their_200_nothing_expires() -> None:
    server, session = calling(session_expires=90)
    taken(server)
    server.wait(10_000.0)
    assert session.is_up
    assert server.nothing_more()


def test_where_the_other_end_refreshes_and_does_not_the_call_ends_and_says_why() -> None:
    server, _ = calling(session_expires=90)
    taken(server, ("Session-Expires", "90;refresher=uas"))
    server.wait(59.0)
    assert server.nothing_more()
    server.wait(60.2)  # A third of 90 s before it is over.
    bye = server.take()
    assert bye.method == "BYE"
    assert (bye.headers.get("Reason") or "").startswith("SIP;cause=408")
    server.answer(bye, 200)
    ended = server.agent.signals[-1]
    assert isinstance(ended, Ended)
    assert (ended.by, ended.reason) == ("network", "the session expired")


@pytest.mark.parametrize("status", [481, 408])
def test_a_refresh_of_a_call_that_they_do_not_know_ends_it(status: int) -> None:
    server, _ = calling(session_expires=90)
    taken(server, ("Session-Expires", "90;refresher=uac"), ("Allow", "UPDATE"))
    server.wait(45.2)
    server.answer(server.take(), status)
    assert server.take().method == "BYE"


def test_a_refresh_refused_for_the_moment_is_tried_again_in_time() -> None:
    server, session = calling(session_expires=1800)
    taken(server, ("Session-Expires", "1800;refresher=uac"), ("Allow", "UPDATE"))
    server.wait(900.2)
    server.answer(server.take(), 503)
    assert session.is_up
    server.wait(1700.0)
    assert server.take().method == "UPDATE"


# --- as whoever was called ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "own", "agreed", "required"),
    [
        # Table 2: who can, who asks for whom, and who refreshes then.
        (["Supported: timer", "Session-Expires: 600"], 0, "600;refresher=uas", False),
        (["Supported: timer", "Session-Expires: 600;refresher=uac"], 0, "600;refresher=uac", True),
        (["Supported: timer", "Session-Expires: 600;refresher=uas"], 0, "600;refresher=uas", False),
        (["k: timer", "x: 600"], 0, "600;refresher=uas", False),
        (["Session-Expires: 600;refresher=uac"], 0, "600;refresher=uas", False),
        (["Supported: timer"], 300, "300;refresher=uas", False),
        (["Supported: timer", "Session-Expires: 600"], 300, "300;refresher=uas", False),
        (["Supported: timer", "Session-Expires: 600", "Min-SE: 400"], 300, "400;refresher=uas", False),
        (["Supported: timer"], 0, None, False),
        ([], 300, None, False),
    ],
)
def test_what_is_agreed_with_whoever_calls(
    lines: list[str], own: int, agreed: str | None, required: bool
) -> None:
    server = invited(*lines, session_expires=own)
    session = server.agent.signals[0].session
    session.accept(ANSWER, 0.0)
    data = server.agent.outbox.popleft()[0].decode()
    found = next((line for line in data.split("\r\n") if line.startswith("Session-Expires")), None)
    assert found == (f"Session-Expires: {agreed}" if agreed else None)
    assert ("Require: timer" in data) == required
    assert session.timer.ours == (agreed is not None and "uas" in agreed)


def test_too_short_an_interval_is_refused_with_what_would_do() -> None:
    server = invited("Supported: timer", "Session-Expires: 120", min_session_expires=300)
    data, _ = server.agent.outbox.popleft()
    assert data.startswith(b"SIP/2.0 422")
    assert b"Min-SE: 300" in data
    assert not server.agent.calls


def test_whoever_knows_no_session_timers_is_not_refused_for_one_that_a_proxy_put_in() -> None:
    server = invited("Session-Expires: 120", min_session_expires=300)
    assert len(server.agent.calls) == 1


# --- under loss -----------------------------------------------------------------------------------

fates = st.lists(
    st.builds(Fate, copies=st.sampled_from([0, 1, 1, 1, 2]), delay=st.sampled_from([0.001, 0.02, 0.7])),
    max_size=40,
)


@given(fates, st.sampled_from(["one", "two"]))
@settings(max_examples=100, deadline=None)
def test_a_call_is_refreshed_whatever_is_lost_or_ends_at_both_ends(pattern: list[Fate], who: str) -> None:
    one = Phone("one", "192.0.2.1", answering, Options(session_expires=90 if who == "one" else 0))
    two = Phone("two", "192.0.2.2", answering, Options(session_expires=90 if who == "two" else 0))
    wire = Wire(one, two, [*[Fate()] * 4, *pattern])
    call(wire, one, two)
    wire.run(until=900.0)
    assert is_up(one) == is_up(two)
    assert sum(data.startswith(b"UPDATE") for _, data in wire.sent) >= 1


def test_a_call_whose_other_end_is_gone_ends_by_itself() -> None:
    one = Phone("one", "192.0.2.1", answering, Options(session_expires=90))
    two = Phone("two", "192.0.2.2", answering)
    wire = Wire(one, two, [*[Fate()] * 4, *[LOST] * 500])
    call(wire, one, two)
    wire.run(until=300.0)
    assert not one.agent.calls
    assert not two.agent.calls
