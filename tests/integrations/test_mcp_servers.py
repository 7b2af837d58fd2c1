"""Tools of MCP servers that are programs of their own: over their pipes, and over HTTP on loopback."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from trunkline.errors import ToolError
from trunkline.integrations import mcp_connection
from trunkline.integrations.mcp_connection import McpConnection
from trunkline.integrations.mcp_tool import McpTool
from trunkline.integrations.settings import Tool
from trunkline.integrations.toolbox import Toolbox

DESK = str(Path(__file__).with_name("mcp_desk.py"))
LIMIT = 60.0
"""Seconds in which a Python program with the package has started on a busy machine, many times over."""
SLOT = {"start": "2026-01-08T16:00:00+00:00", "seats": 12.0}


def at_the_desk(*names: str, command: tuple[str, ...] = (), url: str = "", token: str = "") -> list[Tool]:
    return [Tool(name, "mcp", command=command, url=url, token=token) for name in names]


async def until(so: Callable[[], bool]) -> None:
    """What another process does is asked for again and again."""
    async with asyncio.timeout(LIMIT):
        while not so():  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0.02)


async def gone(pid: int) -> None:
    """Until this process is no more."""
    await until(lambda: not Path(f"/proc/{pid}").exists())


def connection_of(box: Toolbox, name: str) -> McpConnection:
    tool = box._tools[name]
    assert isinstance(tool, McpTool)
    return tool._connections[-1]


@asynccontextmanager
async def desk(port: int = 0, how: str = "stateless", token: str = "") -> AsyncIterator[tuple[int, int]]:
    """A desk over HTTP: its port and its process. Killed at the end, if it has not ended by itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, DESK, "http", str(port), how, *((token,) if token else ())),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(LIMIT):
            line = await process.stdout.readline()
        yield int(line), process.pid
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


# --- over pipes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("manner", ["quiet", "chatty"])
async def test_a_program_as_the_server(manner: str) -> None:
    command = (sys.executable, DESK, "stdio", manner)
    async with Toolbox(at_the_desk("find_slot", "who", "nowhere", command=command)) as box:
        assert await box.run("find_slot", {"people": 12.0}) == SLOT
        with pytest.raises(ToolError, match="its server says"):
            await box.run("find_slot", {"people": 500.0})
        with pytest.raises(ToolError, match="its server says"):
            await box.run("find_slot", {"guests": 1.0})
        with pytest.raises(ToolError, match="nowhere"):
            await box.run("nowhere", {})
        pids = [int(await box.run("who", {})) for _ in range(2)]
        assert pids[0] == pids[1]
        many = await asyncio.gather(*(box.run("find_slot", {"people": 12.0}) for _ in range(40)))
        assert many == [SLOT] * 40
    await gone(pids[0])


async def test_a_program_that_dies_while_it_is_asked_is_started_again() -> None:
    command = (sys.executable, DESK, "stdio")
    tool = Tool("desk", "mcp", command=command)
    async with Toolbox([tool, *at_the_desk("die", command=command)]) as box:
        for _ in range(2):  # each use finds a new one
            async with asyncio.timeout(LIMIT):
                with pytest.raises(ToolError, match="went away before it answered") as told:
                    await box.run("die", {})
            assert "not known" in told.value.hint


async def test_a_program_that_died_in_between_is_started_again_unnoticed() -> None:
    async with Toolbox(at_the_desk("who", command=(sys.executable, DESK, "stdio"))) as box:
        first = int(await box.run("who", {}))
        os.kill(first, signal.SIGKILL)
        await gone(first)
        await until(lambda: connection_of(box, "who").over)
        second = int(await box.run("who", {}))
    assert second != first
    await gone(second)


