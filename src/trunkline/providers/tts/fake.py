"""A voice that says nothing real, for benchmarks and tests: set delays, set speed, always the same.

`--tts fake,delay_ms=150,chunk_ms=100,rate=24000,speed=10,sound=tone`: the first piece comes
`delay_ms` after a sentence was asked for, the others at `speed` times real time. A sentence lasts as
long as its words take at the pace asked for; every word has its mark. All of it runs on whatever
`Clock` is handed in, so in virtual time it is exact.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineDown
from trunkline.providers.protocols import Spoken, VoiceOptions

FloatSamples = NDArray[np.float64]
_WORD = re.compile(r"\S+")
_HANG_SECONDS = 3600.0
_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (570, 840, 2410), (530, 1840, 2480))
"""First three formants in Hz of "ah", "ee", "aw" and "eh" (Peterson and Barney, 1952)."""


class FakeTextToSpeech:
    """`sound`: "tone" (440 Hz, 12 dB below full scale), "speech" (a vowel-like buzz that voice
    detectors take for speech) or "silence". `speed` 0 means all at once after the delay.
    `words_per_minute` 0 means what the call asks for.

    Failures: `fail_after=N` raises `EngineDown` after N pieces of a sentence, `hang=true` gives
    nothing until it is closed, `empty=true` ends each sentence without sound.
    """

    name = "fake"
    voices_are = "It has none: every voice is the sound of sound=tone, sound=speech or sound=silence"

    def __init__(
        self,
        *,
        clock: Clock,
        delay_ms: float = 150.0,
        chunk_ms: float = 100.0,
        rate: int = 24000,
        speed: float = 10.0,
        sound: str = "tone",
        words_per_minute: int = 0,
        fail_after: int = -1,
        hang: bool = False,
        empty: bool = False,
    ) -> None:
        self._clock = clock
        self._delay = delay_ms / 1000
        self._chunk = chunk_ms / 1000
        self._rate = rate
        self._speed = speed
        self._sound = sound
        self._words_per_minute = words_per_minute
        self._fail_after = fail_after
        self._hang = hang
        self._empty = empty
        self.said: list[str] = []
        """The latest 1000 sentences that were asked for, over all voices."""

    async def start(self) -> None:
        if self._sound not in ("tone", "speech", "silence"):
            raise ConfigError(
                f"sound={self._sound!r} is not known", where="fake", hint="use tone, speech or silence"
            )
        if not 8000 <= self._rate <= 48000 or self._chunk < 0.001 or self._delay < 0 or self._speed < 0:
            raise ConfigError(
                "a setting is out of range",
                where="fake",
                hint="rate is 8000 to 48000, chunk_ms at least 1, delay_ms and speed not negative",
            )
        sound_of_one_second(self._sound, self._rate)

    async def open(self, options: VoiceOptions) -> FakeVoice:
        return FakeVoice(self, self._words_per_minute or options.words_per_minute)

    async def close(self) -> None:
        """Nothing is held."""


class FakeVoice:
    """One call's fake voice."""

    def __init__(self, engine: FakeTextToSpeech, words_per_minute: int) -> None:
        self.rate = engine._rate
        self._engine = engine
        self._word_seconds = 60.0 / max(1, words_per_minute)
        self._closed = False

    async def say(self, text: str) -> AsyncGenerator[Spoken, None]:
        engine, clock = self._engine, self._engine._clock
        if self._is_closed():
            raise EngineDown("the voice was closed", where="fake")
        engine.said.append(text)
        del engine.said[:-1000]
        asked = clock.now()
        await clock.sleep(engine._delay)
        while engine._hang:
            await clock.sleep(_HANG_SECONDS)
        ends = [match.end() for match in _WORD.finditer(text)]
        samples = 0 if engine._empty else round(len(ends) * self._word_seconds * self.rate)
        size = max(1, round(engine._chunk * self.rate))
        for number, start in enumerate(range(0, samples, size)):
            if engine._speed > 0:
                due = asked + engine._delay + start / self.rate / engine._speed
                if due > clock.now():
                    await clock.sleep(due - clock.now())
            if self._is_closed():
                return
            if number == engine._fail_after:
                raise EngineDown("failed as asked", where="fake", hint="fail_after is set")
            stop = min(samples, start + size)
            yield Spoken(self._sound(start, stop), self._marks(ends, start, stop))
        if engine._fail_after >= 0 and not samples:
            raise EngineDown("failed as asked", where="fake", hint="fail_after is set")

    def _marks(self, ends: list[int], start: int, stop: int) -> tuple[tuple[float, int], ...]:
        """The words whose last sample lies in samples `start` to `stop` of the sentence."""
        word = self._word_seconds * self.rate
        # Only the words about here are reckoned: a sentence is asked for in many small pieces.
        first = max(0, int((start - 1) / word) - 1)
        last = min(len(ends), int((stop + 1) / word) + 1)
        marks = [(round((i + 1) * self._word_seconds * self.rate), ends[i]) for i in range(first, last)]
        return tuple([(at / self.rate, end) for at, end in marks if start < at <= stop])

    def _sound(self, start: int, stop: int) -> bytes:
        second = sound_of_one_second(self._engine._sound, self.rate)
        at = start % self.rate * 2
        wanted = (stop - start) * 2
        whole = second[at : at + wanted]
        while len(whole) < wanted:
            whole += second[: wanted - len(whole)]
        return whole

    def _is_closed(self) -> bool:
        return self._closed

    async def close(self) -> None:
        self._closed = True


@cache
def sound_of_one_second(sound: str, rate: int) -> bytes:
    """One second of PCM whose end joins its beginning: "tone", "speech", or silence."""
    if sound == "silence":
        return bytes(2 * rate)
    t = np.arange(rate) / rate
    wave = 0.25 * np.sin(2 * np.pi * 440 * t) if sound == "tone" else _buzz(t, rate)
    return (wave * 32767).astype("<i2").tobytes()


def _buzz(t: FloatSamples, rate: int) -> FloatSamples:
    """Four syllables a second of a voice at 120 Hz whose pitch and vowels glide."""
    pitch = 120 + 12 * np.cos(2 * np.pi * t)
    phase = 2 * np.pi * 120 * t + 12 * np.sin(2 * np.pi * t)
    place = t * len(_VOWELS)
    near = place.astype(int) % len(_VOWELS)
    blend = place % 1
    vowels = np.array(_VOWELS)
    formants = vowels[near] + (vowels[(near + 1) % len(_VOWELS)] - vowels[near]) * blend[:, None]
    wave = np.zeros(len(t))
    for harmonic in range(1, int(min(3600, 0.45 * rate) / 132) + 1):
        frequency = pitch * harmonic
        away = (frequency[:, None] - formants) / np.array((80.0, 110.0, 160.0))
        gain = (np.array((1.0, 0.6, 0.3)) / (1 + away**2)).sum(axis=1)
        wave += gain * np.sin(harmonic * phase)
    wave *= 0.55 - 0.45 * np.cos(2 * np.pi * 4 * t)
    loudest: float = np.abs(wave).max()
    return wave * (0.5 / loudest)
