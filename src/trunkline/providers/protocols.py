"""The three protocols that every engine follows.

An engine object is made once in a process (`SpeechToText`, `LanguageModel`, `TextToSpeech`) and may
hold worker processes, clients and connections that calls share. For each call it opens a stream
(`Recognition`, `Voice`) that belongs to that call alone. A language model keeps no state for a call.

Common rules, which the conformance suites in `tests/providers/` check for every engine:

* Constructors take keyword options only, each a `str`, `int`, `float` or `bool`, with defaults, and
  do no work; `start()` loads, connects and verifies, and raises an `EngineError` that tells a
  person what to do.
* Every failure is an `EngineError`; nothing else escapes.
* Nothing blocks the event loop for more than a millisecond.
* `close()` may be called at any time, more than once, and leaves no task, process or socket behind.
* Closing a stream early (`aclose`, cancellation) stops the work, and the bill, within 50 ms. The suites
  check that it is stopped; how soon, `benchmarks/cancelling.py` and `tts.py` measure.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from trunkline.audio.frame import Frame
from trunkline.events import EngineEndOfTurn, Expectation, Final, Partial
from trunkline.prompt import Delta, Prompt

Heard = Partial | Final | EngineEndOfTurn


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """What a recognition stream is told when it opens."""

    rate: int = 8000
    """Samples a second of the frames that will be pushed."""
    language: str = "en"
    keyterms: tuple[str, ...] = ()


class Recognition(Protocol):
    """The recognition of one call. Iterate it for what is heard; it ends after `close()`.

    `Partial` and `Final` carry `at` = the clock's time when they were given. An engine that fails
    raises from the iteration; the call then opens another (`failover`).
    """

    def push(self, frame: Frame) -> None:
        """Take the next 20 ms of the caller. Never blocks: the queue behind it is bounded, and when
        it is full the oldest frames are dropped and one `EngineError` is raised from iteration."""

    def speech_started(self, since: float) -> None:
        """Voice activity began at `since`. Engines that segment by themselves ignore it."""

    def speech_stopped(self, until: float) -> None:
        """Voice activity paused: last speech at `until`. A good moment to begin finalising: the
        engine should give a `Final` for what it has as soon as it can, and be ready for more."""

    def expect(self, expectation: Expectation) -> None:
        """What the agent just asked: grammar, keyterms. Applies to the next utterance."""

    def finalise(self) -> None:
        """The turn is over: give a `Final` for all that was pushed, now."""

    def __aiter__(self) -> AsyncIterator[Heard]: ...

    async def close(self) -> None: ...


@runtime_checkable
class SpeechToText(Protocol):
    """A speech-to-text engine."""

    name: str

    async def start(self) -> None: ...

    async def open(self, options: ListenOptions) -> Recognition: ...

    async def close(self) -> None: ...


@runtime_checkable
class LanguageModel(Protocol):
    """A language model. `name` is what the ledger and the prices know it by."""

    name: str

    async def start(self) -> None: ...

    def stream(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        """Tokens and tool calls as they come, then one `Usage`. Closing the generator cancels."""

    async def close(self) -> None: ...


@runtime_checkable
class KeepsWarm(Protocol):
    """A model whose connection the service closes when nobody calls for a while."""

    async def warm(self) -> None:
        """See that a connection is open, as a call begins. Raises nothing, costs nothing, and may take its
        time: nobody waits for it."""


@dataclass(frozen=True, slots=True)
class VoiceOptions:
    """What a voice is told when it opens."""

    voice: str = ""
    """The engine's own name or id of a voice; empty for its default."""
    words_per_minute: int = 160
    language: str = "en"
    rate: int = 8000
    """The leg's rate: an engine that can give it directly should."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A piece of synthesised sound, at the voice's `rate`, with the marks that came with it.

    `marks`: (seconds from the start of this sentence, how many characters of the text are spoken
    by then). Engines without word times give none; playout then estimates from duration."""

    pcm: bytes
    marks: tuple[tuple[float, int], ...] = field(default=())


class Voice(Protocol):
    """The voice of one call. `rate`: samples a second of what it gives."""

    rate: int

    def say(self, text: str) -> AsyncGenerator[Spoken, None]:
        """Speak one sentence; the first piece comes before all of it is synthesised. Closing the
        generator cancels. Sentences are asked for one after the other."""

    async def close(self) -> None: ...


@runtime_checkable
class TextToSpeech(Protocol):
    """A text-to-speech engine."""

    name: str

    async def start(self) -> None: ...

    async def open(self, options: VoiceOptions) -> Voice: ...

    async def close(self) -> None: ...
