"""Whose packets count: opened by the first valid ones, and again only as signalling allows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trunkline.rtp.latch import NEEDED, SILENT_SECONDS, STILL_THERE, Address, Latch

PEER, NAT, MOVED, STRANGER = (
    ("10.0.0.7", 4000),
    ("203.0.113.5", 61000),
    ("203.0.113.9", 62000),
    ("198.51.100.9", 666),
)


def latched() -> Latch:
    latch = Latch()
    latch.signal(PEER)
    assert send(latch, NAT, NEEDED, at=0.0) == NEEDED - (NEEDED - 1)
    assert latch.remote == NAT
    return latch


def send(latch: Latch, source: Address, count: int, at: float, ssrc: int = 1, every: float = 0.02) -> int:
    """So many packets from there; gives how many counted."""
    return sum(latch.admit(source, ssrc, number & 0xFFFF, at + number * every) for number in range(count))


def test_nobody_gets_in_without_a_new_word_of_signalling_however_silent_it_is() -> None:
    latch = latched()
    assert send(latch, MOVED, 100, at=60.0) == 0
    assert latch.remote == NAT


def test_after_the_same_offer_again_a_phone_that_moved_is_found_once_its_old_place_is_silent() -> None:
    latch = latched()
    latch.signal(PEER)
    assert send(latch, NAT, 10, at=1.0)
    last = 1.0 + 9 * 0.02
    assert send(latch, MOVED, 10, at=last + SILENT_SECONDS - 0.3) == 0
    assert send(latch, MOVED, 10, at=last + SILENT_SECONDS + 0.01) == 10 - (NEEDED - 1)
    assert latch.remote == MOVED
    assert send(latch, STRANGER, 100, at=60.0) == 0


def test_while_the_old_place_is_heard_the_permission_lapses() -> None:
    latch = latched()
    latch.signal(PEER)
    assert send(latch, NAT, STILL_THERE, at=1.0) == STILL_THERE
    assert send(latch, STRANGER, 100, at=60.0) == 0
    assert latch.remote == NAT


def test_a_new_address_opens_it_and_its_first_packet_closes_it() -> None:
    latch = latched()
    latch.signal(MOVED)
    assert (latch.remote, latch.latched) == (MOVED, False)
    assert send(latch, MOVED, 1, at=1.0) == 1
    assert send(latch, STRANGER, 10, at=60.0) == 0


def test_what_is_under_way_from_the_old_place_does_not_move_it_back() -> None:
    latch = latched()
    latch.signal(MOVED)
    # They go on from where they were until our answer is there; that is heard, and nothing is sent there.
    assert send(latch, NAT, 10, at=1.0) == 10
    assert latch.remote == MOVED
    # The new place is behind a NAT too: its own packets show where it is, the old ones between them.
    behind = ("203.0.113.77", 50_000)
    for number in range(NEEDED):
        latch.admit(behind, 2, number, 1.2 + number * 0.02)
        latch.admit(NAT, 1, 10 + number, 1.21 + number * 0.02)
    assert latch.remote == behind
    assert send(latch, NAT, 100, at=1.5) == 0


def test_with_a_tag_too_what_is_under_way_from_the_old_place_moves_nothing() -> None:
    latch = latched()
    latch.signal(MOVED)
    assert latch.admit(NAT, 1, 50, 1.0, proven=True)
    assert latch.remote == MOVED


def test_who_only_says_to_have_moved_is_found_where_they_still_are() -> None:
    latch = latched()
    latch.signal(MOVED)
    assert send(latch, NAT, STILL_THERE - 1, at=1.0) == STILL_THERE - 1
    assert latch.remote == MOVED
    assert latch.admit(NAT, 1, STILL_THERE - 1, 2.0)
    assert latch.remote == NAT
    assert send(latch, STRANGER, 100, at=60.0) == 0


def test_a_proven_packet_needs_no_others_but_the_same_permission() -> None:
    latch = Latch()
    latch.signal(PEER)
    assert latch.admit(NAT, 1, 1, 0.0, proven=True)
    assert not latch.admit(MOVED, 1, 2, 60.0, proven=True)
    latch.signal(PEER)
    assert latch.admit(MOVED, 1, 3, 60.0, proven=True)


def test_a_stranger_who_was_quicker_gives_way_to_whom_signalling_named() -> None:
    latch = Latch()
    latch.signal(PEER)
    assert send(latch, STRANGER, 10, at=0.0) == 10 - (NEEDED - 1)
    assert latch.remote == STRANGER
    assert send(latch, PEER, 10, at=0.3) == 10 - (NEEDED - 1)
    assert latch.remote == PEER
    assert send(latch, STRANGER, 100, at=1.0) == 0


def test_a_single_packet_under_a_borrowed_address_moves_nothing() -> None:
    latch = latched()
    assert send(latch, PEER, NEEDED - 1, at=1.0) == 0
    assert latch.remote == NAT
    assert send(latch, NAT, 5, at=1.1) == 5


def test_without_symmetry_only_the_signalled_address_ever_counts() -> None:
    latch = Latch()
    latch.signal(PEER, symmetric=False)
    latch.signal(PEER, symmetric=False)
    assert send(latch, NAT, 50, at=60.0) == 0
    assert latch.admit(PEER, 1, 1, 61.0)


def test_before_signalling_nobody_counts() -> None:
    assert send(Latch(), PEER, 50, at=0.0) == 0


places = st.sampled_from([PEER, NAT, MOVED, STRANGER])


@given(
    st.lists(
        st.tuples(places, st.integers(1, 3), st.integers(0, 5), st.floats(0, 3)) | st.just(None), max_size=60
    )
)
def test_the_remote_moves_only_unlatched_or_silent_and_permitted_or_to_whom_signalling_named(
    story: list[tuple[Address, int, int, float] | None],
) -> None:
    latch = Latch()
    latch.signal(PEER)
    now, heard, permitted, shown = 0.0, 0.0, False, False
    for happening in story:
        if happening is None:
            latch.signal(PEER)
            permitted = True
            continue
        source, ssrc, sequence, passed = happening
        now += passed
        before = latch.remote
        counts = latch.admit(source, ssrc, sequence, now)
        assert latch.remote == (source if counts else before)
        if latch.remote != before:
            assert not shown or source == PEER or (permitted and now - heard >= SILENT_SECONDS)
            permitted = False
        if counts:
            heard, shown = now, True
