"""The judge is right: lines drawn by hand, of which the answers are known to the sample."""

import math
import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.audio.frame import Frame
from trunkline.lab.audible import AudibleSpans, audible_samples
from trunkline.lab.ear import Ear, EarReport, percentile, summary

RATE = 8000
TICK = 160


def tone(seconds: float, dbfs: float = -20.0, rate: int = RATE) -> np.ndarray:
    peak = 32768 * 10 ** (dbfs / 20) * math.sqrt(2)
    return (peak * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


def noise(samples: int, dbfs: float, seed: int = 1) -> np.ndarray:
    source = np.random.default_rng(seed)
    return np.clip(source.normal(0, 32768 * 10 ** (dbfs / 20), samples), -32768, 32767).astype(np.int16)


def line(seconds: float, *sounds: tuple[float, float], noise_dbfs: float | None = None) -> np.ndarray:
    """A line of `seconds` with a tone from, to each of `sounds`."""
    samples = round(seconds * RATE)
    wave = np.zeros(samples, np.int16) if noise_dbfs is None else noise(samples, noise_dbfs)
    for start, end in sounds:
        first = round(start * RATE)
        piece = tone(end - start)
        wave[first : first + len(piece)] = piece
    return wave


def listen(
    sent: np.ndarray,
    received: np.ndarray,
    *,
    zero: float = 500.0,
    intents: tuple[tuple[float, str, str], ...] = (),
) -> EarReport:
    """Two lines through an ear, on one time line: sample n of each belongs to `zero + n / RATE`."""
    ear = Ear()
    for at, name, kind in intents:
        ear.meant(zero + at, name, kind)
    for n in range(0, max(len(sent), len(received)), TICK):
        ours, theirs = sent[n : n + TICK], received[n : n + TICK]
        if len(ours) == TICK:
            # The packet leaves when it is full.
            ear.sent(ours.tobytes(), RATE, zero + (n + TICK) / RATE)
        if len(theirs) == TICK:
            ear.received(Frame(theirs.tobytes(), RATE, zero + n / RATE))
    return ear.judge()


def test_an_answer_is_timed_from_the_last_sample_to_the_first() -> None:
    report = listen(line(4, (0.5, 1.513)), line(4, (1.9337, 3.0)))
    assert [answer.ms for answer in report.answers] == pytest.approx([420.7], abs=2)
    assert report.answers[0].speech_end == pytest.approx(501.513, abs=0.002)
    assert report.answers[0].audible == pytest.approx(501.9337, abs=0.002)
    assert report.interruptions == ()


def test_pauses_inside_an_utterance_do_not_end_it() -> None:
    report = listen(line(6, (0.5, 1.0), (1.6, 2.2)), line(6, (2.9, 4.0)))
    assert [answer.ms for answer in report.answers] == pytest.approx([700], abs=2)


def test_an_agent_that_speaks_into_a_pause_has_answered_there() -> None:
    report = listen(line(6, (0.5, 1.0), (1.7, 2.4)), line(6, (1.4, 1.65), (3.0, 4.0)))
    assert [answer.ms for answer in report.answers] == pytest.approx([400, 600], abs=2)


def test_an_interruption_is_timed_from_the_first_sample_to_the_agents_last() -> None:
    report = listen(line(8, (2.0, 3.2)), line(8, (0.5, 2.1874), (3.6, 5.0)))
    (found,) = report.interruptions
    assert found.ms == pytest.approx(187.4, abs=2)
    assert [answer.ms for answer in report.answers] == pytest.approx([400], abs=2)


def test_an_agent_that_goes_on_was_not_stopped() -> None:
    sent, received = line(8, (2.0, 3.2)), line(8, (0.5, 6.0))
    meant = listen(sent, received, intents=((1.9, "stop", "interrupt"),))
    assert [(found.name, found.ms) for found in meant.interruptions] == [("stop", None)]
    assert meant.answers == ()
    unknown = listen(sent, received)
    assert len(unknown.talked_over) == 1
    assert unknown.interruptions == ()


def test_a_pause_between_two_sentences_is_not_giving_way() -> None:
    received = line(8, (0.5, 2.2), (2.55, 6.0))
    report = listen(line(8, (2.0, 3.4)), received, intents=((1.9, "stop", "interrupt"),))
    assert [found.ms for found in report.interruptions] == [None]


def test_a_backchannel_asks_for_no_answer() -> None:
    report = listen(
        line(9, (2.0, 2.3), (5.0, 6.0)),
        line(9, (0.5, 4.0), (6.5, 8.0)),
        intents=((1.99, "mm-hm", "backchannel"), (4.98, "fine", "say")),
    )
    assert [found.name for found in report.talked_over] == ["mm-hm"]
    assert [(answer.name, round(answer.ms or 0)) for answer in report.answers] == [("fine", 500)]


def test_silence_is_no_answer() -> None:
    report = listen(line(6, (0.5, 1.0), (3.0, 4.0)), line(6, (4.5, 5.0)))
    assert [answer.ms for answer in report.answers] == [None, pytest.approx(500, abs=2)]
    assert report.answer_ms == pytest.approx([500], abs=2)


@pytest.mark.parametrize("level", [-60.0, -52.0, -48.0])
def test_comfort_noise_is_not_speech(level: float) -> None:
    report = listen(line(6, (2.0, 3.0)), line(6, (3.4, 5.0), noise_dbfs=level))
    assert [answer.ms for answer in report.answers] == pytest.approx([400], abs=5)


def test_a_line_that_hums_loudly_is_learned() -> None:
    """Noise above the floor counts as sound only until it has been steady for half a second."""
    spans = AudibleSpans()
    wave = line(6, (3.0, 4.0), noise_dbfs=-42.0)
    for n in range(0, len(wave), TICK):
        spans.feed(wave[n : n + TICK].tobytes(), RATE, n / RATE)
    found = [(span.start, span.end) for span in spans.finish()]
    assert found[-1] == pytest.approx((3.0, 4.0), abs=0.005)
    assert all(end < 0.6 for _, end in found[:-1])


def test_a_click_is_not_an_utterance() -> None:
    sent = line(3)
    sent[8000:8004] = 20000
    assert listen(sent, line(3, (1.5, 2.0))).answers == ()


@settings(max_examples=60, deadline=None)
@given(
    start=st.integers(800, 8000),
    length=st.integers(800, 8000),
    wait=st.integers(1700, 12000),
    level=st.floats(-38, -3),
)
def test_wherever_the_sound_lies_in_its_frames(start: int, length: int, wait: int, level: float) -> None:
    sent, received = np.zeros(40000, np.int16), np.zeros(40000, np.int16)
    sent[start : start + length] = tone(1, level)[:length]
    onset = start + length + wait
    received[onset : onset + 4000] = tone(1, level)[:4000]
    (answer,) = listen(sent, received).answers
    assert answer.ms == pytest.approx(wait / 8, abs=4)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=640), st.sampled_from([8000, 16000]))
