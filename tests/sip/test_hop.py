"""Where answers go (RFC 3261 §18.2, RFC 3581), and which Via they carry."""

from __future__ import annotations

import pytest

from sip.wire import Phone
from trunkline.sip.hop import Hop
from trunkline.sip.parse import parse_message

SOURCE = Hop("udp", "198.51.100.7", 31234)


def options(via: str) -> bytes:
    return (
        f"OPTIONS sip:a@b SIP/2.0\r\nVia: {via}\r\nFrom: <sip:c@d>;tag=1\r\nTo: <sip:a@b>\r\n"
        "Call-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n"
    ).encode()


@pytest.mark.parametrize(
    ("via", "to", "seen"),
    [
        ("10.0.0.1:5070;branch=z9hG4bK1;rport", ("198.51.100.7", 31234), ("198.51.100.7", "31234")),
        ("10.0.0.1:5070;branch=z9hG4bK1", ("198.51.100.7", 5070), ("198.51.100.7", None)),
        ("10.0.0.1;branch=z9hG4bK1", ("198.51.100.7", 5060), ("198.51.100.7", None)),
        ("198.51.100.7:5070;branch=z9hG4bK1", ("198.51.100.7", 5070), (None, None)),
    ],
)
def test_answers_go_back_where_the_request_came_from(
    via: str, to: tuple[str, int], seen: tuple[str | None, str | None]
) -> None:
    phone = Phone("a", "192.0.2.9")
    phone.agent.receive(options(f"SIP/2.0/UDP {via}"), SOURCE, 0.0)
    ((data, hop),) = phone.agent.outbox
    assert (hop.host, hop.port) == to
    params = parse_message(data).via.params
    assert (params.get("received"), params.get("rport")) == seen


def test_the_vias_below_the_first_come_back_as_they_were() -> None:
    phone = Phone("a", "192.0.2.9")
    vias = "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;rport, SIP/2.0/TCP far.example;branch=z9hG4bK2"
    phone.agent.receive(options(vias), SOURCE, 0.0)
    answer = parse_message(phone.agent.outbox[0][0])
    assert answer.headers.items("Via")[1] == "SIP/2.0/TCP far.example;branch=z9hG4bK2"


def test_an_unreadable_via_of_somebody_elses_spoils_no_answer() -> None:
    phone = Phone("a", "192.0.2.9")
    theirs = 'SIP/2.0/TCP far.example;branch=z9"hG4'
    phone.agent.receive(options(f"SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;rport\r\nVia: {theirs}"), SOURCE, 0.0)
    answer = parse_message(phone.agent.outbox[0][0])
    assert answer.via.params["received"] == SOURCE.host
    assert answer.headers.all("Via")[1:] == [theirs]


def test_a_flood_of_calls_is_refused_without_being_remembered() -> None:
    from trunkline.sip.layer import Identity
    from trunkline.sip.user_agent import UserAgent

    agent = UserAgent(Identity("a", lambda _: ("192.0.2.9", 5060)), most_calls=10, most_transactions=50)
    for number in range(500):
        invite = options(f"SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK{number}").replace(b"OPTIONS", b"INVITE")
        invite = invite.replace(b"Call-ID: x", b"Call-ID: x%d" % number)
        agent.receive(invite, SOURCE, 0.0)
    assert len(agent.calls) == 10
    assert len(agent.layer) <= 50
    statuses = [parse_message(data).start_line().split(" ")[1] for data, _ in agent.outbox]
    assert statuses == ["503"] * 490
    assert all("Retry-After" in parse_message(data).headers for data, _ in agent.outbox)
