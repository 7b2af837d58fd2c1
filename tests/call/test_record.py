"""The run folder: complete when all goes well, and never a reason for a call to stop."""

import errno
import json
import threading
import wave
from pathlib import Path
from typing import Any

import pytest

from trunkline.audio.frame import Frame
from trunkline.call import record as record_module
from trunkline.call.record import RunRecorder
from trunkline.errors import RecordError
from trunkline.events import Dtmf, Final


def tone(value: int) -> bytes:
    return value.to_bytes(2, "little", signed=True) * 160


def record(folder: Path, frames: int) -> list[RecordError]:
    troubles: list[RecordError] = []
    recorder = RunRecorder(folder, troubles.append)
    recorder.start()
    recorder.begin_audio(100.0, 8000)
    for n in range(frames):
        at = 100.0 + n * 0.02
        recorder.caller(Frame(tone(7), 8000, at + 0.02))
        recorder.agent(at, tone(9))
    recorder.event(Dtmf(100.5, "5"))
    recorder.finish({"outcome": "qualified"}, "hello\n")
    return troubles


def test_all_files_are_there_and_the_sides_are_aligned(tmp_path: Path) -> None:
    assert record(tmp_path / "run", 120) == []
    assert json.loads((tmp_path / "run/call.json").read_text()) == {"outcome": "qualified"}
    assert json.loads((tmp_path / "run/events.jsonl").read_text()) == {
        "type": "Dtmf",
        "at": 100.5,
        "digit": "5",
    }
    assert (tmp_path / "run/transcript.txt").read_text() == "hello\n"
    with wave.open(str(tmp_path / "run/recording.wav")) as sound:
        assert (sound.getnchannels(), sound.getframerate(), sound.getnframes()) == (2, 8000, 120 * 160)
        assert sound.readframes(1) == b"\x07\x00\x09\x00"


def test_a_gap_on_one_side_is_silence(tmp_path: Path) -> None:
    recorder = RunRecorder(tmp_path / "run", lambda error: pytest.fail(str(error)))
    recorder.start()
    recorder.begin_audio(0.0, 8000)
    recorder.caller(Frame(tone(7), 8000, 0.02))
    recorder.caller(Frame(tone(7), 8000, 1.02))
    for n in range(51):
        recorder.agent(n * 0.02, tone(9))
    recorder.finish({}, "")
    with wave.open(str(tmp_path / "run/recording.wav")) as sound:
        assert sound.getnframes() == 51 * 160
        sound.setpos(8000)
        assert sound.readframes(1) == b"\x07\x00\x09\x00"
        sound.setpos(4000)
        assert sound.readframes(1) == b"\x00\x00\x09\x00"


def test_sound_that_the_disk_has_no_time_for_is_silence_and_costs_no_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_module, "AUDIO_LIMIT", 3)
    troubles: list[RecordError] = []
    recorder = RunRecorder(tmp_path / "run", troubles.append)
    goes_on, write = threading.Event(), recorder._write

    def slow(*what: Any) -> None:
        assert goes_on.wait(10)
        write(*what)

    monkeypatch.setattr(recorder, "_write", slow)
    recorder.start()
    recorder.begin_audio(0.0, 8000)
    for n in range(500):  # ten pieces of a second
        recorder.caller(Frame(tone(7), 8000, (n + 1) * 0.02))
        recorder.agent(n * 0.02, tone(9))
        if n == 400:
            goes_on.set()
            while not recorder._queue.empty():
                pass
    recorder.event(Dtmf(9.9, "5"))
    recorder.finish({}, "")
    assert [error.what for error in troubles] == ["the disk cannot follow; some sound is lost"]
    assert "Dtmf" in (tmp_path / "run/events.jsonl").read_text()
    with wave.open(str(tmp_path / "run/recording.wav")) as sound:
        assert sound.getnframes() == 500 * 160
        sound.setpos(5 * 8000)
        assert sound.readframes(1) == bytes(4)
        sound.setpos(9 * 8000)
        assert sound.readframes(1) == b"\x07\x00\x09\x00"


def test_a_folder_that_cannot_be_made_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot make the folder"):
        RunRecorder(tmp_path / "file" / "run", lambda _: None).start()


def test_a_disk_that_fails_is_told_once_and_the_record_still_written(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/recording.wav").mkdir()  # the recording cannot be opened
    troubles = record(tmp_path / "run", 200)
    assert len(troubles) == 1
    assert "recording.wav" in str(troubles[0])
    assert json.loads((tmp_path / "run/call.json").read_text()) == {"outcome": "qualified"}


def test_on_a_full_disk_the_recording_gives_its_place_to_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    whole = record_module._write_whole

    def write_where_there_is_room(path: Path, text: str) -> None:
        if (folder / "recording.wav").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(path, text)

    def full(self: RunRecorder, item: tuple[str, object], events: object, sound: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(record_module, "_write_whole", write_where_there_is_room)
    monkeypatch.setattr(RunRecorder, "_write", full)
    troubles = record(folder, 200)
    assert len(troubles) == 1
    assert json.loads((folder / "call.json").read_text()) == {"outcome": "qualified"}
    assert not (folder / "recording.wav").exists()


def test_what_is_no_character_does_not_cost_the_record(tmp_path: Path) -> None:
    troubles: list[RecordError] = []
    recorder = RunRecorder(tmp_path / "run", troubles.append)
    recorder.start()
    recorder.begin_audio(0.0, 8000)
    recorder.event(Final(1.0, "half \ud800 a pair"))
    recorder.finish({"said": "\ud800"}, "\ud800\n")
    assert troubles == []
    assert "ud800" in (tmp_path / "run/events.jsonl").read_text()
    assert "ud800" in (tmp_path / "run/call.json").read_text()