def test_any_samples_are_survived(data: bytes, rate: int) -> None:
    pcm = data[: len(data) // 2 * 2]
    found = audible_samples(np.frombuffer(pcm, np.int16), rate)
    count = len(pcm) // 2
    assert found is None or 0 <= found[0] <= found[1] < count
    spans = AudibleSpans()
    spans.feed(pcm, rate, 1.0)
    assert all(1.0 <= span.start <= span.end <= 1.0 + count / rate for span in spans.finish())


def test_frames_of_a_jittery_line_are_placed_where_they_arrived() -> None:
    chance = random.Random(3)
    ear = Ear()
    ear.sent(tone(0.02).tobytes(), RATE, 10.0)
    for n in range(4):
        ear.sent(tone(0.02).tobytes(), RATE, 10.02 + 0.02 * n)
    for n in range(50):
        pcm = tone(0.02) if n >= 20 else np.zeros(TICK, np.int16)
        ear.received(Frame(pcm.tobytes(), RATE, 10.1 + 0.02 * n + chance.uniform(0, 0.015)))
    (answer,) = ear.judge().answers
    assert answer.ms is not None
    assert 420 <= answer.ms <= 436


def test_percentiles_lie_between_neighbours() -> None:
    assert percentile([], 50) is None
    assert percentile([4.0], 95) == 4.0
    assert percentile([3.0, 1.0, 2.0, 4.0], 50) == 2.5
    assert summary([100.0, 300.0]) == {"count": 2, "p50": 200.0, "p95": 290.0, "max": 300.0}


def test_the_report_is_plain_data_relative_to_a_zero() -> None:
    report = listen(line(4, (0.5, 1.5)), line(4, (2.0, 3.0)), intents=((0.4, "hello", "say"),))
    data = report.to_json(zero=500.0)
    (row,) = data["answers"]
    assert row["name"] == "hello"
    assert row["speech_end"] == pytest.approx(1.5, abs=0.002)
    assert data["answer"]["count"] == 1
    assert struct.pack("d", row["ms"])
