"""Levels, gain without clicks, mixing, and cutting into frames."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.cut import FrameCutter
from trunkline.audio.level import (
    SILENT,
    first_audible,
    from_dbfs,
    peak_dbfs,
    rms_dbfs,
    to_dbfs,
)
from trunkline.audio.mix import Gain, cut_off, faded_in, faded_out, mixed, ramped, scaled


def sine(count: int = 800, amplitude: float = 16384, hertz: float = 400, rate: int = 8000) -> bytes:
    wave = amplitude * np.sin(2 * np.pi * hertz * np.arange(count) / rate)
    return np.rint(wave).astype("<i2").tobytes()


def values(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, "<i2").astype(int)


def biggest_step(pcm: bytes) -> int:
    return int(np.abs(np.diff(values(pcm), prepend=0, append=0)).max())


def test_levels_of_a_half_scale_sine() -> None:
    assert peak_dbfs(sine()) == pytest.approx(-6.02, abs=0.01)
    assert rms_dbfs(sine()) == pytest.approx(-9.03, abs=0.01)
    assert rms_dbfs(bytes(320)) == peak_dbfs(b"") == SILENT


@given(st.floats(-90, 0))
def test_amplitude_and_level_are_each_others_inverse(level: float) -> None:
    assert to_dbfs(from_dbfs(level)) == pytest.approx(level)


def test_first_audible_sample() -> None:
    assert first_audible(bytes(200) + b"\x40\x1f" * 50 + bytes(300), 8000) == 100 / 8000
    assert first_audible(bytes(320), 8000) is None
    assert first_audible(b"\x64\x00" * 160, 8000) is None  # 100 is -50 dBFS
    assert first_audible(b"\x00\x80", 8000) == 0  # the most negative sample has no positive


def test_a_click_is_not_audible() -> None:
    click = bytes(100) + b"\x00\x02" + bytes(600)  # 512: one sample at -36 dBFS
    assert first_audible(click, 8000) is None
    assert first_audible(click + sine(80, 1000), 8000) == pytest.approx(len(click) / 2 / 8000, abs=0.001)


@given(st.binary(min_size=2, max_size=600).map(lambda data: data[: len(data) & ~1]), st.floats(-60, -1))
def test_audible_means_carrying_the_floor_for_three_milliseconds(pcm: bytes, floor: float) -> None:
    wave, bar = values(pcm), from_dbfs(floor)
    width = min(len(wave), 24)
    found = None
    for start in range(len(wave) - width + 1):
        window = wave[start : start + width]
        if (window.astype(float) ** 2).sum() >= bar * bar * width * (1 + 1e-12):
            found = start
            break
    heard = first_audible(pcm, 8000, floor)
    if found is not None:
        assert heard is not None
        assert heard * 8000 <= found + width
    if heard is not None:
        assert abs(int(wave[round(heard * 8000)])) >= bar


def test_a_ramp_ends_where_it_says() -> None:
    out = values(ramped(b"\x10\x27" * 100, 1.0, 0.0))
    assert out[0] == 9900
    assert out[-1] == 0
    assert (np.diff(out) <= 0).all()


def test_fades_begin_and_end_in_silence_and_leave_the_rest() -> None:
    sound = b"\x10\x27" * 400
    assert values(faded_in(sound, 8000))[0] <= 250
    assert faded_in(sound, 8000)[80:] == sound[80:]
    assert values(faded_out(sound, 8000))[-1] == 0
    assert faded_out(sound, 8000)[:-80] == sound[:-80]
    cut = values(cut_off(sound, 8000))
    assert not cut[40:].any()
    assert cut[0] >= 9700
    assert len(cut) == 400


def test_a_piece_shorter_than_its_fade_still_ends_in_silence() -> None:
    assert values(faded_out(b"\x10\x27" * 10, 8000))[-1] == 0
    assert faded_in(b"", 8000) == b""


@given(
    st.lists(st.integers(1, 200), min_size=1, max_size=12),
    st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=12, max_size=12),
)
def test_gain_moves_without_a_click_however_the_stream_is_cut(sizes: list[int], gains: list[float]) -> None:
    gain = Gain(8000)
    loud = 20000
    out = b""
    for size, target in zip(sizes, gains, strict=False):
        gain.to(target)
        out += gain.apply(loud.to_bytes(2, "little") * size)
    assert len(out) == 2 * sum(sizes)
    steps = np.abs(np.diff(values(out)))
    # Full level to silence takes 160 samples, so one sample moves by a 160th and rounding.
    assert steps.max(initial=0) <= math.ceil(loud / 160 * 1.5) + 1


def test_gain_arrives() -> None:
    gain = Gain(8000)
    gain.to(0.25)
    gain.apply(sine(160))
    assert gain.value == 0.25
    assert gain.apply(sine()) == scaled(sine(), 0.25)
    gain.to(1.0)
    gain.apply(sine(160))
    assert gain.apply(sine()) == sine()


def test_mixing_adds_and_clips() -> None:
    assert values(mixed(b"\x01\x00\x02\x00", b"\x03\x00")).tolist() == [4, 2]
    assert values(mixed(b"\xff\x7f", b"\xff\x7f")).tolist() == [32767]


@given(st.lists(st.binary(max_size=900), max_size=12), st.sampled_from([8000, 16000, 24000]))
def test_frames_are_whole_and_lose_nothing(pieces: list[bytes], rate: int) -> None:
    cutter = FrameCutter(rate)
    frames = [frame for piece in pieces for frame in cutter.push(piece)]
    waiting = cutter.waiting
    rest = cutter.flush()
    assert {len(frame) for frame in frames} <= {rate // 50 * 2}
    assert (rest is None) == (waiting == 0)
    whole = b"".join(pieces)
    assert (b"".join(frames) + (rest or b"")).startswith(whole)
    assert len(frames) * cutter.size + waiting == len(whole)
    assert cutter.flush() is None
