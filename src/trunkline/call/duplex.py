"""A call whose model hears and speaks by itself, under the same rules as any other.

`bound` gives a call engines of its own: a recogniser, a model and a voice that are three faces of one session
(`providers/s2s/protocol.py`), each with the configured engine behind it. So turn-taking, scenario,
guardrail, barge-in, ledger and record are what they are in every call. What is needed in between stands
here: the session's transcript is cut into sentences as `answer.py` will cut it, and when a sentence that
passed the guardrail comes back to be spoken, its passage of the session's own sound is given. Every other
sentence (a fixed line, a replacement) is read by the session, whose words are compared with what should have
been said, or spoken by the configured voice.

When the session fails it is opened once more, as a recogniser is; meanwhile, and after that, the
configured three go on with the call.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from trunkline.call.duplex_voice import Claim, DuplexVoice, Sounding
from trunkline.call.engines import Engines
from trunkline.call.fixed_lines import LineMaker
from trunkline.call.passages import USUAL_PACE
from trunkline.call.read_line import LineReader
from trunkline.call.sentences import SentenceCutter
from trunkline.call.settings import CallSettings
from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineError
from trunkline.events import Event, ModelUsed
from trunkline.prompt import Delta, Prompt, Token, Usage
from trunkline.providers.breaker import Breaker
from trunkline.providers.failover import (
    Asked,
    EngineRow,
    FailoverLanguageModel,
    FailoverTextToSpeech,
    Guarded,
    Tell,
    model_reporting_to,
)
from trunkline.providers.protocols import (
    LanguageModel,
    ListenOptions,
    SpeechToText,
    TextToSpeech,
    VoiceOptions,
)
from trunkline.providers.s2s.protocol import Session, SpeechToSpeech
from trunkline.providers.stt_failover import FailoverSpeechToText, recognisers_reporting_to

PATIENCE = 2.5
"""Seconds that the session may take for an answer's first word before the configured model is asked."""
HEARING_PATIENCE = 4.0
"""Seconds after speech in which the session must have given words."""
_MOST_ANSWERS = 4
"""Whose sound is kept: the one being said, one prepared, and what tools led to."""


def bound(
    engines: Engines,
    settings: CallSettings,
    clock: Clock,
    emit: Callable[[Event], None],
    tell: Tell,
    asked: Asked,
) -> tuple[Engines, CallSettings]:
    """The engines and settings of one call: as they are, or, with a session, its three faces. `asked`: told
    what the configured voices are given to speak."""
    if engines.s2s is None:
        return engines, settings
    duplex = Duplex(engines.s2s, clock, emit, tell)
    ears: EngineRow[SpeechToText] = EngineRow(
        clock,
        [
            Guarded(_Ears(duplex), engines.s2s_breaker),
            Guarded(recognisers_reporting_to(engines.stt, clock, tell), Breaker()),
        ],
        HEARING_PATIENCE,
    )
    ears.started = list(ears.engines)
    minds: EngineRow[LanguageModel] = EngineRow(
        clock,
        [Guarded(_Mind(duplex), Breaker()), Guarded(model_reporting_to(engines.llm, tell), Breaker())],
        PATIENCE,
    )
    minds.started = list(minds.engines)
    mine = replace(
        engines,
        stt=[FailoverSpeechToText((), clock, _shared=ears)],
        llm=FailoverLanguageModel((), clock, _shared=minds),
        tts=_Mouth(duplex, _spare_voices(engines.tts, clock, tell, asked)),
    )
    # The session breathes between its sentences, and answers simple turns as fast as it would read them.
    return mine, replace(settings, sentence_pause=0.0, simple_turns="model")


def _spare_voices(engine: TextToSpeech, clock: Clock, tell: Tell, asked: Asked) -> TextToSpeech:
    """The configured voices, which say whom of them they ask even where there is but one."""
    if isinstance(engine, FailoverTextToSpeech):
        return engine.reporting_to(tell, asked)
    row = EngineRow(clock, [Guarded(engine, Breaker())], PATIENCE, tell, asked)
    row.started = list(row.engines)
    return FailoverTextToSpeech((), clock, _shared=row)


def line_maker(
    engines: Engines, settings: CallSettings, emit: Callable[[Event], None], clock: Clock
) -> LineMaker | None:
    """Who makes fixed lines before they are needed: the engine whose voice the caller hears."""
    if engines.lines is None:
        return None
    tts, s2s = engines.tts, engines.s2s
    if s2s is not None:
        name = s2s.name
        tts = LineReader(s2s, lambda used: emit(model_used(clock.now(), name, "line", used)))
    # A session speaks its answers as they are meant where they stand: none of it is said again elsewhere.
    beginnings = engines.beginnings if s2s is None else None
    return LineMaker(tts, engines.lines, settings, engines.voice, beginnings)


