"""The tables themselves: they are closed, they end, and their timers are those of the RFCs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.wire import OFFER, Phone, Wire, answering, call
from trunkline.sip.hop import Hop
from trunkline.sip.message import Headers, Request, Response
from trunkline.sip.timers import Timers
from trunkline.sip.transaction import (
    CLIENT,
    INVITE_CLIENT,
    INVITE_SERVER,
    SERVER,
    Do,
    On,
    State,
    Table,
    Transaction,
)

TABLES = {
    "invite client": INVITE_CLIENT,
    "client": CLIENT,
    "invite server": INVITE_SERVER,
    "server": SERVER,
}
_START = {getattr(Do, f"START_{letter}"): getattr(On, letter) for letter in "ABDEFGHIJKLM"}
FIRST = {"invite client": (Do.START_A, Do.START_B), "client": (Do.START_E, Do.START_F)}
"""What sending the request itself starts."""


def request(method: str = "INVITE") -> Request:
    headers = Headers(
        [
            ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
            ("From", "<sip:a@b>;tag=1"),
            ("To", "<sip:c@d>"),
            ("Call-ID", "x"),
            ("CSeq", f"1 {method}"),
        ]
    )
    return Request(headers, method=method, uri="sip:c@d")


@pytest.mark.parametrize("name", TABLES)
def test_each_state_is_reached_and_leads_to_the_end(name: str) -> None:
    table = TABLES[name]
    first = next(iter(table))
    reached = {first} | {move[0] for moves in table.values() for move in moves.values()}
    assert reached == set(table) | {State.TERMINATED}
    ending = {State.TERMINATED}
    for _ in table:
        ending |= {state for state, moves in table.items() if {move[0] for move in moves.values()} & ending}
    assert ending == set(table) | {State.TERMINATED}


@pytest.mark.parametrize("name", TABLES)
def test_every_timer_that_is_waited_for_is_started_and_the_other_way_round(name: str) -> None:
    moves = [(event, actions) for row in TABLES[name].values() for event, (_, actions) in row.items()]
    started = {_START[do] for _, actions in moves for do in actions if do in _START}
    started |= {_START[do] for do in FIRST.get(name, ())}
    waited_for = {event for event, _ in moves if event in _START.values()}
    assert started == waited_for


@given(
    st.sampled_from(list(TABLES)),
    st.lists(st.tuples(st.sampled_from([*On]), st.floats(0, 50)), max_size=30),
    st.sampled_from(["udp", "tcp"]),
)
def test_whatever_happens_every_machine_ends_and_leaves_no_timer(
    name: str, happenings: list[tuple[On, float]], transport: str
) -> None:
    table: Table = TABLES[name]
    timers = Timers()
    ended: list[Transaction] = []
    transaction = Transaction(
        table,
        "key",
        request("INVITE" if "invite" in name else "OPTIONS"),
        Hop(transport, "192.0.2.1", 5060),
        timers=timers,
        send=lambda data, hop: None,
        up=lambda *_: None,
        ended=ended.append,
    )
    at = 0.0
    if name in FIRST:
        transaction.begin(at)
    for event, wait in happenings:
        at += wait
        timers.advance(at)
        status = {On.PROVISIONAL: 180, On.SUCCESS: 200, On.FAILURE: 486}.get(event, 180)
        transaction.on(event, at, Response(request().headers, status=status, reason=""))
        assert transaction.state in {*table, State.TERMINATED}
    # Only what the layer above must still do may be left: answer, or give up waiting for an answer.
    waiting = {
        "invite client": {State.PROCEEDING},
        "client": set[State](),
        "invite server": {State.PROCEEDING},
        "server": {State.TRYING, State.PROCEEDING},
    }[name]
    timers.advance(at + 200.0)
    assert transaction.state in {State.TERMINATED, *waiting}
    assert len(timers) == 0
    assert len(ended) == (transaction.state is State.TERMINATED)


def test_over_a_reliable_transport_nothing_is_sent_twice() -> None:
    timers = Timers()
    sent: list[bytes] = []
    transaction = Transaction(
        INVITE_CLIENT,
        "key",
        request(),
        Hop("tcp", "192.0.2.1", 5060),
        timers=timers,
        send=lambda data, hop: sent.append(data),
        up=lambda *_: None,
        ended=lambda _: None,
    )
    transaction.begin(0.0)
    timers.advance(100.0)
    assert len(sent) == 1
    assert transaction.state is State.TERMINATED


def test_a_request_repeated_by_another_way_is_merged() -> None:
    one, two = Phone("one", "192.0.2.1"), Phone("two", "192.0.2.2")
    call(Wire(one, two), one, two)
    invite = one.agent.outbox.popleft()[0]
    two.agent.receive(invite, one.hop, 0.0)
    two.agent.receive(invite, one.hop, 0.1)
    assert len(two.agent.signals) == 1
    two.agent.receive(
        invite.replace(b"branch=", b"branch=z9hG4bKother").replace(b"otherz", b"other-z"), one.hop, 0.2
    )
    assert [data.split(b" ")[1] for data, _ in two.agent.outbox] == [b"482"]


def test_a_forked_call_keeps_the_first_answer_and_ends_the_second() -> None:
    one, two = Phone("one", "192.0.2.1"), Phone("two", "192.0.2.2", answering)
    wire = Wire(one, two)
    session = call(wire, one, two)
    wire.run(until=1.0)
    (answer,) = {data for who, data in wire.sent if data.startswith(b"SIP/2.0 200")}
    dialog = session.dialog
    assert dialog is not None
    other = answer.replace(f";tag={dialog.remote_tag}".encode(), b";tag=another")
    one.agent.receive(other, two.hop, 1.0)
    first_words = [data.split(b" ")[0] for data, _ in one.agent.outbox]
    assert first_words == [b"ACK", b"BYE"]
    assert all(b";tag=another" in data for data, _ in one.agent.outbox)
    assert session.phase.name == "CONFIRMED"


def test_routes_are_reversed_for_the_caller_and_kept_for_the_called() -> None:
    record = "Record-Route: <sip:p2.example;lr>\r\nRecord-Route: <sip:p1.example;lr>\r\n"
    two = Phone("two", "192.0.2.2", answering)
    invite = (
        "INVITE sip:two@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKr\r\n"
        + record
        + "From: <sip:one@192.0.2.1>;tag=f\r\nTo: <sip:two@192.0.2.2>\r\nCall-ID: routes\r\n"
        + "CSeq: 1 INVITE\r\nContact: <sip:one@192.0.2.1:5070>\r\nContent-Type: application/sdp\r\n\r\n"
    )
    two.agent.receive(invite.encode() + OFFER, Hop("udp", "192.0.2.1", 5060), 0.0)
    session = two.agent.signals.popleft().session
    session.accept(OFFER, 0.0)
    assert session.dialog is not None
    bye = session.dialog.request("BYE", "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKs")
    assert bye.headers.all("Route") == ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]
    assert bye.uri == "sip:one@192.0.2.1:5070"
    assert session.dialog.hop.host == "p2.example"
    answer = two.agent.outbox.popleft()[0].decode()
    assert answer.index("p2.example") < answer.index("p1.example")
    one = Phone("one", "192.0.2.1")
    wire = Wire(one, two)
    calling = call(wire, one, two)
    text = one.agent.outbox.popleft()[0].decode()
    copied = {line.split(":")[0]: line for line in text.split("\r\n") if ":" in line}
    lines = ["SIP/2.0 200 OK", *(copied[name] for name in ("Via", "From", "Call-ID", "CSeq"))]
    lines += [f"{copied['To']};tag=t", record + "Contact: <sip:two@192.0.2.2:5080>", "", ""]
    response = "\r\n".join(lines)
    one.agent.receive(response.encode(), two.hop, 0.5)
    ack = one.agent.outbox.popleft()
    assert ack[1].host == "p1.example"
    assert b"Route: <sip:p1.example;lr>\r\nRoute: <sip:p2.example;lr>" in ack[0]
    assert ack[0].startswith(b"ACK sip:two@192.0.2.2:5080 ")
    assert calling.dialog is not None


def test_a_strict_router_gets_the_request_uri_and_the_target_goes_last() -> None:
    from trunkline.sip.dialog import Dialog
    from trunkline.sip.fields import parse_name_address
    from trunkline.sip.uri import parse_uri

    dialog = Dialog(
        call_id="x",
        local="<sip:a@b>;tag=1",
        remote="<sip:c@d>;tag=2",
        local_tag="1",
        remote_tag="2",
        local_seq=1,
        remote_seq=-1,
        target=parse_uri("sip:c@192.0.2.3"),
        route=(parse_name_address("<sip:strict.example>"), parse_name_address("<sip:next.example;lr>")),
    )
    bye = dialog.request("BYE", "SIP/2.0/UDP b;branch=z9hG4bK1")
    assert bye.uri == "sip:strict.example"
    assert bye.headers.all("Route") == ["<sip:next.example;lr>", "<sip:c@192.0.2.3>"]
    assert bye.cseq == (2, "BYE")
