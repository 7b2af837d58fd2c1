"""The tasks of one call: a task group that ends when the call does, leaving nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self


class CallTasks:
    """`async with CallTasks() as tasks:`; on leaving, every task still running is cancelled and
    waited for. A task that fails ends the call: its exception comes out of the `async with`."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._live: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in list(self._live):
            task.cancel()
        await self._group.__aexit__(kind, error, trace)

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run `work` beside the others."""
        task = self._group.create_task(work, name=name)
        self._live.add(task)
        task.add_done_callback(self._live.discard)
        return task
