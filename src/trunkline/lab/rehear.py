"""A recorded call's caller, heard again by another recogniser.

The run's `recording.wav` holds the caller alone in one channel; the log says when each of their turns was.
Each turn is cut out and given to the engine at its own pace, as over a telephone, so it takes as long as the
caller spoke. Where a turn began and ended is the log's: what is heard again are the words, not the pauses.
"""

from __future__ import annotations

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trunkline.clock import Clock
from trunkline.errors import ConfigError, RecordError
from trunkline.events import Event, Expectation, Expecting, TurnEnded, TurnStarted
from trunkline.lab.report import read_record
from trunkline.providers.protocols import SpeechToText
from trunkline.providers.trial import Said, understood

_BEFORE, _AFTER = 0.3, 0.2
"""Seconds around a turn: detectors are late, and a first consonant is quiet."""
LONGEST_TURN = 90.0
"""Seconds of one turn that are heard again: more than `max_turn` lets a caller have."""


@dataclass(frozen=True, slots=True)
class CallersSound:
    """The caller's channel of a run: 16-bit PCM, and when its first sample was (monotonic seconds)."""

    pcm: bytes
    rate: int
    zero: float

    def between(self, start: float, end: float) -> bytes:
        """What sounded between these times, with a little around it."""
        end = min(end, start + LONGEST_TURN)
        first = max(0, round((start - _BEFORE - self.zero) * self.rate))
        return self.pcm[2 * first : max(0, 2 * round((end + _AFTER - self.zero) * self.rate))]


@dataclass(frozen=True, slots=True)
class Reheard:
    """One turn: what the call's recogniser made of it, and what this one does."""

    turn: int
    recorded: str
    text: str

    @property
    def same(self) -> bool:
        return self.recorded.split() == self.text.split()


def callers_sound(run: Path) -> CallersSound:
    """The caller's channel of a run folder.

    Raises `ConfigError` where the run has no sound, `RecordError` where it cannot be read."""
    path = run / "recording.wav"
    if not path.is_file():
        hint = "Calls are recorded unless `[call] record_audio` is off; give the run's folder"
        raise ConfigError("the run has no recorded sound", where=str(path), hint=hint)
    zero = read_record(run).get("zero")
    if not isinstance(zero, int | float):
        raise RecordError("does not say when its recording begins", where=str(run / "call.json"))
    try:
        with wave.open(str(path)) as sound:
            if sound.getnchannels() != 2 or sound.getsampwidth() != 2:
                raise RecordError("is not 16-bit stereo", where=str(path))
            rate, data = sound.getframerate(), sound.readframes(sound.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise RecordError(f"cannot be read: {error}", where=str(path)) from error
    both = np.frombuffer(data[: len(data) // 4 * 4], "<i2").reshape(-1, 2)
    return CallersSound(both[:, 0].tobytes(), rate, float(zero))


@dataclass(frozen=True, slots=True)
class SpokenTurn:
    """When the caller spoke, what had been asked, and what the call understood."""

    start: float
    end: float
    asked: Expectation | None
    text: str


def spoken_turns(events: Sequence[Event]) -> dict[int, SpokenTurn]:
    """By their number; turns of keys alone are left out."""
    began: dict[int, tuple[float, Expectation | None]] = {}
    turns: dict[int, SpokenTurn] = {}
    asked: Expectation | None = None
    for event in events:
        if isinstance(event, Expecting):
            asked = event.expectation
        elif isinstance(event, TurnStarted):
            began.setdefault(event.turn, (event.since, asked))
        elif isinstance(event, TurnEnded) and event.turn in began and not event.keys:
            # A turn that was taken up again ends once more; the last end has all of its words.
            start, question = began[event.turn]
            turns[event.turn] = SpokenTurn(start, event.speech_end, question, event.text)
    return turns


async def rehear(
    engine: SpeechToText, sound: CallersSound, events: Sequence[Event], clock: Clock, language: str
) -> list[Reheard]:
    """Every spoken turn of the log, in order, by a started engine, which is told what had been asked as the
    call's was. Raises an `EngineError`."""
    heard: list[Reheard] = []
    for number, turn in sorted(spoken_turns(events).items()):
        pcm = sound.between(turn.start, turn.end)
        speech = Said(pcm, sound.rate, (), 0.0, 0.0, 0.0)
        text = (await understood(engine, speech, clock, language, asked=turn.asked)).text if pcm else ""
        heard.append(Reheard(number, turn.text, text))
    return heard
