"""The pure parts of hosted recognition: sound out, times back, words read with care."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.codecs.pcmu import encode
from trunkline.errors import EngineRequest
from trunkline.events import Word
from trunkline.providers.stt.hearing import (
    LONGEST_KEYTERM,
    MOST_KEYTERMS,
    final,
    in_order,
    keyterms_of,
    partial,
    seconds,
    spread,
    trust,
)
from trunkline.providers.stt.line_sound import SoundEncoder, line_format
from trunkline.providers.stt.timeline import Timeline

finite = st.floats(-1e6, 1e6)
words = st.builds(Word, st.text(max_size=8), finite, finite, st.floats(0, 1))


def test_telephone_sound_goes_out_as_it_came_in() -> None:
    wanted = line_format(8000, "x")
    assert (wanted.mulaw, wanted.rate, wanted.bytes_a_second) == (True, 8000, 8000)
    pcm = bytes(range(160)) * 2
    assert SoundEncoder(8000, wanted).push(pcm) == encode(pcm)
    assert SoundEncoder(8000, wanted).silence(0.01) == encode(bytes(160))


def test_wide_sound_is_resampled_only_where_it_must_be() -> None:
    assert line_format(16000, "x").rate == 16000
    wanted = line_format(48000, "x", wide=24000)
    assert (wanted.rate, wanted.mulaw, wanted.bytes_a_second) == (24000, False, 48000)
    given_bytes = sum(len(SoundEncoder(48000, wanted).push(bytes(1920))) for _ in range(50))
    assert given_bytes == pytest.approx(48000, rel=0.1)
    assert SoundEncoder(48000, wanted).silence(0.01) == bytes(480)
    with pytest.raises(EngineRequest, match="12345"):
        line_format(12345, "x")


def test_times_follow_the_sound_over_gaps() -> None:
    timeline = Timeline()
    assert timeline.at(1.0) == 0.0
    for number in range(50):
        timeline.sent(0.02, 100.02 + number * 0.02)
    for number in range(50):  # five seconds of frames never came
        timeline.sent(0.02, 106.02 + number * 0.02)
    assert timeline.at(0.5) == pytest.approx(100.5)
    assert timeline.at(1.5) == pytest.approx(106.5)
    assert timeline.at(99.0) == pytest.approx(107.0)
    assert timeline.at(-1.0) == pytest.approx(100.0)


@given(st.lists(st.tuples(st.floats(0.001, 0.5), st.floats(0, 10)), min_size=1, max_size=60))
def test_times_never_run_backwards(pieces: list[tuple[float, float]]) -> None:
    timeline, at = Timeline(), 1000.0
    for length, gap in pieces:
        at += length + gap
        timeline.sent(length, at)
    places = [timeline.seconds * n / 20 for n in range(21)]
    times = [timeline.at(place) for place in places]
    assert all(later >= earlier - 1e-6 for earlier, later in itertools.pairwise(times))


@given(st.lists(words, max_size=10))
def test_words_are_brought_in_order(given_words: list[Word]) -> None:
    ordered = in_order(given_words)
    bounds = [bound for word in ordered for bound in (word.start, word.end)]
    assert bounds == sorted(bounds)
    assert all(word.text.strip() for word in ordered)
    for heard in (partial(1.0, given_words, 99), final(1.0, given_words)):
        assert heard.text == " ".join(word.text for word in heard.words)
    assert partial(1.0, given_words, 99).stable == len(ordered)


@given(st.text(max_size=60), finite, finite)
def test_words_without_times_are_spread(text: str, start: float, end: float) -> None:
    told = spread(text, start, end)
    assert [word.text for word in told] == text.split()
    bounds = [bound for word in told for bound in (word.start, word.end)]
    assert bounds == sorted(bounds)


@given(st.lists(st.text(max_size=80), max_size=200))
def test_keyterms_are_such_as_services_take(terms: list[str]) -> None:
    kept = keyterms_of(terms, ("Dana", "Dana"))
    assert len(kept) <= MOST_KEYTERMS
    assert len(set(kept)) == len(kept)
    assert all(term.isprintable() and 0 < len(term) <= LONGEST_KEYTERM for term in kept)


@pytest.mark.parametrize("value", [math.nan, "no", None, [1], -1.0, math.inf])
def test_what_is_no_time_is_told(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        seconds(value)


def test_confidence_is_bounded() -> None:
    assert (trust(7), trust(-1), trust(None), trust(None, 0.0), trust("0.5")) == (1.0, 0.0, 1.0, 0.0, 0.5)
    with pytest.raises(ValueError, match="number"):
        trust(math.nan)
