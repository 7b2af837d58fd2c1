"""What the adapters for LiveKit Agents' plugins share: finding one, making its engine, its errors.

`--stt livekit:NAME`, `--llm livekit:NAME`, `--tts livekit:NAME` use the package `livekit-plugins-NAME`.
Options go to the plugin's constructor as they are named there; where its annotation asks for a number or a
truth, the text becomes one.
"""

from __future__ import annotations

import contextvars
import importlib
import inspect
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from trunkline.errors import (
    ConfigError,
    EngineDown,
    EngineError,
    EngineKeyWrong,
    EngineMissing,
    EngineTimeout,
)
from trunkline.providers.refusals import refusal, unreachable


class Plugin:
    """The engine of one plugin, of one kind ("STT", "LLM" or "TTS"), while it is started."""

    def __init__(self, kind: str, name: str, options: Mapping[str, str]) -> None:
        if not name.isidentifier():
            raise ConfigError(
                f"{name!r} is no plugin's name",
                where="livekit",
                hint="Write livekit:NAME, as livekit:speechmatics",
            )
        self.where = f"livekit:{name}"
        self._kind = kind
        self._name = name
        self._options = dict(options)
        self._session: Any = None
        self._context = contextvars.copy_context()
        """Where the plugin finds its session; else it would want a worker of LiveKit's around it."""
        self.engine: Any = None

    async def start(self) -> None:
        """Import the plugin, which has to happen in the main thread, and make its engine."""
        if self.engine is not None:
            return
        build = self._class()
        known = inspect.signature(build).parameters
        values: dict[str, Any] = {}
        for key, text in self._options.items():
            if key not in known:
                raise ConfigError(
                    f"it has no option {key!r}", where=self.where, hint=f"It takes: {', '.join(known)}"
                )
            values[key] = _value(text, str(known[key].annotation))
        self._session = self._context.run(_own_session)
        try:
            self.engine = self.call(build, **values)
        except (ValueError, TypeError) as error:
            await self.close()
            said = " ".join(str(error).split())[:200]
            if "key" in said.lower() or "credential" in said.lower():
                raise EngineKeyWrong(f"it finds no key: {said}", where=self.where) from error
            raise ConfigError(f"the plugin refuses its options: {said}", where=self.where) from error

    def _class(self) -> Any:
        hint = f"Run: pip install 'trunkline[livekit]' livekit-plugins-{self._name.replace('_', '-')}"
        if find_spec("livekit") is None:
            raise EngineMissing("livekit-agents is not installed", where=self.where, hint=hint)
        try:
            module = importlib.import_module(f"livekit.plugins.{self._name}")
        except ImportError as error:
            raise EngineMissing(
                f"the plugin cannot be loaded ({error})", where=self.where, hint=hint
            ) from error
        build = getattr(module, self._kind, None)
        if build is None:
            raise ConfigError(f"the plugin has no {self._kind}", where=self.where)
        return build

    def when_started(self) -> Any:
        """The engine. Raises `EngineDown` where it is not started."""
        if self.engine is None:
            raise EngineDown("it is not started, or was closed", where=self.where)
        return self.engine

    async def close(self) -> None:
        """May be called more than once."""
        engine, self.engine = self.engine, None
        if engine is not None:
            await engine.aclose()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def call(self, function: Callable[..., Any], *values: Any, **named: Any) -> Any:
        """Do something of the plugin's where it finds its session."""
        return self._context.run(function, *values, **named)

    def once(self, seconds: float) -> Any:
        """Options of a connection that is not repeated behind our back: failover is ours."""
        from livekit.agents import APIConnectOptions

        return APIConnectOptions(max_retry=0, timeout=seconds)

    def error(self, error: Exception) -> EngineError:
        """What the plugin's error means."""
        from livekit.agents import APIConnectionError, APIError, APIStatusError, APITimeoutError

        if isinstance(error, EngineError):
            return error
        if isinstance(error, APITimeoutError | TimeoutError):
            return EngineTimeout("it did not answer in its time", where=self.where)
        if isinstance(error, APIStatusError) and 400 <= error.status_code < 600:  # above are a socket's codes
            return refusal(error.status_code, error.message, self.where, "the plugin's key")
        if isinstance(error, APIConnectionError | APIStatusError):
            cause = error.__cause__
            status = getattr(cause, "status", None)  # a refused WebSocket, of aiohttp's
            if isinstance(status, int) and status >= 400:
                return refusal(status, str(getattr(cause, "message", "")), self.where, "the plugin's key")
            return unreachable(error, self.where)
        if isinstance(error, APIError):
            return EngineDown(f"it failed: {' '.join(error.message.split())[:200]}", where=self.where)
        return EngineDown(f"the plugin failed ({type(error).__name__})", where=self.where)


def _own_session() -> Any:
    """A session of aiohttp's that plugins in this context use."""
    from livekit.agents.utils import http_context

    return http_context._new_session_ctx()()


def _value(text: str, annotation: str) -> Any:
    """The value of an option, as its annotation asks."""
    lowered = text.strip().lower()
    if "bool" in annotation and lowered in ("true", "yes", "on", "false", "no", "off"):
        return lowered in ("true", "yes", "on")
    for kind in (int, float):
        if kind.__name__ in annotation:
            try:
                return kind(text)
            except ValueError:
                continue
    if "list[" in annotation and "|" in text:
        return text.split("|")
    return text
