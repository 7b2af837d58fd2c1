"""Concealment: no clicks at either end, speech goes on for a moment and then fades to silence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.rtp.conceal import Concealer

RATE = 8000


def voice(frames: int, hertz: float = 140) -> list[bytes]:
    """Something periodic with harmonics, as vowels are."""
    time = np.arange(frames * 160) / RATE
    wave = sum(6000 / k * np.sin(2 * np.pi * hertz * k * time + k) for k in (1, 2, 3))
    data = np.rint(np.asarray(wave)).astype("<i2").tobytes()
    return [data[i : i + 320] for i in range(0, len(data), 320)]


def values(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, "<i2").astype(int)


def through(frames: list[bytes], lost: set[int], silent: frozenset[int] = frozenset()) -> bytes:
    concealer = Concealer(RATE)
    out = b""
    for number, frame in enumerate(frames):
        if number in lost:
            out += concealer.lost(160)
        elif number in silent:
            out += concealer.silence(160)
        else:
            out += concealer.good(frame)
    return out


@pytest.mark.parametrize("hertz", [90, 140, 233, 310])
@pytest.mark.parametrize("lost", [{6}, {6, 7}, {6, 7, 8, 9, 10}, {5, 8, 9}])
def test_no_step_is_much_bigger_than_the_voices_own(hertz: float, lost: set[int]) -> None:
    frames = voice(16, hertz)
    own = np.abs(np.diff(values(b"".join(frames)))).max()
    out = values(through(frames, lost))
    assert np.abs(np.diff(out)).max() <= 1.5 * own


def test_one_lost_frame_of_a_steady_voice_is_hardly_missed() -> None:
    frames = voice(12)
    there, made = values(frames[6]), values(through(frames, {6}))[6 * 160 : 7 * 160]
    error = np.sqrt(((there - made) ** 2).mean()) / np.sqrt((there**2).mean())
    assert error < 0.35  # it fades after 10 ms; silence in its place would be 1.0


def test_it_fades_to_silence() -> None:
    out = values(through(voice(14), set(range(6, 14))))
    assert np.abs(out[6 * 160 : 7 * 160]).max() > 3000
    assert not out[6 * 160 + 500 :].any()


def test_silence_that_was_never_sent_is_silent_at_once_and_without_a_click() -> None:
    frames = voice(10)
    own = np.abs(np.diff(values(b"".join(frames)))).max()
    out = values(through(frames, set(), frozenset({6, 7})))
    assert not out[6 * 160 + 41 : 8 * 160].any()
    assert np.abs(np.diff(out)).max() <= 1.5 * own


def test_silence_after_loss_goes_on_fading_from_where_it_was() -> None:
    frames = voice(10)
    own = np.abs(np.diff(values(b"".join(frames)))).max()
    out = values(through(frames, {6}, frozenset({7})))
    assert np.abs(np.diff(out)[: 8 * 160]).max() <= 1.5 * own
    assert not out[7 * 160 + 41 : 8 * 160].any()


def test_good_sound_is_left_alone() -> None:
    frames = voice(10)
    assert through(frames, set()) == b"".join(frames)
    assert through(frames, {4})[5 * 320 + 64 :] == b"".join(frames)[5 * 320 + 64 :]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("gls"), st.binary(min_size=320, max_size=320)), max_size=20))
def test_any_sound_and_any_loss_give_as_many_samples(story: list[tuple[str, bytes]]) -> None:
    concealer = Concealer(RATE)
    for what, pcm in story:
        if what == "g":
            out = concealer.good(pcm)
        else:
            out = concealer.lost(160) if what == "l" else concealer.silence(160)
        assert len(out) == 320


def test_losing_the_very_first_frames_gives_silence() -> None:
    concealer = Concealer(RATE)
    assert concealer.lost(160) == bytes(320)
