"""Several engines as one: asked in their order, the next one where one fails.

A failure before anything was given goes to the next engine, within the caller's patience. After that, a
model's failure is told as it is (its first words are spoken already, and another model would say other
ones); a voice's sentence is gone on with from the last word known to be spoken, by the next voice. Each
engine has a circuit breaker that all calls share. Every failure is told, with its reason, to whoever
listens: `reporting_to`, which a call uses to put it in its events.

The list is a language model, or a text-to-speech engine, like any other; `start` wants one engine that
starts, and tells of the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

from trunkline.audio.resample import Resampler
from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineDown, EngineError, EngineTimeout, Verdict
from trunkline.prompt import Delta, Prompt, Usage
from trunkline.providers.breaker import Breaker
from trunkline.providers.protocols import KeepsWarm, LanguageModel, Spoken, TextToSpeech, Voice, VoiceOptions

Tell = Callable[[str, EngineError], None]
"""Given the failed engine's name and its error, as soon as it failed."""

Asked = Callable[[str, float], None]
"""Given the name of an engine that is asked for work, and how much: characters to speak, or seconds of sound
from before that it hears once more."""


class _Engine(Protocol):
    name: str

    async def start(self) -> None: ...

    async def close(self) -> None: ...


E = TypeVar("E", bound=_Engine)


@dataclass(frozen=True, slots=True)
class Guarded(Generic[E]):
    """An engine with its breaker."""

    engine: E
    breaker: Breaker


def nobody(name: str, error: EngineError) -> None:
    """Nobody listens to what failed."""


def uncounted(name: str, amount: float) -> None:
    """Nobody counts who was asked."""


@dataclass(slots=True)
class EngineRow(Generic[E]):
    """What both kinds share. `patience`: seconds that an engine which is not the last may take."""

    clock: Clock
    engines: Sequence[Guarded[E]]
    patience: float
    tell: Tell = nobody
    asked: Asked = uncounted
    started: list[Guarded[E]] = field(default_factory=list)

    async def start(self) -> None:
        self.started.clear()
        failure: EngineError | None = None
        for guarded in self.engines:
            try:
                await guarded.engine.start()
            except EngineError as error:
                failure = failure or error
                guarded.breaker.failed(self.clock.now(), error)
                if len(self.engines) > 1:  # of one alone it is raised
                    self.tell(guarded.engine.name, error)
            else:
                self.started.append(guarded)
        if not self.started and failure is not None:
            raise failure

    def order(self) -> list[Guarded[E]]:
        """Who is to be asked: those whose breakers allow it, or all, where none does."""
        now = self.clock.now()
        ready = [guarded for guarded in self.started if guarded.breaker.ready(now)]
        return ready or list(self.started)

    def begin(self, guarded: Guarded[E]) -> None:
        """It is asked now: where it was left alone, this is its trial, and the others wait for the result."""
        guarded.breaker.allows(self.clock.now())

    def failed(self, guarded: Guarded[E], error: EngineError) -> None:
        guarded.breaker.failed(self.clock.now(), error)
        self.tell(guarded.engine.name, error)

    async def open_first(self, open_one: Callable[[Guarded[E]], Awaitable[object]], none: EngineDown) -> None:
        """Open engines in their order until one is open. Raises the last `EngineError`, or `none` where no
        engine is there."""
        failure: EngineError = none
        for guarded in self.order():
            try:
                await open_one(guarded)
            except EngineError as error:
                failure = error
                self.failed(guarded, error)
            else:
                return
        raise failure

    async def next_of(self, stream: Any, limit: float | None, where: str) -> Any:
        """The stream's next thing, or None at its end."""
        try:
            async with asyncio.timeout(limit):
                return await anext(stream, None)
        except TimeoutError:
            raise EngineTimeout(f"nothing came within {limit:g} s", where=where) from None

    async def close(self) -> None:
        self.started.clear()
        for guarded in self.engines:
            await guarded.engine.close()


def row_of(engines: Sequence[E], clock: Clock, patience: float, tell: Tell) -> EngineRow[E]:
    if not engines:
        raise ConfigError("a list of engines is empty")
    return EngineRow(clock, [Guarded(engine, Breaker()) for engine in engines], patience, tell)


