"""Registering, refreshing, being refused, and unregistering (RFC 3261 §10)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.server import HOP, Server, verifies
from sip.wire import Ids
from trunkline.sip.digest import Credentials, parse_challenge
from trunkline.sip.hop import Hop
from trunkline.sip.layer import Identity
from trunkline.sip.message import Request
from trunkline.sip.registration import Account, News, Registration, Standing
from trunkline.sip.uri import parse_uri
from trunkline.sip.user_agent import UserAgent

BOB = Credentials("bob", "zanzibar")
ACCOUNT = Account(parse_uri("sip:192.0.2.9"), parse_uri("sip:bob@192.0.2.9"), (BOB,), expires=600)
OURS = "<sip:bob@192.0.2.1:5060>"


def registering(account: Account = ACCOUNT) -> tuple[Server, Registration, list[News]]:
    agent = UserAgent(Identity("us", lambda _: ("192.0.2.1", 5060)), token=Ids("t"))
    news: list[News] = []
    registration = agent.register(account, HOP, 0.0, news.append)
    return Server(agent), registration, news


def expires(request: Request) -> str | None:
    contact = request.contact
    return contact.params.get("expires") if contact else None


def grant(server: Server, seconds: int, *more: tuple[str, str]) -> Request:
    request = server.take()
    server.answer(request, 200, *more, ("Contact", f"{OURS};expires={seconds}"))
    return request


def test_it_registers_with_credentials_and_says_what_was_granted() -> None:
    server, _, news = registering()
    first = server.take()
    assert (first.uri, str(first.to.uri), str(first.contact)) == (
        "sip:192.0.2.9",
        "sip:bob@192.0.2.9",
        f"{OURS};expires=600",
    )
    asked = 'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"'
    server.answer(first, 401, ("WWW-Authenticate", asked))
    second = grant(server, 300, ("Contact", "<sip:bob@198.51.100.1>;expires=1000"))
    challenge = parse_challenge(asked)
    assert challenge is not None
    assert verifies(second.headers.get("Authorization") or "", challenge, BOB, "REGISTER")
    assert second.call_id == first.call_id
    assert second.cseq[0] == first.cseq[0] + 1
    assert [(n.standing, n.granted, n.contacts) for n in news] == [(Standing.REGISTERED, 300, 2)]


@pytest.mark.parametrize(("granted", "again"), [(600, 536.0), (100, 50.0), (3600, 3536.0)])
def test_it_refreshes_in_good_time(granted: int, again: float) -> None:
    server, _, news = registering()
    grant(server, granted)
    assert news[-1].again_in == again
    server.wait(again - 1)
    assert server.nothing_more()
    server.wait(again)
    assert expires(server.take()) == "600"


def test_it_asks_for_more_time_where_the_registrar_wants_that() -> None:
    server, _, news = registering()
    server.answer(server.take(), 423, ("Min-Expires", "1800"))
    assert expires(grant(server, 1800)) == "1800"
    assert [n.standing for n in news] == [Standing.REGISTERED]


def test_a_423_that_asks_for_no_more_than_was_given_is_a_failure() -> None:
    server, _, news = registering()
    server.answer(server.take(), 423, ("Min-Expires", "60"))
    assert server.nothing_more()
    assert [(n.standing, n.status) for n in news] == [(Standing.FAILED, 423)]


def test_the_expires_header_counts_where_the_contact_names_none() -> None:
    server, _, news = registering()
    server.answer(server.take(), 200, ("Contact", OURS), ("Expires", "120"))
    assert news[-1].granted == 120


def test_failures_are_tried_again_after_longer_and_longer_times() -> None:
    server, _, news = registering()
    for _ in range(10):
        server.answer(server.take(), 503)
        server.wait(server.at + news[-1].again_in)
    waits = [n.again_in for n in news]
    assert all(15 * 2**k <= wait <= 30 * 2**k for k, wait in enumerate(waits[:6]))
    assert max(waits) <= 1800
    grant(server, 600)
    server.wait(server.at + 536)
    server.answer(server.take(), 503)
    assert news[-1].again_in <= 30


def test_the_time_that_a_registrar_names_is_waited_out() -> None:
    server, _, news = registering()
    server.answer(server.take(), 503, ("Retry-After", "120 (maintenance)"))
    assert news[-1].again_in == 120


def test_silence_is_a_failure_after_timer_f() -> None:
    server, _, news = registering()
    server.wait(32.0)
    assert [(n.standing, n.status, n.at) for n in news] == [(Standing.FAILED, 0, 32.0)]


def test_unregistering_takes_only_our_own_contact_away() -> None:
    server, registration, news = registering()
    grant(server, 600)
    registration.stop(10.0)
    registration.stop(11.0)
    request = server.take()
    assert (str(request.contact), request.headers.get("Expires")) == (f"{OURS};expires=0", "0")
    server.answer(request, 200)
    assert news[-1].standing is Standing.ENDED
    server.wait(10_000)
    assert server.nothing_more()
    assert len(server.agent.layer) == 0


def test_stopping_while_the_answer_is_awaited_unregisters_after_it() -> None:
    server, registration, news = registering()
    request = server.take()
    registration.stop(0.1)
    assert server.nothing_more()
    server.answer(request, 200, ("Contact", f"{OURS};expires=600"))
    assert expires(grant(server, 0)) == "0"
    assert [n.standing for n in news] == [Standing.ENDED]


def test_stopping_what_was_never_registered_asks_for_nothing() -> None:
    server, registration, news = registering()
    server.answer(server.take(), 403)
    registration.stop(1.0)
    assert server.nothing_more()
    assert [n.standing for n in news] == [Standing.FAILED, Standing.ENDED]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([200, 200, 301, 401, 403, 423, 500, 503, 0]),
            st.sampled_from(["", "0", "1", "60", "99999999999", "-1", "x", "\u0663", "60;q=1"]),
        ),
        max_size=25,
    ),
    st.integers(0, 25),
)
@settings(max_examples=200, deadline=None)
def test_whatever_the_registrar_says_it_ends_where_it_is_told_to(
    answers: list[tuple[int, str]], stop_after: int
) -> None:
    server, registration, news = registering()
    for count, (status, text) in enumerate(answers):
        if count == stop_after:
            registration.stop(server.at)
        while not server.nothing_more():
            request = server.take()
            if status:
                headers = [(name, text) for name in ("Min-Expires", "Expires", "Retry-After") if text]
                server.answer(request, status, *headers)
        due = server.agent.next_deadline()
        server.wait(server.at if due is None else due)
    registration.stop(server.at)
    server.wait(server.at + 200)
    server.agent.outbox.clear()
    server.wait(server.at + 200)
    assert [n.standing for n in news].count(Standing.ENDED) == 1
    assert news[-1].standing is Standing.ENDED
    assert server.agent.next_deadline() is None


def test_it_goes_on_at_another_server_at_once() -> None:
    server, registration, _ = registering()
    server.answer(server.take(), 503)
    other = Hop("udp", "192.0.2.20", 5060)
    registration.again(server.at, other)
    data, hop = server.agent.outbox.popleft()
    assert hop == other
    assert data.startswith(b"REGISTER")
    # Whoever is asked already is not asked again before it has answered.
    registration.again(server.at)
    assert server.nothing_more()
