"""Asking a carrier's HTTP API for something: one session for each carrier, a limit on every wait."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from trunkline.errors import SipError, Verdict
from trunkline.legs.extra import extra

TIME_LIMIT = 10.0
"""Seconds for a whole request."""
ANSWER_LIMIT = 256 * 1024


ENDED = (404, 409, 422)
"""What carriers answer when told to end a call that has ended already."""


class ApiRefused(SipError):
    """The carrier answered, and would not. `status`: of HTTP."""

    def __init__(self, what: str, *, where: str, status: int, verdict: Verdict, hint: str = "") -> None:
        super().__init__(what, where=where, hint=hint)
        self.status = status
        self.verdict = verdict

    def for_log(self) -> str:
        return f"{self.where}: the carrier answered {self.status}"


class CarrierApi:
    """One carrier's API. `authorization` gives the header of each request; it is never logged.

    Opened with the first request; `close` it. Redirects are not followed: none of these APIs sends
    any, and one would carry the account's secret to wherever it points.
    """

    def __init__(self, name: str, base: str, authorization: Callable[[], str]) -> None:
        self._name = name
        self._base = base.rstrip("/")
        self._authorization = authorization
        self._session: Any = None

    async def post_form(self, path: str, fields: Mapping[str, str | list[str]]) -> Mapping[str, Any]:
        pairs = [
            (name, one)
            for name, value in fields.items()
            for one in (value if isinstance(value, list) else [value])
        ]
        return await self._ask("POST", path, data=pairs)

    async def post(self, path: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._ask("POST", path, json=value)

    async def put(self, path: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._ask("PUT", path, json=value)

    async def ask(
        self, method: str, path: str, value: Mapping[str, Any] | None, query: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """Any other request: `value` as JSON, `query` behind the path."""
        body = {} if value is None else {"json": value}
        return await self._ask(method, path, params=query, **body)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _ask(self, method: str, path: str, **body: Any) -> Mapping[str, Any]:
        """The answer's JSON object, {} where it has none. Raises `SipError` with what the carrier
        said; its verdict is to retry where the carrier itself was at fault."""
        aiohttp = extra("aiohttp")
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIME_LIMIT))
        headers = {"Authorization": self._authorization()}
        try:
            async with self._session.request(
                method, self._base + path, headers=headers, allow_redirects=False, **body
            ) as answer:
                status = answer.status
                said = b""
                async for piece in answer.content.iter_chunked(ANSWER_LIMIT):
                    said = (said + piece)[:ANSWER_LIMIT]
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            unreachable = SipError(
                f"the carrier could not be reached ({type(error).__name__})", where=self._name
            )
            unreachable.verdict = Verdict.RETRY
            raise unreachable from error
        if 200 <= status < 300:
            return _object(said)
        what, verdict, hint = f"answered {status}: {_words(said)}", Verdict.FAIL_OVER, ""
        if status in (401, 403):
            what, verdict = f"refused our credentials ({status})", Verdict.GIVE_UP
            hint = f"See [{self._name}] in the settings."
        elif status == 429 or status >= 500:
            verdict = Verdict.RETRY
        raise ApiRefused(f"the carrier {what}", where=self._name, status=status, verdict=verdict, hint=hint)

    async def end(self, ending: Awaitable[object]) -> None:
        """Await a request that ends a call; that it has ended already is no failure."""
        try:
            await ending
        except ApiRefused as error:
            if error.status not in ENDED:
                raise


def _object(said: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(said)
    except (ValueError, RecursionError):
        return {}  # Many answers are empty; who needs a field of one says that it is missing.
    return value if isinstance(value, dict) else {}


def _words(said: bytes) -> str:
    """What an error's body says to a person, shortened."""
    value = _object(said)
    errors = value.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else value
    for name in ("message", "detail", "title"):
        if isinstance(first.get(name), str):
            return str(first[name])[:200]
    return said[:200].decode("utf-8", "replace")
