"""One call in the place of another (RFC 3891), and calls that others ask us to make (RFC 3515)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.server import HOP, Server
from sip.wire import ANSWER, OFFER, Fate, Ids, Phone, Wire, answering, call
from trunkline.errors import ParseError, SipError
from trunkline.sip.fields import parse_name_address
from trunkline.sip.layer import Identity
from trunkline.sip.message import Response
from trunkline.sip.options import Options
from trunkline.sip.parse import parse_message
from trunkline.sip.replaces import Replaces, our_end_of, parse_replaces, replaces_in, with_replaces
from trunkline.sip.session import Session
from trunkline.sip.signals import AskedToCall, Ended, Incoming, Referred, Signal
from trunkline.sip.uri import parse_uri
from trunkline.sip.user_agent import UserAgent

SDP = ("Content-Type", "application/sdp")
TAGS = st.text(alphabet="abcXYZ019-.!%*_+`'~", min_size=1, max_size=20)
CALL_IDS = st.text(alphabet="abcXYZ019-.!%*_+`'~@:/?[]{}()<>", min_size=1, max_size=30)


def call_up(server: Server | None = None, **options: bool) -> tuple[Server, Session]:
    if server is None:
        identity = Identity("us", lambda _: ("192.0.2.1", 5060))
        server = Server(UserAgent(identity, token=Ids("t"), options=Options(**options)))
    agent = server.agent
    session = agent.invite(parse_uri("sip:them@192.0.2.9"), HOP, 0.0, body=OFFER)
    server.answer(server.take(), 200, ("Contact", "<sip:phone@192.0.2.9:5070;gr=x>"), SDP, body=ANSWER)
    server.take()
    agent.signals.clear()
    return server, session


def invite(*lines: str) -> bytes:
    head = (
        "INVITE sip:us@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKnew\r\n"
        "From: <sip:other@192.0.2.9>;tag=o\r\nTo: <sip:us@192.0.2.1>\r\nCall-ID: new\r\nCSeq: 1 INVITE\r\n"
        "Contact: <sip:other@192.0.2.9>\r\nContent-Type: application/sdp\r\n"
    )
    return (head + "".join(f"{line}\r\n" for line in lines) + "\r\n").encode() + OFFER


def identifiers(session: Session) -> Replaces:
    """The call as our end is told of it."""
    assert session.dialog is not None
    return Replaces(session.dialog.call_id, session.dialog.local_tag, session.dialog.remote_tag)


@given(CALL_IDS, TAGS, TAGS, st.booleans())
def test_what_is_printed_is_read_back(call_id: str, to_tag: str, from_tag: str, early: bool) -> None:
    replaces = Replaces(call_id, to_tag, from_tag, early)
    assert parse_replaces(str(replaces)) == replaces
    target = with_replaces(parse_uri("sip:a@b.example;gr=x"), replaces)
    read = parse_name_address(f"<{target}>").uri if not set("<>") & set(str(target)) else target
    assert parse_replaces(replaces_in(read)) == replaces


@given(st.text(max_size=60))
def test_no_replaces_raises_anything_else(text: str) -> None:
    with suppress(ParseError):
        parse_replaces(text)


def test_a_call_takes_the_place_of_one_that_is_up() -> None:
    server, session = call_up()
    server.agent.receive(invite(f"Replaces: {identifiers(session)}", "Require: replaces"), HOP, 1.0)
    (incoming,) = server.agent.signals
    assert isinstance(incoming, Incoming)
    assert incoming.replaces is session
    assert session.is_up


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda text: text.replace("to-tag=", "to-tag=x"), 481),
        (lambda text: text.replace("from-tag=", "from-tag=x"), 481),
        (lambda text: "x" + text, 481),
        (lambda text: text + ";early-only", 486),
        (lambda text: text.partition(";")[0], 400),
        (lambda text: text + "\r\nReplaces: " + text, 400),
        (lambda text: text + "\r\nJoin: " + text, 400),
    ],
)
def test_what_names_no_call_that_can_be_replaced_is_refused(change, status: int) -> None:  # type: ignore[no-untyped-def]
    server, session = call_up()
    assert server.ask(invite(f"Replaces: {change(str(identifiers(session)))}")).status == status
    assert session.is_up
    assert server.agent.calls == {session}


def test_a_call_of_ours_that_rings_is_taken_by_another_phone() -> None:
    identity = Identity("us", lambda _: ("192.0.2.1", 5060))
    server = Server(UserAgent(identity, token=Ids("t")))
    session = server.agent.invite(parse_uri("sip:them@192.0.2.9"), HOP, 0.0, body=OFFER)
    ringing = server.take()
    server.answer(ringing, 180, ("Contact", "<sip:phone@192.0.2.9:5070>"))
    server.agent.signals.clear()
    replaces = Replaces(ringing.call_id, ringing.from_.tag, "server", early_only=True)
    server.agent.receive(invite(f"Replaces: {replaces}"), HOP, 1.0)
    (incoming,) = server.agent.signals
    assert isinstance(incoming, Incoming)
    assert incoming.replaces is session
    # Once it is given up there is nothing to pick up any more.
    session.hang_up(2.0)
    again = (
        invite(f"Replaces: {replaces}").replace(b"z9hG4bKnew", b"z9hG4bKagain").replace(b"ID: new", b"ID: 2")
    )
    assert server.take().method == "CANCEL"
    assert server.ask(again).status == 603


def test_a_call_of_theirs_that_rings_here_is_not_replaced() -> None:
    identity = Identity("us", lambda _: ("192.0.2.1", 5060))
    server = Server(UserAgent(identity, token=Ids("t")))
    server.agent.receive(invite(), HOP, 0.0)
    (incoming,) = server.agent.signals
    server.agent.outbox.clear()
    replaces = Replaces("new", incoming.session.local_tag, "o")
    other = (
        invite(f"Replaces: {replaces}").replace(b"z9hG4bKnew", b"z9hG4bKagain").replace(b"ID: new", b"ID: 2")
    )
    assert server.ask(other).status == 481


def test_nothing_is_replaced_where_settings_forbid_it() -> None:
    server, session = call_up(takes_replaces=False)
    assert server.ask(invite(f"Replaces: {identifiers(session)}")).status == 603
    assert "replaces" not in session.invite.headers.items("Supported")
    required = server.ask(invite(f"Replaces: {identifiers(session)}", "Require: replaces"))
    assert (required.status, required.headers.get("Unsupported")) == (420, "replaces")


def test_an_attended_transfer_refers_one_end_to_the_phone_of_the_other() -> None:
    server, caller = call_up()
    _, person = call_up(server)
    caller.refer(parse_uri("sip:ignored@example.com"), 1.0, replaces=person)
    refer = server.take()
    target = parse_name_address(refer.headers.get("Refer-To") or "").uri
    assert str(target.without_headers()) == "sip:phone@192.0.2.9:5070;gr=x"
    assert person.dialog is not None
    assert parse_replaces(replaces_in(target)) == our_end_of(person.dialog)
    # What the phone is told is the call as it sees it: its own tag is the To tag.
    assert parse_replaces(replaces_in(target)).to_tag == person.dialog.remote_tag


def test_nobody_is_referred_to_a_call_that_is_over() -> None:
    server, caller = call_up()
    _, person = call_up(server)
    person.hang_up(1.0)
    with pytest.raises(SipError):
        caller.refer(parse_uri("sip:ignored@example.com"), 1.0, replaces=person)


# --- REFER received -------------------------------------------------------------------------------


def refer(session: Session, *lines: str, seq: int = 1, to: str = "<sip:person@192.0.2.77>") -> bytes:
    dialog = session.dialog
    assert dialog is not None
    head = (
        f"REFER sip:us@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKr{seq}\r\n"
        f"From: {dialog.remote}\r\nTo: {dialog.local}\r\nCall-ID: {dialog.call_id}\r\nCSeq: {seq} REFER\r\n"
        f"Contact: <sip:them@192.0.2.9>\r\nRefer-To: {to}\r\n"
    )
    return (head + "".join(f"{line}\r\n" for line in lines) + "\r\n").encode()


def test_a_refer_is_declined_unless_settings_allow_it() -> None:
    server, session = call_up()
    assert server.ask(refer(session)).status == 603
    assert not server.agent.signals
    assert session.is_up


def test_an_allowed_refer_is_accepted_and_its_end_told() -> None:
    server, session = call_up(takes_referrals=True)
    server.agent.receive(refer(session, "Referred-By: <sip:boss@example.com>"), HOP, 1.0)
    accepted = parse_message(server.agent.outbox.popleft()[0])
    assert isinstance(accepted, Response)
    assert accepted.status == 202
    assert accepted.contact is not None
    (asked,) = server.agent.signals
    assert isinstance(asked, AskedToCall)
    assert (str(asked.target), asked.by) == ("sip:person@192.0.2.77", "<sip:boss@example.com>")
    notes: list[float] = []
    first = server.take()
    session.referrals.news(180, "Ringing", 2.0)
    session.referrals.news(200, "OK", 3.0, notes.append)
    second, last = server.take(), server.take()
    for note, text, state in [
        (first, b"SIP/2.0 100 Trying\r\n", "active;expires=180"),
        (second, b"SIP/2.0 180 Ringing\r\n", "active;expires=180"),
        (last, b"SIP/2.0 200 OK\r\n", "terminated;reason=noresource"),
    ]:
        assert (note.method, note.headers.get("Event"), note.body) == ("NOTIFY", "refer", text)
        assert note.headers.get("Subscription-State") == state
    assert notes == []
    server.answer(last, 200)
    assert notes == [0.0]
    assert not session.referrals.pending


def test_the_next_referral_of_a_call_names_itself() -> None:
    server, session = call_up(takes_referrals=True)
    for seq, event in [(1, "refer"), (2, "refer;id=2")]:
        server.agent.receive(refer(session, seq=seq), HOP, 1.0)
        server.agent.outbox.popleft()
        assert server.take().headers.get("Event") == event
        session.referrals.news(486, "Busy Here", 2.0)
        assert server.take().headers.get("Event") == event


def test_whoever_wants_no_news_gets_none() -> None:
    server, session = call_up(takes_referrals=True)
    response = server.ask(refer(session, "Refer-Sub: false"))
    assert (response.status, response.headers.get("Refer-Sub")) == (202, "false")
    told: list[float] = []
    session.referrals.news(200, "OK", 2.0, told.append)
    assert server.nothing_more()
    assert told == [2.0]


@pytest.mark.parametrize(
    ("to", "status"),
    [
        ("<tel:+15551234>", 416),
        ("<sip:a@b>, <sip:c@d>", 400),
        ("nonsense", 400),
        ("<sip:a@b;method=SUBSCRIBE>", 603),
        ("<sip:a@b?Replaces=only-a-call-id>", 400),
    ],
)
def test_what_cannot_be_called_is_refused(to: str, status: int) -> None:
    server, session = call_up(takes_referrals=True)
    assert server.ask(refer(session, to=to)).status == status
    assert not [signal for signal in server.agent.signals if isinstance(signal, AskedToCall)]


def test_one_referral_at_a_time() -> None:
    server, session = call_up(takes_referrals=True)
    server.agent.receive(refer(session), HOP, 1.0)
    server.agent.outbox.clear()
    assert server.ask(refer(session, seq=2)).status == 603


def test_from_outside_a_call_nobody_has_us_call_anybody() -> None:
    server, session = call_up(takes_referrals=True)
    assert session.dialog is not None
    data = refer(session).replace(f";tag={session.dialog.local_tag}".encode(), b"")
    assert server.ask(data).status == 603


def test_a_call_that_ends_meanwhile_is_told_nothing_more() -> None:
    server, session = call_up(takes_referrals=True)
    server.agent.receive(refer(session), HOP, 1.0)
    server.agent.outbox.clear()
    assert server.ask(refer(session, seq=2).replace(b"REFER", b"BYE")).status == 200
    assert isinstance(server.agent.signals[-1], Ended)
    session.referrals.news(200, "OK", 2.0)
    assert server.nothing_more()


# --- under loss -----------------------------------------------------------------------------------

fates = st.lists(
    st.builds(Fate, copies=st.sampled_from([0, 0, 1, 1, 1, 2]), delay=st.sampled_from([0.001, 0.02, 0.7])),
    max_size=40,
)


@given(fates, st.sampled_from([200, 486, 603]))
@settings(max_examples=100, deadline=None)
def test_whatever_is_lost_a_referral_has_one_end_and_not_the_wrong_one(
    pattern: list[Fate], status: int
) -> None:
    def calls(phone: Phone, signal: Signal, at: float) -> None:
        answering(phone, signal, at)
        if isinstance(signal, AskedToCall):
            signal.session.referrals.news(180, "Ringing", at)
            signal.session.referrals.news(status, "as it came", at)

    one, two = Phone("one", "192.0.2.1"), Phone("two", "192.0.2.2", calls, Options(takes_referrals=True))
    wire = Wire(one, two, [*[Fate()] * 5, *pattern])
    session = call(wire, one, two)
    wire.plan(1.0, lambda: session.refer(parse_uri("sip:person@192.0.2.77"), wire.at))
    wire.run(until=300.0)
    finals = [signal.status for signal in one.signals if isinstance(signal, Referred) and signal.final]
    # Where every copy was lost it is silence, or a NOTIFY that never came; never another outcome.
    assert finals in ([status], [408], [])
    assert len(one.agent.layer) == len(two.agent.layer) == 0