def model_used(at: float, name: str, purpose: str, used: Usage) -> ModelUsed:
    """Tokens that no answer's event tells of."""
    return ModelUsed(
        at,
        name,
        purpose,
        used.input_tokens,
        used.output_tokens,
        used.cached_tokens,
        used.audio_input_tokens,
        used.audio_output_tokens,
        used.audio_cached_tokens,
    )


class Duplex:
    """One call's session, while it lives, and the answers whose sound may still be wanted."""

    def __init__(
        self, engine: SpeechToSpeech, clock: Clock, emit: Callable[[Event], None], tell: Tell
    ) -> None:
        self.name = engine.name
        self.engine = engine
        self._clock = clock
        self._tell = tell
        self.voice = VoiceOptions()
        self._emit = emit
        self._session: Session | None = None
        self._answers: list[Sounding] = []
        self._pace = USUAL_PACE

    async def open(self, options: ListenOptions) -> Session:
        """A new session, in the place of one that failed. Raises an `EngineError`."""
        self._session = None
        self._session = await self.engine.open(options, self.voice, lambda used: self.used(used, "cut"))
        return self._session

    @property
    def session(self) -> Session:
        """The session. Raises `EngineDown` where there is none."""
        if self._session is None or self._session.closed:
            raise EngineDown("the session is over", where=self.name)
        return self._session

    def used(self, usage: Usage, purpose: str) -> None:
        """Tokens that no answer's event will tell of."""
        if usage.input_tokens or usage.output_tokens:
            self._emit(model_used(self._clock.now(), self.name, purpose, usage))

    def failed(self, error: EngineError) -> None:
        """A line could not be read."""
        self._tell(self.name, error)

    async def answer(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        """The session's answer; its sentences and their sound are kept until they are asked for."""
        session = self.session
        sounding = Sounding(session.rate, self._pace)
        self._answers.append(sounding)
        del self._answers[:-_MOST_ANSWERS]
        cutter = SentenceCutter()
        whole = False
        try:
            async with aclosing(session.respond(prompt, sounding)) as deltas:
                async for delta in deltas:
                    if isinstance(delta, Token):
                        sentences = cutter.feed(delta.text)
                        over = delta.text.endswith("\n") and not cutter.waits
                        sounding.texts(sentences, complete=over)
                    yield delta
            sounding.texts(cutter.flush(), complete=True)
            whole = True
        finally:
            if not whole:
                sounding.break_off()
            self._pace = sounding.passages.measured_pace or self._pace

    def claim(self, sentence: str) -> Claim | None:
        """This sentence's part of an answer's sound; what was to be said before it is not wanted any more."""
        for place, sounding in reversed(list(enumerate(self._answers))):  # the newest: an older one was cut
            number = sounding.passages.find(sentence)
            if number is not None:
                del self._answers[:place]
                return Claim(sounding, number, self.name)
        return None

    def drop(self, sounding: Sounding) -> None:
        """The caller will hear no more of this answer."""
        if sounding in self._answers:
            self._answers.remove(sounding)

    def close(self) -> None:
        """The call is over. Its session tells this what it used, and is let go of."""
        self._session = None
        self._answers.clear()


class _Ears:
    """The session as a recogniser."""

    def __init__(self, duplex: Duplex) -> None:
        self.name = duplex.engine.transcriber or duplex.name
        self._duplex = duplex

    async def start(self) -> None:
        """The engine is started."""

    async def open(self, options: ListenOptions) -> Session:
        return await self._duplex.open(options)

    async def close(self) -> None:
        """The engine is its service's."""


class _Mind:
    """The session as a language model."""

    def __init__(self, duplex: Duplex) -> None:
        self.name = duplex.name
        self._duplex = duplex

    async def start(self) -> None:
        """The engine is started."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        return self._duplex.answer(prompt)

    async def close(self) -> None:
        """The engine is its service's."""


class _Mouth:
    """The session as voices, `spare` behind them."""

    def __init__(self, duplex: Duplex, spare: TextToSpeech) -> None:
        self.name = duplex.name
        self._duplex = duplex
        self._spare = spare

    async def start(self) -> None:
        """The engine is started."""

    async def open(self, options: VoiceOptions) -> DuplexVoice:
        self._duplex.voice = options
        return DuplexVoice(self._duplex, self._spare, options)

    async def close(self) -> None:
        """The engine is its service's."""