class FailoverLanguageModel:
    """`patience`: how long a model that is not the last may take for its first token, in seconds."""

    def __init__(
        self,
        models: Sequence[LanguageModel],
        clock: Clock,
        *,
        patience: float = 1.5,
        tell: Tell = nobody,
        _shared: EngineRow[LanguageModel] | None = None,
    ) -> None:
        self._row = _shared or row_of(models, clock, patience, tell)
        self.name = self._row.engines[0].engine.name

    def reporting_to(self, tell: Tell) -> FailoverLanguageModel:
        """The same engines and breakers for one call, which is told what failed."""
        return FailoverLanguageModel((), self._row.clock, _shared=replace(self._row, tell=tell))

    async def start(self) -> None:
        await self._row.start()

    async def warm(self) -> None:
        """The one that is asked first is warm as a call begins."""
        for guarded in self._row.order()[:1]:
            if isinstance(guarded.engine, KeepsWarm):
                await guarded.engine.warm()

    async def close(self) -> None:
        await self._row.close()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        """Of the first model that begins to answer. Closing the generator cancels."""
        order = self._row.order()
        failure: EngineError = EngineDown("no model is there", where=self.name)
        # One that may work in a moment is asked a second time where nobody else is left.
        for number, guarded in enumerate([*order, *order[-1:]]):
            if number == len(order) and (failure.verdict is not Verdict.RETRY):
                break
            given = False
            try:
                async with aclosing(self._answer(guarded, prompt, last=number + 1 >= len(order))) as deltas:
                    async for delta in deltas:
                        given = given or not isinstance(delta, Usage)
                        if isinstance(delta, Usage) and guarded is not self._row.engines[0]:
                            yield replace(delta, model=delta.model or guarded.engine.name)
                        else:
                            yield delta
                return
            except EngineError as error:
                failure = error
                self._row.failed(guarded, error)
                if given:
                    raise
        raise failure

    async def _answer(
        self, guarded: Guarded[LanguageModel], prompt: Prompt, *, last: bool
    ) -> AsyncGenerator[Delta, None]:
        """One model's answer; its breaker learns of the first thing that comes, or that nobody waited."""
        limit = None if last else self._row.patience
        settled = False
        self._row.begin(guarded)
        try:
            async with aclosing(guarded.engine.stream(prompt)) as stream:
                while (delta := await self._row.next_of(stream, limit, guarded.engine.name)) is not None:
                    if isinstance(delta, Usage) and not settled:
                        break  # counted tokens and no answer: the next model is to give one
                    limit, settled = None, True
                    guarded.breaker.succeeded()
                    yield delta
            if not settled:
                raise EngineDown("the model gave nothing", where=guarded.engine.name)
        except EngineError:
            settled = True
            raise
        finally:
            if not settled:
                guarded.breaker.let_go()


def model_reporting_to(model: LanguageModel, tell: Tell) -> LanguageModel:
    """The model as one call uses it: a list tells this call what failed in it."""
    return model.reporting_to(tell) if isinstance(model, FailoverLanguageModel) else model


def voices_reporting_to(engine: TextToSpeech, tell: Tell, asked: Asked) -> TextToSpeech:
    """The voices as one call uses them: a list tells this call what failed in it, and who speaks."""
    return engine.reporting_to(tell, asked) if isinstance(engine, FailoverTextToSpeech) else engine


class FailoverTextToSpeech:
    """`patience`: how long a voice that is not the last may take for a sentence's first sound, in seconds."""

    def __init__(
        self,
        engines: Sequence[TextToSpeech],
        clock: Clock,
        *,
        patience: float = 1.0,
        tell: Tell = nobody,
        _shared: EngineRow[TextToSpeech] | None = None,
    ) -> None:
        self._row = _shared or row_of(engines, clock, patience, tell)
        self.name = self._row.engines[0].engine.name

    def reporting_to(self, tell: Tell, asked: Asked = uncounted) -> FailoverTextToSpeech:
        """The same engines and breakers for one call, which is told what failed and who speaks."""
        return FailoverTextToSpeech((), self._row.clock, _shared=replace(self._row, tell=tell, asked=asked))

    def first_alone(self) -> FailoverTextToSpeech:
        """The first engine without the others, under the same breaker. Not to be closed: it is this one's."""
        first = self._row.engines[:1]
        started = [guarded for guarded in self._row.started if guarded in first]
        row = replace(self._row, engines=first, started=started)
        return FailoverTextToSpeech((), self._row.clock, _shared=row)

    async def start(self) -> None:
        await self._row.start()

    async def close(self) -> None:
        await self._row.close()

    async def open(self, options: VoiceOptions) -> FailoverVoice:
        """The first voice that opens is open when this returns; the others open when they are needed."""
        voice = FailoverVoice(self._row, options)
        await voice.open_first()
        return voice


