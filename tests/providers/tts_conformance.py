"""What every text-to-speech engine must do, whoever made it. Each engine's tests call these."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import numpy as np
import pytest

from trunkline.errors import EngineDown, EngineError
from trunkline.providers.protocols import Spoken, TextToSpeech, Voice, VoiceOptions

SENTENCE = "Thanks for waiting, I have found your account. Shall I read it out?"
# None of these are in the text that engines measure their pace with.
HELD_OUT = (
    "Thanks for waiting, I have found your account.",
    "Right, so you need it before the end of the month, is that correct?",
    "Our service keeps a record of every delivery, so nothing is lost.",
    "I can do Tuesday at ten in the morning, or Wednesday after lunch.",
    "That sounds good to me, and I have made a note of it.",
    "Could you tell me how many people work at your company at the moment?",
)
ODD_TEXTS = (
    "",
    "   \n\t ",
    "...!?",
    "\x00\x01\x7f",
    "a\x00b",
    "naïve café, Ærø, straße, 你好, Привет, مرحبا",
    "😀👍🏽",
    "\ud800",
    "<speak><break time='5s'/></speak> [[h@l'oU]] %s %n \\",
    "9" * 120,
    "x" * 250,
    "-' - '' \" ``",
)


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence in one piece."""

    pcm: bytes
    pieces: int
    marks: tuple[tuple[float, int], ...]
    rate: int

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / self.rate

    def silence(self, quiet: int = 160) -> tuple[float, float]:
        """Seconds of silence before and after the sound."""
        loud = np.flatnonzero(np.abs(np.frombuffer(self.pcm, "<i2").astype(int)) >= quiet)
        return loud[0] / self.rate, (len(self.pcm) // 2 - loud[-1] - 1) / self.rate


async def say(voice: Voice, text: str) -> Said:
    pcm, pieces, marks = b"", 0, ()  # type: tuple[bytes, int, tuple[tuple[float, int], ...]]
    async with aclosing(voice.say(text)) as sound:
        async for piece in sound:
            assert isinstance(piece, Spoken)
            assert len(piece.pcm) % 2 == 0
            pcm, pieces, marks = pcm + piece.pcm, pieces + 1, marks + piece.marks
    return Said(pcm, pieces, marks, voice.rate)


@asynccontextmanager
async def opened(engine: TextToSpeech, **options: object) -> AsyncGenerator[Voice, None]:
    """A voice of a started engine; both closed at the end."""
    await engine.start()
    try:
        voice = await engine.open(VoiceOptions(**options))  # type: ignore[arg-type]
        yield voice
        await voice.close()
    finally:
        await engine.close()


async def assert_speaks(voice: Voice) -> None:
    """Sound in several pieces, audible, trimmed, with marks that rise to the end of the text."""
    said = await say(voice, SENTENCE)
    assert 8000 <= voice.rate <= 48000
    assert said.pieces > 3
    assert 2 < said.seconds < 10
    lead, trail = said.silence()
    assert lead <= 0.03
    assert trail <= 0.08
    times = [at for at, _ in said.marks]
    places = [place for _, place in said.marks]
    assert times == sorted(times)
    assert places == sorted(places)
    assert places[-1] == len(SENTENCE)
    assert times[-1] <= said.seconds + 0.05
    assert len(said.marks) >= len(SENTENCE.split()) - 2
    assert {SENTENCE[:place].rsplit(maxsplit=1)[-1] for place in places} <= set(SENTENCE.split())


async def assert_pauses_at_punctuation(voice: Voice) -> None:
    plain = await say(voice, "I have found your account shall I read it out")
    stops = await say(voice, "I have found your account. Shall I read it out?")
    assert stops.seconds > plain.seconds + 0.1


async def measured_pace(voice: Voice) -> float:
    """Words a minute over sentences that no engine was set with."""
    seconds = 0.0
    for text in HELD_OUT:
        seconds += (await say(voice, text)).seconds
    return sum(len(text.split()) for text in HELD_OUT) * 60 / seconds


async def assert_survives_odd_text(voice: Voice) -> None:
    for text in ODD_TEXTS:
        await say(voice, text)
    assert (await say(voice, "Still here.")).pcm


async def assert_closing_early_stops(voice: Voice) -> None:
    """After the first piece the sentence is dropped; the voice is at once good for another."""
    before = asyncio.all_tasks()
    for _ in range(20):
        sound = voice.say(SENTENCE)
        assert (await anext(sound)).pcm
        await sound.aclose()
    assert asyncio.all_tasks() <= before
    assert (await say(voice, "Next.")).pcm


async def assert_cancelling_stops(voice: Voice) -> None:
    speaking = asyncio.create_task(say(voice, SENTENCE * 20))
    await asyncio.sleep(0)
    speaking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await speaking
    assert (await say(voice, "Next.")).pcm


async def assert_voices_share_the_engine(engine: TextToSpeech) -> None:
    """Many calls at once, each getting its own words' sound."""
    voices = [await engine.open(VoiceOptions()) for _ in range(8)]
    alone = (await say(voices[0], HELD_OUT[0])).seconds
    together = await asyncio.gather(*(say(voice, HELD_OUT[0]) for voice in voices))
    assert all(abs(said.seconds - alone) < 0.2 for said in together)


async def assert_closed_is_closed(engine: TextToSpeech) -> None:
    voice = await engine.open(VoiceOptions())
    await voice.close()
    await voice.close()
    with pytest.raises(EngineDown):
        await say(voice, "Hello.")
    other = await engine.open(VoiceOptions())
    await engine.close()
    await engine.close()
    with pytest.raises(EngineError):
        await say(other, "Hello.")
