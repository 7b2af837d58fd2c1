"""One engine that hears and speaks, tried by itself with a typed question: `trunkline engines try`."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field

from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineTimeout
from trunkline.prompt import Message, Prompt, Token
from trunkline.providers.protocols import ListenOptions, VoiceOptions
from trunkline.providers.s2s.protocol import SpeechToSpeech

_LONGEST = 30.0
"""Seconds that a trial may take."""


@dataclass(frozen=True, slots=True)
class Spoke:
    """A spoken answer. Seconds: until the session was open; from the question to the first word of the
    transcript, to the first sound, and until all of it had come; and how long it sounds."""

    text: str
    opened: float
    word: float
    first: float
    whole: float
    seconds: float


@dataclass(slots=True)
class _Ear:
    clock: Clock
    first: float | None = None
    length: int = field(default=0)

    def sound(self, pcm: bytes) -> None:
        if self.first is None:
            self.first = self.clock.now()
        self.length += len(pcm)

    def end(self) -> None:
        """The generator's end says so too."""


async def spoken(engine: SpeechToSpeech, question: str, clock: Clock) -> Spoke:
    """The answer of a started engine. Raises an `EngineError`."""
    prompt = Prompt((Message("system", "Answer in one short sentence."), Message("user", question)))
    ear, words = _Ear(clock), ""
    word: float | None = None
    try:
        async with asyncio.timeout(_LONGEST):
            began = clock.now()
            session = await engine.open(ListenOptions(), VoiceOptions(), lambda _: None)
            try:
                asked = clock.now()
                async with aclosing(session.respond(prompt, ear)) as deltas:
                    async for delta in deltas:
                        if isinstance(delta, Token):
                            word = clock.now() if word is None else word
                            words += delta.text
                done = clock.now()
            finally:
                await session.close()
    except TimeoutError:
        raise EngineTimeout(f"it was not done within {_LONGEST:g} s", where=engine.name) from None
    if word is None or ear.first is None:
        raise EngineDown("it said nothing", where=engine.name)
    length = ear.length / 2 / session.rate
    return Spoke(words.strip(), asked - began, word - asked, ear.first - asked, done - asked, length)
