"""Gemini Live: `--s2s gemini,model=gemini-3.8-live`, the key in `GEMINI_API_KEY`.

The Live API (ai.google.dev/api/live) keeps a history that cannot be changed, in which stands what the model
said, not what was heard of it. So no session lives longer than an answer: each is told the conversation as we
know it, hears the caller's last turn, and is left. The caller's words come from the vendor's live
transcription, which answers nothing. docs/decisions/0047-gemini-live.md says why, and what it costs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from itertools import count
from typing import TYPE_CHECKING, cast

from trunkline.audio.frame import Frame
from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineDown, EngineError
from trunkline.events import Expectation
from trunkline.prompt import Delta, Prompt
from trunkline.providers.gemini_live_messages import HEARING_RATE, OFFICIAL, PATH, SPEECH_RATE
from trunkline.providers.hosted_engine import HostedEngine
from trunkline.providers.protocols import Heard, ListenOptions, VoiceOptions
from trunkline.providers.refusals import checked_limits
from trunkline.providers.s2s.gemini_live_answer import Ahead, Answer, Limits, Parting, begun
from trunkline.providers.s2s.gemini_live_wire import (
    Asked,
    History,
    Manner,
    spoken_turn,
    to_answer,
    to_read,
)
from trunkline.providers.s2s.protocol import Ear, Late
from trunkline.providers.socket_line import SocketLine
from trunkline.providers.stt.gemini import GeminiRecognition, GeminiTranscribe

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

_WHERE = "gemini"
_LEVELS = ("", "minimal", "low", "medium", "high")
_HISTORIES = ("turns", "text")
_KEPT = 60.0
"""Seconds of the caller's speech whose sound is kept for the next answer."""
_MOST_PIECES = 12
"""Utterances that one turn of the caller may be made of."""


class GeminiLive(HostedEngine):
    """`transcriber`: the model that hears the caller's words. `thinking`: one of the vendor's levels, for
    models that take one. `history`: "turns", or "text" for models that take no turns of their own from us.
    `ahead`: begin the next answer's session while nobody needs it yet. `verify`: ask for the models' cards at
    the start."""

    cannot: tuple[str, ...] = (
        "of earlier turns, and of one that led to a tool, the model knows the words, not how they were said",
        "which of the agent's words were heard is estimated from the length of their sound",
        "of a sentence that the guardrail blocks, a syllable may be heard",
        "a line is checked by its transcript, and the configured voice says what it read otherwise",
        "the voice's pace is the model's own",
        "what a cut answer cost is known only where the service says so within two seconds",
        "expected words are listened for from the next connection on",
    )

    def __init__(
        self,
        *,
        clock: Clock,
        model: str = "gemini-3.8-live",
        voice: str = "",
        transcriber: str = "gemini-3.5-transcribe-live",
        language: str = "",
        keyterms: str = "",
        thinking: str = "",
        history: str = "turns",
        temperature: float = -1.0,
        max_tokens: int = -1,
        ahead: bool = True,
        base_url: str = OFFICIAL,
        key_env: str = "GEMINI_API_KEY",
        connect_s: float = 5.0,
        first_s: float = 5.0,
        between_s: float = 5.0,
        answer_s: float = 10.0,
        verify: bool = True,
    ) -> None:
        super().__init__(clock, f"gemini/{model}", _WHERE, base_url, key_env, connect_s, verify)
        self._model = model
        self.transcriber = f"gemini/{transcriber}"
        self._ears = GeminiTranscribe(
            clock=clock,
            model=transcriber,
            language=language,
            keyterms=keyterms,
            base_url=base_url,
            key_env=key_env,
            connect_s=connect_s,
            answer_s=answer_s,
            verify=verify,
        )
        self._voice = voice
        self._thinking = thinking
        self._history = history
        self._temperature = temperature
        self._max_tokens = max_tokens
        self._ahead = ahead
        self._limits = Limits(first_s, between_s)

    def _headers(self, key: str) -> dict[str, str]:
        return {"x-goog-api-key": key}

    def _card(self) -> str:
        return f"/v1beta/models/{self._model}"

    def _check(self) -> None:
        checked_limits(_WHERE, first_s=self._limits.first, between_s=self._limits.between)
        for option, value, known in (
            ("thinking", self._thinking, _LEVELS),
            ("history", self._history, _HISTORIES),
        ):
            if value not in known:
                use = ", ".join(filter(None, known))
                raise ConfigError(f"{option}={value!r} is not known", where=_WHERE, hint=f"Use {use}")

    async def start(self) -> None:
        await super().start()
        try:
            await self._ears.start()
        except BaseException:
            await self.close()
            raise

    async def open(self, listen: ListenOptions, voice: VoiceOptions, late: Late) -> GeminiSession:
        """A session for one call: it listens, and its first line can be read at once."""
        key = self._key_when_started()
        url = self._base_url.replace("http", "ws", 1) + PATH
        line = SocketLine(_WHERE, url, self._headers(key), self._key_env, _WHERE, connect_s=self._connect)
        manner = Manner(
            self._model,
            voice.voice or self._voice,
            self._thinking,
            cast("History", self._history),
            self._temperature,
            self._max_tokens,
        )
        session = GeminiSession(line, manner, self._clock, self._limits, late, self._ahead)
        await session.listen(self._ears, listen)
        self._keep(session)
        return session

    async def close(self) -> None:
        await super().close()
        await self._ears.close()