async def test_a_step_that_waits_no_longer_leaves_the_connection_to_others() -> None:
    command = (sys.executable, DESK, "stdio")
    async with Toolbox([Tool("desk", "mcp", command=command, tool="wait")]) as box:
        waiting = asyncio.create_task(box.run("desk", {}))
        await asyncio.sleep(0)
        connection = connection_of(box, "desk")
        await connection.call("find_slot", {"people": 12.0})  # it is there, and asked twice
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        result = await connection.call("find_slot", {"people": 12.0})
        assert result.structured_content == SLOT
        assert connection is connection_of(box, "desk")
        assert not connection.over


async def test_a_server_that_does_not_answer_is_left_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    command = (sys.executable, DESK, "stdio")
    async with Toolbox(at_the_desk("find_slot", "wait", command=command)) as box:
        assert await box.run("find_slot", {"people": 12.0}) == SLOT  # it is there
        monkeypatch.setattr(mcp_connection, "LIMIT_S", 0.2)
        with pytest.raises(ToolError, match="did not answer within"):
            await box.run("wait", {})
        monkeypatch.undo()
        assert await box.run("find_slot", {"people": 12.0}) == SLOT


async def test_a_program_that_never_says_hello(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_connection, "LIMIT_S", 0.3)
    command = (sys.executable, "-c", "import sys; sys.stdin.read()")
    async with Toolbox(at_the_desk("find_slot", command=command)) as box:
        with pytest.raises(ToolError, match="not reached"):
            await box.run("find_slot", {"people": 12.0})


@pytest.mark.parametrize("command", [("/no/such/program",), (sys.executable, "-c", "print(1)")])
async def test_a_program_that_is_no_server(command: tuple[str, ...]) -> None:
    async with Toolbox(at_the_desk("find_slot", command=command)) as box:
        for _ in range(2):
            async with asyncio.timeout(LIMIT):
                with pytest.raises(ToolError):
                    await box.run("find_slot", {"people": 12.0})


# --- over HTTP ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stateless", "stateful"])
async def test_a_server_over_http(how: str) -> None:
    async with (
        desk(how=how) as (port, pid),
        Toolbox(at_the_desk("find_slot", "who", url=f"http://127.0.0.1:{port}/mcp")) as box,
    ):
        assert await box.run("find_slot", {"people": 12.0}) == SLOT
        assert await box.run("who", {}) == pid
        with pytest.raises(ToolError, match="its server says"):
            await box.run("find_slot", {"people": 500.0})
        many = await asyncio.gather(*(box.run("find_slot", {"people": 12.0}) for _ in range(40)))
        assert many == [SLOT] * 40


async def test_a_token_over_http() -> None:
    async with desk(token="secret-1") as (port, _):
        url = f"http://127.0.0.1:{port}/mcp"
        async with Toolbox(at_the_desk("find_slot", url=url, token="secret-1")) as box:
            assert await box.run("find_slot", {"people": 12.0}) == SLOT
        async with Toolbox(at_the_desk("find_slot", url=url, token="secret-2")) as box:
            with pytest.raises(ToolError) as told:
                await box.run("find_slot", {"people": 12.0})
        assert "secret" not in str(told.value)


@pytest.mark.parametrize("how", ["stateless", "stateful"])
async def test_a_server_over_http_that_dies_while_it_is_asked_is_reached_again(how: str) -> None:
    async with desk(how=how) as (port, _):
        url = f"http://127.0.0.1:{port}/mcp"
        async with Toolbox(at_the_desk("find_slot", "die", "who", url=url)) as box:
            assert await box.run("find_slot", {"people": 12.0}) == SLOT
            first = await box.run("who", {})
            async with asyncio.timeout(LIMIT):
                with pytest.raises(ToolError):
                    await box.run("die", {})
                with pytest.raises(ToolError):
                    await box.run("find_slot", {"people": 12.0})
            async with desk(port, how) as (_, second):
                async with asyncio.timeout(LIMIT):
                    assert await box.run("find_slot", {"people": 12.0}) == SLOT
                    assert await box.run("who", {}) == second != first
