"""The SDK's errors in our tree, each telling a person what to do."""

from __future__ import annotations

from typing import Any

from trunkline.errors import (
    EngineDown,
    EngineError,
    EngineKeyWrong,
    EngineNetwork,
    EngineQuota,
    EngineRate,
    EngineRequest,
    EngineTimeout,
)

_QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})


def engine_error(error: Exception, where: str, key_env: str) -> EngineError:
    """What `error`, raised while asking the model `where`, means to us."""
    import openai

    if isinstance(error, openai.APITimeoutError):
        return EngineTimeout("it did not answer in its time", where=where)
    if isinstance(error, openai.APIConnectionError):
        return EngineNetwork(
            "it could not be reached, or the connection broke",
            where=where,
            hint="See that base_url is right and the server runs",
        )
    if isinstance(error, openai.APIStatusError):
        return _status_error(error, where, key_env)
    if isinstance(error, openai.APIError):  # an error told in the middle of the stream
        return EngineDown(f"it broke off: {_short(error.message)}", where=where)
    if isinstance(error, ValueError | LookupError | TypeError | AttributeError):
        return EngineDown("it answered what is not its protocol", where=where)
    return EngineNetwork(f"the connection broke ({type(error).__name__})", where=where)


def _status_error(error: Any, where: str, key_env: str) -> EngineError:
    status, said = error.status_code, _short(error.message)
    if status in (401, 403):
        return EngineKeyWrong(f"it refused the key (HTTP {status})", where=where, hint=f"Check {key_env}")
    if status == 402 or error.code in _QUOTA_CODES:
        return EngineQuota(
            "the account is out of money or quota", where=where, hint="Look at the provider's billing page"
        )
    if status == 429:
        return EngineRate(
            "too many requests just now", where=where, hint="Try again, or raise the account's limits"
        )
    if status == 404:
        return EngineRequest(
            f"it knows no such model or address: {said}", where=where, hint="Check model and base_url"
        )
    if status == 408:
        return EngineTimeout("it gave up waiting (HTTP 408)", where=where)
    if status < 500:
        return EngineRequest(f"it refused the request (HTTP {status}): {said}", where=where)
    return EngineDown(f"it is broken (HTTP {status}): {said}", where=where)


def _short(text: str) -> str:
    return " ".join(str(text).split())[:200]
