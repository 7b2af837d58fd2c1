"""Doing a thing once however often it is asked for: a request that is repeated must not dial twice.

Kept in memory, for the latest few hundred keys: whoever asks again after a restart is not recognised.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from trunkline.errors import CallRefused

T = TypeVar("T")

KEPT = 512
"""Keys that are remembered; the oldest that are done are forgotten first. A call's result holds its whole
record, so this is no small thing."""


class Once(Generic[T]):
    """Work by key. Who asks while it is in progress waits for the same end; who asks later gets the same
    result, or the same error."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._tasks: OrderedDict[str, asyncio.Task[T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tasks)

    async def do(self, key: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of `work` for this key, done now if it never was. Cancelling the first who asked
        cancels the work; cancelling others only their waiting. Raises `CallRefused` where it was cancelled:
        somebody may have been rung by then."""
        known = self._tasks.get(key)
        if known is not None:
            await asyncio.wait((known,))
            if known.cancelled():
                raise CallRefused("this call was cancelled", hint="Ask with another key to dial again")
            return known.result()
        task = asyncio.ensure_future(work())
        self._tasks[key] = task
        self._tasks.move_to_end(key)
        self._forget()
        try:
            return await task
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait((task,))
            raise

    def _forget(self) -> None:
        for key in [key for key, task in self._tasks.items() if task.done()]:
            if len(self._tasks) <= self._kept:
                return
            del self._tasks[key]
