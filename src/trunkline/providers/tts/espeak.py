"""espeak-ng, in a process of its own: the voice for machines without flite, and for other languages.

The library and its data come with the package `espeakng-loader`; being under the GPL it is run beside
us and not linked (see `espeak_worker.py`). Its own "words a minute" are not what is heard, so each
voice's pace is measured at several settings and the setting for the pace asked for is read off.
"""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_left
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from trunkline.clock import Clock
from trunkline.errors import EngineDown
from trunkline.providers.protocols import Spoken, VoiceOptions
from trunkline.providers.tts.espeak_process import EspeakProcess
from trunkline.providers.tts.hosted import VoiceCard
from trunkline.providers.tts.phrases import phrases
from trunkline.providers.tts.utter import PACE_TEXT, PACE_WORDS, utter

_SETTINGS = (80, 110, 140, 175, 220, 300, 420)
"""The settings at which the pace is measured; espeak-ng takes 80 to 450."""
_LANGUAGES = {"en": "en-us"}


class Espeak:
    """`voice`: one of espeak-ng's, such as "en-us", "en-gb" or "de"; empty for the call's language."""

    name = "espeak"

    def __init__(self, *, clock: Clock, voice: str = "") -> None:
        self._voice = voice
        self._process = EspeakProcess(clock)
        self._paces: dict[str, list[tuple[float, int]]] = {}

    @property
    def pid(self) -> int | None:
        """The process that speaks, while it runs."""
        return self._process.pid

    async def start(self) -> None:
        """Start the process and measure the default voice."""
        await self._process.start()
        await self._measure(self._name(VoiceOptions()))

    async def open(self, options: VoiceOptions) -> EspeakVoice:
        voice = self._name(options)
        if voice not in self._paces:
            await self._measure(voice)
        return EspeakVoice(self, voice, self._setting(voice, options.words_per_minute))

    async def voices(self) -> list[VoiceCard]:
        """One for each language that its data hold."""
        return await asyncio.to_thread(_voices)

    async def close(self) -> None:
        await self._process.close()

    def _name(self, options: VoiceOptions) -> str:
        return options.voice or self._voice or _LANGUAGES.get(options.language, options.language)

    async def _measure(self, voice: str) -> None:
        paces = []
        for setting in _SETTINGS:
            samples = 0
            sound = utter(
                phrases(PACE_TEXT, ascii_only=False),
                self._process.rate,
                lambda text, setting=setting: self._synthesise(text, voice, setting),  # type: ignore[misc]
            )
            async with aclosing(sound):
                async for piece in sound:
                    samples += len(piece.pcm) // 2
            if samples < self._process.rate:
                raise EngineDown(f"voice {voice!r} is all but silent", where="espeak")
            paces.append((PACE_WORDS * 60 * self._process.rate / samples, setting))
        self._paces[voice] = sorted(paces)

    def _setting(self, voice: str, words_per_minute: int) -> int:
        paces = self._paces[voice]
        above = min(max(1, bisect_left(paces, (words_per_minute, 0))), len(paces) - 1)
        (slow, low), (fast, high) = paces[above - 1], paces[above]
        share = (words_per_minute - slow) / max(1e-9, fast - slow)
        return round(max(80, min(450, low + share * (high - low))))

    async def _synthesise(self, text: str, voice: str, setting: int) -> AsyncGenerator[Spoken, None]:
        """Raw sound of one phrase. espeak-ng tells where words begin: that ends the one before."""
        samples = 0
        begun = False
        marks: list[tuple[float, int]] = []
        async with aclosing(self._process.speak(text, voice, setting)) as pieces:
            async for kind, payload in pieces:
                if kind == b"W":
                    for milliseconds, position, _ in json.loads(payload):
                        said = len(text[: max(0, position - 1)].rstrip())
                        if begun and said:
                            marks.append((milliseconds / 1000, said))
                        begun = True
                elif kind == b"A":
                    samples += len(payload) // 2
                    yield Spoken(payload, tuple(marks))
                    marks.clear()
        yield Spoken(b"", (*marks, (samples / self._process.rate, len(text))))


def _voices() -> list[VoiceCard]:
    """Read from the data's own files, `lang/FAMILY/FILE`: lines of `name` and `language CODE [PRIORITY]`. A
    voice is called by its first language. Blocks on the disk."""
    import espeakng_loader

    cards = []
    for file in (Path(espeakng_loader.get_data_path()) / "lang").rglob("*"):
        if not file.is_file():
            continue
        lines = [line.split() for line in file.read_text(encoding="utf-8").splitlines()]
        codes = [line[1] for line in lines if line[:1] == ["language"] and len(line) > 1]
        name = next((" ".join(line[1:]) for line in lines if line[:1] == ["name"]), "")
        if codes:
            cards.append(VoiceCard(codes[0], name, ", ".join(codes)))
    return sorted(cards, key=lambda card: card.id)


class EspeakVoice:
    """One call's voice."""

    def __init__(self, engine: Espeak, voice: str, setting: int) -> None:
        self.rate = engine._process.rate
        self._engine = engine
        self._voice = voice
        self._setting = setting
        self._closed = False

    async def say(self, text: str) -> AsyncGenerator[Spoken, None]:
        if self._closed:
            raise EngineDown("the voice was closed", where="espeak")
        sound = utter(phrases(text, ascii_only=False), self.rate, self._synthesise)
        async with aclosing(sound):
            async for piece in sound:
                yield piece

    def _synthesise(self, text: str) -> AsyncGenerator[Spoken, None]:
        return self._engine._synthesise(text, self._voice, self._setting)

    async def close(self) -> None:
        self._closed = True