class GeminiSession:
    """One call's. The connections of its answers are their own; it is closed when its recognition is over."""

    rate = SPEECH_RATE

    def __init__(
        self, line: SocketLine, manner: Manner, clock: Clock, limits: Limits, late: Late, ahead: bool
    ) -> None:
        self._line = line
        self._manner = manner
        self._clock = clock
        self._limits = limits
        self._closed = False
        self._recognition: GeminiRecognition | None = None
        self._spoken: deque[tuple[str, bytes]] = deque()
        """The caller's latest utterances: their words, as they are compared, and their sound."""
        self._numbers = count(1)
        self._answers: set[Answer] = set()
        self._parting = Parting(late)
        self._next_answer = Ahead(self._begin, clock, ahead)
        self._next_line = Ahead(self._begin, clock, ahead)

    async def listen(self, ears: GeminiTranscribe, options: ListenOptions) -> None:
        """Begin to hear the caller. Raises an `EngineError`."""
        self._recognition = await ears.listen(options, self._keep)
        self._next_line.prepare(self._manner.reading())

    async def _begin(self, setup: str) -> ClientConnection:
        return await begun(self._line, setup)

    # --- it listens -------------------------------------------------------------------------------

    @property
    def _ear(self) -> GeminiRecognition:
        assert self._recognition is not None
        return self._recognition

    def push(self, frame: Frame) -> None:
        self._ear.push(frame)

    def speech_started(self, since: float) -> None:
        self._ear.speech_started(since)

    def speech_stopped(self, until: float) -> None:
        self._ear.speech_stopped(until)

    def expect(self, expectation: Expectation) -> None:
        self._ear.expect(expectation)

    def finalise(self) -> None:
        self._ear.finalise()

    def __aiter__(self) -> AsyncIterator[Heard]:
        return aiter(self._ear)

    def _keep(self, text: str, sound: bytes) -> None:
        if not (words := _compared(text)):
            return
        self._spoken.append((words, sound))
        while len(self._spoken) > 1 and sum(len(each) for _, each in self._spoken) > _KEPT * HEARING_RATE * 2:
            self._spoken.popleft()

    def _sound_of(self, text: str) -> bytes:
        """The sound in which the caller said this; empty where it is not known, or not any more."""
        wanted, found = _compared(text), b""
        now = [(_compared(words), sound) for words, sound in self._ear.in_progress()]
        for words, sound in [*now[::-1], *reversed(self._spoken)][:_MOST_PIECES]:
            if not wanted or not words or not wanted.endswith(words):
                break
            wanted, found = wanted[: -len(words)], sound + found
        return b"" if wanted else found

    # --- it answers -------------------------------------------------------------------------------

    def respond(self, prompt: Prompt, ear: Ear) -> AsyncGenerator[Delta, None]:
        """An answer in a session of its own."""
        turn = spoken_turn(prompt)
        sound = self._sound_of(turn.content) if turn is not None and not self.closed else b""
        return self._answer(to_answer(prompt, self._manner, sound, HEARING_RATE), ear, self._next_answer)

    def read(self, text: str, ear: Ear) -> AsyncGenerator[Delta, None]:
        """A line, read in a session of its own."""
        return self._answer(to_read(text, self._manner), ear, self._next_line)

    async def _answer(self, asked: Asked, ear: Ear, ahead: Ahead) -> AsyncGenerator[Delta, None]:
        if self.closed:
            ear.end()
            raise EngineDown("the session is over", where=_WHERE)
        answer = Answer(
            asked,
            ear,
            self._line,
            self._clock,
            self._limits,
            ahead,
            self._parting,
            f"gemini{next(self._numbers)}",
        )
        self._answers.add(answer)
        try:
            async with aclosing(answer.deltas()) as deltas:
                async for delta in deltas:
                    yield delta
        finally:
            self._answers.discard(answer)

    # --- its end ----------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        return self._closed or self._ear.failed

    async def close(self) -> None:
        """End the call's session; may be called more than once."""
        self._closed = True
        over: EngineError = EngineDown("the session is over", where=_WHERE)
        for answer in self._answers:
            answer.fail(over)
        await asyncio.gather(*(answer.stopped() for answer in set(self._answers)))
        await asyncio.gather(
            self._ear.close(), self._next_answer.close(), self._next_line.close(), self._parting.close()
        )
        self._spoken.clear()


def _compared(text: str) -> str:
    """Words as they are compared: how they are written makes no difference."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())
