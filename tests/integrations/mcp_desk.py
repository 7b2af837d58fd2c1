"""A small MCP server, run as a program: `mcp_desk.py stdio [chatty]`, or `mcp_desk.py http PORT HOW [TOKEN]`,
HOW being stateful or stateless.

It depends on nothing of ours. Over HTTP it prints its port when it can be reached.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from typing import Any

from mcp.server.mcpserver import MCPServer

server = MCPServer("desk")


@server.tool()
async def find_slot(people: float) -> dict[str, Any]:
    """A free slot."""
    if people > 100:
        raise ValueError("too many")
    return {"start": "2026-01-08T16:00:00+00:00", "seats": people}


@server.tool()
async def who() -> int:
    """This process."""
    return os.getpid()


@server.tool()
async def die() -> str:
    """End in the middle of being asked."""
    os._exit(3)


@server.tool()
async def wait() -> str:
    """Never answer."""
    await asyncio.sleep(3600)
    return "late"


def serve_http(port: int, stateful: bool, token: str) -> None:
    import uvicorn

    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen()
    app = server.streamable_http_app(stateless_http=not stateful)

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        let_in = not token or (b"authorization", f"Bearer {token}".encode()) in scope.get("headers", ())
        if scope["type"] == "http" and not let_in:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await app(scope, receive, send)

    print(json.dumps(listening.getsockname()[1]), flush=True)
    uvicorn.Server(uvicorn.Config(guarded, log_level="error")).run(sockets=[listening])


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        if "chatty" in sys.argv:
            print("The desk is open.", flush=True)  # where only messages belong
        server.run("stdio")
    else:
        serve_http(int(sys.argv[2]), sys.argv[3] == "stateful", sys.argv[4] if len(sys.argv) > 4 else "")
