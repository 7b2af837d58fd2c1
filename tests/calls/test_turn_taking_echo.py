"""The agent does not hear itself: its echo, at any delay, is told from another voice over it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trunkline.audio.frame import Frame
from trunkline.call.echo_guard import EchoGuard
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import VirtualClock, run_virtual
from trunkline.events import SpeechStarted
from trunkline.turn.activity import VoiceEvent

Samples = NDArray[np.float64]
SIZE = 160


def voice(seconds: float, pitch: float, seed: int) -> Samples:
    """A buzz of gliding pitch through three changing resonances, with pauses: like a voice, no words."""
    chance = np.random.default_rng(seed)
    length = round(seconds * 8000)
    t = np.arange(length) / 8000
    wander = np.cumsum(chance.normal(0, 0.06, length)) * 0.3 + 8 * np.sin(2 * np.pi * 0.9 * t + seed)
    phase = 2 * np.pi * np.cumsum(pitch + wander) / 8000
    sound = np.zeros(length)
    bends = [chance.uniform(0.3, 3, 3) for _ in range(2)]
    for harmonic in range(1, int(3400 / (pitch + 12))):
        hertz = harmonic * pitch
        gain = np.zeros(length)
        for centre, speed, other in zip((600, 1300, 2400), bends[0], bends[1], strict=True):
            moving = centre * (1 + 0.35 * np.sin(2 * np.pi * speed * t + other))
            gain += 1 / (1 + ((hertz - moving) / 110) ** 2)
        sound += gain * np.sin(harmonic * phase)
    sound += 0.05 * chance.normal(0, np.std(sound), length)
    syllables = np.sin(2 * np.pi * 3.1 * t + seed) > -0.6
    shaped: Samples = sound / np.abs(sound).max() * 9000 * syllables
    return shaped


def pcm(samples: Samples) -> bytes:
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()


def told(guard: EchoGuard, agent: Samples, caller: Samples) -> list[bool]:
    """For each 20 ms that has sound, whether the guard takes it for the agent's."""
    verdicts = []
    for start in range(0, min(len(agent), len(caller)) - SIZE + 1, SIZE):
        heard = caller[start : start + SIZE]
        sounds = float(np.sqrt(np.mean(heard * heard))) >= 60
        if guard.listening:
            verdict = guard.echoes(pcm(heard), sounds=sounds)
            if sounds:
                verdicts.append(verdict)
        guard.played(pcm(agent[start : start + SIZE]))
    return verdicts


def delayed(samples: Samples, seconds: float, down: float) -> Samples:
    late: Samples = np.concatenate((np.zeros(round(seconds * 8000)), samples))[: len(samples)]
    return late * 10 ** (-down / 20)


@given(st.floats(0.02, 0.3), st.floats(0, 15), st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_an_echo_is_known_whatever_its_delay(delay: float, down: float, seed: int) -> None:
    guard = EchoGuard(8000)
    agent = voice(3.0, 115, seed)
    line = np.random.default_rng(seed).normal(0, 20, len(agent))
    verdicts = told(guard, agent, delayed(agent, delay, down) + line)
    assert len(verdicts) > 50
    assert sum(verdicts) >= 0.9 * len(verdicts)
    assert guard.delay is not None
    assert guard.delay == pytest.approx(delay, abs=0.03)


@given(st.integers(0, 50), st.sampled_from([95.0, 115.0, 160.0, 210.0]))
@settings(max_examples=25, deadline=None)
def test_another_voice_is_not_an_echo(seed: int, pitch: float) -> None:
    guard = EchoGuard(8000)
    agent, caller = voice(3.0, 115, seed), voice(3.0, pitch, seed + 1000)
    caller[: round(0.9 * 8000)] = 0  # nobody interrupts before there is something to interrupt
    verdicts = told(guard, agent, caller)
    assert len(verdicts) > 30
    assert sum(verdicts) <= 0.1 * len(verdicts)


def test_a_voice_over_an_echo_is_heard() -> None:
    guard = EchoGuard(8000)
    agent, caller = voice(4.0, 115, 1), voice(4.0, 205, 2)
    caller[: round(2.0 * 8000)] = 0
    echo = delayed(agent, 0.15, 9)
    before = told(guard, agent[:16000], echo[:16000])
    after = told(guard, agent[16000:], echo[16000:] + caller[16000:])
    assert sum(before) >= 0.9 * len(before)
    assert sum(after) <= 0.5 * len(after)
    # Within the first quarter of a second there is a stretch that is surely somebody else's.
    assert after[:12].count(False) >= 3


def test_without_the_agent_nothing_is_an_echo() -> None:
    guard = EchoGuard(16000)
    assert not guard.listening
    guard.played(None)
    guard.played(bytes(640))
    assert not guard.listening
    assert not guard.echoes(pcm(np.repeat(voice(0.02, 115, 1), 2)), sounds=True)


def test_a_while_after_the_agent_nothing_is_an_echo() -> None:
    guard = EchoGuard(8000)
    for start in range(0, 8000, SIZE):
        guard.played(pcm(voice(1.0, 115, 1)[start : start + SIZE]))
    assert guard.listening
    for _ in range(40):
        guard.played(None)
    assert not guard.listening


@given(
    st.lists(st.one_of(st.none(), st.binary(max_size=400).map(lambda b: b[: len(b) // 2 * 2])), max_size=60)
)
@settings(deadline=None)
def test_any_sound_is_taken(frames: list[bytes | None]) -> None:
    guard = EchoGuard(8000)
    for frame in frames:
        guard.played(frame)
        assert guard.echoes(frame or b"", sounds=True) in (True, False)


def heard_over_the_agent(down: float) -> list[VoiceEvent]:
    """What voice activity tells of a voice `down` dB below the caller's, while the agent speaks."""
    caller, agent, other = voice(2.0, 160, 3), voice(3.0, 115, 1), voice(3.0, 190, 7)
    quiet = np.zeros(8000)
    brought = 2.5 * np.concatenate((quiet, caller, quiet, other * 10 ** (-down / 20)))
    brought += np.random.default_rng(1).normal(0, 15, len(brought))
    played = np.concatenate((quiet, quiet, quiet, quiet[1600:], agent, quiet))  # a little before
    events: list[VoiceEvent] = []

    async def story(clock: VirtualClock) -> float:
        zero = clock.now()
        batch = VoiceBatch(clock)
        track = batch.open(8000, events.append, "gate")
        for start in range(0, len(brought) - SIZE + 1, SIZE):
            at = zero + (start + SIZE) / 8000
            track.push(Frame(pcm(brought[start : start + SIZE]), 8000, at))
            track.played(pcm(played[start : start + SIZE]))
        track.close()
        await batch.close()
        return zero

    zero = run_virtual(story)
    return [event for event in events if isinstance(event, SpeechStarted) and event.at - zero > 3.9]


def test_a_voice_in_the_background_is_not_the_callers() -> None:
    assert heard_over_the_agent(22) == []
    assert heard_over_the_agent(6) != []
