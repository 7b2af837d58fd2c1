"""Requests within a call: keys, questions, offers without SDP, and those that match nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.server import HOP, Server
from sip.wire import ANSWER, OFFER, Ids
from trunkline.errors import SipError
from trunkline.sip.dtmf_relay import key_in, relay_of
from trunkline.sip.hop import Hop
from trunkline.sip.layer import Identity
from trunkline.sip.parse import parse_message
from trunkline.sip.session import Session
from trunkline.sip.signals import Changed, Ended, Pressed, Reoffered
from trunkline.sip.uri import parse_uri
from trunkline.sip.user_agent import UserAgent

SDP = ("Content-Type", "application/sdp")


def call_up() -> tuple[Server, Session]:
    agent = UserAgent(Identity("us", lambda _: ("192.0.2.1", 5060)), token=Ids("t"))
    session = agent.invite(parse_uri("sip:them@192.0.2.9"), HOP, 0.0, body=OFFER)
    server = Server(agent)
    server.answer(server.take(), 200, ("Contact", "<sip:them@192.0.2.9>"), SDP, body=ANSWER)
    server.take()
    agent.signals.clear()
    return server, session


def theirs(
    session: Session, method: str, seq: int, *lines: str, body: bytes = b"", local_tag: str = ""
) -> bytes:
    dialog = session.dialog
    assert dialog is not None
    to = dialog.local.replace(dialog.local_tag, local_tag) if local_tag else dialog.local
    head = (
        f"{method} sip:us@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{method}{seq}\r\n"
        f"From: {dialog.remote}\r\nTo: {to}\r\nCall-ID: {dialog.call_id}\r\nCSeq: {seq} {method}\r\n"
        "Contact: <sip:them@192.0.2.9>\r\n"
    )
    return (head + "".join(f"{line}\r\n" for line in lines) + "\r\n").encode() + body


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", "5"),
        ("application/dtmf-relay", b"Signal= #\nDuration= 250\n", "#"),
        ("application/dtmf-relay", b"Duration=160\r\nSIGNAL=d", "D"),
        ("application/dtmf-relay", b"Signal=10\r\n", "*"),
        ("application/dtmf-relay", b"Signal=11\r\n", "#"),
        ("application/dtmf-relay", b"Signal=12\r\n", ""),
        ("application/dtmf", b"7", "7"),
        ("application/dtmf", b"77", ""),
        ("text/plain", b"Signal=5", ""),
    ],
)
def test_keys_in_info(kind: str, body: bytes, key: str) -> None:
    assert key_in(kind, body) == key
    server, session = call_up()
    response = server.ask(theirs(session, "INFO", 1, f"Content-Type: {kind}", body=body))
    assert response.status == (200 if key else 415)
    pressed = [signal.key for signal in server.agent.signals if isinstance(signal, Pressed)]
    assert pressed == ([key] if key else [])


@given(st.sampled_from(["application/dtmf-relay", "application/dtmf"]), st.binary(max_size=300))
def test_no_info_raises(kind: str, body: bytes) -> None:
    assert len(key_in(kind, body)) <= 1


@pytest.mark.parametrize("key", list("0123456789*#ABCD"))
def test_keys_of_ours_are_written_as_they_are_read(key: str) -> None:
    assert key_in("application/dtmf-relay", relay_of(key)) == key


def test_a_key_is_pressed_by_info() -> None:
    server, session = call_up()
    took: list[bool] = []
    session.press("5", 1.0, lambda took_it, _: took.append(took_it))
    info = server.take()
    assert (info.method, info.content_type, info.body) == (
        "INFO", "application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n"
    )  # fmt: skip
    server.answer(info, 200)
    session.press("6", 1.0, lambda took_it, _: took.append(took_it))
    server.answer(server.take(), 415)
    assert took == [True, False]


def test_an_empty_info_is_answered() -> None:
    server, session = call_up()
    assert server.ask(theirs(session, "INFO", 1)).status == 200


def test_options_in_the_call_tells_what_we_can() -> None:
    server, session = call_up()
    response = server.ask(theirs(session, "OPTIONS", 1))
    assert response.status == 200
    assert {"UPDATE", "PRACK", "REFER", "INFO"} <= set(response.headers.items("Allow"))
    assert {"100rel", "timer", "replaces"} == set(response.headers.items("Supported"))


def test_options_are_answered_as_a_call_would_be() -> None:
    server, session = call_up()
    assert session.dialog is not None
    tag = f";tag={session.dialog.local_tag}".encode()
    asked = [theirs(session, "OPTIONS", count).replace(tag, b"") for count in range(1, 5)]
    asked = [data.replace(b"branch=", b"branch=z9hG4bKo%d" % n) for n, data in enumerate(asked)]
    assert server.ask(asked[0]).status == 200
    server.agent.draining = True
    assert server.ask(asked[1]).status == 503
    server.agent.draining = False
    server.agent._most_calls = 1
    assert server.ask(asked[2]).status == 503
    server.agent.accepts, server.agent.refused_with = lambda _: False, 480
    assert server.ask(asked[3]).status == 480


def test_a_reinvite_without_sdp_asks_for_ours() -> None:
    server, session = call_up()
    server.agent.receive(theirs(session, "INVITE", 1), HOP, 1.0)
    (reoffered,) = server.agent.signals
    assert isinstance(reoffered, Reoffered)
    assert reoffered.body == b""


@pytest.mark.parametrize("method", ["BYE", "INVITE", "UPDATE", "INFO", "NOTIFY", "REFER", "PRACK", "OPTIONS"])
def test_what_names_another_call_is_told_that_there_is_none(method: str) -> None:
    server, session = call_up()
    assert server.ask(theirs(session, method, 1, local_tag="stranger")).status == 481
    assert session.is_up


@pytest.mark.parametrize("method", ["BYE", "NOTIFY", "UPDATE", "INFO", "PRACK"])
def test_what_belongs_in_a_call_is_not_taken_outside(method: str) -> None:
    server, session = call_up()
    assert session.dialog is not None
    data = theirs(session, method, 1).replace(f";tag={session.dialog.local_tag}".encode(), b"")
    assert server.ask(data).status == 481


def test_what_comes_late_is_refused_and_what_skips_numbers_is_not() -> None:
    server, session = call_up()
    assert server.ask(theirs(session, "OPTIONS", 10)).status == 200
    assert server.ask(theirs(session, "OPTIONS", 9)).status == 500
    assert server.ask(theirs(session, "OPTIONS", 400)).status == 200


def test_a_session_refresh_matches_the_call_and_keeps_it() -> None:
    server, session = call_up()
    refresh = theirs(session, "UPDATE", 1, "Supported: timer", "Session-Expires: 90;refresher=uac")
    response = server.ask(refresh)
    assert (response.status, response.headers.get("Session-Expires")) == (200, "90;refresher=uac")
    assert response.headers.get("Require") == "timer"
    server.wait(50.0)
    assert session.is_up


def test_the_reason_of_their_bye_is_told() -> None:
    server, session = call_up()
    server.ask(theirs(session, "BYE", 1, 'Reason: Q.850;cause=16;text="Normal"'))
    ended = server.agent.signals[-1]
    assert isinstance(ended, Ended)
    assert ended.reason == 'Q.850;cause=16;text="Normal"'
    with pytest.raises(SipError):
        session.within("INFO")


# --- servers that are gone (RFC 3263 section 4.3) ---------------------------------------------------


def named() -> tuple[Server, Session]:
    """A call whose other end is reached by a name."""
    server, session = call_up()
    assert session.dialog is not None
    session.dialog.target = parse_uri("sip:them@pbx.example")
    return server, session


def test_a_bye_that_nobody_answers_goes_to_the_next_server_of_that_name() -> None:
    server, session = named()
    asked: list[Hop] = []

    def another(hop: Hop) -> bool:
        asked.append(hop)
        return True

    server.agent.layer.another = another
    session.hang_up(0.0)
    first = server.take()
    server.wait(31.9)
    server.agent.outbox.clear()
    server.wait(32.1)
    second = server.take()
    assert asked == [Hop("udp", "pbx.example", 0)]
    assert (second.method, second.cseq) == ("BYE", first.cseq)
    assert second.via.params["branch"] != first.via.params["branch"]
    server.answer(second, 200)
    (ended,) = server.agent.signals
    assert isinstance(ended, Ended)
    server.wait(40.0)
    assert len(server.agent.layer) == 0


def test_three_servers_are_asked_at_most_and_none_where_there_is_no_other() -> None:
    for others, asked in [(True, 3), (False, 1)]:
        server, session = named()
        server.agent.layer.another = lambda _, others=others: others  # type: ignore[misc]
        session.hang_up(0.0)
        server.wait(200.0)
        branches = {
            parse_message(data).via.params["branch"] for data, _ in server.agent.outbox if b"BYE" in data
        }
        assert len(branches) == asked
        assert isinstance(server.agent.signals[-1], Ended)
        assert len(server.agent.layer) == 0


def test_an_update_that_cannot_be_sent_goes_to_the_next_server_and_the_call_goes_on() -> None:
    server, session = named()
    server.agent.layer.another = lambda _: True
    session.change(OFFER, 1.0)
    server.take()
    server.agent.unreachable(Hop("udp", "pbx.example", 0), 1.0)
    again = server.take()
    server.answer(again, 200, ("Contact", "<sip:them@192.0.2.9>"), SDP, body=ANSWER)
    assert [type(signal) for signal in server.agent.signals] == [Changed]
    assert session.is_up


@pytest.mark.parametrize(
    ("by", "target", "tried"),
    [
        (Hop("tcp", "192.0.2.7", 5060, 3), "sip:them@192.0.2.9;transport=tcp", "192.0.2.9"),
        (Hop("tls", "192.0.2.7", 5061, 3), "sip:them@192.0.2.9", None),
        (Hop("tcp", "192.0.2.9", 5060, 3), "sip:them@192.0.2.9;transport=tcp", None),
    ],
)
def test_a_connection_that_broke_is_given_up_for_the_target_but_never_for_less_secrecy(
    by: Hop, target: str, tried: str | None
) -> None:
    server, session = call_up()
    assert session.dialog is not None
    session.dialog.by, session.dialog.target = by, parse_uri(target)
    session.hang_up(1.0)
    assert server.take().method == "BYE"
    server.agent.unreachable(by, 1.0)
    if tried is None:
        assert server.nothing_more()
        assert isinstance(server.agent.signals[-1], Ended)
    else:
        data, hop = server.agent.outbox.popleft()
        assert data.startswith(b"BYE ")
        assert hop.host == tried
