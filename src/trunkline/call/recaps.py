"""Summaries of a call's older turns, written by the model while nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from trunkline.call.tasks import CallTasks
from trunkline.clock import Clock
from trunkline.errors import EngineError, EngineTimeout
from trunkline.events import Event, ModelUsed, Trouble
from trunkline.prompt import Prompt, Token, Usage
from trunkline.providers.llm.local_brain import LocalBrain
from trunkline.providers.protocols import LanguageModel
from trunkline.scenario.actions import Recap, Recapped

LIMIT = 20.0
"""Seconds: the next answers go out with the short form meanwhile."""
LONGEST = 8000
"""Characters that are read of a model that goes on and on."""


async def written(model: LanguageModel, prompt: Prompt, limit: float = LIMIT) -> tuple[str, Usage]:
    """All that a model writes, and what it used. Raises `EngineError`; where it takes longer than `limit`
    seconds, `EngineTimeout`."""
    pieces: list[str] = []
    usage = Usage()
    try:
        async with asyncio.timeout(limit), aclosing(model.stream(prompt)) as stream:
            async for delta in stream:
                if isinstance(delta, Token):
                    pieces.append(delta.text)
                    if sum(map(len, pieces)) > LONGEST:
                        break
                elif isinstance(delta, Usage):
                    usage = delta
    except TimeoutError:
        raise EngineTimeout(f"not done within {limit:g} s", where=model.name) from None
    return "".join(pieces).strip(), usage


class Recaps:
    """One for each call. One summary is written at a time; what is asked for meanwhile is left out, and asked
    for again after a later turn."""

    def __init__(
        self,
        model: LanguageModel,
        tasks: CallTasks,
        clock: Clock,
        emit: Callable[[Event], None],
        on_written: Callable[[Recapped], None],
    ) -> None:
        self._model = model
        self._tasks = tasks
        self._clock = clock
        self._emit = emit
        self._on_written = on_written
        self._busy = False

    def begin(self, asked: Recap) -> None:
        """Have it written. The local brain needs none: it reads the scenario's state, not the talk."""
        if not self._busy and self._model.name != LocalBrain.name:
            self._busy = True
            self._tasks.spawn(self._write(asked), "recap")

    async def _write(self, asked: Recap) -> None:
        try:
            text, used = await written(self._model, asked.prompt)
        except EngineError as error:
            # The call goes on with the short form.
            now = self._clock.now()
            self._emit(Trouble(now, "recap", type(error).__name__, str(error), error.verdict))
        else:
            self._emit(ModelUsed(self._clock.now(), used.model or self._model.name, "recap", *_counts(used)))
            if text:
                self._on_written(Recapped(text, asked.lines))
        finally:
            self._busy = False


def _counts(used: Usage) -> tuple[int, int, int]:
    return used.input_tokens, used.output_tokens, used.cached_tokens
