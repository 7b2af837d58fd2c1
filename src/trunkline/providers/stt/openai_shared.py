"""What OpenAI's two ways of recognising share. Pure."""

from __future__ import annotations

from typing import Any

from trunkline.errors import EngineDown, EngineError, EngineKeyWrong, EngineNetwork, EngineQuota, EngineRate
from trunkline.errors import EngineRequest as _Request

OFFICIAL = "https://api.openai.com/v1"
_TAKE_KEYWORDS = ("gpt-transcribe", "gpt-live-transcribe")


def hints(model: str, language: str, prompt: str, keyterms: tuple[str, ...]) -> dict[str, Any]:
    """Language and key terms as this model takes them; older ones have a prompt for them."""
    code = language.split("-", maxsplit=1)[0].lower()
    told: dict[str, Any] = {}
    if model.startswith(_TAKE_KEYWORDS):
        told["keywords"] = list(keyterms)
        told["languages"] = [code]
    else:
        told["language"] = code
        if keyterms and not model.startswith("gpt-realtime-whisper"):
            prompt = f"{prompt} {', '.join(keyterms)}".strip()
    if prompt:
        told["prompt"] = prompt
    return told


def failure(error: dict[str, Any], where: str, key_env: str) -> EngineError:
    """What an error object of the vendor's means."""
    code, kind = str(error.get("code") or ""), str(error.get("type") or "")
    words = " ".join(str(error.get("message") or code or "it told of an error").split())[:200]
    if code in ("invalid_api_key", "authentication_error") or kind == "authentication_error":
        return EngineKeyWrong("it refused the key", where=where, hint=f"Check {key_env}")
    if code in ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active"):
        return EngineQuota(words, where=where, hint="Look at its billing page")
    if "rate_limit" in code or "rate_limit" in kind:
        return EngineRate(words, where=where)
    if code == "session_expired":  # an hour has passed: a new one goes on
        return EngineNetwork(words, where=where)
    if kind == "invalid_request_error":
        return _Request(words, where=where)
    return EngineDown(words, where=where)
