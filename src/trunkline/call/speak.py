"""The agent's voice: sentences in, 20 ms frames out, and `cut()`, which stops it at once.

`next_frame` is called by the leg each time 20 ms must leave, so the last moment at which sound can
be changed is the moment it leaves: a cut is silence from the next frame on, and nothing of a cut
answer is queued anywhere that we own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import aclosing, suppress

from trunkline.audio.cut import FrameCutter
from trunkline.audio.level import first_audible
from trunkline.audio.mix import Gain
from trunkline.audio.resample import Resampler
from trunkline.call.heard import Piece
from trunkline.call.settings import CallSettings
from trunkline.call.utterance import Utterance
from trunkline.call.wording import Wording, for_speech, has_words
from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineError, EngineTimeout
from trunkline.events import (
    Event,
    FirstAudio,
    GenerationDropped,
    SpeakingStarted,
    SpeakingStopped,
    SynthesisStarted,
    Trouble,
)
from trunkline.providers.protocols import Spoken, Voice
from trunkline.providers.voice_cache import CachedVoice

DUCKED_GAIN = 0.25
"""How loud the agent is while it is unclear whether the caller interrupts: 12 dB down."""


class Speaker:
    """Plays one utterance at a time, in the order of their release. One for each call."""

    def __init__(
        self,
        voice: Voice,
        rate: int,
        settings: CallSettings,
        clock: Clock,
        emit: Callable[[Event], None],
        clear_leg: Callable[[], None],
    ) -> None:
        self._voice = voice
        self._rate = rate
        self._settings = settings
        self._clock = clock
        self._emit = emit
        self._clear_leg = clear_leg
        self._current: Utterance | None = None
        self._waiting: deque[Utterance] = deque()
        self._gain = Gain(rate)
        self._held = False
        self._synthesis = asyncio.Lock()

    # --- what the thinker asks --------------------------------------------------------------------

    def open(self, generation: int, *, held: bool, interruptible: bool = True) -> Utterance:
        """A new utterance. Run `synthesise` on it in a task; it plays once it is not held."""
        utterance = Utterance(generation, self._rate, interruptible=interruptible, held=held)
        utterance.room.set()
        if not held:
            self._waiting.append(utterance)
        return utterance

    def release(self, utterance: Utterance) -> None:
        """Play a held utterance from the next frame on."""
        if utterance.held:
            utterance.held = False
            self._waiting.append(utterance)

    def say(self, utterance: Utterance, sentence: str) -> None:
        """Add one sentence. What comes after a cut is not spoken."""
        if utterance.dropped or utterance.sealed:
            return
        try:
            utterance.sentences.put_nowait(sentence)
        except asyncio.QueueFull:
            utterance.failure = "the answer had too many sentences"

    def seal(self, utterance: Utterance) -> None:
        """No more sentences will be added."""
        if not utterance.sealed:
            utterance.sealed = True
            # Where it is full, the synthesiser looks at `sealed` once it has emptied the queue.
            with suppress(asyncio.QueueFull):
                utterance.sentences.put_nowait(None)

    @property
    def speaking(self) -> Utterance | None:
        """The utterance that the caller is hearing or about to hear."""
        return self._current or (self._waiting[0] if self._waiting else None)

    # --- what turn-taking asks --------------------------------------------------------------------

    def duck(self, *, hold: bool) -> None:
        """Go quieter from the next frame on; with `hold` fall silent and keep the place."""
        self._gain.to(DUCKED_GAIN)
        self._held = hold

    def resume(self) -> None:
        """Go on from where the sound was held, at full level."""
        self._gain.to(1.0)
        self._held = False

    def cut(self, why: str) -> None:
        """Stop at once: playout, everything queued behind it, and what is being synthesised."""
        self._gain = Gain(self._rate)
        self._held = False
        victims = [u for u in (self._current, *self._waiting) if u is not None]
        self._current = None
        self._waiting.clear()
        self._clear_leg()
        for utterance in victims:
            self.drop(utterance, why)

    def drop(self, utterance: Utterance, why: str) -> None:
        """Nothing (more) of this utterance will leave. Says what had been heard of it."""
        if utterance.ended.is_set():
            return
        utterance.dropped = True
        utterance.drop_frames()
        if utterance is self._current:
            self._current = None
        elif utterance in self._waiting:
            self._waiting.remove(utterance)
        utterance.ended.set()
        now = self._clock.now()
        if utterance.audible:
            heard, unheard = utterance.heard()
            self._emit(SpeakingStopped(now, utterance.generation, heard, False, unheard))
        else:
            self._emit(GenerationDropped(now, utterance.generation, why))

    # --- the frame path ---------------------------------------------------------------------------

    def next_frame(self, at: float) -> bytes | None:
        """20 ms of the agent that leave at `at`, or None for silence."""
        if self._held:
            return None
        utterance = self._current
        if utterance is None:
            if not self._waiting:
                return None
            utterance = self._current = self._waiting.popleft()
        pcm = utterance.take_frame()
        if pcm is None:
            if utterance.exhausted:
                self._finish(utterance, at)
            return None
        if not utterance.audible:
            offset = first_audible(pcm, self._rate)
            if offset is not None:
                utterance.audible = True
                self._emit(SpeakingStarted(at + offset, utterance.generation, utterance.interruptible))
        return self._gain.apply(pcm)

    def _finish(self, utterance: Utterance, at: float) -> None:
        self._current = None
        self._gain.to(1.0)
        utterance.ended.set()
        if utterance.audible:
            heard, unheard = utterance.heard()
            self._emit(SpeakingStopped(at, utterance.generation, heard, not utterance.failure, unheard))
        else:
            self._emit(GenerationDropped(at, utterance.generation, utterance.failure or "no sound"))

    # --- synthesis --------------------------------------------------------------------------------

    async def synthesise(self, utterance: Utterance) -> None:
        """Turn an utterance's sentences into frames until it is sealed; run as a task of its own.

        One utterance is synthesised at a time, for a voice speaks one sentence after the other.
        """
        try:
            async with self._synthesis:
                index = 0
                while (sentence := await self._next_sentence(utterance)) is not None:
                    if utterance.dropped:
                        return
                    wording = for_speech(sentence)
                    if not has_words(wording.spoken):
                        continue
                    piece = Piece(index, sentence, wording.spoken, wording.spoken_to_written)
                    utterance.pieces.append(piece)
                    await self._speak_or_report(utterance, piece, wording)
                    index += 1
        finally:
            utterance.made = True

    async def _next_sentence(self, utterance: Utterance) -> str | None:
        if utterance.sealed and utterance.sentences.empty():
            return None
        return await utterance.sentences.get()

    async def _speak_or_report(self, utterance: Utterance, piece: Piece, wording: Wording) -> None:
        """One sentence, tried twice while nothing of it was made; a failure is noted, not raised."""
        cached = isinstance(self._voice, CachedVoice) and self._voice.knows(wording.spoken)
        now = self._clock.now()
        self._emit(SynthesisStarted(now, utterance.generation, piece.index, wording.spoken, cached))
        for attempt in (1, 2):
            try:
                await self._speak(utterance, piece, wording.spoken)
                return
            except EngineError as error:
                self._emit(Trouble(self._clock.now(), "tts", type(error).__name__, str(error), error.verdict))
                utterance.failure = error.what
                if piece.made:
                    piece.complete = True
                    return
                if attempt == 1:
                    utterance.failure = ""

    async def _speak(self, utterance: Utterance, piece: Piece, text: str) -> None:
        resampler = Resampler(self._voice.rate, self._rate)
        frames = FrameCutter(self._rate)
        async with aclosing(self._voice.say(text)) as sound:
            while (spoken := await self._next_piece(sound, bool(piece.made))) is not None:
                if utterance.dropped:
                    return
                for at, said in spoken.marks:
                    piece.marks.append((round(at * self._rate), said))
                self._add(utterance, piece, frames.push(resampler.push(spoken.pcm)))
                await utterance.room.wait()
        self._add(utterance, piece, frames.push(resampler.flush()))
        if (last := frames.flush()) is not None:
            self._add(utterance, piece, [last])
        if not piece.made:
            raise EngineDown("the voice gave no sound for a sentence", where="tts")
        piece.complete = True
        for _ in range(round(self._settings.sentence_pause / 0.02)):
            utterance.add_frame(None, bytes(self._rate // 50 * 2))

    async def _next_piece(self, sound: object, begun: bool) -> Spoken | None:
        limit = self._settings.audio_timeout if begun else self._settings.first_audio_timeout
        try:
            async with asyncio.timeout(limit):
                return await anext(sound, None)  # type: ignore[call-overload, no-any-return]
        except TimeoutError:
            raise EngineTimeout(f"no sound within {limit:g} s", where="tts") from None

    def _add(self, utterance: Utterance, piece: Piece, frames: list[bytes]) -> None:
        for pcm in frames:
            if not piece.made:
                self._emit(FirstAudio(self._clock.now(), utterance.generation, piece.index))
            piece.made += len(pcm) // 2
            utterance.add_frame(piece, pcm)
