"""flite, in this process: the embedded voice where the machine has libflite.

Synthesis runs in a small pool of threads that all calls share, and gives sound through flite's
streaming callback while the sentence is still being made. A cancel is the callback's stop code.
The pace is measured once for each voice and set by flite's `duration_stretch`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass

from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineDown, EngineError, EngineMissing, EngineRequest, EngineTimeout
from trunkline.providers.protocols import Spoken, VoiceOptions
from trunkline.providers.tts.hosted import VoiceCard
from trunkline.providers.tts.libflite import VOICES, FliteLibrary, Sound, load
from trunkline.providers.tts.phrases import phrases
from trunkline.providers.tts.trim import SilenceTrimmer
from trunkline.providers.tts.utter import PACE_TEXT, PACE_WORDS, utter

_ABOUT = {
    "rms": "American, masculine; the best understood",
    "slt": "American, feminine",
    "awb": "Scottish, masculine",
    "kal16": "American, masculine, of the oldest kind",
    "kal": "the same at 8 kHz",
}
_PIECE_SECONDS = 10.0
"""How long a piece may take, the wait for a free thread included."""


@dataclass(frozen=True, slots=True)
class _Measured:
    """A loaded voice: its handle, its samples a second, and its own pace."""

    flite: FliteLibrary
    handle: int
    rate: int
    words_per_minute: float


class Flite:
    """`voice`: "rms" (the best understood), "slt", "awb", "kal16" or "kal"; a call may ask for
    another. `threads`: how many sentences are synthesised at once, over all calls."""

    name = "flite"

    def __init__(self, *, clock: Clock, voice: str = "rms", threads: int = 2) -> None:
        self._clock = clock
        self._voice = voice
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._measured: dict[str, _Measured] = {}
        self._jobs: set[_Job] = set()

    async def start(self) -> None:
        """Load the library and the voice, and measure its pace."""
        if not 1 <= self._threads <= 64:
            raise ConfigError("threads is out of range", where="flite", hint="use 1 to 64")
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="flite")
        try:
            await self._measure(self._voice)
        except EngineError:
            await self.close()
            raise

    async def open(self, options: VoiceOptions) -> FliteVoice:
        if not options.language.lower().startswith("en"):
            raise EngineRequest(
                f"it speaks English only, not {options.language!r}",
                where="flite",
                hint="Use --tts espeak for other languages",
            )
        voice = await self._measure(options.voice or self._voice)
        wanted = max(60, min(400, options.words_per_minute))
        return FliteVoice(self, voice, voice.words_per_minute / wanted)

    async def close(self) -> None:
        """Stop what is being synthesised and end the threads."""
        pool, self._pool = self._pool, None
        jobs = list(self._jobs)
        for job in jobs:
            job.abandon(EngineDown("it was closed", where="flite"))
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
        await asyncio.gather(*(asyncio.wrap_future(job.done) for job in jobs), return_exceptions=True)

    async def voices(self) -> list[VoiceCard]:
        """Those that this machine's library has."""
        if self._pool is None:
            raise EngineDown("it is not started", where="flite")
        found = await asyncio.wrap_future(self._pool.submit(voices))
        return [VoiceCard(name, language="en", about=_ABOUT.get(name, "")) for name in found]

    async def _measure(self, voice: str) -> _Measured:
        if voice not in self._measured:
            if self._pool is None:
                raise EngineDown("it is not started", where="flite")
            self._measured[voice] = await asyncio.wrap_future(self._pool.submit(_measure, voice))
        return self._measured[voice]

    def _begin(self, voice: _Measured, text: str, stretch: float) -> _Job:
        if self._pool is None:
            raise EngineDown("it is not started, or was closed", where="flite")
        self._jobs = {job for job in self._jobs if not job.done.done()}
        job = _Job(voice, text, stretch, asyncio.get_running_loop())
        job.done = self._pool.submit(job.run)
        self._jobs.add(job)
        return job

    async def _synthesise(self, voice: _Measured, text: str, stretch: float) -> AsyncGenerator[Spoken, None]:
        job = self._begin(voice, text, stretch)
        try:
            while (piece := await _next(job.sound)) is not None:
                yield piece
            if isinstance(job.failure, EngineError):
                raise job.failure
            if job.failure is not None:
                raise EngineDown(f"flite failed: {job.failure}", where="flite") from job.failure
        finally:
            job.stopped.set()
            job.done.cancel()


