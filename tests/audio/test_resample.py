"""The resampler: nothing depends on how the stream is cut, and nothing aliases."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.audio.resample import Resampler, resampled
from trunkline.errors import MediaError

RATES = (8000, 16000, 22050, 24000, 44100, 48000)
PAIRS = list(itertools.permutations(RATES, 2))


def tone(hertz: float, rate: int, seconds: float, amplitude: float = 10000) -> bytes:
    count = int(rate * seconds)
    wave = amplitude * np.sin(2 * np.pi * hertz * np.arange(count) / rate)
    return np.rint(wave).astype("<i2").tobytes()


def spectrum(pcm: bytes, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies, and amplitudes of sines there."""
    wave = np.frombuffer(pcm, "<i2").astype(float)
    window = np.blackman(len(wave))
    return np.fft.rfftfreq(len(wave), 1 / rate), np.abs(np.fft.rfft(wave * window)) * 2 / window.sum()


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_nothing_aliases_and_no_image_is_above_40_db_down(source: int, target: int) -> None:
    for hertz in np.linspace(100, source / 2 - 60, 23):
        out = Resampler(source, target).push(tone(hertz, source, 0.4))
        settled = out[2 * (target // 50) :]
        heard, amplitude = spectrum(settled, target)
        wanted = np.abs(heard - hertz) < 50 if hertz < target / 2 else np.zeros(len(heard), bool)
        assert amplitude[~wanted].max() < 10000 * 10 ** (-40 / 20), hertz


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_the_telephone_band_passes(source: int, target: int) -> None:
    for hertz in (300, 1000, 2500, 3000):
        out = resampled(tone(hertz, source, 0.4), source, target)
        heard, amplitude = spectrum(out[2 * (target // 50) : -2 * (target // 50)], target)
        assert amplitude.max() == pytest.approx(10000, rel=0.06), hertz
        assert heard[amplitude.argmax()] == pytest.approx(hertz, abs=4)


@pytest.mark.parametrize(("source", "target"), PAIRS)
@settings(max_examples=8, deadline=None)
@given(sizes=st.lists(st.integers(0, 700), max_size=12))
def test_pieces_of_any_size_give_the_same_stream(source: int, target: int, sizes: list[int]) -> None:
    sound = np.random.default_rng(1).integers(-20000, 20000, 1500).astype("<i2").tobytes()
    whole = Resampler(source, target).push(sound)
    pieced = Resampler(source, target)
    out, place = b"", 0
    for size in [*sizes, len(sound)]:
        out += pieced.push(sound[place : place + size])
        place += size
    assert len(out) == len(whole)
    difference = np.frombuffer(out, "<i2").astype(int) - np.frombuffer(whole, "<i2")
    assert np.abs(difference).max(initial=0) <= 1  # sums of floats in another order may round otherwise


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_as_much_time_goes_out_as_comes_in(source: int, target: int) -> None:
    resampler = Resampler(source, target)
    out = sum(len(resampler.push(bytes(2 * (source // 50)))) for _ in range(500))
    assert abs(out // 2 - 500 * (source // 50) * target / source) <= 1


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_the_delay_is_what_it_says_and_about_a_millisecond(source: int, target: int) -> None:
    resampler = Resampler(source, target)
    assert resampler.delay <= 0.00126
    click = np.zeros(source // 10, "<i2")
    click[source // 20] = 20000
    out = np.frombuffer(resampler.push(click.tobytes()), "<i2")
    peak = int(np.abs(out.astype(int)).argmax()) / target
    assert peak - (source // 20) / source == pytest.approx(resampler.delay, abs=1.01 / target)


def test_a_whole_piece_keeps_its_place_in_time() -> None:
    click = np.zeros(800, "<i2")
    click[400] = 20000
    out = np.frombuffer(resampled(click.tobytes(), 8000, 16000), "<i2")
    assert len(out) == 1600
    assert abs(int(np.abs(out.astype(int)).argmax()) - 800) <= 1


def test_a_constant_stays_one() -> None:
    for source, target in PAIRS:
        out = np.frombuffer(Resampler(source, target).push(b"\x10\x27" * source), "<i2")[target // 100 :]
        assert set(out.tolist()) == {10000}


def test_full_scale_does_not_wrap() -> None:
    square = np.where(np.arange(1600) // 20 % 2, 32767, -32768).astype("<i2").tobytes()
    out = np.frombuffer(Resampler(8000, 16000).push(square), "<i2").astype(int)
    assert np.abs(np.diff(out)).max() < 65535
    assert out.max() == 32767
    assert out.min() == -32768


def test_the_end_of_the_stream_comes_with_flush_and_begins_another() -> None:
    resampler = Resampler(24000, 8000)
    first = resampler.push(tone(440, 24000, 0.1)) + resampler.flush()
    again = resampler.push(tone(440, 24000, 0.1)) + resampler.flush()
    assert first == again
    assert len(first) // 2 == 800 + 10


def test_senseless_rates_are_refused() -> None:
    with pytest.raises(MediaError, match="12345"):
        Resampler(12345, 8000)


def test_the_same_rate_passes_through() -> None:
    assert Resampler(8000, 8000).push(b"abcd") == b"abcd"
