"""A tool that is a Python function of one's own, named in the configuration.

A coroutine function runs on the loop that carries audio, so it must only wait, not work. A plain function
runs in one of a few threads of its own; one that never returns keeps its thread, and the call goes on.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from trunkline.errors import ToolError

if TYPE_CHECKING:
    from trunkline.integrations.settings import Tool

THREADS = 4


class FunctionTool:
    """Imported when the service starts, so that a wrong name is told then and not in a call."""

    def __init__(self, tool: Tool) -> None:
        self._tool = tool
        self._function: Callable[..., Any] | None = None
        self._threads: ThreadPoolExecutor | None = None

    async def start(self) -> None:
        module, _, name = self._tool.function.partition(":")
        try:
            found = getattr(await asyncio.to_thread(importlib.import_module, module), name, None)
        except Exception as error:  # importing runs somebody's code, which may raise anything
            what = f"{module} cannot be imported: {type(error).__name__}: {error}"
            raise ToolError(what, where=self._tool.name, hint="Install it where Trunkline runs.") from error
        if not callable(found):
            raise ToolError(f"{module} has no function {name!r}", where=self._tool.name)
        self._function = found
        if not inspect.iscoroutinefunction(found):
            self._threads = ThreadPoolExecutor(THREADS, f"tool-{self._tool.name}")

    async def run(self, arguments: dict[str, str | float | bool]) -> Any:
        assert self._function is not None
        try:
            if self._threads is None:
                return await self._function(**arguments)
            function = self._function
            work = asyncio.get_running_loop().run_in_executor(self._threads, lambda: function(**arguments))
            return await work
        except ToolError:
            raise
        except Exception as error:  # somebody's code: whatever it raises is this tool's failure
            raise ToolError(f"{type(error).__name__}: {error}", where=self._tool.name) from error

    async def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None
