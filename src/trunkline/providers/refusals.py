"""What a hosted service's refusal means to us, whichever transport it came by.

Status codes mean much the same everywhere (RFC 9110 section 15; 402, 403 and 429 as the vendors'
pages use them), so one table serves all clients that speak HTTP or open a WebSocket. Texts of the
service are shortened and never carry a key: only what the service said in its body is repeated.
"""

from __future__ import annotations

import json
import os
from urllib.parse import urlsplit

from trunkline.errors import (
    ConfigError,
    EngineDown,
    EngineError,
    EngineKeyWrong,
    EngineNetwork,
    EngineQuota,
    EngineRate,
    EngineRequest,
    EngineTimeout,
)

_SHOWN = 200
_QUOTA_WORDS = ("quota", "credit", "billing", "insufficient", "payment")
"""In the words of a 401, 403 or 429 these tell an empty account from a wrong key or a busy moment."""


def refusal(status: int, body: str, where: str, key_env: str) -> EngineError:
    """The error for an HTTP status of 400 and more. `body`: what the service said, JSON or text."""
    said = said_in(body)
    told = f": {said}" if said else ""
    lowered = said.lower()
    # "Insufficient permissions" are no empty account.
    spent = any(word in lowered for word in _QUOTA_WORDS) and "permission" not in lowered
    if status == 402 or (spent and status in (401, 403, 429)):
        return EngineQuota(
            f"the account is out of money or quota{told}", where=where, hint="Look at its billing page"
        )
    if status in (401, 403) or (status == 400 and "API key" in said):  # the latter is Google's way
        return EngineKeyWrong(
            f"it refused the key (HTTP {status}){told}", where=where, hint=f"Check {key_env}"
        )
    if status == 429:
        return EngineRate(
            f"too many requests just now{told}", where=where, hint="Try again, or raise the account's limits"
        )
    if status in (408, 504):
        return EngineTimeout(f"it gave up waiting (HTTP {status})", where=where)
    if status == 404:
        return EngineRequest(
            f"it knows no such model, voice or address{told}",
            where=where,
            hint="Check model, voice and base_url",
        )
    if status < 500:
        return EngineRequest(f"it refused the request (HTTP {status}){told}", where=where)
    return EngineDown(f"it is broken (HTTP {status}){told}", where=where)


def only_may_not_look(said: str) -> bool:
    """The key is known, and made for less than reading cards of models, as OpenAI's restricted keys may be.
    Whether it is made for what is asked in earnest is then met with the first request."""
    return "missing scopes" in said.lower()


def said_in(body: str) -> str:
    """The message in an error's body, in one short line. Vendors nest it in many ways."""
    try:
        found = _message(json.loads(body))
    except (ValueError, RecursionError):
        found = body
    if found.lstrip().startswith("<"):  # a page of some machine on the way, for a browser
        return ""
    return " ".join(found.split())[:_SHOWN]


def _message(value: object, depth: int = 0) -> str:
    if isinstance(value, str):
        return value
    if depth > 4:
        return ""
    if isinstance(value, list):
        return _message(value[0], depth + 1) if value else ""
    if isinstance(value, dict):
        for key in ("message", "err_msg", "error", "detail", "title", "description", "reason"):
            if found := _message(value.get(key), depth + 1):
                return found
    return ""


def unreachable(error: Exception, where: str) -> EngineError:
    """The error for a transport that failed: it could not be reached, or broke."""
    return EngineNetwork(
        f"it could not be reached, or the connection broke ({type(error).__name__})",
        where=where,
        hint="See that base_url is right and this machine has a way out",
    )


def key_from(variable: str, where: str, *, needed: bool = True) -> str:
    """The key in this environment variable. `EngineKeyWrong` where it is not set but needed."""
    key = os.environ.get(variable, "").strip()
    if needed and not key:
        raise EngineKeyWrong("there is no key", where=where, hint=f"Set {variable}")
    if not key.isascii() or not key.isprintable():
        raise EngineKeyWrong("the key holds letters that no key has", where=where, hint=f"Check {variable}")
    return key


def checked_address(url: str, where: str, option: str = "base_url") -> str:
    """The web address without a slash at its end. `ConfigError` where it is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"{option} {url!r} is not a web address", where=where, hint="It looks like https://host/path"
        )
    return url.rstrip("/")


def checked_limits(where: str, **seconds: float) -> None:
    """`ConfigError` for a time limit that is not positive."""
    for name, value in seconds.items():
        if value <= 0:
            raise ConfigError(f"{name} is not positive", where=where)
