"""A second model listens to what the first one says, beside the call, and objects where a rule is broken.

It never holds a sentence up. At most `AT_ONCE` sentences are looked at together; a judge that is slower than
the talk misses some, and one that fails is told once in the log and asked again at the next sentence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Protocol, runtime_checkable

from trunkline.call.tasks import CallTasks
from trunkline.clock import Clock
from trunkline.errors import EngineError
from trunkline.events import Event, Trouble
from trunkline.prompt import Prompt, Token
from trunkline.providers.protocols import LanguageModel

AT_ONCE = 3
LIMIT = 5.0
"""Seconds; what it says later nobody remembers having heard."""
LONGEST = 200
"""Characters of an answer that are read."""


@runtime_checkable
class HasJudge(Protocol):
    """A play with rules that a model is to watch over."""

    def judge_prompt(self, sentence: str) -> Prompt | None: ...

    def broken_rule(self, answer: str) -> str: ...


class Judge:
    """One for each call. `on_broken(generation, sentence, rule)` for each objection."""

    def __init__(
        self,
        model: LanguageModel | None,
        play: object,
        tasks: CallTasks,
        clock: Clock,
        emit: Callable[[Event], None],
        on_broken: Callable[[int, str, str], None],
    ) -> None:
        self._model = model
        self._play = play if isinstance(play, HasJudge) else None
        self._tasks = tasks
        self._clock = clock
        self._emit = emit
        self._on_broken = on_broken
        self._looking = 0
        self._told = False

    def look(self, generation: int, sentence: str) -> None:
        """A sentence is on its way to the caller."""
        if self._model is None or self._play is None or self._looking >= AT_ONCE:
            return
        prompt = self._play.judge_prompt(sentence)
        if prompt is not None:
            self._looking += 1
            self._tasks.spawn(self._ask(self._model, self._play, prompt, generation, sentence), "judge")

    async def _ask(
        self, model: LanguageModel, play: HasJudge, prompt: Prompt, generation: int, sentence: str
    ) -> None:
        try:
            answer = ""
            async with asyncio.timeout(LIMIT), aclosing(model.stream(prompt)) as stream:
                async for delta in stream:
                    if isinstance(delta, Token) and len(answer) < LONGEST:
                        answer += delta.text
            if rule := play.broken_rule(answer):
                self._on_broken(generation, sentence, rule)
        except TimeoutError:
            self._fails(f"no verdict within {LIMIT:g} s", "EngineTimeout", "fail-over")
        except EngineError as error:
            self._fails(str(error), type(error).__name__, error.verdict)
        finally:
            self._looking -= 1

    def _fails(self, what: str, error: str, verdict: str) -> None:
        if not self._told:
            self._told = True
            self._emit(Trouble(self._clock.now(), "judge", error, what, verdict))
