"""The voice that needs nothing: flite where this machine has it, else espeak-ng."""

from __future__ import annotations

from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineMissing
from trunkline.providers.protocols import Voice, VoiceOptions
from trunkline.providers.tts.espeak import Espeak
from trunkline.providers.tts.flite import Flite
from trunkline.providers.tts.hosted import VoiceCard


class Embedded:
    """`voice`: a name of flite's ("rms", "slt", …) or of espeak-ng's ("en-us", …), for the engine
    that is there. After `start()`, `name` says which one it is: "embedded (flite)"."""

    def __init__(self, *, clock: Clock, voice: str = "") -> None:
        self.name = "embedded"
        self._clock = clock
        self._voice = voice
        self._engine: Flite | Espeak | None = None

    async def start(self) -> None:
        if self._engine is not None:
            return
        flite = Flite(clock=self._clock, voice=self._voice or "rms")
        try:
            await flite.start()
            self._engine = flite
        except EngineMissing:
            espeak = Espeak(clock=self._clock, voice=self._voice)
            await espeak.start()
            self._engine = espeak
        self.name = f"embedded ({self._engine.name})"

    async def open(self, options: VoiceOptions) -> Voice:
        if self._engine is None:
            raise EngineDown("it is not started, or was closed", where="embedded")
        return await self._engine.open(options)

    async def voices(self) -> list[VoiceCard]:
        """Those of the engine that is there."""
        if self._engine is None:
            raise EngineDown("it is not started, or was closed", where="embedded")
        return await self._engine.voices()

    async def close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()