class _Job:
    """One phrase on its way through a thread. Its queue is bounded by the phrase's length: the
    thread is never made to wait for a listener, who might belong to a slower call."""

    def __init__(self, voice: _Measured, text: str, stretch: float, loop: asyncio.AbstractEventLoop) -> None:
        self._voice = voice
        self._text = text
        self._stretch = stretch
        self._loop = loop
        self.sound: asyncio.Queue[Spoken | None] = asyncio.Queue()
        self.stopped = threading.Event()
        self.done: Future[None] = Future()
        self.failure: Exception | None = None

    def run(self) -> None:
        """In a worker thread."""
        try:
            if not self.stopped.is_set():
                self._voice.flite.speak(self._voice.handle, self._text, self._stretch, self._give)
        except Exception as error:  # noqa: BLE001 (handed over to the loop, which raises it)
            self.failure = self.failure or error
        self._tell(None)

    def abandon(self, why: EngineError) -> None:
        """On the loop: whoever listens is told now, and the thread stops at its next piece."""
        self.failure = why
        self.stopped.set()
        self.sound.put_nowait(None)

    def _give(self, sound: Sound) -> bool:
        if self.stopped.is_set():
            return False
        self._tell(Spoken(sound.pcm, sound.marks))
        return True

    def _tell(self, piece: Spoken | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self.sound.put_nowait, piece)
        except RuntimeError:
            self.stopped.set()  # the loop is closed: nobody listens any more


async def _next(sound: asyncio.Queue[Spoken | None]) -> Spoken | None:
    try:
        async with asyncio.timeout(_PIECE_SECONDS):
            return await sound.get()
    except TimeoutError:
        raise EngineTimeout("flite gave no sound in its time", where="flite") from None


class FliteVoice:
    """One call's voice."""

    def __init__(self, engine: Flite, voice: _Measured, stretch: float) -> None:
        self.rate = voice.rate
        self._engine = engine
        self._voice = voice
        self._stretch = stretch
        self._closed = False

    async def say(self, text: str) -> AsyncGenerator[Spoken, None]:
        if self._closed:
            raise EngineDown("the voice was closed", where="flite")
        spoken = utter(phrases(text, ascii_only=True), self.rate, self._synthesise)
        async with aclosing(spoken):
            async for piece in spoken:
                yield piece

    def _synthesise(self, text: str) -> AsyncGenerator[Spoken, None]:
        return self._engine._synthesise(self._voice, text, self._stretch)

    async def close(self) -> None:
        self._closed = True


def voices() -> list[str]:
    """The voices of flite that this machine has; blocks for some milliseconds. May be empty."""
    found = []
    for name in VOICES:
        try:
            load().voice(name)
        except EngineMissing:
            continue
        found.append(name)
    return found


def _measure(name: str) -> _Measured:
    """Load a voice and speak a few sentences with it, as a call would, to learn its pace."""
    flite = load()
    handle = flite.voice(name)
    seconds, rate = 0.0, 0
    spoken = phrases(PACE_TEXT, ascii_only=True)
    for phrase in spoken:
        pieces: list[Sound] = []

        def give(sound: Sound, pieces: list[Sound] = pieces) -> bool:
            pieces.append(sound)
            return True

        flite.speak(handle, phrase.text, 1.0, give)
        rate = pieces[0].rate if pieces else 0
        if not 8000 <= rate <= 48000:
            raise EngineDown(f"voice {name!r} gives no usable sound", where="flite")
        trimmer = SilenceTrimmer(rate)
        samples = len(trimmer.push(b"".join(piece.pcm for piece in pieces)) + trimmer.flush()) // 2
        seconds += samples / rate + phrase.pause
    if seconds < 1:
        raise EngineDown(f"voice {name!r} is all but silent", where="flite")
    return _Measured(flite, handle, rate, PACE_WORDS * 60 / seconds)
