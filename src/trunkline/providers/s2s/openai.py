"""OpenAI Realtime, which hears and speaks: `--s2s openai,model=gpt-realtime-2`, the key in `OPENAI_API_KEY`.

A session is one socket: the caller's sound in mu-law at 8 kHz on a telephone leg, cut into pieces where our
voice activity says so, and answers when we ask for them. What is said on it is in `openai_wire.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from urllib.parse import quote

from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineDown, EngineError
from trunkline.prompt import Delta, Prompt, Token
from trunkline.providers.hosted_engine import HostedEngine
from trunkline.providers.protocols import Heard, ListenOptions, VoiceOptions
from trunkline.providers.refusals import checked_limits
from trunkline.providers.s2s.openai_wire import WHERE, SessionWire
from trunkline.providers.s2s.protocol import Ear, Late
from trunkline.providers.socket_line import SocketLine
from trunkline.providers.stt.hearing import keyterms_of
from trunkline.providers.stt.line_sound import SoundFormat, line_format
from trunkline.providers.stt.openai_realtime import RealtimeRecognition
from trunkline.providers.stt.openai_shared import OFFICIAL
from trunkline.providers.stt.socket_recognition import Message

_EFFORTS = ("", "minimal", "low", "medium", "high", "xhigh")
_MOST_DELTAS = 4096
"""Of one answer that may wait unread; it has no more tokens than that."""


class OpenAISession(HostedEngine):
    """`voice`: marin, cedar, alloy, … `transcriber`: the model that writes down what the caller says.
    `effort`: minimal to xhigh, of models that reason; empty: the model's own. `prompt`: what the talk is
    about, for the transcriber. `noise_reduction`: near_field, far_field or empty. `answer_s`: how long a
    piece's last words may take."""

    def __init__(
        self,
        *,
        clock: Clock,
        model: str = "gpt-realtime-2",
        voice: str = "marin",
        transcriber: str = "gpt-live-transcribe",
        effort: str = "",
        prompt: str = "",
        keyterms: str = "",
        noise_reduction: str = "",
        base_url: str = OFFICIAL,
        key_env: str = "OPENAI_API_KEY",
        connect_s: float = 5.0,
        answer_s: float = 10.0,
        verify: bool = True,
    ) -> None:
        self._official = base_url == OFFICIAL
        super().__init__(clock, f"openai/{model}", WHERE, base_url, key_env, connect_s, verify)
        self.transcriber = f"openai/{transcriber}"
        self.cannot: tuple[str, ...] = (
            "of earlier turns the model knows the words, not how they were said",
            "which of the agent's words were heard is estimated from the length of their sound",
            "of a sentence that the guardrail blocks, a syllable may be heard",
            "a line is checked by its transcript, and the configured voice says what it read otherwise",
            "pace and temperature are the model's own",
        )
        self._model = model
        self._voice = voice
        self._transcriber = transcriber
        self._effort = effort
        self._prompt = prompt
        self._keyterms = tuple(keyterms.split("|"))
        self._noise_reduction = noise_reduction
        self._answer = answer_s

    def _headers(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _key_needed(self) -> bool:
        return self._official

    def _card(self) -> str:
        return f"/models/{self._model}"

    def _check(self) -> None:
        checked_limits(WHERE, answer_s=self._answer)
        if self._effort not in _EFFORTS:
            hint = f"Use one of {', '.join(_EFFORTS[1:])}"
            raise ConfigError(f"effort {self._effort!r} is not known", where=WHERE, hint=hint)

    async def open(self, listen: ListenOptions, voice: VoiceOptions, late: Late) -> RealtimeSession:
        key = self._key_when_started()
        sound = line_format(listen.rate, WHERE, wide=24000)
        url = f"{self._base_url.replace('http', 'ws', 1)}/realtime?model={quote(self._model, safe='')}"
        line = SocketLine(WHERE, url, self._headers(key), self._key_env, WHERE, connect_s=self._connect)
        wire = SessionWire(
            self._transcriber,
            listen.language,
            self._prompt,
            self._noise_reduction,
            sound,
            self._key_env,
            voice.voice or self._voice,
            self._effort,
        )
        heard = ListenOptions(listen.rate, listen.language, keyterms_of(self._keyterms, listen.keyterms))
        return await self._opened(RealtimeSession(line, wire, self._clock, heard, sound, self._answer, late))


class RealtimeSession(RealtimeRecognition):
    """One call's: a recognition that also answers."""

    def __init__(
        self,
        line: SocketLine,
        wire: SessionWire,
        clock: Clock,
        options: ListenOptions,
        sound: SoundFormat,
        answer_s: float,
        late: Late,
    ) -> None:
        super().__init__(line, wire, clock, options, sound, answer_s)
        self.rate = sound.rate
        self._session = wire
        self._late = late

    @property
    def closed(self) -> bool:
        return self._closed or self._outbox.ended

    def respond(self, prompt: Prompt, ear: Ear) -> AsyncGenerator[Delta, None]:
        return self._said(ear, prompt, "")

    def read(self, text: str, ear: Ear) -> AsyncGenerator[Delta, None]:
        return self._said(ear, None, text)

    async def _said(self, ear: Ear, prompt: Prompt | None, text: str) -> AsyncGenerator[Delta, None]:
        if self.closed:
            raise EngineDown("the session is over", where=WHERE)
        answer = _Answer(ear)
        if prompt is not None:
            mark, messages = self._session.ask(prompt, answer)
        else:
            mark, messages = self._session.read_out(text, answer)
        self._wish(lambda: messages)
        try:
            while (delta := await answer.next()) is not None:
                yield delta
        finally:
            if not answer.ended:
                answer.ended = True
                last_words = self._session.give_up(mark)
                self._wish(lambda: last_words)

    def _read(self, message: Message) -> list[Heard]:
        heard = super()._read(message)
        if self._session.to_send:
            messages, self._session.to_send = self._session.to_send, []
            self._wish(lambda: messages)
        late, self._session.late = self._session.late, []
        for used in late:
            self._late(used)
        return heard

    def _fail(self, error: EngineError) -> None:
        super()._fail(error)
        self._session.break_off(error)

    async def close(self) -> None:
        await super().close()
        self._session.break_off(EngineDown("the session was closed", where=WHERE))


class _Answer:
    """What came of one answer and was not read yet; its sound goes on at once."""

    def __init__(self, ear: Ear) -> None:
        self.ended = False
        self._ear = ear
        self._waiting: deque[Delta] = deque()
        self._news = asyncio.Event()
        self._error: EngineError | None = None
        self._begun = False

    def delta(self, delta: Delta) -> None:
        if self.ended:
            return
        self._begun = True
        self._waiting.append(delta)
        if len(self._waiting) > _MOST_DELTAS:
            self.over(EngineDown("nobody reads its answer", where=WHERE))
        self._news.set()

    def sound(self, pcm: bytes) -> None:
        if self.ended:
            return
        self._ear.sound(pcm)
        if self._begun and not self._waiting:
            self.delta(Token(""))

    def over(self, error: EngineError | None) -> None:
        if not self.ended:
            self.ended = True
            self._error = error
            self._ear.end()
            self._news.set()

    async def next(self) -> Delta | None:
        """The next delta; None at the end. Raises what the answer failed of, after all that came before."""
        while not self._waiting:
            if self.ended:
                if self._error is not None:
                    raise self._error
                return None
            self._news.clear()
            # Bounded by whoever asks, and by the session's end.
            await self._news.wait()
        return self._waiting.popleft()
