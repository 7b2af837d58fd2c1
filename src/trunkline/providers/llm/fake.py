"""A language model that says what it was told to, for benchmarks and tests: set delay, set speed.

`--llm fake,delay_ms=200,tokens_per_s=50,reply='Yes, of course.|What time suits you?'`: the first token
comes after `delay_ms`, the others at their rate. Replies between bars are used in turn: the reply is
chosen by how often the caller has spoken in the prompt, so that an answer prepared and thrown away
does not shift the others. Tests script it from Python with `FakeReply`, tool calls included.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineDown
from trunkline.prompt import Delta, Message, Prompt, Token, ToolCall, Usage

_TOKEN = re.compile(r"\s*\S+(?:\s+$)?")
_HANG_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class FakeReply:
    """One scripted answer: its words, then the tools it calls."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


class FakeLanguageModel:
    """`tokens_per_s` 0 means all at once after the delay; a token is a word with the space before it.

    Failures: `fail=true` raises `EngineDown` after the delay, `fail_after=N` after N tokens,
    `hang=true` gives nothing until it is closed, `empty=true` gives a `Usage` and nothing else.
    """

    name = "fake"

    def __init__(
        self,
        *,
        clock: Clock,
        delay_ms: float = 200.0,
        tokens_per_s: float = 50.0,
        reply: str = "All right. What else can I do for you?",
        fail: bool = False,
        fail_after: int = -1,
        hang: bool = False,
        empty: bool = False,
    ) -> None:
        self._clock = clock
        self._delay = delay_ms / 1000
        self._between = 1 / tokens_per_s if tokens_per_s > 0 else 0.0
        self._replies = [part.strip() for part in reply.split("|")]
        self._fail_after = 0 if fail else fail_after
        self._hang = hang
        self._empty = empty
        self.script: deque[FakeReply] = deque()
        """Answers given before any `reply`, each once and in order. Filled from Python."""
        self.prompts: deque[Prompt] = deque(maxlen=1000)
        """The latest prompts that were asked."""
        self._last_stable: tuple[Message, ...] = ()

    async def start(self) -> None:
        if self._delay < 0:
            raise ConfigError("delay_ms is negative", where="fake")

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        reply = self._choose(prompt)
        cached = self._count_cached(prompt)
        first_due = self._clock.now() + self._delay
        await self._clock.sleep(self._delay)
        while self._hang:
            await self._clock.sleep(_HANG_SECONDS)
        tokens = [] if self._empty else _TOKEN.findall(reply.text)
        given = 0
        for given, token in enumerate(tokens):
            await self._until(first_due + given * self._between)
            self._fail_at(given)
            yield Token(token)
        given = len(tokens)
        self._fail_at(given)
        if not self._empty:
            for call in reply.tool_calls:
                await self._until(first_due + given * self._between)
                given += 1
                yield call
        words = sum(len(message.content.split()) for message in prompt.messages)
        yield Usage(input_tokens=words, output_tokens=given, cached_tokens=cached)

    async def close(self) -> None:
        """Nothing is held."""

    def _choose(self, prompt: Prompt) -> FakeReply:
        self.prompts.append(prompt)
        if self.script:
            return self.script.popleft()
        turns = sum(message.role == "user" for message in prompt.messages)
        return FakeReply(self._replies[max(0, turns - 1) % len(self._replies)])

    def _count_cached(self, prompt: Prompt) -> int:
        """A prompt cache of one entry: the stable messages count as cached when they came before."""
        stable = prompt.messages[: prompt.stable]
        hit, self._last_stable = stable == self._last_stable, stable
        return sum(len(message.content.split()) for message in stable) if hit else 0

    async def _until(self, due: float) -> None:
        left = due - self._clock.now()
        if left > 0:
            await self._clock.sleep(left)

    def _fail_at(self, given: int) -> None:
        if self._fail_after >= 0 and given >= self._fail_after:
            raise EngineDown("failed as asked", where="fake", hint="fail or fail_after is set")
