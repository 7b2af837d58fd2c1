"""Which servers are behind an address (RFC 3263), told by tables; and the draw by weight (RFC 2782)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import SipError
from trunkline.sip.hop import Hop
from trunkline.sip.locate import MOST_PLACES, Bench, Finding, Naptr, Question, Record, Srv, ordered, places_of
from trunkline.sip.uri import parse_uri

ALL = ("udp", "tcp", "tls")
WORLD: dict[tuple[str, str], list[Record]] = {
    ("A", "alone.example"): ["192.0.2.1"],
    ("AAAA", "alone.example"): ["2001:db8::1"],
    # The example of RFC 3263 §4.1.
    ("NAPTR", "example.com"): [
        Naptr(100, 50, "s", "SIP+D2U", "_sip._udp.example.com"),
        Naptr(50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com"),
        Naptr(90, 50, "s", "SIP+D2T", "_sip._tcp.example.com"),
        Naptr(10, 50, "s", "SIP+D2X", "_sip._other.example.com"),
        Naptr(10, 50, "u", "E2U+sip", "other.example.com"),
    ],
    ("SRV", "_sips._tcp.example.com"): [Srv(0, 1, 5061, "tls.example.com")],
    ("SRV", "_sip._tcp.example.com"): [
        Srv(0, 1, 5060, "one.example.com"),
        Srv(1, 2, 5070, "two.example.com."),
    ],
    ("SRV", "_sip._udp.example.com"): [Srv(0, 1, 5060, "one.example.com")],
    ("A", "tls.example.com"): ["192.0.2.9"],
    ("A", "one.example.com"): ["192.0.2.10", "192.0.2.11"],
    ("A", "two.example.com"): ["192.0.2.20"],
    # No NAPTR, but SRV for TCP.
    ("SRV", "_sip._tcp.srv.example"): [Srv(0, 0, 5080, "two.example.com")],
    # Decidedly not there by UDP.
    ("SRV", "_sip._udp.none.example"): [Srv(0, 0, 0, ".")],
    ("A", "none.example"): ["192.0.2.30"],
}  # fmt: skip


def drive(finding: Finding, world: dict[tuple[str, str], list[Record]]) -> tuple[list[Hop], list[Question]]:
    asked: list[Question] = []
    try:
        question = next(finding)
        while True:
            asked.append(question)
            question = finding.send(world.get(question, []))
    except StopIteration as done:
        return done.value, asked


def find(
    uri: str, *, families: Sequence[str] = ("A",), transports: Sequence[str] = ALL
) -> tuple[list[str], list[Question]]:
    finding = places_of(parse_uri(uri), families=families, transports=transports, chance=lambda: 0.0)
    found, asked = drive(finding, WORLD)
    return [f"{hop.transport} {hop.host} {hop.port}" for hop in found], asked


@pytest.mark.parametrize(
    ("uri", "places"),
    [
        # An address in digits asks nobody.
        ("sip:192.0.2.7", ["udp 192.0.2.7 5060"]),
        ("sip:192.0.2.7:5070;transport=tcp", ["tcp 192.0.2.7 5070"]),
        ("sip:[2001:db8::7]", ["udp 2001:db8::7 5060"]),
        ("sips:192.0.2.7", ["tls 192.0.2.7 5061"]),
        # With a port there is nothing to ask but the address.
        ("sip:two.example.com:5099", ["udp 192.0.2.20 5099"]),
        ("sips:two.example.com:5099", ["tls 192.0.2.20 5099"]),
        # NAPTR says which transport; what follows an order is tried after it.
        (
            "sip:a@example.com",
            [
                "tls 192.0.2.9 5061",
                "tcp 192.0.2.10 5060",
                "tcp 192.0.2.11 5060",
                "tcp 192.0.2.20 5070",
                "udp 192.0.2.10 5060",
                "udp 192.0.2.11 5060",
            ],
        ),
        ("sips:a@example.com", ["tls 192.0.2.9 5061"]),
        # A transport that is named asks for its SRV at once.
        ("sip:a@example.com;transport=udp", ["udp 192.0.2.10 5060", "udp 192.0.2.11 5060"]),
        ("sip:EXAMPLE.com.;transport=tls", ["tls 192.0.2.9 5061"]),
        ("sip:srv.example", ["tcp 192.0.2.20 5080"]),
        # Neither: the plain address, at the transport's own port.
        ("sip:alone.example", ["udp 192.0.2.1 5060"]),
        ("sip:alone.example;transport=tls", ["tls 192.0.2.1 5061"]),
        ("sips:alone.example", ["tls 192.0.2.1 5061"]),
        ("sip:none.example", ["udp 192.0.2.30 5060"]),
        ("sip:nowhere.example", []),
    ],
)
def test_where_an_address_leads(uri: str, places: list[str]) -> None:
    assert find(uri)[0] == places


def test_what_is_asked_is_only_what_is_needed() -> None:
    assert find("sip:192.0.2.7")[1] == []
    assert find("sip:two.example.com:5099")[1] == [("A", "two.example.com")]
    assert [question.kind for question in find("sip:alone.example")[1]] == ["NAPTR", *["SRV"] * 3, "A"]


def test_only_families_and_transports_that_we_have_are_used() -> None:
    assert find("sip:alone.example", families=("AAAA",))[0] == ["udp 2001:db8::1 5060"]
    both = find("sip:alone.example", families=("AAAA", "A"))[0]
    assert both == ["udp 2001:db8::1 5060", "udp 192.0.2.1 5060"]
    assert find("sip:example.com", transports=("udp",))[0] == ["udp 192.0.2.10 5060", "udp 192.0.2.11 5060"]
    with pytest.raises(SipError, match="sctp is not served"):
        find("sip:example.com;transport=sctp")


def test_the_name_stays_for_the_certificate_and_only_where_there_is_one() -> None:
    finding = places_of(parse_uri("sip:example.com"), families=("A",), transports=ALL, chance=lambda: 0.0)
    assert {hop.name for hop in drive(finding, WORLD)[0]} == {"example.com"}
    finding = places_of(parse_uri("sips:192.0.2.7"), families=("A",), transports=ALL, chance=lambda: 0.0)
    assert {hop.name for hop in drive(finding, WORLD)[0]} == {""}


def test_whoever_publishes_a_thousand_servers_is_not_tried_to_the_end() -> None:
    many: list[Record] = [Srv(n, 0, 5060, f"192.0.2.{n % 250 + 1}") for n in range(1_000)]
    uri = parse_uri("sip:big.example;transport=udp")
    finding = places_of(uri, families=("A",), transports=ALL, chance=lambda: 0.5)
    found, asked = drive(finding, {("SRV", "_sip._udp.big.example"): many})
    assert len(found) == MOST_PLACES
    assert len(asked) == 1


records = st.lists(
    st.builds(
        Srv, st.integers(0, 3), st.integers(0, 100), st.just(5060), st.sampled_from(["a", "b", "c", "d"])
    ),
    max_size=12,
)


@given(records, st.lists(st.floats(0, 1, exclude_max=True), min_size=64, max_size=64))
def test_ordering_keeps_all_records_and_their_priorities(found: list[Srv], drawn: list[float]) -> None:
    numbers = iter(drawn)
    order = ordered(found, lambda: next(numbers))
    assert sorted(order) == sorted(set(found))
    assert all(a.priority <= b.priority for a, b in pairwise(order))


def test_among_equals_weights_decide() -> None:
    light, heavy, never = Srv(0, 10, 1, "a"), Srv(0, 30, 1, "b"), Srv(0, 0, 1, "c")
    steps = 1000
    firsts = Counter(
        ordered([light, heavy, never], lambda n=n: n / steps)[0]  # type: ignore[misc]
        for n in range(steps)
    )
    assert (firsts[light], firsts[heavy], firsts[never]) == (250, 749, 1)


# --- servers that do not answer -------------------------------------------------------------------

A, B, C = (Hop("udp", f"192.0.2.{n}", 5060) for n in (1, 2, 3))


def test_who_did_not_answer_is_tried_last_for_a_while() -> None:
    bench = Bench()
    bench.failed(A, 100.0)
    assert bench.sort([A, B], 101.0) == [B, A]
    assert bench.sort([A, B], 131.0) == [A, B]
    assert not bench.is_out(A, 131.0)


def test_each_failure_keeps_it_out_for_longer_and_an_answer_brings_it_back() -> None:
    bench = Bench()
    bench.failed(A, 0.0)
    bench.failed(A, 30.0)
    assert bench.is_out(A, 89.0)
    assert not bench.is_out(A, 91.0)
    bench.failed(A, 100.0, seconds=7.0)
    assert bench.sort([A, B, C], 106.0) == [B, C, A]
    bench.answered(A)
    assert bench.sort([A, B, C], 106.0) == [A, B, C]


@given(st.lists(st.tuples(st.sampled_from([A, B, C]), st.booleans(), st.floats(0, 50)), max_size=40))
def test_nobody_is_ever_lost_from_the_order(story: list[tuple[Hop, bool, float]]) -> None:
    bench, now = Bench(), 0.0
    for hop, well, passed in story:
        now += passed
        if well:
            bench.answered(hop)
        else:
            bench.failed(hop, now)
        assert sorted(bench.sort([A, B, C], now)) == [A, B, C]
    for hop in bench.sort([A, B, C], now + 601.0):
        assert not bench.is_out(hop, now + 601.0)


def test_it_remembers_a_bounded_number() -> None:
    bench = Bench()
    for n in range(2_000):
        bench.failed(Hop("udp", f"192.0.{n // 250}.{n % 250}", 5060), 0.0)
    assert len(bench._until) == 256
