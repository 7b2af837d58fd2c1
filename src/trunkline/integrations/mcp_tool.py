"""A tool of a server that speaks the Model Context Protocol, over HTTP or as a program of its own.

One connection serves all uses, side by side. Where it has ended, the next use connects again. A use whose
server went away while it was asked is not repeated: whether it did what was asked, nobody knows.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

from trunkline.errors import ToolError
from trunkline.integrations.mcp_connection import LIMIT_S, McpConnection

if TYPE_CHECKING:
    from mcp import MCPError
    from mcp.types import CallToolResult

    from trunkline.integrations.settings import Tool

MOST_CHARACTERS = 262_144
"""Of an answer's text that are looked at."""
_SESSION_OVER = "Session terminated"
"""What the package makes of 404 for a session: the server was started anew, and has done nothing."""


class McpTool:
    """`server` stands in for the configured one: tests give a server in memory."""

    def __init__(self, tool: Tool, server: Any = None) -> None:
        self._tool = tool
        self._server = server
        self._connections: list[McpConnection] = []
        """The one in use last; before it those that have not ended yet."""

    async def start(self) -> None:
        """Begin to connect. A server that is away now does not keep the service from starting."""
        try:
            import mcp  # noqa: F401 - whether it is there
        except ImportError as error:
            hint = "Run: pip install 'trunkline[mcp]'"
            raise ToolError("the mcp package is not installed", where=self._tool.name, hint=hint) from error
        self._connection()

    async def run(self, arguments: dict[str, str | float | bool]) -> Any:
        from mcp import MCPError

        try:
            try:
                result = await self._use(dict(arguments))
            except MCPError as error:
                if error.message != _SESSION_OVER:
                    raise
                result = await self._use(dict(arguments))
        except MCPError as error:
            raise self._refused(error) from error
        texts = [part.text for part in result.content if part.type == "text"]
        if result.is_error:
            raise ToolError(f"its server says: {' '.join(texts)[:200]}", where=self._tool.name)
        return _answer(result.structured_content, texts)

    async def close(self) -> None:
        """Disconnect."""
        connections, self._connections = self._connections, []
        await asyncio.gather(*(each.close() for each in connections))

    async def _use(self, arguments: dict[str, Any]) -> CallToolResult:
        """Raises `ToolError`, and `MCPError` for what the server or the package says."""
        from mcp import MCPError

        connection = self._connection()
        try:
            return await connection.call(self._tool.tool or self._tool.name, arguments)
        except ToolError:
            raise
        except MCPError as error:
            if error.message == _SESSION_OVER:
                connection.retire()
            raise
        except Exception as error:  # transports raise what they like; a tool's failure ends no call
            connection.retire()
            what = f"its server was not reached: {type(error).__name__}"
            raise ToolError(what, where=self._tool.name, hint=str(error)) from error

    def _refused(self, error: MCPError) -> ToolError:
        from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT

        name = self._tool.name
        if error.code == CONNECTION_CLOSED:
            hint = "Whether it did what was asked is not known"
            return ToolError("its server went away before it answered", where=name, hint=hint)
        if error.code == REQUEST_TIMEOUT:
            return ToolError(f"its server did not answer within {LIMIT_S:g} s", where=name)
        return ToolError(f"its server refused: {error}", where=name)

    def _connection(self) -> McpConnection:
        """The connection in force, or a new one."""
        self._connections = [each for each in self._connections if not each.task.done()]
        if not self._connections or self._connections[-1].over:
            self._connections.append(McpConnection(self._tool.name, self._opened))
        return self._connections[-1]

    async def _opened(self, stack: AsyncExitStack) -> Any:
        """The server's transport."""
        from mcp import StdioServerParameters
        from mcp.client.stdio import stdio_client
        from mcp.client.streamable_http import streamable_http_client

        tool = self._tool
        if self._server is not None:
            return self._server
        if tool.command:
            return stdio_client(StdioServerParameters(command=tool.command[0], args=list(tool.command[1:])))
        http = None
        if tool.token:
            import httpx2  # the client that the package itself uses

            headers = {"Authorization": f"Bearer {tool.token}"}
            http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=LIMIT_S))
        return streamable_http_client(tool.url, http_client=http)


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
