"""Deadlines: in order, once, and none of those that were stopped."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trunkline.sip.timers import Timer, Timers


@given(
    st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=60),
    st.lists(st.floats(0, 120), max_size=10),
)
def test_each_fires_once_at_the_first_chance_unless_it_was_stopped(
    wanted: list[tuple[float, bool]], looks: list[float]
) -> None:
    timers = Timers()
    fired: list[tuple[int, float]] = []
    for number, (when, stopped) in enumerate(wanted):
        timer = timers.start(when, lambda at, number=number: fired.append((number, at)))  # type: ignore[misc]
        if stopped:
            timer.stop()
            timer.stop()
    for at in sorted(looks):
        due = timers.next_deadline()
        assert due is None or due == min(
            when for number, (when, stopped) in enumerate(wanted)
            if not stopped and number not in dict(fired)
        )  # fmt: skip
        timers.advance(at)
        assert {number for number, _ in fired} == {
            number for number, (when, stopped) in enumerate(wanted) if when <= at and not stopped
        }
    assert len(fired) == len(dict(fired))
    assert len(timers) == sum(not stopped for _, stopped in wanted) - len(fired)


def test_those_that_were_stopped_take_no_place_for_long() -> None:
    timers = Timers()
    kept = timers.start(5_000.0, lambda at: None)
    for number in range(20_000):
        timers.start(1_800.0 + number, lambda at: None).stop()
        assert len(timers._heap) <= 2_100
    assert timers.next_deadline() == 5_000.0
    kept.stop()
    assert timers.next_deadline() is None
    assert timers.stopped == 0


def test_one_that_starts_others_while_it_fires_loses_none() -> None:
    timers = Timers()
    fired: list[int] = []

    def start(number: int) -> Timer:
        return timers.start(1.0, lambda at: fired.append(number))

    def many(at: float) -> None:
        for number in range(3_000):
            timer = start(number)
            if number % 3:
                timer.stop()

    timers.start(1.0, many)
    timers.advance(1.0)
    assert fired == [number for number in range(3_000) if number % 3 == 0]
