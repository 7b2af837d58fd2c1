"""One network run for many calls: bounded, closed cleanly, never in the way when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from trunkline.audio.frame import Frame
from trunkline.call.voice_batch import MOST_WINDOWS, VoiceBatch
from trunkline.clock import SystemClock, VirtualClock, run_virtual
from trunkline.errors import ConfigError, EngineDown, TrunklineError
from trunkline.events import SpeechStarted, SpeechStopped
from trunkline.turn import silero
from trunkline.turn.activity import VoiceEvent
from trunkline.turn.silero import Silero, SileroStream
from turn.sounds import flite, hear, needs_flite, noise, silence, spans


def frames(samples: np.ndarray[tuple[int], np.dtype[np.float64]], zero: float) -> list[Frame]:
    pcm = samples.astype("<i2")
    return [
        Frame(pcm[n : n + 160].tobytes(), 8000, zero + (n + 160) / 8000)
        for n in range(0, len(pcm) - 159, 160)
    ]


@needs_flite
def test_calls_heard_together_give_what_each_gives_alone(tmp_path: Path) -> None:
    voices = [
        np.concatenate([silence(0.5 + 0.13 * n), flite(text, tmp_path, voice), silence(0.6)])
        for n, (text, voice) in enumerate(
            [("I would like a table.", "rms"), ("What does it cost?", "slt"), ("Call me tomorrow.", "awb")]
        )
    ]
    length = max(len(voice) for voice in voices)
    voices = [np.concatenate([voice, np.zeros(length - len(voice))]) for voice in voices]
    heard: list[list[VoiceEvent]] = [[] for _ in voices]
    sizes: list[int] = []

    class Counting(Silero):
        def run(self, streams: Sequence[SileroStream], windows: Sequence[bytes]) -> list[float]:
            sizes.append(len(streams))
            return super().run(streams, windows)

    async def story(clock: VirtualClock) -> float:
        zero = clock.now()
        batch = VoiceBatch(clock, inline=True)
        batch._model = Counting()
        tracks = [batch.open(8000, events.append) for events in heard]
        for together in zip(*(frames(voice, zero) for voice in voices), strict=True):
            await clock.sleep(together[0].at - clock.now())
            for track, frame in zip(tracks, together, strict=True):
                track.push(frame)
        for track in tracks:
            track.close()
        await batch.close()
        return zero

    zero = run_virtual(story)
    assert max(sizes) == 3
    for events, voice in zip(heard, voices, strict=True):
        together_spans = [(begin - zero, end - zero) for begin, end in spans(events)]
        alone = spans(hear(voice))
        assert len(together_spans) == len(alone) >= 1
        for one, other in zip(together_spans, alone, strict=True):
            assert one == pytest.approx(other, abs=0.011)


async def test_the_worker_thread_answers_on_the_loop_and_close_ends_it() -> None:
    clock = SystemClock()
    batch = VoiceBatch(clock)
    await batch.start()
    answered = asyncio.Event()
    loop = asyncio.get_running_loop()
    events: list[VoiceEvent] = []

    def take(event: VoiceEvent) -> None:
        assert asyncio.get_running_loop() is loop
        events.append(event)
        if isinstance(event, SpeechStopped):
            answered.set()

    # A click: the gate opens, and only the network's refusal from the thread closes it again.
    click = np.concatenate([silence(0.3), noise(1.0, 5000)])
    track = batch.open(8000, take)
    for frame in frames(click, clock.now()):
        track.push(frame)
        await clock.sleep(0)
        if batch._running is not None:
            await asyncio.wait([batch._running], timeout=10)
    assert any(isinstance(event, SpeechStarted) for event in events)
    await asyncio.wait_for(answered.wait(), 10)
    track.close()
    await batch.close()
    await batch.close()


def test_a_network_that_fails_is_told_once_and_the_gate_goes_on() -> None:
    troubles: list[TrunklineError] = []

    class Broken(Silero):
        def __init__(self) -> None:
            pass

        def run(self, streams: Sequence[SileroStream], windows: Sequence[bytes]) -> list[float]:
            raise EngineDown("it broke", where="silero")

    def broken(clock: VirtualClock) -> VoiceBatch:
        batch = VoiceBatch(clock, inline=True, on_trouble=troubles.append)
        batch._model = Broken()
        return batch

    bursts = [piece for _ in range(3) for piece in (silence(1), noise(0.5, 5000))]
    heard = spans(hear(np.concatenate([*bursts, silence(1)]), batch=broken))
    assert len(heard) == 3
    assert [str(trouble) for trouble in troubles] == ["silero: it broke"]


async def test_windows_are_bounded_where_the_network_does_not_keep_up() -> None:
    batch = VoiceBatch(SystemClock())
    track = batch.open(8000, lambda event: None)
    for frame in frames(noise(5, 5000), 0.0):
        track.push(frame)
        assert len(track.windows) <= MOST_WINDOWS
    assert len(track.windows) > 0
    track.close()
    await batch.close()
    track.push(Frame(bytes(320), 8000, 9.0))


@pytest.mark.parametrize(("rate", "vad"), [(8000, "magic"), (11025, "silero"), (96000, "gate"), (0, "gate")])
async def test_what_it_cannot_do_is_refused(rate: int, vad: str) -> None:
    batch = VoiceBatch(SystemClock())
    with pytest.raises(ConfigError):
        batch.open(rate, lambda event: None, vad)
    await batch.close()


def test_odd_and_empty_frames_do_no_harm() -> None:
    async def story(clock: VirtualClock) -> None:
        batch = VoiceBatch(clock, inline=True)
        track = batch.open(8000, lambda event: None)
        for size in (0, 1, 2, 79, 80, 81, 161, 320, 321, 4000):
            track.push(Frame(bytes(range(256)) * 16 if size > 2000 else b"\x10" * size, 8000, clock.now()))
            await clock.sleep(0.02)
        track.close()
        await batch.close()

    run_virtual(story)
    assert silero.WINDOW[8000] == 256


async def test_closing_while_the_network_loads_leaves_nothing() -> None:
    batch = VoiceBatch(SystemClock())
    track = batch.open(8000, lambda event: None)
    for frame in frames(noise(0.3, 5000), 0.0):
        track.push(frame)
    await batch.close()
    assert batch._executor is None
    await batch.start()
    assert batch._executor is None
