"""Which sound belongs to which sentence: nothing is lost, nothing is said twice, and pauses are found."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from trunkline.call.passages import MOST_SECONDS, Passages, Progress

RATE = 8000
Spans = list[tuple[int, float]]


def tone(seconds: float, loudness: int = 8000) -> bytes:
    return array("h", [loudness, -loudness] * round(seconds * RATE / 2)).tobytes()


def quiet(seconds: float) -> bytes:
    return bytes(round(seconds * RATE) * 2)


def whole(passages: Passages, number: int) -> bytes:
    pcm, progress = passages.take(number)
    assert progress is Progress.OVER
    return pcm


def test_a_sentence_ends_in_the_pause_near_its_share_of_the_letters() -> None:
    passages = Passages(RATE)
    # The first sentence is spoken slowly, so its share of the letters ends 0.25 s before its sound does.
    sound = tone(2.0) + quiet(0.1) + tone(1.4)
    passages.sound(sound)
    for text in ("a" * 30, "b" * 30):
        passages.text(text)
    passages.complete = passages.ended = True
    first, second = whole(passages, 0), whole(passages, 1)
    assert first + second == sound
    assert 2.0 <= len(first) / 2 / RATE <= 2.1
    assert passages.measured_pace is not None
    assert abs(passages.measured_pace - 60 / 3.5) < 0.01


def test_sound_is_given_before_the_answer_is_whole() -> None:
    passages = Passages(RATE, pace=15.0)
    passages.text("a" * 30)
    passages.sound(tone(1.0))
    early, progress = passages.take(0)
    assert progress is Progress.MORE
    assert len(early) == len(tone(1.0)), "a second of it is surely the sentence's own"
    passages.sound(tone(1.0) + quiet(0.1) + tone(0.2))
    assert passages.take(0) == (tone(0.6), Progress.MORE), "what may be the next sentence's is held back"
    passages.text("b" * 30)
    passages.sound(tone(0.3))
    late, progress = passages.take(0)
    assert progress is Progress.OVER
    assert abs(len(early + tone(0.6) + late) / 2 / RATE - 2.05) < 0.05


def test_a_sentence_that_nobody_asks_for_is_passed_over() -> None:
    passages = Passages(RATE)
    for text, seconds in (("a" * 30, 2.0), ("b" * 15, 1.0), ("c" * 30, 2.0)):
        passages.text(text)
        passages.sound(tone(seconds) + quiet(0.1))
    passages.complete = passages.ended = True
    assert passages.find("c" * 30) == 2
    assert abs(len(whole(passages, 0)) / 2 / RATE - 2.05) < 0.05
    assert abs(len(whole(passages, 2)) / 2 / RATE - 2.15) < 0.05
    assert passages.find("b" * 15) is None, "its turn has passed"
    assert passages.take(1) == (b"", Progress.OVER)


def test_what_breaks_off_is_told_and_not_taken_for_the_whole() -> None:
    passages = Passages(RATE)
    passages.text("a" * 30)
    passages.text("b" * 30)
    passages.sound(tone(2.0) + quiet(0.1) + tone(0.5))
    passages.complete = passages.ended = passages.broken = True
    assert passages.measured_pace is None
    whole(passages, 0)
    _, progress = passages.take(1)
    assert progress is Progress.LOST


def test_an_answer_without_end_is_bounded() -> None:
    passages = Passages(RATE)
    passages.text("a" * 30)
    second = tone(1.0)
    for _ in range(round(MOST_SECONDS) + 60):
        passages.sound(second)
    assert passages.total <= (MOST_SECONDS + 1) * RATE
    passages.complete = passages.ended = True
    assert passages.take(0)[1] is Progress.OVER


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=5),
    st.lists(st.integers(0, 4000), min_size=1, max_size=12),
    st.randoms(use_true_random=False),
)
def test_all_of_the_sound_is_given_once_and_in_order(
    letters: list[int], sizes: list[int], random: object
) -> None:
    """However text and sound come, and whenever they are asked for."""
    passages, expected, taken = Passages(RATE), bytearray(), bytearray()
    steps: list[object] = ["x" * count for count in letters]
    pieces = [array("h", [n % 30000] * size).tobytes() for n, size in enumerate(sizes)]
    order = [*steps, *pieces, *[None] * 6]
    random.shuffle(order)  # type: ignore[attr-defined]
    at, texts = 0, 0
    for step in order:
        if isinstance(step, str):
            passages.text(step)
            texts += 1
        elif isinstance(step, bytes):
            passages.sound(step)
            expected += step
        elif at < texts:
            pcm, progress = passages.take(at)
            taken += pcm
            at += progress is Progress.OVER
    passages.complete = passages.ended = True
    while at < texts:
        pcm, progress = passages.take(at)
        assert progress is Progress.OVER
        taken += pcm
        at += 1
    assert taken == expected