class FailoverVoice:
    """One call's voice, at the leg's own rate, whichever engine speaks: engines give different ones."""

    def __init__(self, row: EngineRow[TextToSpeech], options: VoiceOptions) -> None:
        self.rate = options.rate
        self._row = row
        self._options = options
        self._voices: dict[int, Voice] = {}
        self._closed = False
        self.speaks_first = True
        """Whether the first engine spoke the last sentence, and no other had a part in it."""

    async def open_first(self) -> None:
        """Raises the last `EngineError` where no engine opens."""
        await self._row.open_first(self._voice_of, EngineDown("no voice is there", where="tts"))

    async def _voice_of(self, guarded: Guarded[TextToSpeech]) -> Voice:
        voice = self._voices.get(id(guarded))
        if voice is None:
            # A voice's name means something to its own engine alone: the others take their defaults.
            first = guarded is self._row.engines[0]
            options = self._options if first else replace(self._options, voice="")
            voice = self._voices[id(guarded)] = await guarded.engine.open(options)
        return voice

    async def say(self, text: str) -> AsyncGenerator[Spoken, None]:
        """Speak one sentence. Closing the generator cancels."""
        if self._closed:
            raise EngineDown("the voice was closed", where="tts")
        progress = _Progress(text)
        order = self._row.order()
        failure: EngineError = EngineDown("no voice is there", where="tts")
        self.speaks_first = True
        for number, guarded in enumerate(order):
            self.speaks_first &= guarded is self._row.engines[0]
            try:
                last = number + 1 == len(order)
                async with aclosing(self._part(guarded, progress, last=last)) as pieces:
                    async for spoken in pieces:
                        yield spoken
                return
            except EngineError as error:
                failure = error
                self._row.failed(guarded, error)
                if not progress.can_go_on:
                    raise
        raise failure

    async def _part(
        self, guarded: Guarded[TextToSpeech], progress: _Progress, *, last: bool
    ) -> AsyncGenerator[Spoken, None]:
        """What is left of the sentence, by this engine, at the leg's rate."""
        rest = progress.begin_part()
        if not any(letter.isalnum() for letter in rest):
            return
        limit = None if last else self._row.patience
        settled = False
        self._row.begin(guarded)
        try:
            voice = await self._voice_of(guarded)
            self._row.asked(guarded.engine.name, len(rest))
            resampler = Resampler(voice.rate, self.rate)
            async with aclosing(voice.say(rest)) as stream:
                while (spoken := await self._row.next_of(stream, limit, guarded.engine.name)) is not None:
                    if spoken.pcm:
                        limit, settled = None, True
                        guarded.breaker.succeeded()
                    yield progress.given(resampler.push(spoken.pcm), spoken.marks, self.rate)
            if not settled:
                raise EngineDown("the voice gave no sound for a sentence", where=guarded.engine.name)
            if tail := resampler.flush():
                yield progress.given(tail, (), self.rate)
        except EngineError:
            settled = True
            raise
        finally:
            if not settled:
                guarded.breaker.let_go()

    async def close(self) -> None:
        self._closed = True
        voices, self._voices = self._voices, {}
        for voice in voices.values():
            await voice.close()


@dataclass(slots=True)
class _Progress:
    """How far a sentence has been spoken, over all engines that had a part in it."""

    text: str
    _seconds: float = 0.0
    """Of sound that was given."""
    _part_seconds: float = 0.0
    """Where the present part begins, in seconds and characters."""
    _part_place: int = 0
    _marks: list[tuple[float, int]] = field(default_factory=list)

    @property
    def can_go_on(self) -> bool:
        """Nothing was given yet, or it is known up to which word."""
        return self._seconds == 0 or self._spoken_place() > self._part_place

    def _spoken_place(self) -> int:
        return max((place for at, place in self._marks if at <= self._seconds), default=self._part_place)

    def begin_part(self) -> str:
        """The text that is left. A word that broke off in the middle is said again."""
        self._part_place = self._spoken_place()
        self._part_seconds = self._seconds
        self._marks.clear()
        return self.text[self._part_place :]

    def given(self, pcm: bytes, marks: Sequence[tuple[float, int]], rate: int) -> Spoken:
        """The piece as part of the whole sentence."""
        self._seconds += len(pcm) / 2 / rate
        whole = tuple((at + self._part_seconds, place + self._part_place) for at, place in marks)
        self._marks += whole
        return Spoken(pcm, whole)
