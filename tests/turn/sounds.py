"""Sounds to listen to: silence, tones, noise, and flite's voices where they are installed."""

from __future__ import annotations

import shutil
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from trunkline.audio.frame import Frame
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import VirtualClock, run_virtual
from trunkline.events import SpeechStarted, SpeechStopped, SpeechWeighed
from trunkline.turn.activity import VoiceEvent

Samples = npt.NDArray[np.float64]
RATE = 8000

needs_flite = pytest.mark.skipif(
    shutil.which("flite") is None, reason="the program flite is not installed here"
)


def silence(seconds: float, rate: int = RATE) -> Samples:
    return np.zeros(round(seconds * rate))


def tone(seconds: float, level: float = 8000, hertz: float = 440, rate: int = RATE) -> Samples:
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def noise(seconds: float, rms: float, seed: int = 1, rate: int = RATE) -> Samples:
    return np.random.default_rng(seed).normal(0, rms, round(seconds * rate))


def flite(text: str, folder: Path, voice: str = "rms", rate: int = RATE) -> Samples:
    """What flite says, brought to `rate` by averaging (its voices speak at 16 kHz, or 8 for kal)."""
    path = folder / "said.wav"
    subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True, timeout=30)
    with wave.open(str(path)) as file:
        given, pcm = file.getframerate(), file.readframes(file.getnframes())
    samples = np.frombuffer(pcm, "<i2").astype(float)
    if given > rate:
        factor = given // rate
        samples = samples[: len(samples) // factor * factor].reshape(-1, factor).mean(axis=1)
    elif given < rate:
        samples = np.repeat(samples, rate // given)
    return samples


def audible(samples: Samples, level: float = 400, rate: int = RATE) -> tuple[float, float]:
    """Seconds of the first and last sample above `level`."""
    loud = np.nonzero(np.abs(samples) > level)[0]
    return float(loud[0]) / rate, float(loud[-1]) / rate


def hear(
    samples: Samples,
    vad: str = "silero",
    rate: int = RATE,
    batch: Callable[[VirtualClock], VoiceBatch] | None = None,
) -> list[VoiceEvent]:
    """The events that a call gives which hears this from time 0 on, in virtual time."""
    size = rate // 50
    events: list[VoiceEvent] = []

    async def story(clock: VirtualClock) -> float:
        zero = clock.now()
        voice_batch = batch(clock) if batch is not None else VoiceBatch(clock, inline=True)
        track = voice_batch.open(rate, events.append, vad)
        for start in range(0, len(samples) - size + 1, size):
            await clock.sleep(zero + (start + size) / rate - clock.now())
            pcm = np.clip(samples[start : start + size], -32768, 32767).astype("<i2").tobytes()
            track.push(Frame(pcm, rate, clock.now()))
        track.close()
        await voice_batch.close()
        return zero

    zero = run_virtual(story)
    return [_shifted(event, zero) for event in events]


def _shifted(event: VoiceEvent, zero: float) -> VoiceEvent:
    match event:
        case SpeechStarted():
            return SpeechStarted(event.at - zero, event.since - zero)
        case SpeechStopped():
            return SpeechStopped(event.at - zero, event.until - zero)
        case SpeechWeighed():
            return SpeechWeighed(event.at - zero, event.since - zero, event.voiced, event.clear)


def spans(events: list[VoiceEvent]) -> list[tuple[float, float]]:
    """Speech from, to; sounds that were taken back are left out."""
    found: list[tuple[float, float]] = []
    since: float | None = None
    for event in events:
        if isinstance(event, SpeechStarted):
            since = event.since
        elif isinstance(event, SpeechStopped):
            assert since is not None
            if event.until > since:
                found.append((since, event.until))
            since = None
    return found
