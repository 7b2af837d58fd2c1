"""How much is sent ahead, and what is known of its playing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.legs.playout import MARK_EVERY, MARKS_BOUND, Playout


def sends(playout: Playout, now: float, limit: int = 100) -> list[float]:
    """When each frame that may be sent now begins to play."""
    begun: list[float] = []
    while len(begun) < limit and (begins := playout.next_at(now)) is not None:
        playout.note_sent(begins, now)
        begun.append(begins)
    return begun


def test_the_first_frame_never_waits_and_the_lead_is_filled_at_once() -> None:
    assert sends(Playout(0.04), 5.0) == pytest.approx([5.0, 5.02, 5.04])


def test_without_a_lead_one_frame_leaves_at_each_tick() -> None:
    playout = Playout(0.0)
    assert [len(sends(playout, 1 + tick * 0.02)) for tick in range(5)] == [1] * 5


def test_after_a_late_wake_the_carrier_is_given_what_it_lacks() -> None:
    playout = Playout(0.04)
    sends(playout, 1.0)
    assert sends(playout, 1.06) == pytest.approx([1.06, 1.08, 1.10])


@given(st.lists(st.floats(0.0, 0.2), min_size=1, max_size=60), st.sampled_from([0.0, 0.02, 0.04, 0.1]))
def test_never_more_than_the_lead_is_ahead_and_never_is_time_played_twice(
    steps: list[float], lead: float
) -> None:
    playout = Playout(lead)
    now, last = 100.0, 0.0
    lead = lead or 0.01  # half a frame where there is no lead: ticks are not that even
    for step in steps:
        now += step
        for begins in sends(playout, now):
            assert begins >= last + 0.02 - 1e-6
            assert now <= begins + 1e-9 <= now + lead + 1e-5
            last = begins
        assert playout.unplayed(now) <= lead + 0.02 + 1e-5


def test_marks_tell_how_long_the_way_is() -> None:
    playout = Playout(0.0)
    now = 10.0
    name = None
    for _ in range(MARK_EVERY):
        begins = playout.next_at(now)
        assert begins is not None
        name = playout.note_sent(begins, now) or name
        now += 0.02
    assert name is not None
    assert playout.delay == 0.0
    assert playout.round_trip is None
    playout.note_played(name, now + 0.1)
    assert playout.delay == pytest.approx(0.05)
    assert playout.round_trip == pytest.approx(0.1)
    playout.note_played(name, now + 9)
    playout.note_played("never sent", now)
    assert playout.delay == pytest.approx(0.05)


def test_marks_that_a_clear_sends_back_say_nothing() -> None:
    playout = Playout(0.04)
    now = 0.0
    names = []
    for _ in range(MARK_EVERY):
        begins = playout.next_at(now)
        assert begins is not None
        names.append(playout.note_sent(begins, now))
        now += 0.02
    assert playout.cut(now - 0.02) == pytest.approx(0.02)
    assert playout.unplayed(now) == 0.0
    for name in filter(None, names):
        playout.note_played(name, now)
    assert playout.round_trip is None


def test_a_carrier_that_answers_no_mark_is_asked_no_more() -> None:
    playout = Playout(0.0)
    names = [playout.note_sent(n * 0.02, n * 0.02) for n in range(MARK_EVERY * (MARKS_BOUND + 20))]
    assert len([name for name in names if name]) == MARKS_BOUND


def test_gaps_between_frames_of_one_utterance_are_counted_and_pauses_are_not() -> None:
    playout = Playout(0.0)
    for at in (0.0, 0.02, 0.05, 3.0, 3.02):
        begins = playout.next_at(at)
        assert begins is not None
        playout.note_sent(begins, at)
    assert playout.gap_p99 == pytest.approx(0.02)


def test_without_a_lead_every_tick_has_its_frame_though_ticks_come_unevenly() -> None:
    playout = Playout(0.0)
    sent = 0
    for tick in range(100):
        now = 0.02 * tick + (0.004 if tick % 3 == 0 else 0.0)
        while (begins := playout.next_at(now)) is not None:
            playout.note_sent(begins, now)
            sent += 1
    assert 100 <= sent <= 101
