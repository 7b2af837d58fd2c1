"""A session that pretends to hear and to speak, for benchmarks and tests: set words, set delays, a tone.

`--s2s fake,delay_ms=300,reply='Yes, of course.|What time suits you?'`: replies between bars are used in turn,
chosen as the fake language model chooses them; what the caller said are the fake recogniser's words.
Each word lasts as long as the pace says, each sentence ends in a short silence, and all of it runs on
whatever `Clock` is handed in.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from trunkline.audio.frame import Frame
from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineDown, EngineError
from trunkline.events import Expectation
from trunkline.prompt import Delta, Prompt, Token, Usage
from trunkline.providers.llm.fake import FakeReply
from trunkline.providers.protocols import Heard, ListenOptions, VoiceOptions
from trunkline.providers.s2s.protocol import Ear, Late
from trunkline.providers.stt.fake import FakeRecognition, FakeSpeechToText
from trunkline.providers.tts.fake import sound_of_one_second

_TOKEN = re.compile(r"\s*\S+(?:\s+$)?")
_BREATH = 0.12
"""Seconds of silence after a sentence."""
_PIECE = 0.1
"""Seconds of sound in one piece."""
_STILL_HERE = 0.5
_LISTENS, _SPEAKS = 10, 20
"""Tokens for a second of the caller's and of the agent's sound."""


class FakeSpeechToSpeech:
    """`speed`: how many times faster than real time its sound comes; 0: all at once. `reads=false`: it does
    not say lines as it is told to, and puts words of its own before them.

    Failures: `fail_after=N` ends the session within its answer after N whole ones, `fails=true` ends each
    answer, and no session, after its first word."""

    name = "fake"
    transcriber = ""
    cannot: tuple[str, ...] = ("it hears nothing and says nothing real",)

    def __init__(
        self,
        *,
        clock: Clock,
        delay_ms: float = 300.0,
        speed: float = 4.0,
        rate: int = 24000,
        words_per_minute: int = 160,
        reply: str = "All right. What else can I do for you?",
        text: str = "yes",
        reads: bool = True,
        fails: bool = False,
        fail_after: int = -1,
        hears: FakeSpeechToText | None = None,
    ) -> None:
        self._clock = clock
        self._delay = delay_ms / 1000
        self._speed = speed
        self._rate = rate
        self._word = 60.0 / max(1, words_per_minute)
        self._replies = [part.strip() for part in reply.split("|")]
        self._reads = reads
        self._fails = fails
        self._fail_after = fail_after
        self._hears = hears or FakeSpeechToText(clock=clock, text=text)
        self.script: deque[FakeReply] = deque()
        """Answers given before any `reply`, each once and in order. Filled from Python."""
        self.prompts: deque[Prompt] = deque(maxlen=1000)
        self.lines: deque[str] = deque(maxlen=1000)
        """What it was told to read."""
        self.sessions: list[FakeSession] = []

    async def start(self) -> None:
        if self._delay < 0 or self._speed < 0:
            raise ConfigError("delay_ms or speed is negative", where="s2s fake")

    async def open(self, listen: ListenOptions, voice: VoiceOptions, late: Late) -> FakeSession:  # noqa: ARG002 - it has one voice
        self.sessions = [session for session in self.sessions if not session.closed]
        session = FakeSession(self, await self._hears.open(listen), late)
        self.sessions.append(session)
        return session

    async def close(self) -> None:
        for session in self.sessions:
            await session.close()
        self.sessions.clear()


class FakeSession:
    """One call's. No task: timers for the sound, which the answers' generators start and stop."""

    def __init__(self, engine: FakeSpeechToSpeech, recognition: FakeRecognition, late: Late) -> None:
        self.rate = engine._rate
        self._engine = engine
        self._clock = engine._clock
        self._recognition = recognition
        self._late = late
        self._over = asyncio.Event()
        self._failure: EngineError | None = None
        self._answered = 0

    # --- as a recogniser --------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        return self._over.is_set()

    def push(self, frame: Frame) -> None:
        self._recognition.push(frame)

    def speech_started(self, since: float) -> None:
        self._recognition.speech_started(since)

    def speech_stopped(self, until: float) -> None:
        self._recognition.speech_stopped(until)

    def expect(self, expectation: Expectation) -> None:
        self._recognition.expect(expectation)

    def finalise(self) -> None:
        self._recognition.finalise()

    def __aiter__(self) -> AsyncIterator[Heard]:
        return aiter(self._recognition)

    async def close(self) -> None:
        self._over.set()
        await self._recognition.close()

    def fail(self, error: EngineError) -> None:
        """End the session, as a socket that breaks does."""
        self._failure = error
        self._over.set()
        self._recognition.fail(error)

    # --- as a model that speaks -------------------------------------------------------------------

    async def respond(self, prompt: Prompt, ear: Ear) -> AsyncGenerator[Delta, None]:
        engine = self._engine
        engine.prompts.append(prompt)
        turns = sum(message.role == "user" for message in prompt.messages)
        reply = (
            engine.script.popleft()
            if engine.script
            else FakeReply(engine._replies[max(0, turns - 1) % len(engine._replies)])
        )
        words = sum(len(message.content.split()) for message in prompt.messages)
        last = 0 <= engine._fail_after <= self._answered
        async with aclosing(self._said(reply, words, ear, breaks=engine._fails, dies=last)) as deltas:
            async for delta in deltas:
                yield delta
        self._answered += 1

    def read(self, text: str, ear: Ear) -> AsyncGenerator[Delta, None]:
        self._engine.lines.append(text)
        said = text if self._engine._reads else f"Of course: {text}"
        return self._said(FakeReply(said), len(text.split()), ear, breaks=False, dies=False)

    async def _said(
        self, reply: FakeReply, words: int, ear: Ear, *, breaks: bool, dies: bool
    ) -> AsyncGenerator[Delta, None]:
        if self.closed:
            raise EngineDown("the session is over", where="s2s fake")
        timers: list[asyncio.TimerHandle] = []
        pieces = self._pieces(reply.text)
        tokens = _TOKEN.findall(reply.text)
        used = Usage(words, len(tokens), audio_output_tokens=0)
        ended = whole = False
        try:
            await self._pause(self._engine._delay)
            begun = self._clock.now()
            each = _PIECE / self._engine._speed if self._engine._speed else 0.0
            for number, pcm in enumerate(pieces[: len(pieces) // 2] if breaks or dies else pieces):
                timers.append(self._clock.call_at(begun + number * each, lambda pcm=pcm: ear.sound(pcm)))  # type: ignore[misc]
            for number, token in enumerate(tokens):
                if breaks and number:
                    raise EngineDown("failed as asked", where="s2s fake")
                yield Token(token)
            if tokens:
                yield Token("\n")
            for call in reply.tool_calls:
                yield call
            until = begun + len(timers) * each
            while (left := until - self._clock.now()) > 1e-3:
                await self._pause(min(_STILL_HERE, left))
                if tokens:
                    yield Token("")
            if dies:
                self.fail(EngineDown("failed as asked", where="s2s fake", hint="fail_after is set"))
                await self._pause(_STILL_HERE)
            spoken = round(len(pieces) * _PIECE * _SPEAKS)
            used = Usage(words, len(tokens) + spoken, audio_output_tokens=spoken)
            ear.end()
            ended = whole = True
            yield used
        except EngineError:
            whole = True
            if not ended:
                ear.end()
            raise
        finally:
            for timer in timers:
                timer.cancel()
            if not whole and not self.closed:
                self._late(used)

    def _pieces(self, text: str) -> list[bytes]:
        """Its sound: each word a tone, a short silence after each sentence."""
        second = sound_of_one_second("tone", self.rate)
        tone = (second * 2)[: round(self._engine._word * self.rate) * 2]
        pcm = b""
        for word in text.split():
            pcm += tone + (bytes(round(_BREATH * self.rate) * 2) if word[-1] in ".?!" else b"")
        size = round(_PIECE * self.rate) * 2
        return [pcm[start : start + size] for start in range(0, len(pcm), size)]

    async def _pause(self, seconds: float) -> None:
        """Wait. Raises what ended the session meanwhile."""
        due = self._clock.now() + seconds
        over = self._over
        timer = self._clock.call_at(due, (wake := asyncio.Event()).set)
        waits = [asyncio.ensure_future(wake.wait()), asyncio.ensure_future(over.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        if over.is_set():
            raise self._failure or EngineDown("the session was closed", where="s2s fake")
