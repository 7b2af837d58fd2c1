"""When a call is over: its review, from the record alone at once, from a model when there is time.

The record is written with the first; the second comes into it later, or never: nothing waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import structlog

from trunkline.call.recaps import written
from trunkline.call.record import RunRecorder
from trunkline.errors import EngineError, ParseError, RecordError
from trunkline.prompt import Prompt
from trunkline.providers.llm.local_brain import LocalBrain
from trunkline.providers.protocols import LanguageModel
from trunkline.scenario.review import Review

LIMIT = 30.0
"""Seconds that a model may take over one review."""
MOST_AT_ONCE = 20
"""Reviews by a model at one time; above that calls keep the one from their records."""

logger = structlog.get_logger(__name__)


@runtime_checkable
class Reviews(Protocol):
    """A play that can tell what a call came to."""

    def review(self, state: Any) -> Review: ...

    def review_prompt(self, state: Any) -> Prompt: ...

    def read_review(self, state: Any, text: str, by: str) -> Review:
        """Raises `ParseError`."""
        ...


@dataclass(frozen=True, slots=True)
class Finished:
    """A call that is over, as far as its review needs it."""

    play: object
    state: Any
    recorder: RunRecorder | None

    def review(self) -> Review | None:
        """From the record alone."""
        return self.play.review(self.state) if isinstance(self.play, Reviews) else None


class AfterCalls:
    """One for a service: reviews finished calls with its model, in the background."""

    def __init__(self, model: LanguageModel, *, wanted: bool) -> None:
        self._model = model
        self._wanted = wanted and model.name != LocalBrain.name
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, finished: Finished, on_review: Callable[[Review], None] = lambda _: None) -> None:
        """Have it reviewed, where that is wanted, can be kept, and there is room."""
        if not self._wanted or finished.recorder is None or len(self._tasks) >= MOST_AT_ONCE:
            return
        task = asyncio.create_task(self._review(finished, on_review), name="review")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _review(self, finished: Finished, on_review: Callable[[Review], None]) -> None:
        play, state, recorder = finished.play, finished.state, finished.recorder
        if not isinstance(play, Reviews) or recorder is None:
            return
        try:
            text, used = await written(self._model, play.review_prompt(state), LIMIT)
            review = play.read_review(state, text, self._model.name)
            tokens = {"input": used.input_tokens, "output": used.output_tokens}
            await asyncio.to_thread(recorder.amend, {"review": {**review.to_json(), "tokens": tokens}})
        except (EngineError, ParseError, RecordError) as error:
            logger.warning("a call keeps the review from its record", error=error.for_log())
        else:
            on_review(review)

    async def close(self, limit: float = 0.0) -> None:
        """Wait up to `limit` seconds for what is under way; leave the rest."""
        if self._tasks and limit > 0:
            await asyncio.wait(self._tasks, timeout=limit)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
