"""A made-up call in a run folder, as the recorder writes it: for the report's tests."""

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trunkline.lab.recordings import RATE, Recordings

LINES = (
    ("agent", 0.3, "Hello, this is Maya. Is now a good time?", 2.6),
    ("caller", 3.6, "Yes, I have a minute.", 0.0),
    ("agent", 5.75, "How many people at your", 1.5),
    ("caller", 7.1, "Wait, how much does it cost?", 0.0),
    ("agent", 9.9, "It is twenty dollars a month for each person, and calls are included.", 4.2),
    ("caller", 15.0, "About twelve people.", 0.0),
    ("agent", 16.9, "Twelve people. Is that right?", 1.7),
    ("caller", 19.3, "No, we are twenty.", 0.0),
    ("agent", 21.4, "Twenty people. Is that right?", 1.7),
    ("caller", 23.8, "Yes, that's right.", 0.0),
)


def sample_record() -> tuple[dict[str, Any], np.ndarray]:
    """The record, and the sound of shape (n, 2) at 8 kHz."""
    recordings = Recordings()
    sound = np.zeros((27 * RATE, 2), np.int16)
    turns: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for number, (who, start, text, seconds) in enumerate(LINES):
        if who == "caller":
            wave_form = recordings.samples(text)
            end = start + len(wave_form) / RATE
            answered = LINES[number + 1][1] if number + 1 < len(LINES) else None
            rows.append(_row(len(rows) + 1, end, answered))
        else:
            time = np.arange(round(seconds * RATE)) / RATE
            buzz = np.sin(2 * np.pi * 180 * time) + 0.5 * np.sin(2 * np.pi * 540 * time)
            wave_form = (6000 * buzz * np.abs(np.sin(np.pi * 3.1 * time))).astype(np.int16)
            end = start + seconds
        first = round(start * RATE)
        sound[first : first + len(wave_form), 1 if who == "agent" else 0] = wave_form
        turns.append(
            {"who": who, "start": start, "end": end, "text": text, "turn": len(rows), "generation": 1}
        )
    turns[2].update(interrupted=True, unheard="company use the phone?")
    record = {
        "version": 1,
        "call_id": "a1b2c3@127.0.0.1",
        "direction": "inbound",
        "caller": "sip:dana@127.0.0.1",
        "callee": "sip:agent@127.0.0.1:5080",
        "leg": "sip",
        "scenario": "lead_qualification",
        "engines": {"stt": "embedded", "llm": "brain", "tts": "embedded"},
        "started": "2026-11-23T13:45:00.000+00:00",
        "duration": 26.4,
        "ended_by": "agent",
        "reason": "everything was said",
        "outcome": "qualified",
        "fields": {
            "team_size": {"value": 20, "status": "corrected", "turn": 4, "evidence": "no we are twenty"},
            "monthly_cost": {"value": "300.00", "status": "heard", "turn": 6, "evidence": "three hundred"},
        },
        "turns": turns,
        "interruptions": [{"at": 7.25, "why": "speech"}],
        "backchannels": [{"at": 12.1, "text": "mm-hm"}],
        "silences": [{"at": 25.9, "count": 1}],
        "ledger": {
            "rows": rows,
            "stages": [
                {
                    "stage": "end_of_turn",
                    "count": 5,
                    "p50": 310,
                    "p95": 420,
                    "budget_ms": 100,
                    "words": "waits",
                },
                {
                    "stage": "total",
                    "count": 5,
                    "p50": 500,
                    "p95": 720,
                    "budget_ms": 800,
                    "words": "Feels natural",
                },
            ],
        },
        "media": {
            "codec": "PCMU",
            "packets_sent": 1320,
            "packets_received": 1318,
            "packets_lost": 2,
            "jitter_ms": 0.4,
        },
        "troubles": [],
    }
    return record, sound


def _row(turn: int, end: float, answered: float | None) -> dict[str, Any]:
    total = None if answered is None else round(1000 * (answered - end), 1)
    wait = 0.0 if answered is None else answered - end
    return {
        "turn": turn,
        "generation": turn,
        "incomplete": "" if answered is not None else "the call ended first",
        "speech_end": end,
        "transcript": end + 0.2 * wait,
        "turn_ended": end + 0.55 * wait,
        "asked": end + 0.3 * wait,
        "first_token": end + 0.5 * wait,
        "synthesis": end + 0.55 * wait,
        "first_audio": end + 0.9 * wait,
        "audible": answered,
        "total_ms": total,
    }


def write_sample(folder: Path) -> None:
    """A run folder with the record and the recording."""
    record, sound = sample_record()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "call.json").write_text(json.dumps(record), "utf-8")
    with wave.open(str(folder / "recording.wav"), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(sound.astype("<i2").tobytes())


@pytest.fixture
def sample_call() -> tuple[dict[str, Any], np.ndarray]:
    """The made-up record and its sound."""
    return sample_record()


@pytest.fixture
def sample_folder(tmp_path: Path) -> Path:
    """A run folder of the made-up call."""
    write_sample(tmp_path)
    return tmp_path
