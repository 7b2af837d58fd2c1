"""One connection to an MCP server, held by a task of its own from its opening to its end, since what opened
it must close it. Uses go through it side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from trunkline.errors import ToolError

if TYPE_CHECKING:
    from mcp import Client
    from mcp.client import Transport
    from mcp.types import CallToolResult

CLOSE_SECONDS = 8.0
"""A program is asked to end, told to, and killed: the package takes six seconds for it at most."""
LIMIT_S = 30.0
"""For any one wait; the step's own limit is shorter as a rule."""


class McpConnection:
    """`opened` gives what a `Client` is made of. Connecting begins at once."""

    def __init__(self, name: str, opened: Callable[[AsyncExitStack], Awaitable[Any]]) -> None:
        self._name = name
        self._opened = opened
        self._uses = 0
        self._leave = asyncio.Event()
        self._ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self.over = False
        """Whether it is of no more use: what is to come needs a new one."""
        self.task = asyncio.create_task(self._hold(), name=f"mcp {name}")

    async def call(self, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        """Use one of its tools. Raises `ToolError` where it is not reached, else what the package does."""
        self._uses += 1
        try:
            client = await asyncio.shield(self._ready)
            return await client.call_tool(tool, arguments, read_timeout_seconds=LIMIT_S)
        finally:
            self._uses -= 1
            self._leave_if_done()

    def retire(self) -> None:
        """Begin nothing more on it; it is closed when what goes through it now is over."""
        self.over = True
        self._leave_if_done()

    async def close(self) -> None:
        """Disconnect, and wait for that."""
        self.over = True
        self._leave.set()
        await asyncio.wait((self.task,), timeout=CLOSE_SECONDS)
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def _leave_if_done(self) -> None:
        if self.over and not self._uses:
            self._leave.set()

    async def _hold(self) -> None:
        from mcp import Client

        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(LIMIT_S):
                    server = await self._opened(stack)
                    if hasattr(server, "__aenter__"):  # a transport, and no server in this process
                        server = self._watched(server)
                    client = await stack.enter_async_context(Client(server))
                self._ready.set_result(client)
                await self._leave.wait()
        except Exception as error:  # noqa: BLE001 - whatever it was, who waits is told, and the next use may try again
            if not self._ready.done():
                what = f"its server was not reached: {type(error).__name__}"
                self._ready.set_exception(ToolError(what, where=self._name, hint=str(error)))
        finally:
            self.over = True
            if not self._ready.done():
                self._ready.cancel()
            elif not self._ready.cancelled():
                self._ready.exception()  # seen: whether anybody waited for it or not

    @asynccontextmanager
    async def _watched(self, transport: Transport) -> AsyncIterator[tuple[Any, Any]]:
        """The same transport, whose end retires this connection: a server that went away while nobody used it
        is reached anew by the next use, which otherwise would be the one to find out."""
        async with transport as (read, write):
            yield _Watched(read, self.retire), write


class _Watched:
    """A stream of messages that tells its end."""

    def __init__(self, stream: Any, on_end: Callable[[], None]) -> None:
        self._stream = stream
        self._on_end = on_end

    async def receive(self) -> Any:
        return await self._stream.receive()

    async def aclose(self) -> None:
        await self._stream.aclose()

    def __aiter__(self) -> _Watched:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._stream.__anext__()
        except BaseException:
            self._on_end()
            raise

    async def __aenter__(self) -> _Watched:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *told: Any) -> Any:
        return await self._stream.__aexit__(*told)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)  # such as `last_context`, which some streams have
