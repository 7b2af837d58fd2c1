"""The tools that a scenario's steps call, carried out beside the audio, each within its time.

A tool is a task of the call: it ends with the call. Whatever it does wrong becomes a `ToolResult` that
says why; nothing that a tool answers can end the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from trunkline.call.tasks import CallTasks
from trunkline.clock import Clock
from trunkline.errors import ToolError
from trunkline.events import Event, ToolEnded, ToolStarted
from trunkline.scenario.actions import CallTool, ToolResult
from trunkline.scenario.look_up import picked


class RunsTools(Protocol):
    """The tools of a service, by name (`trunkline.integrations.toolbox`)."""

    async def run(self, name: str, arguments: dict[str, str | float | bool]) -> Any:
        """The answer, as JSON would hold it. Raises `ToolError`."""


class ToolWork:
    """One for each call. `on_result` gets each tool's result, once."""

    def __init__(
        self,
        tools: RunsTools | None,
        tasks: CallTasks,
        clock: Clock,
        emit: Callable[[Event], None],
        on_result: Callable[[ToolResult], None],
    ) -> None:
        self._tools = tools
        self._tasks = tasks
        self._clock = clock
        self._emit = emit
        self._on_result = on_result

    def begin(self, call: CallTool) -> None:
        """Start it; the call goes on meanwhile."""
        self._tasks.spawn(self._run(call), f"tool {call.tool}")

    async def _run(self, call: CallTool) -> None:
        began = self._clock.now()
        self._emit(ToolStarted(began, call.tool, dict(call.arguments)))
        why, values = "", {}
        try:
            if self._tools is None:
                raise ToolError("no tools are configured", where=call.tool, hint="Add it to [[tools]].")
            async with asyncio.timeout(call.seconds):
                values = picked(call.results, await self._tools.run(call.tool, call.arguments))
        except TimeoutError:
            why = f"no answer within {call.seconds:g} s"
        except ToolError as error:
            why = error.what
        now = self._clock.now()
        self._emit(ToolEnded(now, call.tool, not why, now - began, why))
        self._on_result(ToolResult(call.id, not why, self._clock.wall(), values, why))
