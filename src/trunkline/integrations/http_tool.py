"""A tool that is asked over HTTP: arguments in the address or as JSON, JSON or plain text back."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from trunkline.errors import ToolError

if TYPE_CHECKING:
    import httpx

    from trunkline.integrations.settings import Tool

MOST_BYTES = 262_144
"""Of an answer; a call needs a few values, not a catalogue."""
LIMIT_S = 30.0
"""For any one wait; the step's own limit is shorter as a rule."""
_PLACE = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class HttpTool:
    """Connections stay open between uses. Redirects are not followed: the configuration says where it is."""

    def __init__(self, tool: Tool) -> None:
        self._tool = tool
        self._client: httpx.AsyncClient | None = None

    async def start(self) -> None:
        try:
            import httpx
        except ImportError as error:
            hint = "Run: pip install 'trunkline[tools]'"
            raise ToolError("the httpx package is not installed", where=self._tool.name, hint=hint) from error
        headers = {"Authorization": f"Bearer {self._tool.token}"} if self._tool.token else {}
        self._client = httpx.AsyncClient(headers=headers, timeout=LIMIT_S, follow_redirects=False)

    async def run(self, arguments: dict[str, str | float | bool]) -> Any:
        import httpx

        assert self._client is not None
        tool, left = self._tool, dict(arguments)

        def put(match: re.Match[str]) -> str:
            value = left.pop(match[1], arguments.get(match[1], ""))
            return quote(_text(value), safe="")

        url = _PLACE.sub(put, tool.url)
        try:
            if tool.method == "GET":
                params = {name: _text(value) for name, value in left.items()}
                # An address may have parameters of its own, which `params` would replace.
                request = self._client.build_request("GET", httpx.URL(url).copy_merge_params(params))
            else:
                request = self._client.build_request(tool.method, url, json=left)
            response = await self._client.send(request, stream=True)
            try:
                body = await self._read(response)
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            what = f"not reached: {type(error).__name__}"
            raise ToolError(what, where=tool.name, hint=str(error)) from error
        if response.status_code >= 300:
            raise ToolError(f"answered with status {response.status_code}", where=tool.name)
        return _decoded(body, tool.name)

    async def _read(self, response: httpx.Response) -> bytes:
        body = b""
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > MOST_BYTES:
                raise ToolError(f"answered with more than {MOST_BYTES} bytes", where=self._tool.name)
        return body

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def _text(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else f"{value:.15g}"


def _decoded(body: bytes, where: str) -> Any:
    try:
        text = body.decode("utf-8").strip()
        return json.loads(text) if text[:1] in tuple('{["-0123456789tfn') else text
    except UnicodeDecodeError as error:
        raise ToolError("its answer is not UTF-8 text", where=where) from error
    except (ValueError, RecursionError):
        return text  # plain words that begin like JSON
