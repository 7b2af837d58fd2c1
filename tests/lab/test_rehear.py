"""A recorded caller is heard again, turn by turn, and a fork is spoken."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from trunkline.clock import VirtualClock, run_virtual
from trunkline.errors import ConfigError, RecordError
from trunkline.events import Answer, Event, Expectation, Expecting, TurnEnded, TurnStarted
from trunkline.lab.fork import Exchange
from trunkline.lab.fork_sound import spoken, write
from trunkline.lab.rehear import Reheard, SpokenTurn, callers_sound, rehear, spoken_turns
from trunkline.providers.protocols import ListenOptions, VoiceOptions
from trunkline.providers.stt.fake import FakeRecognition, FakeSpeechToText
from trunkline.providers.tts.fake import FakeTextToSpeech

RATE = 8000
READY, GOODBYE = Expectation(Answer.YES_NO), Expectation()
LOG: list[Event] = [
    Expecting(100.5, READY),
    TurnStarted(101.0, 1, 101.0),
    TurnEnded(101.8, 1, "yes", 101.5, "complete"),
    TurnEnded(102.9, 1, "yes I do", 102.0, "complete"),
    TurnStarted(105.0, 2, 105.0),
    TurnEnded(106.0, 2, "", 105.0, "keypad", keys="42"),
    Expecting(106.5, GOODBYE),
    TurnStarted(107.0, 3, 107.0),
    TurnEnded(108.5, 3, "goodbye", 108.0, "complete"),
]


def recorded(folder: Path, zero: float = 100.0, seconds: float = 10.0, rate: int = RATE) -> Path:
    """A run whose caller is loud in its first and third turn, and whose agent is loud all the time."""
    t = np.arange(round(seconds * rate)) / rate
    speaks = ((t >= 1.0) & (t < 2.0)) | ((t >= 7.0) & (t < 8.0))
    caller = (8000 * np.sin(2 * np.pi * 300 * t) * speaks).astype("<i2")
    agent = np.full(len(t), 9999, "<i2")
    with wave.open(str(folder / "recording.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.stack((caller, agent), axis=1).tobytes())
    (folder / "call.json").write_text(json.dumps({"zero": zero}))
    return folder


def test_the_spoken_turns_are_those_with_sound_each_as_it_ended_last() -> None:
    assert spoken_turns(LOG) == {
        1: SpokenTurn(101.0, 102.0, READY, "yes I do"),
        3: SpokenTurn(107.0, 108.0, GOODBYE, "goodbye"),
    }


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_turn_is_cut_out_of_the_callers_channel_with_a_little_around_it(tmp_path: Path, rate: int) -> None:
    sound = callers_sound(recorded(tmp_path, rate=rate))
    piece = np.frombuffer(sound.between(101.0, 102.0), "<i2")
    assert len(piece) / rate == pytest.approx(1.5)
    loud = np.flatnonzero(np.abs(piece) > 4000) / rate
    assert (loud[0], loud[-1]) == (pytest.approx(0.3, abs=0.01), pytest.approx(1.3, abs=0.01))
    assert 9999 not in piece
    assert sound.between(98.0, 99.0) == b""
    assert sound.between(500.0, 501.0) == b""
    assert len(sound.between(100.0, 9999.0)) == 2 * 10 * rate


def test_each_turn_is_heard_by_the_other_engine_and_stands_beside_what_was_understood(tmp_path: Path) -> None:
    sound = callers_sound(recorded(tmp_path))

    async def story(clock: VirtualClock) -> list[Reheard]:
        engine = FakeSpeechToText(clock=clock, text="yes I do")
        await engine.start()
        opened = engine.open

        async def watched(options: ListenOptions) -> FakeRecognition:
            told.append(await opened(options))
            return told[-1]

        engine.open = watched  # type: ignore[method-assign]
        return await rehear(engine, sound, LOG, clock, "en")

    told: list[FakeRecognition] = []
    first, third = run_virtual(story)
    assert [recognition.expected for recognition in told] == [[READY], [GOODBYE]]
    assert (first.turn, first.text, first.same) == (1, "yes I do", True)
    assert (third.turn, third.recorded, third.text, third.same) == (3, "goodbye", "yes I do", False)


def test_a_turn_that_the_recording_does_not_hold_is_heard_as_nothing(tmp_path: Path) -> None:
    sound = callers_sound(recorded(tmp_path, zero=5000.0))

    async def story(clock: VirtualClock) -> list[Reheard]:
        return await rehear(FakeSpeechToText(clock=clock), sound, LOG, clock, "en")

    assert [one.text for one in run_virtual(story)] == ["", ""]


def test_a_run_without_sound_or_with_a_broken_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no recorded sound"):
        callers_sound(tmp_path)
    recorded(tmp_path)
    (tmp_path / "call.json").write_text("{}")
    with pytest.raises(RecordError, match="when its recording begins"):
        callers_sound(tmp_path)
    recorded(tmp_path)
    (tmp_path / "recording.wav").write_bytes(b"RIFF")
    with pytest.raises(RecordError, match="cannot be read"):
        callers_sound(tmp_path)
    with wave.open(str(tmp_path / "recording.wav"), "wb") as mono:
        mono.setnchannels(1)
        mono.setsampwidth(2)
        mono.setframerate(RATE)
    with pytest.raises(RecordError, match="stereo"):
        callers_sound(tmp_path)


def test_a_fork_sounds_one_after_the_other_the_caller_left_the_agent_right(tmp_path: Path) -> None:
    caller = np.full(RATE // 2, 5000, "<i2").tobytes()
    exchanges = [Exchange("yes", "Thank you very much.", "a", 1), Exchange("more", "", "b")]

    async def story(clock: VirtualClock) -> bytes:
        engine = FakeTextToSpeech(clock=clock, rate=16000)
        await engine.start()
        return await spoken(engine, exchanges, {1: (caller, RATE)}, VoiceOptions(words_per_minute=120), clock)

    stereo = run_virtual(story)
    seconds = write(tmp_path / "fork.wav", stereo)
    with wave.open(str(tmp_path / "fork.wav")) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, RATE)
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert len(both) / RATE == pytest.approx(seconds)
    left, right = (np.flatnonzero(np.abs(both[:, side].astype(int)) > 1000) / RATE for side in (0, 1))
    assert (left[0], left[-1]) == (pytest.approx(0.0), pytest.approx(0.5, abs=0.01))
    # Half a second of the caller, a breath of 0.4 s, four words of half a second.
    assert (right[0], right[-1]) == (pytest.approx(0.9, abs=0.01), pytest.approx(2.9, abs=0.02))
    with pytest.raises(RecordError):
        write(tmp_path / "no" / "fork.wav", stereo)
