"""Recognisers side by side: word errors, recordings, and times in virtual time."""

from __future__ import annotations

import io
import struct
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.codecs.pcma import encode as encode_alaw
from trunkline.audio.codecs.pcmu import encode as encode_mulaw
from trunkline.cli.engines_compare import specs_in
from trunkline.clock import VirtualClock, run_virtual
from trunkline.errors import ConfigError, ParseError
from trunkline.providers.comparison import Column, Errors, Heard, column_of, errors_in, words_of
from trunkline.providers.recordings_to_hear import ToHear, pcm_of, recordings_in
from trunkline.providers.stt.fake import FakeSpeechToText
from trunkline.providers.tts.fake import sound_of_one_second

texts = st.lists(st.sampled_from(["yes", "no", "we", "are", "forty", "don't"]), max_size=12).map(" ".join)


def test_word_errors_are_the_fields() -> None:
    errors = errors_in("We are, forteen people in", "we are forty people here in")
    assert (errors.said, errors.substituted, errors.deleted, errors.inserted) == (6, 1, 1, 0)
    assert errors.rate == pytest.approx(2 / 6)
    assert errors_in("um yes", "Yes!").inserted == 1
    assert errors_in("", "").rate is None
    assert words_of("Don’t—say “forty-two”, O'Neill_x") == ["don't", "say", "forty", "two", "o'neill", "x"]


@given(texts, texts)
def test_errors_are_bounded_and_none_where_the_words_are_the_same(heard: str, said: str) -> None:
    errors = errors_in(heard, said)
    assert errors_in(said, said) == Errors(len(said.split()))
    assert errors.substituted + errors.deleted <= errors.said
    assert errors.said - errors.deleted + errors.inserted == len(heard.split())


def wav(pcm: bytes, rate: int, channels: int = 1) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)
    return target.getvalue()


def coded(tag: int, data: bytes) -> bytes:
    form = struct.pack("<HHIIHH", tag, 1, 8000, 8000, 1, 8)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_wav_files_of_a_telephones_kinds_are_read() -> None:
    pcm = struct.pack("<4h", 0, 1000, -1000, 5000)
    assert pcm_of(wav(pcm, 16000), "x") == (pcm, 16000)
    both = struct.pack("<8h", 0, 9, 1000, 9, -1000, 9, 5000, 9)
    assert pcm_of(wav(both, 8000, channels=2), "x") == (pcm, 8000), "the first channel is the caller's"
    assert len(pcm_of(coded(7, encode_mulaw(pcm)), "x")[0]) == len(pcm)
    assert len(pcm_of(coded(6, encode_alaw(pcm)), "x")[0]) == len(pcm)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_recording_or_a_clear_error(data: bytes) -> None:
    for candidate in (data, b"RIFF\0\0\0\0WAVE" + data):
        try:
            pcm, _ = pcm_of(candidate, "x")
        except ParseError:
            continue
        assert len(pcm) % 2 == 0


def test_a_folder_of_recordings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no WAV files"):
        recordings_in(tmp_path, 8000)
    (tmp_path / "b.wav").write_bytes(wav(bytes(3200), 16000))
    with pytest.raises(ConfigError, match=r"b\.txt"):
        recordings_in(tmp_path, 8000)
    (tmp_path / "b.txt").write_text("  we are\nforty\n")
    (one,) = recordings_in(tmp_path, 8000)
    assert (one.name, one.rate, one.reference, one.seconds) == ("b", 8000, "we are forty", 0.1)
    (tmp_path / "b.wav").write_bytes(wav(bytes(2 * 8000 * 601), 8000))
    with pytest.raises(ConfigError, match="longer"):
        recordings_in(tmp_path, 8000)


def test_an_engine_on_recordings_in_virtual_time() -> None:
    async def story(clock: VirtualClock) -> None:
        engine = FakeSpeechToText(clock=clock, text="we are forty", delay_ms=200, gap_ms=50)
        tone = sound_of_one_second("tone", 8000)
        recordings = [ToHear("a", tone, 8000, "we are forty"), ToHear("b", tone, 8000, "we were forty two")]
        await engine.start()
        column = await column_of(engine, "fake", recordings, clock, "en")
        assert column.errors == Errors(7, 1, 1, 0)
        finals = column.finals()
        assert finals is not None
        # `finalise` at the end of the speech has it say its words at once.
        assert finals[0] < 0.1
        silent = await column_of(FakeSpeechToText(clock=clock, silent=True), "x", recordings[:1], clock, "en")
        assert (silent.errors.deleted, silent.failures, silent.finals()) == (3, 0, None)
        dead = await column_of(FakeSpeechToText(clock=clock, fail_after=0), "x", recordings, clock, "en")
        assert (dead.failures, dead.errors.rate, dead.firsts()) == (2, None, None)

    run_virtual(story)


def test_times_of_one_recording_and_of_several() -> None:
    column = Column("x", [Heard("a", "yes", "yes", first=0.4, final=0.2)])
    assert column.finals() == (0.2, 0.2)
    column.heard.append(Heard("b", "yes", "yes", first=0.6, final=0.4))
    finals = column.finals()
    assert finals is not None
    assert finals[0] == pytest.approx(0.3)
    assert 0.3 < finals[1] <= 0.4


@pytest.mark.parametrize(
    ("text", "specs"),
    [
        ("a,b", ["a", "b"]),
        ("deepgram,model=nova-3,whisper,model=small.en", ["deepgram,model=nova-3", "whisper,model=small.en"]),
        ("fake,text='yes, no|x=1',b", ["fake,text='yes, no|x=1'", "b"]),
        (r"fake,text=a\,b,c", [r"fake,text=a\,b", "c"]),
        ("one", ["one"]),
    ],
)
def test_a_list_of_engines(text: str, specs: list[str]) -> None:
    assert specs_in(text) == specs
