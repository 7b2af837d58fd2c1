"""The recorded lines are there, are what the index says, and hostile files are refused."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.errors import ConfigError, ParseError
from trunkline.lab.audible import AudibleSpans, amplitude, audible_samples
from trunkline.lab.persona import load_persona, shipped
from trunkline.lab.record_voices import hum, levelled, telephone_band
from trunkline.lab.recordings import DECODED, RATE, Recordings, encode, file_name, read_wav, write_wav


def test_the_table_is_g711() -> None:
    """Values of ITU-T G.711 table 2a and 2b: the ends, the middle, the sign."""
    assert [int(DECODED[code]) for code in (0x00, 0x80, 0x7F, 0xFF, 0x8F, 0x0F)] == [
        -32124,
        32124,
        0,
        0,
        16764,
        -16764,
    ]


@given(st.lists(st.integers(-32768, 32767), max_size=400))
def test_a_file_gives_back_what_was_written_within_a_step(values: list[int]) -> None:
    samples = np.array(values, np.int16)
    back = read_wav(write_wav(samples))
    assert len(back) == len(samples)
    step = np.maximum(8, np.abs(samples.astype(int)) / 16)
    assert np.all(np.abs(back.astype(int) - samples) <= np.maximum(step, 644 * (np.abs(samples) > 32000)))
    assert np.array_equal(read_wav(write_wav(back)), back)


@settings(max_examples=200)
@given(st.binary(max_size=200), st.integers(0, 60))
def test_only_a_parse_error_comes_of_any_bytes(junk: bytes, keep: int) -> None:
    good = write_wav(np.arange(100, dtype=np.int16))
    for data in (junk, good[:keep], good[:keep] + junk, b"RIFF0000WAVE" + junk):
        with contextlib.suppress(ParseError):
            assert read_wav(data).dtype == np.int16


def test_every_line_of_every_persona_is_recorded_and_audible() -> None:
    recordings = Recordings()
    lines = {line for name in shipped() for line in load_persona(name).lines}
    assert recordings.lines == lines
    for line in lines:
        samples = recordings.samples(line)
        found = audible_samples(samples, RATE)
        assert found is not None, line
        # What is measured is speech, not the silence around it.
        assert found[0] < 0.1 * RATE, line
        assert len(samples) - found[1] < 0.1 * RATE, line
        assert 0.2 < len(samples) / RATE < 6, line


def test_the_hum_is_as_long_as_a_backchannel_and_softer_than_speech() -> None:
    samples = Recordings().samples("mm-hm")
    assert 0.25 <= len(samples) / RATE <= 0.36
    spans = AudibleSpans()
    spans.feed(samples.tobytes(), RATE, 0.0)
    assert len(spans.finish()) == 1
    speech = Recordings().samples("Yes, that's right.")
    assert np.std(samples.astype(float)) < np.std(speech.astype(float))
    assert len(hum(0.3)) == pytest.approx(0.32 * RATE, abs=160)


def test_an_unrecorded_line_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="nobody has recorded"):
        Recordings().samples("Never said.")


def test_lines_are_brought_to_a_level_and_to_the_telephone_band() -> None:
    rate = 16000
    time = np.arange(rate) / rate
    voice = np.sin(2 * np.pi * 1000 * time) + np.sin(2 * np.pi * 100 * time) + np.sin(2 * np.pi * 5000 * time)
    band = telephone_band(voice, rate)
    assert len(band) == 8000
    power = np.abs(np.fft.rfft(band)) ** 2
    assert power[1000] > 1e6 * power[100]
    assert power.argmax() == 1000
    level = levelled(band)
    middle = level[1000:7000].astype(float)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(amplitude(-20.0), rel=0.02)


def test_names_of_files_are_safe() -> None:
    assert file_name("No, I'm not — really!/../x") == "no-im-not-really-x.wav"
    assert len(file_name("long " * 100)) <= 64
    assert set(encode(np.zeros(3, np.int16))) <= {0x7F, 0xFF}
