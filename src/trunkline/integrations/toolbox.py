"""The configured tools by name: started once, used by every call, at most so many at a time.

A kind of tool is a file beside this one and a line in `_KINDS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Protocol

from trunkline.errors import ToolError
from trunkline.integrations.function_tool import FunctionTool
from trunkline.integrations.http_tool import HttpTool
from trunkline.integrations.mcp_tool import McpTool
from trunkline.integrations.settings import Tool

AT_ONCE = 16
"""Uses of one tool at a time; more wait, within the time that their step gives them."""
Arguments = dict[str, str | float | bool]


class RunningTool(Protocol):
    """One tool, of any kind."""

    async def start(self) -> None:
        """Make ready. Raises `ToolError` where that cannot be."""

    async def run(self, arguments: Arguments) -> Any:
        """The answer, as JSON would hold it. Raises `ToolError`."""

    async def close(self) -> None:
        """Give everything back."""


_KINDS: dict[str, Callable[[Tool], RunningTool]] = {
    "http": HttpTool,
    "mcp": McpTool,
    "python": FunctionTool,
}


class Toolbox:
    """`async with Toolbox(tools) as box`, then `await box.run(name, arguments)`."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.name: _KINDS[tool.kind](tool) for tool in tools}
        self._turns = {name: asyncio.Semaphore(AT_ONCE) for name in self._tools}
        self._stack = AsyncExitStack()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._tools)

    async def __aenter__(self) -> Toolbox:
        async with AsyncExitStack() as stack:
            for tool in self._tools.values():
                stack.push_async_callback(tool.close)
                await tool.start()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def run(self, name: str, arguments: Arguments) -> Any:
        """Use one tool. Raises `ToolError`; how long it may take is the caller's matter."""
        tool = self._tools.get(name)
        if tool is None:
            known = ", ".join(self._tools) or "none yet"
            raise ToolError("no such tool is configured", where=name, hint=f"[[tools]] has: {known}.")
        async with self._turns[name]:
            return await tool.run(arguments)
