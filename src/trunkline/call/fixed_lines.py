"""Fixed lines are made before they are needed, on the side, so that they are heard at once.

What a play says word for word (`KnowsItsLines`) is cut and worded as the speaker will do it, and given to a
second voice of the same engine; the call's own voice then finds it in the cache. Lines that hold a contact's
data are kept in memory alone, never on disk.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol, runtime_checkable

import structlog

from trunkline.call.sentences import SentenceCutter
from trunkline.call.settings import CallSettings
from trunkline.call.wording import for_speech
from trunkline.errors import EngineError
from trunkline.providers.failover import FailoverTextToSpeech, FailoverVoice
from trunkline.providers.protocols import TextToSpeech, Voice, VoiceOptions
from trunkline.providers.voice_cache import CachedVoice, Prepared, Remembering, VoiceCache

logger = structlog.get_logger(__name__)

MOST_CHARACTERS = 20_000
"""Of one scenario's lines: a hosted voice is paid by the character."""
BEGINNINGS_BYTES = 8_000_000
_BEFORE = ("", "Yes. ")
"""What may stand before a line: the second piece of an answer is cut otherwise than the first."""


@runtime_checkable
class KnowsItsLines(Protocol):
    """A play that can say beforehand what it will say word for word."""

    def fixed_lines(self, facts: Mapping[str, str]) -> Sequence[str]: ...


def cache_for(settings: CallSettings) -> VoiceCache:
    """The process's cache, as the settings say."""
    folder: Path | None = Path(settings.line_cache).expanduser() if settings.line_cache else None
    if settings.line_cache == "auto":
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        folder = Path(base).expanduser() / "trunkline" / "lines"
    return VoiceCache(folder, disk_bytes=round(settings.line_cache_mb * 1_000_000))


def beginnings_cache() -> VoiceCache:
    """The process's memory of the short pieces that models' answers begin with: some minutes of sound."""
    return VoiceCache(memory_bytes=BEGINNINGS_BYTES)


@dataclass(frozen=True, slots=True)
class LineMaker:
    """Opens voices that share the cache. One for each call, or for a service."""

    tts: TextToSpeech
    cache: VoiceCache
    settings: CallSettings
    spec: str = ""
    """The engine as it was asked for, with its options: what changes its sound makes other lines."""
    beginnings: VoiceCache | None = None
    """Where short pieces of the model's answers are kept; None: nowhere."""

    def cached(self, voice: Voice) -> CachedVoice:
        """The call's own voice, which says cached lines from the cache."""
        return CachedVoice(
            voice,
            self.cache,
            engine=self.spec or self.tts.name,
            voice_name=self.settings.voice,
            words_per_minute=self.settings.words_per_minute,
            language=self.settings.language,
            remembering=self._remembering(voice),
        )

    def _remembering(self, voice: Voice) -> Remembering | None:
        words = self.settings.remembered_words
        if self.beginnings is None or words < 1:
            return None
        if isinstance(voice, FailoverVoice):  # Another engine's sentence is in another voice.
            return Remembering(self.beginnings, words, lambda: voice.speaks_first)
        return Remembering(self.beginnings, words)

    async def prepare(
        self, play: object, facts: Mapping[str, str], rate: int, count: Callable[[Prepared], None]
    ) -> None:
        """Make what is not there yet, at `rate`, and count it as it is made. An engine that fails costs
        nothing here: the lines are spoken live."""
        if not isinstance(play, KnowsItsLines):
            return
        shared = [*self.settings.openers, *play.fixed_lines({})]
        private = [line for line in play.fixed_lines(facts) if line not in set(shared)] if facts else []
        settings = self.settings
        options = VoiceOptions(settings.voice, settings.words_per_minute, settings.language, rate)
        # Another engine's voice under this one's name would speak in every later call.
        engine = self.tts.first_alone() if isinstance(self.tts, FailoverTextToSpeech) else self.tts
        try:
            voice = self.cached(await engine.open(options))
        except EngineError:
            return
        try:
            await _make(voice, shared, count)
            await _make(voice, private, count, private=True)
        finally:
            await voice.close()


class LinesAhead:
    """A call's fixed lines, made on the side, beginning while it rings. The answer decides at which rate:
    where it is another one, they are made once more. `begin` it; `stop` it when the call is over."""

    def __init__(self, maker: LineMaker, play: object, facts: Mapping[str, str]) -> None:
        self._maker = maker
        self._play = play
        self._facts = facts
        self._made = Prepared()
        self._rate = asyncio.Event()
        self._answered_rate = 0
        self._task: asyncio.Task[None] | None = None

    def begin(self, rate: int) -> None:
        """Start making them, at the rate that the call will probably have."""
        self._task = asyncio.create_task(self._run(rate), name="fixed lines")

    def answered(self, rate: int) -> None:
        """The call is up, at this rate."""
        self._answered_rate = rate
        self._rate.set()

    async def stop(self) -> Prepared:
        """Stop, and tell what was made."""
        if self._task is not None:
            self._task.cancel()
            (failed,) = await asyncio.gather(self._task, return_exceptions=True)
            if isinstance(failed, Exception):  # the lines were spoken live; somebody should know why
                logger.error("fixed lines", exc_info=failed)
        return self._made

    async def _run(self, rate: int) -> None:
        await self._maker.prepare(self._play, self._facts, rate, self._count)
        await self._rate.wait()
        if self._answered_rate != rate:
            await self._maker.prepare(self._play, self._facts, self._answered_rate, self._count)

    def _count(self, made: Prepared) -> None:
        self._made += made


async def _make(
    voice: CachedVoice, lines: Iterable[str], count: Callable[[Prepared], None], *, private: bool = False
) -> None:
    # Line by line: what is cut and worded at once must not keep the loop from its frames.
    characters = 0
    for line in lines:
        if characters > MOST_CHARACTERS:
            return
        made = await voice.prepare(pieces(line), private=private)
        characters += made.characters
        if made.lines:
            count(made)


@lru_cache(maxsize=4096)
def pieces(line: str) -> tuple[str, ...]:
    """What the speaker will ask the voice for when it says this line."""
    found: dict[str, None] = {}
    for before in _BEFORE:
        cutter = SentenceCutter()
        cut = [*cutter.feed(before + line), *cutter.flush()]
        for sentence in cut[1:] if before else cut:
            if (spoken := for_speech(sentence).spoken).strip():
                found[spoken] = None
    return tuple(found)
