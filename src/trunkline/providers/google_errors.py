"""Google's client's errors in our tree, each telling a person what to do."""

from __future__ import annotations

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

_WHERE = "google"


def engine_error(error: Exception, api: str, check: str, key_env: str = "") -> EngineError:
    """What `error` means, by its gRPC status (google.rpc.Code) where it has one. `api`: what the project must
    have; `check`: what may be wrong with a request; `key_env`: the variable of the key, where it is one."""
    if isinstance(error, TimeoutError):
        return EngineTimeout("it did not begin in its time", where=_WHERE)
    code = getattr(error, "grpc_status_code", None) or getattr(error, "code", None)
    name = getattr(code() if callable(code) else code, "name", "")
    details = getattr(error, "message", "") or getattr(error, "details", "")
    said = " ".join(str(details() if callable(details) else details).split())[:200]
    if name == "INVALID_ARGUMENT" and "API key" in said:  # this vendor's way to refuse a key
        name = "UNAUTHENTICATED"
    match name:
        case "UNAUTHENTICATED" | "PERMISSION_DENIED":
            hint = f"Check {key_env or 'the credentials'}, and that the project has the {api}"
            return EngineKeyWrong(f"it refused the credentials: {said}", where=_WHERE, hint=hint)
        case "RESOURCE_EXHAUSTED" if "billing" in said.lower():
            return EngineQuota(said, where=_WHERE, hint="Look at its billing page")
        case "RESOURCE_EXHAUSTED":
            return EngineRate(said or "too many requests just now", where=_WHERE)
        case "INVALID_ARGUMENT" | "NOT_FOUND" | "FAILED_PRECONDITION" | "UNIMPLEMENTED":
            return EngineRequest(f"it refused the request: {said}", where=_WHERE, hint=f"Check {check}")
        case "INTERNAL" if "from Core" in said:  # gRPC's own word for a write that the other end did not take
            return EngineNetwork(f"the stream broke: {said}", where=_WHERE)
        case "DEADLINE_EXCEEDED":
            return EngineTimeout("it did not answer in its time", where=_WHERE)
        case "UNAVAILABLE" | "ABORTED" | "OUT_OF_RANGE" | "CANCELLED":
            return EngineNetwork(f"the stream broke: {said}", where=_WHERE)
        case "":
            return EngineDown(f"its client failed: {type(error).__name__}", where=_WHERE)
        case _:
            return EngineDown(f"it is broken ({name}): {said}", where=_WHERE)
