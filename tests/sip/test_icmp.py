"""ICMP errors: what is read of them, and which requests they may end (RFC 3261 §18.4)."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.server import HOP, Server
from sip.wire import OFFER, Ids
from trunkline.sip.hop import Hop, plain_address
from trunkline.sip.icmp import Undelivered, read_undelivered
from trunkline.sip.layer import Identity
from trunkline.sip.ping import ping
from trunkline.sip.session import Session
from trunkline.sip.signals import Failed
from trunkline.sip.uri import parse_uri
from trunkline.sip.user_agent import UserAgent

V4, V6 = (0, 11), (41, 25)
THERE = "192.0.2.9", 5060
THERE6 = "2001:db8::9", 5060, 0, 0
CAPTURED = bytes.fromhex("6f000000020303000000000000000000020000007f0000010000000000000000")
CAPTURED6 = bytes.fromhex(
    "6f0000000301040000000000000000000a000000000000000000000000000000000000000000000100000000"
)
"""As Linux 6.18 gave them for ports of 127.0.0.1 and ::1 where nobody listened."""


def said(origin: int, icmp_type: int, code: int) -> bytes:
    return struct.pack("=IBBBxII", 111, origin, icmp_type, code, 0, 0)


# --- read ---------------------------------------------------------------------------------------------


def test_what_linux_gives_is_read() -> None:
    error = read_undelivered(b"INVITE", [(*V4, CAPTURED)], ("127.0.0.1", 5999))
    assert error == Undelivered("127.0.0.1", 5999, "port unreachable", b"INVITE")
    assert str(error) == "nobody listens at 127.0.0.1:5999 over UDP (ICMP: port unreachable)"
    error = read_undelivered(b"", [(*V6, CAPTURED6)], ("::1", 5999, 0, 0))
    assert error == Undelivered("::1", 5999, "port unreachable", b"")
    assert str(error) == "nobody listens at [::1]:5999 over UDP (ICMP: port unreachable)"


@pytest.mark.parametrize(
    ("icmp_type", "code", "what"),
    [
        (3, 0, ""),  # a network or a host: it may be a matter of moments
        (3, 1, ""),
        (3, 2, "protocol unreachable"),
        (3, 3, "port unreachable"),
        (3, 4, ""),  # too large
        (3, 5, ""),
        (3, 6, "network unknown"),
        (3, 11, ""),
        (3, 12, ""),
        (3, 13, "prohibited by a filter"),
        (3, 16, ""),
        (4, 0, ""),  # source quench
        (11, 0, ""),  # too many hops
        (12, 0, "parameter problem"),
    ],
)
def test_only_what_lasts_counts(icmp_type: int, code: int, what: str) -> None:
    error = read_undelivered(b"", [(*V4, said(2, icmp_type, code))], THERE)
    assert (error.what if error else "") == what


@pytest.mark.parametrize(
    ("icmp_type", "code", "what"),
    [
        (1, 0, ""),
        (1, 1, "prohibited by a filter"),
        (1, 3, ""),
        (1, 4, "port unreachable"),
        (2, 0, ""),
        (3, 0, ""),
        (4, 1, "parameter problem"),
    ],
)
def test_only_what_lasts_counts_over_ipv6(icmp_type: int, code: int, what: str) -> None:
    error = read_undelivered(b"", [(*V6, said(3, icmp_type, code))], THERE6)
    assert (error.what if error else "") == what


@pytest.mark.parametrize(
    ("kind", "data", "destination"),
    [
        (V4, said(1, 3, 3), THERE),  # this machine's own word
        (V4, said(3, 1, 4), THERE),  # of the other family
        (V6, said(2, 3, 3), THERE),
        ((0, 8), said(2, 3, 3), THERE),
        (V4, said(2, 3, 3)[:-1], THERE),
        (V4, said(2, 3, 3), None),
        (V4, said(2, 3, 3), ("192.0.2.9",)),
        (V4, said(2, 3, 3), b"/a/socket"),
    ],
)
def test_what_is_no_such_error_is_none(kind: tuple[int, int], data: bytes, destination: object) -> None:
    assert read_undelivered(b"", [(*kind, data)], destination) is None
    assert read_undelivered(b"", [], destination) is None


@given(st.binary(max_size=64), st.binary(max_size=64), st.sampled_from([V4, V6, (1, 1)]))
def test_whatever_is_given_nothing_raises(quoted: bytes, data: bytes, kind: tuple[int, int]) -> None:
    error = read_undelivered(quoted, [(*kind, data)], THERE)
    if error is not None:
        assert error.branch is None or quoted.startswith(error.branch[1].encode())


@pytest.mark.parametrize(
    ("host", "plain"),
    [
        ("0:0:0:0:0:0:0:1", "::1"),
        ("2001:DB8::9", "2001:db8::9"),
        ("fe80::1%eth0", "fe80::1"),
        ("192.0.2.9", "192.0.2.9"),
        ("trunk.example", "trunk.example"),
    ],
)
def test_one_address_may_be_written_in_several_ways(host: str, plain: str) -> None:
    assert plain_address(host) == plain


# --- what it ends -------------------------------------------------------------------------------------


def agent() -> UserAgent:
    return UserAgent(Identity("us", lambda _: ("192.0.2.1", 5060)), token=Ids("t"))


def calling(hop: Hop = HOP) -> tuple[Server, Session, Undelivered]:
    """A call of ours that is on its way, and the error that says that it did not arrive."""
    server = Server(agent())
    session = server.agent.invite(parse_uri("sip:them@192.0.2.9"), hop, 0.0, body=OFFER)
    request = server.take()
    return server, session, Undelivered(hop.host, hop.port, "port unreachable", bytes(request))


def hear(server: Server, *errors: Undelivered) -> None:
    server.agent.layer.undelivered(errors, server.at)


def short(error: Undelivered, length: int) -> Undelivered:
    return replace(error, quoted=error.quoted[:length])


def failed(server: Server) -> list[Failed]:
    return [signal for signal in server.agent.signals if isinstance(signal, Failed)]


def test_a_call_that_did_not_arrive_fails_at_once_and_says_why() -> None:
    server, session, error = calling()
    hear(server, error)
    (signal,) = failed(server)
    assert (signal.session, signal.status, signal.response) == (session, 503, None)
    assert signal.reason == "nobody listens at 192.0.2.9:5060 over UDP (ICMP: port unreachable)"
    assert len(server.agent.layer) == 0
    hear(server, error)
    assert len(failed(server)) == 1


def test_the_end_of_the_branch_is_enough() -> None:
    server, _, error = calling()
    end = error.quoted.index(b";rport")
    hear(server, short(error, end))
    assert not failed(server)
    hear(server, short(error, end + 1))
    assert failed(server)


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 5061},
        {"host": "192.0.2.8"},
        {"host": "2001:db8::9"},
        {"quoted": b"INVITE sip:them@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKguess;"},
        {"quoted": b"\r\n\r\n"},
        {"quoted": b"SIP/2.0 200 OK\r\n"},
    ],
    ids=str,
)  # fmt: skip
def test_an_error_about_something_else_ends_nothing(wrong: dict[str, str | int | bytes]) -> None:
    server, _, error = calling()
    server.wait(1.0)
    hear(server, replace(error, **wrong))  # type: ignore[arg-type]
    assert not server.agent.signals
    assert len(server.agent.layer) == 1


def test_another_call_to_the_same_place_goes_on() -> None:
    server, _, error = calling()
    other = server.agent.invite(parse_uri("sip:them@192.0.2.9"), HOP, 0.0, body=OFFER)
    second = server.take()
    hear(server, error)
    assert [signal.session is other for signal in failed(server)] == [False]
    server.answer(second, 180)
    server.wait(40.0)
    assert len(failed(server)) == 1


def test_who_has_answered_is_there() -> None:
    server, _, error = calling()
    server.answer(server.seen[0], 100)
    hear(server, error, short(error, 0))
    server.wait(40.0)
    hear(server, error, short(error, 0))
    assert not failed(server)


@pytest.mark.parametrize("length", [0, 8, 40])
def test_an_error_that_quotes_too_little_counts_once_there_was_time_to_answer(length: int) -> None:
    server, _, error = calling()
    hear(server, short(error, length))
    assert not failed(server)
    server.wait(1.0)
    hear(server, replace(error, port=9, quoted=error.quoted[:length]), short(error, length))
    assert failed(server)


def test_within_a_call_nothing_ends() -> None:
    server, session, _ = calling()
    ok = server.answer(server.seen[0], 200, ("Contact", "<sip:them@192.0.2.9>"), body=OFFER)
    assert ok.status == 200
    server.take()  # the ACK
    session.hang_up(1.0)
    bye = server.take()
    assert bye.method == "BYE"
    pending = len(server.agent.layer)
    hear(server, Undelivered(*THERE, "port unreachable", bytes(bye)))
    assert len(server.agent.layer) == pending


def test_who_is_asked_for_a_sign_of_life_gives_none() -> None:
    server = Server(agent())
    told: list[int] = []
    trunk = parse_uri("sip:trunk.example")
    ping(server.agent.layer, trunk, trunk, HOP, 0.0, lambda status, _: told.append(status))
    hear(server, Undelivered(*THERE, "port unreachable", bytes(server.take())))
    assert told == [0]


def test_an_address_that_a_person_wrote_is_the_one_that_the_system_names() -> None:
    server, _, error = calling(HOP._replace(host="2001:DB8:0::9"))
    hear(server, replace(error, host="2001:db8::9"))
    assert failed(server)


def test_where_a_name_led_is_what_counts() -> None:
    name = Hop("udp", "trunk.example", 0)
    server, _, error = calling(name)
    there = replace(error, host=HOP.host, port=HOP.port)
    hear(server, there)
    assert not failed(server)
    server.agent.layer.led = {name: HOP}.__getitem__
    hear(server, there)
    assert failed(server)


def test_what_went_over_a_connection_is_none_of_its_business() -> None:
    server, _, error = calling(HOP._replace(transport="tcp"))
    hear(server, error)
    assert not failed(server)
