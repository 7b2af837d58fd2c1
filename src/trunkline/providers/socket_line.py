"""A WebSocket to a hosted service, and what its refusal or its end means.

What is said on it is each engine's own; this is how it is opened, for voices and recognisers alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trunkline.errors import (
    EngineError,
    EngineKeyWrong,
    EngineMissing,
    EngineQuota,
    EngineRate,
    EngineTimeout,
)
from trunkline.providers.refusals import refusal, unreachable

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

_LARGEST_MESSAGE = 8_000_000
_MOST_WAITING = 64
"""Messages that may wait unread, such as the rest of a sentence that was cut."""


@dataclass(frozen=True, slots=True)
class SocketLine:
    """Where and how an engine connects. `key_env` names the variable in the hint of a refused key."""

    where: str
    url: str
    headers: dict[str, str]
    key_env: str
    extra: str
    connect_s: float = 5.0


async def connected(line: SocketLine) -> ClientConnection:
    """A new socket. Raises the `EngineError` that its refusal means."""
    try:
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus, WebSocketException
    except ImportError as error:
        raise EngineMissing(
            "the websockets package is not installed",
            where=line.where,
            hint=f"Run: pip install 'trunkline[{line.extra}]'",
        ) from error
    try:
        return await connect(
            line.url,
            additional_headers=line.headers,
            open_timeout=line.connect_s,
            close_timeout=1.0,
            max_size=_LARGEST_MESSAGE,
            max_queue=_MOST_WAITING,
            compression=None,
        )
    except InvalidStatus as error:
        body = bytes(error.response.body or b"").decode("utf-8", "replace")
        raise refusal(error.response.status_code, body, line.where, line.key_env) from error
    except TimeoutError as error:
        raise EngineTimeout("it did not take the connection in its time", where=line.where) from error
    except (WebSocketException, OSError, EOFError) as error:
        raise unreachable(error, line.where) from error


def closing(error: Any, line: SocketLine) -> EngineError:
    """What a socket's end in the middle of a sentence means; some services tell why in its last words."""
    reason = " ".join(str(getattr(getattr(error, "rcvd", None), "reason", "") or "").split())[:200]
    lowered = reason.lower()
    told = f"it ended the connection: {reason}"
    if any(word in lowered for word in ("quota", "credit", "payment", "billing", "funds")):
        return EngineQuota(told, where=line.where, hint="Look at its billing page")
    if any(word in lowered for word in ("api key", "unauthor", "not author", "authenticat")):
        return EngineKeyWrong(told, where=line.where, hint=f"Check {line.key_env}")
    if any(word in lowered for word in ("too many", "rate limit", "concurren")):
        return EngineRate(told, where=line.where, hint="Try again, or raise the account's limits")
    broken = unreachable(error, line.where)
    return type(broken)(f"the connection broke: {reason}", where=line.where) if reason else broken
