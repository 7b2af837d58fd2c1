"""The caller's messages put in order: any order, any sizes, any losses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trunkline.legs.arrivals import GAP_BOUND, HELD_BOUND, PATIENCE, QUIET_AFTER, Arrivals

RATE = 8000
FRAME = 320


def chunk(number: int, size: int = FRAME) -> bytes:
    return (number % 250 + 1).to_bytes(1, "big") * size


def heard(frames: list[bytes]) -> list[int]:
    return [frame[0] - 1 for frame in frames]


def test_what_comes_in_order_passes_at_once() -> None:
    arrivals = Arrivals(RATE)
    for number in range(5):
        (frame,) = arrivals.push(chunk(number), number * 0.02, number)
        assert (frame.pcm, frame.at, frame.concealed) == (chunk(number), number * 0.02, False)
    assert (arrivals.received, arrivals.lost, arrivals.late, arrivals.doubled) == (5, 0, 0, 0)


def test_two_that_changed_places_are_put_back() -> None:
    arrivals = Arrivals(RATE)
    arrivals.push(chunk(1), 0.0, 1)
    assert arrivals.push(chunk(3), 0.02, 3) == []
    frames = arrivals.push(chunk(2), 0.03, 2)
    assert heard([frame.pcm for frame in frames]) == [2, 3]
    assert [frame.at for frame in frames] == [0.03, 0.02]
    assert arrivals.lost == 0


def test_a_double_is_dropped_and_counted() -> None:
    arrivals = Arrivals(RATE)
    arrivals.push(chunk(1), 0.0, 1)
    arrivals.push(chunk(3), 0.01, 3)
    assert arrivals.push(chunk(1), 0.02, 1) == []
    assert arrivals.push(chunk(3), 0.02, 3) == []
    assert arrivals.doubled == 2


def test_what_never_comes_is_given_up_and_too_late_when_it_does() -> None:
    arrivals = Arrivals(RATE)
    arrivals.push(chunk(1), 0.0, 1)
    arrivals.push(chunk(4), 0.02, 4)
    assert arrivals.advance(0.02 + PATIENCE) == []
    frames = arrivals.advance(0.02 + PATIENCE + 0.001)
    assert [frame.concealed for frame in frames] == [True, True, False]
    assert heard([frames[2].pcm]) == [4]
    assert arrivals.push(chunk(2), 0.2, 2) == []
    assert arrivals.push(chunk(2), 0.2, 2) == []
    assert (arrivals.lost, arrivals.late, arrivals.doubled) == (2, 1, 1)


def test_a_stream_that_jumps_far_ahead_goes_on_from_there() -> None:
    arrivals = Arrivals(RATE)
    arrivals.push(chunk(1), 0.0, 1)
    frames = arrivals.push(chunk(9), 0.02, 1 + GAP_BOUND + HELD_BOUND + 1)
    assert len(frames) == 1
    assert arrivals.lost == 0


def test_when_nothing_comes_silence_keeps_step_with_time() -> None:
    arrivals = Arrivals(RATE)
    arrivals.push(chunk(1), 0.0)
    frames = [frame for tick in range(100) for frame in arrivals.advance(tick * 0.02)]
    assert all(frame.concealed and not any(frame.pcm) for frame in frames)
    assert len(frames) == round((99 * 0.02 - QUIET_AFTER) / 0.02)
    (back,) = arrivals.push(chunk(2), 2.0)
    assert not back.concealed


def test_before_the_first_message_there_is_nothing_to_stand_in_for() -> None:
    assert [Arrivals(RATE).advance(at * 0.02) for at in range(50)] == [[]] * 50


def test_a_new_socket_counts_from_the_beginning() -> None:
    arrivals = Arrivals(RATE)
    for number in range(1, 6):
        arrivals.push(chunk(number), 0.0, number)
    arrivals.restart()
    assert len(arrivals.push(chunk(7), 1.0, 1)) == 1
    assert arrivals.doubled == 0


@given(st.lists(st.integers(0, 1000), max_size=40))
def test_odd_sizes_are_cut_into_whole_frames_and_nothing_is_lost(sizes: list[int]) -> None:
    arrivals = Arrivals(RATE)
    given_ = b"".join(bytes([n % 256]) * size for n, size in enumerate(sizes))
    frames = [
        frame for n, size in enumerate(sizes) for frame in arrivals.push(bytes([n % 256]) * size, n * 0.02, n)
    ]
    assert all(len(frame.pcm) == FRAME for frame in frames)
    got = b"".join(frame.pcm for frame in frames)
    assert given_.startswith(got)
    assert len(given_) - len(got) < FRAME


@given(
    st.permutations(range(30)),
    st.sets(st.integers(0, 29), max_size=8),
    st.lists(st.integers(0, 29), max_size=8),
)
def test_whatever_the_network_does_the_caller_is_heard_in_order_and_never_twice(
    order: list[int], lost: set[int], doubled: list[int]
) -> None:
    """Shuffled within a window that the network could shuffle, some lost, some sent twice."""
    arrivals = Arrivals(RATE)
    shuffled = sorted(range(30), key=lambda n: n + order[n] / 15)
    sent = [n for n in shuffled if n not in lost] + doubled
    frames = [f for at, n in enumerate(sent) for f in arrivals.push(chunk(n), at * 0.02, n)]
    for tick in range(60):
        frames += arrivals.advance(1 + tick * 0.02)
    real = heard([frame.pcm for frame in frames if not frame.concealed])
    assert real == sorted(set(real))
    assert arrivals.received == len(real)
    assert len(real) + arrivals.late + arrivals.doubled == len(sent)


@given(st.lists(st.tuples(st.integers(0, 200) | st.integers(0, 2**53), st.integers(0, 700)), max_size=120))
def test_any_numbers_at_all_are_survived_within_bounds(messages: list[tuple[int, int]]) -> None:
    arrivals = Arrivals(RATE)
    frames = 0
    for place, (number, size) in enumerate(messages):
        frames += len(arrivals.push(bytes(size), place * 0.02, number))
        frames += len(arrivals.advance(place * 0.02))
    total = sum(size for _, size in messages)
    assert frames <= (1 + GAP_BOUND) * (total // FRAME + len(messages) + 1)
