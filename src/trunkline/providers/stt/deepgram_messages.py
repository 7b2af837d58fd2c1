"""What Deepgram's two listening protocols share. Pure."""

from __future__ import annotations

import json
from typing import Any

from trunkline.errors import EngineDown, EngineError, EngineQuota, EngineRate, EngineRequest

WHERE = "deepgram"


def said(message: str | bytes) -> dict[str, Any]:
    """The message. Raises `ValueError` where it is not an object."""
    found = json.loads(message)
    if not isinstance(found, dict):
        raise ValueError("a message is not an object")
    return found


def told(kind: str, **more: Any) -> str:
    return json.dumps({"type": kind, **more})


def failure(message: dict[str, Any]) -> EngineError:
    """What an `Error` means; the connection ends after it."""
    code = str(message.get("code") or message.get("variant") or "")
    words = " ".join(str(message.get("description") or code or "it told of an error").split())[:200]
    upper = f"{code} {words}".upper()
    if "RATE" in code.upper() or "TOO_MANY" in upper:
        return EngineRate(words, where=WHERE)
    if "INSUFFICIENT" in upper or "CREDIT" in upper or "BALANCE" in upper:
        return EngineQuota(words, where=WHERE, hint="Look at its billing page")
    if code in ("SchemaError", "INVALID_MESSAGE") or code.startswith(("UNPARSABLE", "BAD_REQUEST", "DATA")):
        return EngineRequest(words, where=WHERE)
    return EngineDown(words, where=WHERE)
