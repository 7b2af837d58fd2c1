"""Asking a person whether they take a call: ring them, whisper who is calling and what is known, and wait
for a key or a word.

A voice mailbox that answers says nothing of the kind, so no caller is ever given to one.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from trunkline.audio.frame import Frame
from trunkline.call.engines import Engines
from trunkline.call.listen import Listener
from trunkline.call.loss import LossLimit
from trunkline.call.settings import CallSettings
from trunkline.call.speak import Speaker
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import Clock
from trunkline.errors import EngineError, TrunklineError
from trunkline.events import Answer, Dtmf, Event, Expectation, Final, HungUp, Trouble
from trunkline.legs.leg import Leg, TransferResult
from trunkline.providers.protocols import ListenOptions, VoiceOptions
from trunkline.scenario.assent import yes_or_no
from trunkline.sip.not_taken import CallNotTaken, Why

_TAKES, _DECLINES = "1", "2"
_EAR_SECONDS = 0.7
"""From the answer to the first word of the whisper: a receiver has to come to an ear."""
_GREETING_SECONDS = 2.0
"""Of the whisper, during which words of the person do not count: many answer a phone with "yes?"."""
_ASKED = 2
"""How often the question is put before nobody counts as having answered."""
_PHRASES = ("yes", "yes please", "okay", "put them through", "no", "no thank you", "not now")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_RESULTS = {
    Why.BUSY: TransferResult.BUSY,
    Why.DECLINED: TransferResult.DECLINED,
    Why.BLOCKED: TransferResult.DECLINED,
    Why.NO_ANSWER: TransferResult.NO_ANSWER,
}


def result_of(why: Why) -> TransferResult:
    """What a call to the person that was not taken comes to."""
    return _RESULTS.get(why, TransferResult.FAILED)


@dataclass(frozen=True, slots=True)
class Asking:
    """What a consultation is made of: the call's own engines and settings."""

    engines: Engines
    settings: CallSettings
    clock: Clock
    batch: VoiceBatch
    emit: Callable[[Event], None]
    """For what goes wrong; what the person says is not the caller's, and is not in the call's log."""


