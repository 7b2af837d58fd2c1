"""Tools over HTTP and MCP, and functions: what is sent, what comes back, and what goes wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from trunkline.errors import ConfigError, ToolError
from trunkline.integrations.mcp_tool import McpTool
from trunkline.integrations.settings import IntegrationSettings, Tool
from trunkline.integrations.toolbox import Toolbox

Reply = Callable[[str, str, dict[str, str], bytes], bytes]


@asynccontextmanager
async def web(reply: Reply) -> AsyncIterator[str]:
    """A server that answers each request with what `reply(method, path, headers, body)` gives."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                method, path, _ = lines[0].split(" ", 2)
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                writer.write(reply(method, path, headers, body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


def answered(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


async def test_a_post_gives_its_arguments_as_json_and_its_token() -> None:
    seen: list[Any] = []

    def reply(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
        seen.append((method, path, headers.get("authorization"), json.loads(body)))
        return answered(b'{"slots": [{"start": "2026-01-08T16:00:00+00:00"}]}')

    async with web(reply) as base:
        tool = Tool("find", url=f"{base}/people/{{who}}", token="secret")
        async with Toolbox([tool]) as box:
            answer = await box.run("find", {"who": "Dana Ö/../x", "people": 12.0, "vip": True})
    assert answer == {"slots": [{"start": "2026-01-08T16:00:00+00:00"}]}
    # What a caller says fills one part of the path, and never another address.
    path = "/people/Dana%20%C3%96%2F..%2Fx"
    assert seen == [("POST", path, "Bearer secret", {"people": 12.0, "vip": True})]


async def test_a_get_gives_them_in_the_address() -> None:
    seen: list[str] = []

    def reply(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
        seen.append(f"{method} {path}")
        return answered(b"tomorrow at ten")

    async with web(reply) as base, Toolbox([Tool("find", url=f"{base}/?key=1", method="GET")]) as box:
        assert await box.run("find", {"people": 12.0, "who": "a&b"}) == "tomorrow at ten"
    assert seen == ["GET /?key=1&people=12&who=a%26b"]


@pytest.mark.parametrize(
    ("response", "says"),
    [
        (answered(b"", "500 Oops"), "answered with status 500"),
        (answered(b"", "302 Found", "Location: http://169.254.169.254/\r\n"), "answered with status 302"),
        (answered(b"x" * 300_000), "more than 262144 bytes"),
        (answered(b"\xff\xfe"), "not UTF-8"),
        (b"nonsense\r\n\r\n", "not reached"),
        (b"", "not reached"),
    ],
)
async def test_a_bad_answer_is_a_clear_error(response: bytes, says: str) -> None:
    def reply(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
        if not response:
            raise ConnectionError
        return response

    async with web(reply) as base, Toolbox([Tool("find", url=base)]) as box:
        with pytest.raises(ToolError, match=says):
            await box.run("find", {})


async def test_a_server_that_is_away_and_a_tool_that_is_not_there() -> None:
    async with web(lambda *_: b"") as base:
        pass  # its port is free again
    async with Toolbox([Tool("find", url=base)]) as box:
        with pytest.raises(ToolError, match="not reached"):
            await box.run("find", {})
        with pytest.raises(ToolError, match="no such tool"):
            await box.run("other", {})


# --- functions ----------------------------------------------------------------------------------------


def double(number: float) -> dict[str, float]:
    return {"twice": number * 2}


async def greet(name: str) -> str:
    return f"Hello {name}"


def breaks() -> None:
    raise KeyError("a bug")


HERE = __name__


async def test_functions_plain_and_async() -> None:
    tools = [
        Tool("double", "python", function=f"{HERE}:double"),
        Tool("greet", "python", function=f"{HERE}:greet"),
        Tool("breaks", "python", function=f"{HERE}:breaks"),
    ]
    async with Toolbox(tools) as box:
        assert await box.run("double", {"number": 21.0}) == {"twice": 42.0}
        assert await box.run("greet", {"name": "Dana"}) == "Hello Dana"
        with pytest.raises(ToolError, match="KeyError"):
            await box.run("breaks", {})
        with pytest.raises(ToolError, match="TypeError"):
            await box.run("double", {"size": 1.0})


@pytest.mark.parametrize("function", ["no_such_module:run", f"{HERE}:no_such_function", f"{HERE}:HERE"])
async def test_a_function_that_is_not_there_is_told_at_the_start(function: str) -> None:
    with pytest.raises(ToolError):
        await Toolbox([Tool("find", "python", function=function)]).__aenter__()


# --- MCP ----------------------------------------------------------------------------------------------


async def test_a_tool_of_an_mcp_server() -> None:
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("desk")

    @server.tool()
    async def find_slot(people: float) -> dict[str, Any]:
        """A free slot."""
        if people > 100:
            raise ValueError("too many")
        return {"start": "2026-01-08T16:00:00+00:00", "seats": people}

    @server.tool()
    async def words() -> str:
        """Words alone."""
        return "tomorrow at ten"

    found = McpTool(Tool("slot", "mcp", url="http://desk.invalid", tool="find_slot"), server)
    plain = McpTool(Tool("words", "mcp", url="http://desk.invalid"), server)
    gone = McpTool(Tool("gone", "mcp", url="http://desk.invalid"), server)
    for tool in (found, plain, gone):
        await tool.start()
    try:
        assert await found.run({"people": 12.0}) == {"start": "2026-01-08T16:00:00+00:00", "seats": 12.0}
        assert await plain.run({}) == "tomorrow at ten"
        with pytest.raises(ToolError, match="its server says"):
            await found.run({"people": 500.0})
        with pytest.raises(ToolError, match="gone"):
            await gone.run({})
    finally:
        for tool in (found, plain, gone):
            await tool.close()


async def test_an_mcp_server_that_is_away_is_an_error_each_time_and_not_at_the_start() -> None:
    async with web(lambda *_: b"") as base:
        pass
    async with Toolbox([Tool("slot", "mcp", url=f"{base}/mcp")]) as box:
        for _ in range(2):
            with pytest.raises(ToolError):
                await box.run("slot", {})


# --- settings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": "Find Slot", "url": "https://x.example"}, "cannot be a tool's name"),
        ({"name": "find"}, "needs a `url`"),
        ({"name": "find", "url": "file:///etc/passwd"}, "needs a `url`"),
        ({"name": "find", "kind": "python", "function": "os.system"}, "package.module:function"),
        ({"name": "find", "kind": "mcp", "url": "https://x.example", "command": ("x",)}, "one of them"),
    ],
)
def test_a_wrong_tool_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Tool(**given)


def test_two_of_one_name_are_refused() -> None:
    tool = Tool("find", url="https://x.example")
    with pytest.raises(ConfigError, match="two tools"):
        IntegrationSettings((tool, tool))
    assert "secret" not in repr(Tool("find", url="https://x.example", token="secret"))
