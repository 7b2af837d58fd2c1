"""How much strangers may send, in tables and under any story."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trunkline.sip.flood import BURST_SECONDS, FloodLimit, source_of


def sent(limit: FloodLimit, host: str, count: int, at: float, size: int = 500) -> int:
    """So many messages at once; gives how many were let through."""
    return sum(limit.admit(host, size, at) for _ in range(count))


def test_a_burst_is_taken_and_then_the_rate() -> None:
    limit = FloodLimit(10.0, 0.0)
    assert sent(limit, "192.0.2.1", 100, 0.0) == 40
    assert sent(limit, "192.0.2.1", 100, 1.0) == 10
    assert sent(limit, "192.0.2.2", 100, 1.0) == 40
    assert sent(limit, "192.0.2.1", 100, 100.0) == 40


def test_all_strangers_share_what_is_left_for_them() -> None:
    limit = FloodLimit(10.0, 20.0)
    through = sum(sent(limit, f"192.0.2.{n}", 100, 0.0) for n in range(50))
    assert through == 80


def test_whoever_has_a_call_up_is_not_starved_by_others() -> None:
    limit = FloodLimit(10.0, 20.0)
    limit.begin("198.51.100.1")
    for n in range(50):
        sent(limit, f"192.0.2.{n}", 100, 0.0)
    assert sent(limit, "192.0.2.99", 5, 0.0) == 0
    assert sent(limit, "198.51.100.1", 5, 0.0) == 5
    limit.end("198.51.100.1")
    assert sent(limit, "198.51.100.1", 5, 0.0) == 0


def test_a_large_message_counts_as_many() -> None:
    limit = FloodLimit(10.0, 0.0)
    assert sent(limit, "192.0.2.1", 100, 0.0, size=65_000) == 2


def test_an_ipv6_network_is_one_source() -> None:
    limit = FloodLimit(1.0, 0.0)
    assert sum(sent(limit, f"2001:db8::{n:x}", 1, 0.0) for n in range(100)) == 4
    assert source_of("2001:db8:0:1::7") != source_of("2001:db8:0:2::7")
    assert source_of("fe80::1%eth0") == "fe80::"


def test_no_limit_is_no_limit() -> None:
    assert sent(FloodLimit(0.0, 0.0), "192.0.2.1", 10_000, 0.0) == 10_000


def test_a_million_sources_are_not_remembered() -> None:
    limit = FloodLimit(1.0, 0.0)
    for n in range(10_000):
        limit.admit(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 100, 0.0)
    assert len(limit) == 4_096


stories = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 20_000), st.floats(0.0, 2.0)), max_size=200
)


@given(stories)
def test_nobody_gets_more_than_the_rate_and_the_burst(story: list[tuple[str, int, float]]) -> None:
    limit, now = FloodLimit(5.0, 8.0), 0.0
    through: dict[str, int] = {}
    for host, size, passed in story:
        now += passed
        if limit.admit(host, size, now):
            through[host] = through.get(host, 0) + 1
    assert all(count <= 5.0 * (now + BURST_SECONDS) + 1e-6 for count in through.values())
    assert sum(through.values()) <= 8.0 * (now + BURST_SECONDS) + 1e-6
