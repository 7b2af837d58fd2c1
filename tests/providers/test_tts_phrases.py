"""Text made safe for an engine, silence trimmed, marks placed: pure, for any input."""

import asyncio
from collections.abc import AsyncGenerator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.providers.protocols import Spoken
from trunkline.providers.tts.phrases import MAX_CHARS, phrases
from trunkline.providers.tts.trim import SilenceTrimmer
from trunkline.providers.tts.utter import utter

RATE = 16000


def texts(text: str) -> list[str]:
    return [phrase.text for phrase in phrases(text, ascii_only=True)]


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Hello there.", ["Hello there."]),
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("naïve café — straße", ["naive cafe - strasse"]),
        ("“Yes,” she said… well", ['"Yes," she said...', "well"]),
        ("a\x00b\tc\n\nd", ["a b c d"]),
        ("你好", []),
        ("... !?", []),
    ],
)
def test_plain_phrases(text: str, spoken: list[str]) -> None:
    assert texts(text) == spoken


def test_long_text_is_cut_at_a_clause_or_a_word() -> None:
    assert texts("word, " * 80)[0].endswith("word,")
    assert all(set(text.split()) == {"word"} for text in texts("word " * 200))
    assert [len(text) for text in texts("x" * 450)] == [200, 200, 50]
    assert [len(text) for text in texts("7" * 100)] == [40, 40, 20]


def test_a_long_sentence_is_cut_at_its_comma_and_a_short_one_is_not() -> None:
    short = "Thanks for waiting, I have found your account, and all is well."
    assert texts(short) == [short]
    first = "I have looked at everything that you sent to us over the last two weeks,"
    second = "and as far as I can see nothing more is needed now."
    assert texts(f"{first} {second}") == [first, second]


@given(st.text(max_size=900), st.booleans())
def test_phrases_of_any_text(text: str, ascii_only: bool) -> None:
    last = -1
    for phrase in phrases(text, ascii_only=ascii_only):
        assert 0 < len(phrase.text) <= MAX_CHARS
        assert phrase.text == phrase.text.strip()
        assert phrase.text.isprintable()
        assert not ascii_only or phrase.text.isascii()
        assert len(phrase.origins) == len(phrase.text)
        assert list(phrase.origins) == sorted(phrase.origins)
        assert phrase.origins[0] >= last
        last = phrase.origins[-1]
        assert last < len(text)
        assert phrase.written(10_000) == last + 1


def tone(seconds: float) -> bytes:
    wave = 8000 * np.sin(np.arange(round(seconds * RATE)) * 0.3)
    return bytes(wave.astype("<i2"))


def quiet(seconds: float) -> bytes:
    return bytes(2 * round(seconds * RATE))


_SPANS = st.lists(st.tuples(st.booleans(), st.integers(0, 2000)), max_size=12)


@given(_SPANS, st.lists(st.integers(1, 3000), max_size=40))
def test_trimming_cuts_the_ends_alone(spans: list[tuple[bool, int]], sizes: list[int]) -> None:
    sound = b"".join((b"\x00\x20" if loud else b"\x00\x00") * count for loud, count in spans)
    trimmer, given_out, at = SilenceTrimmer(RATE), b"", 0
    for size in [*sizes, len(sound)]:
        given_out += trimmer.push(sound[at : at + 2 * size])
        at += 2 * size
    given_out += trimmer.flush()
    samples = np.frombuffer(sound, "<i2")
    loud = np.flatnonzero(samples)
    block, lead, trail = 80, 160, 640
    # A block shorter than 5 ms at the very end cannot be judged: it counts as part of the tail.
    whole = loud[loud < len(samples) // block * block]
    if not len(whole):
        assert len(given_out) <= 2 * (trail + block)
        return
    start = max(0, whole[0] // block * block - lead)
    assert abs(trimmer.cut_seconds * RATE - start) <= block
    kept = sound[round(trimmer.cut_seconds * RATE) * 2 :]
    assert kept.startswith(given_out)
    assert len(given_out) // 2 + round(trimmer.cut_seconds * RATE) > whole[-1]
    assert len(given_out) // 2 + round(trimmer.cut_seconds * RATE) <= whole[-1] + block + trail


def test_sound_leaves_while_the_rest_is_made() -> None:
    trimmer = SilenceTrimmer(RATE)
    assert trimmer.push(quiet(0.3)) == b""
    assert len(trimmer.push(tone(0.1))) >= len(tone(0.1))
    assert trimmer.push(quiet(0.5)) == b""
    assert len(trimmer.push(tone(0.1))) == len(quiet(0.5) + tone(0.1))
    assert trimmer.push(quiet(0.5)) == b""
    assert len(trimmer.flush()) == len(quiet(0.04))


def test_marks_count_from_the_first_sound_and_in_the_given_text() -> None:
    async def engine(text: str) -> AsyncGenerator[Spoken, None]:
        yield Spoken(quiet(0.2))
        yield Spoken(tone(0.5), ((0.4, 3), (0.7, len(text))))
        yield Spoken(quiet(0.3))

    async def story() -> list[Spoken]:
        return [piece async for piece in utter(phrases("Oné two. Six.", ascii_only=True), RATE, engine)]

    pieces = asyncio.run(story())
    marks = [mark for piece in pieces for mark in piece.marks]
    total = sum(len(piece.pcm) for piece in pieces) / 2 / RATE
    second = 0.01 + 0.5 + 0.04 + 0.28
    assert [place for _, place in marks] == [3, 8, 12, 13]
    assert [at for at, _ in marks] == pytest.approx([0.21, 0.51, second + 0.21, second + 0.51], abs=0.006)
    assert total == pytest.approx(second + 0.55, abs=0.01)
