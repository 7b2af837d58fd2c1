"""OPTIONS as a sign of life."""

from __future__ import annotations

import pytest

from sip.server import HOP, Server
from sip.wire import Ids
from trunkline.sip.layer import Identity
from trunkline.sip.ping import ping
from trunkline.sip.uri import parse_uri
from trunkline.sip.user_agent import UserAgent


def pinging() -> tuple[Server, list[tuple[int, float]]]:
    agent = UserAgent(Identity("us", lambda _: ("192.0.2.1", 5060)), token=Ids("t"))
    told: list[tuple[int, float]] = []
    trunk, sender = parse_uri("sip:trunk.example"), parse_uri("sip:us@trunk.example")
    ping(agent.layer, trunk, sender, HOP, 0.0, lambda status, at: told.append((status, at)))
    return Server(agent), told


@pytest.mark.parametrize("status", [200, 403, 404, 405, 481, 503])
def test_any_final_answer_is_a_sign_of_life(status: int) -> None:
    server, told = pinging()
    request = server.take()
    assert (request.method, request.uri) == ("OPTIONS", "sip:trunk.example")
    server.at = 0.5
    server.answer(request, 100)
    assert not told
    server.answer(request, status)
    assert told == [(status, 0.5)]


def test_silence_is_told_after_timer_f() -> None:
    server, told = pinging()
    server.wait(31.0)
    assert not told
    server.wait(33.0)
    assert told == [(0, 32.0)]


def test_what_cannot_be_sent_is_told_at_once() -> None:
    server, told = pinging()
    server.agent.unreachable(HOP, 1.0)
    assert told == [(0, 1.0)]
