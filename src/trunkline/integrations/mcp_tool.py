"""A tool of a server that speaks the Model Context Protocol, over HTTP or as a program of its own.

The connection lives in a task of its own from the service's start to its end, since what opened it must
close it; uses go through it side by side. Where it breaks, the next use connects again.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

from trunkline.errors import ToolError

if TYPE_CHECKING:
    from mcp import Client

    from trunkline.integrations.settings import Tool

MOST_CHARACTERS = 262_144
"""Of an answer's text that are looked at."""
CLOSE_SECONDS = 5.0
LIMIT_S = 30.0
"""For any one wait; the step's own limit is shorter as a rule."""


class McpTool:
    """`server` stands in for the configured one: tests give a server in memory."""

    def __init__(self, tool: Tool, server: Any = None) -> None:
        self._tool = tool
        self._server = server
        self._stop = asyncio.Event()
        self._client: asyncio.Future[Client] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to connect. A server that is away now does not keep the service from starting."""
        try:
            import mcp  # noqa: F401 - whether it is there
        except ImportError as error:
            hint = "Run: pip install 'trunkline[mcp]'"
            raise ToolError("the mcp package is not installed", where=self._tool.name, hint=hint) from error
        self._connect()

    async def run(self, arguments: dict[str, str | float | bool]) -> Any:
        from mcp import MCPError

        name = self._tool.tool or self._tool.name
        try:
            client = await asyncio.shield(self._connect())
            result = await client.call_tool(name, dict(arguments))
        except ToolError:
            raise
        except MCPError as error:
            raise ToolError(f"its server refused: {error}", where=self._tool.name) from error
        except Exception as error:  # transports raise what they like; a tool's failure ends no call
            self._drop()
            what = f"its server was not reached: {type(error).__name__}"
            raise ToolError(what, where=self._tool.name, hint=str(error)) from error
        texts = [part.text for part in result.content if part.type == "text"]
        if result.is_error:
            raise ToolError(f"its server says: {' '.join(texts)[:200]}", where=self._tool.name)
        return _answer(result.structured_content, texts)

    async def close(self) -> None:
        """Disconnect."""
        self._stop.set()
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=CLOSE_SECONDS)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _connect(self) -> asyncio.Future[Client]:
        if self._task is None or self._task.done() or self._client is None:
            self._client = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._hold(self._client), name=f"mcp {self._tool.name}")
        return self._client

    def _drop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._client = None

    async def _hold(self, connected: asyncio.Future[Client]) -> None:
        """Keep the connection until the end."""
        try:
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(await self._opened(stack))
                connected.set_result(client)
                await self._stop.wait()
        except Exception as error:  # noqa: BLE001 - whatever it was, the next use is told and may try again
            what = f"its server was not reached: {type(error).__name__}"
            failure = ToolError(what, where=self._tool.name, hint=str(error))
            if not connected.done():
                connected.set_exception(failure)
        finally:
            if not connected.done():
                connected.cancel()
            elif not connected.cancelled():
                connected.exception()  # seen: whether anybody waited for it or not

    async def _opened(self, stack: AsyncExitStack) -> Client:
        from mcp import Client, StdioServerParameters

        tool = self._tool
        if self._server is not None:
            return Client(self._server)
        if tool.command:
            return Client(StdioServerParameters(command=tool.command[0], args=list(tool.command[1:])))
        if not tool.token:
            return Client(tool.url)
        import httpx2  # the client that the package itself uses
        from mcp.client.streamable_http import streamable_http_client

        headers = {"Authorization": f"Bearer {tool.token}"}
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=LIMIT_S))
        return Client(streamable_http_client(tool.url, http_client=http))


def _answer(structured: Any, texts: list[str]) -> Any:
    """What the tool said: its structured answer, or its text, as JSON where it is JSON."""
    if structured is not None:
        # A server whose function gives no object wraps what it gave as {"result": …}.
        alone = isinstance(structured, dict) and structured.keys() == {"result"}
        return structured["result"] if alone else structured
    text = "\n".join(texts)[:MOST_CHARACTERS]
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    return text