class Consultation:
    """With the person on `leg`, which rings. `ask` once; the leg is the caller's to end."""

    def __init__(self, leg: Leg, asking: Asking) -> None:
        self._leg = leg
        self._asking = asking
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[TransferResult] = self._loop.create_future()
        self.left: asyncio.Future[tuple[str, str]] = self._loop.create_future()
        """Set once the person is gone: who ended it, and why."""
        self.on_key: Callable[[str], None] = _nobody
        """Told what they press once they have taken the call."""
        self._events: asyncio.Task[None] | None = None
        self._words_count_from = math.inf

    async def ask(self, whisper: str) -> TransferResult:
        """`TRANSFERRED` where the person takes the call; it is then for `close` to end this."""
        try:
            async with asyncio.timeout(self._asking.settings.person_ring_time):
                await self._leg.answer()
        except TimeoutError:
            return TransferResult.NO_ANSWER
        except CallNotTaken as error:
            return result_of(error.why)
        self._events = asyncio.create_task(self._leg_events(), name="person's events")
        try:
            return await self._talk(whisper)
        except EngineError as error:
            self._trouble(error)
            return TransferResult.FAILED

    async def close(self) -> None:
        """Nothing of the person's call is listened to any more."""
        self.on_key = _nobody
        events, self._events = self._events, None
        if events is not None:
            events.cancel()
            await asyncio.gather(events, return_exceptions=True)

    async def _talk(self, whisper: str) -> TransferResult:
        asking, leg = self._asking, self._leg
        settings = asking.settings
        voice = await asking.engines.tts.open(
            VoiceOptions(settings.voice, settings.words_per_minute, settings.language, leg.rate)
        )
        speaker = Speaker(voice, leg.rate, settings, asking.clock, self._only_trouble, leg.clear)
        listener = Listener(
            asking.engines.stt, ListenOptions(leg.rate, settings.language), asking.clock, self._heard
        )
        tasks: list[asyncio.Task[None]] = []
        try:
            try:
                await listener.open(asking.batch, settings.vad)
                listener.expect(Expectation(Answer.YES_NO, _PHRASES, digits=1))
                tasks.append(asyncio.create_task(self._listen(listener), name="person's words"))
            except EngineError as error:
                self._trouble(error)  # Keys are heard all the same.

            def next_frame(at: float) -> bytes | None:
                pcm = speaker.next_frame(at)
                listener.played(pcm)
                return pcm

            def hear(frame: Frame) -> None:
                listener.hear(frame)

            leg.start(hear, next_frame)
            await self._wait(_EAR_SECONDS)
            self._words_count_from = asking.clock.now() + _GREETING_SECONDS
            for _ in range(_ASKED):
                speaking = asyncio.create_task(self._say(speaker, whisper), name="whisper")
                tasks.append(speaking)
                await asyncio.wait((speaking, self._answer), return_when=asyncio.FIRST_COMPLETED)
                if not self._answer.done():
                    await self._wait(settings.person_answer_time)
                if self._answer.done():
                    return self._answer.result()
            return TransferResult.NO_ANSWER
        finally:
            speaker.cut("answered")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await listener.close()
            await voice.close()

    async def _wait(self, seconds: float) -> None:
        waiting = asyncio.ensure_future(self._asking.clock.sleep(seconds))
        try:
            await asyncio.wait((waiting, self._answer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    async def _say(self, speaker: Speaker, words: str) -> None:
        utterance = speaker.open(0, held=False)
        for sentence in _SENTENCE.split(words):
            speaker.say(utterance, sentence)
        speaker.seal(utterance)
        await speaker.synthesise(utterance)
        await utterance.ended.wait()
        if utterance.failure and not utterance.audible:
            # A person who hears nothing cannot know what is asked of them.
            self._decide(TransferResult.FAILED)

    # --- what the person does ---------------------------------------------------------------------

    async def _leg_events(self) -> None:
        asking = self._asking
        with LossLimit(asking.clock, asking.settings.media_lost_limit, lambda: self._lost(loss)) as loss:
            async for event in self._leg.events():
                loss.note(event)
                if isinstance(event, Dtmf):
                    self._key(event.digit)
                elif isinstance(event, HungUp):
                    self._decide(TransferResult.DECLINED)
                    self._gone("person", f"the person hung up: {event.reason}")

    def _key(self, digit: str) -> None:
        if self._taken:
            self.on_key(digit)
        elif digit == _TAKES:
            self._decide(TransferResult.TRANSFERRED)
        elif digit == _DECLINES:
            self._decide(TransferResult.DECLINED)

    def _lost(self, loss: LossLimit) -> None:
        """Nothing comes from their phone. Some send nothing of a silence: while they are asked, the time for
        their answer is limit enough, and it counts again from the next that is told."""
        if self._taken:
            self._gone("network", "no audio came from the person any more")
        else:
            loss.stop()

    @property
    def _taken(self) -> bool:
        return self._answer.done() and self._answer.result() is TransferResult.TRANSFERRED

    def _gone(self, by: str, reason: str) -> None:
        if not self.left.done():
            self.left.set_result((by, reason))

    async def _listen(self, listener: Listener) -> None:
        try:
            await listener.run()
        except EngineError as error:
            self._trouble(error)  # Each failure is told; keys are heard all the same.

    def _heard(self, event: Event) -> None:
        if isinstance(event, Final):
            began = event.words[0].start if event.words else event.at
            said = None if event.rejected else yes_or_no(event.text)
            if said is not None and began >= self._words_count_from:
                self._decide(TransferResult.TRANSFERRED if said else TransferResult.DECLINED)
        else:
            self._only_trouble(event)

    def _decide(self, result: TransferResult) -> None:
        if not self._answer.done():
            self._answer.set_result(result)

    def _only_trouble(self, event: Event) -> None:
        if isinstance(event, Trouble):
            self._asking.emit(event)

    def _trouble(self, error: TrunklineError) -> None:
        now = self._asking.clock.now()
        self._asking.emit(Trouble(now, "transfer", type(error).__name__, str(error), error.verdict))


def _nobody(_: str) -> None:
    """Nobody wants to know what they press."""
