"""Setting up the log: for people on a terminal, JSON lines elsewhere; always on standard error.

No secrets, and no words that people said on the phone, above the level "debug": whoever logs keeps to
that (`TrunklineError.for_log`), and `hide_secrets` is the net below it. An exception's own words may be
anybody's, so its traceback comes without them, but for the level "debug".
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, Literal, TextIO

import structlog

from trunkline.errors import TrunklineError

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]

_SECRET_KEY = re.compile(
    r"(?:.*[_-])?(?:key|secret|password|token|authorization|credentials?)", re.IGNORECASE
)
_SECRET_TEXT = re.compile(
    r"(\b(?:bearer|basic)\s+|\b(?:api_?key|secret|password|token)\s*[=:]\s*|\bsk-)[^\s,;'\"&]+", re.IGNORECASE
)
_WITHIN_ADDRESS = re.compile(r"(?<=://)[^/\s@?#]+@")
"""User and password before the host of a URL (RFC 3986 section 3.2.1)."""


def hide_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask values whose key names a secret, and what looks like one within texts."""
    for key, value in event.items():
        if isinstance(value, str):
            secret = key != "event" and _SECRET_KEY.fullmatch(key)
            event[key] = "********" if secret else _covered(value)
    return event


def _covered(text: str) -> str:
    return _WITHIN_ADDRESS.sub("********@", _SECRET_TEXT.sub(r"\1********", text))


_DEEPEST = 10
"""So many errors of one chain of causes are told."""


def _told_without_words(
    exc_info: tuple[type[BaseException], BaseException, TracebackType | None],
) -> str:
    """A traceback that names each error's class and place, and leaves its words out."""
    error: BaseException | None = exc_info[1]
    parts: list[str] = []
    while error is not None and len(parts) < _DEEPEST:
        kind = type(error)
        name = error.for_log() if isinstance(error, TrunklineError) else f"{kind.__module__}.{kind.__name__}"
        inner = [type(one).__name__ for one in getattr(error, "exceptions", ())]
        of = f" of {', '.join(inner)}" if inner else ""
        places = "".join(traceback.format_tb(error.__traceback__))
        parts.append(f"Traceback (most recent call last):\n{places}{name}{of}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n\nthe above was caused by:\n\n".join(parts)


def set_up(level: Level = "info", style: Format = "auto", stream: TextIO | None = None) -> None:
    """Configure structlog, and the standard library's log for what others write there. `stream`: standard
    error, unless given; "auto" is console lines where it is a terminal. May be called again."""
    out = stream if stream is not None else sys.stderr
    for_people = style == "console" or (style == "auto" and out.isatty())
    numeric = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if for_people else "iso", utc=not for_people),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info
        if level == "debug"
        else structlog.processors.ExceptionRenderer(_told_without_words),
        hide_secrets,
    ]
    last: list[structlog.typing.Processor]
    if for_people:
        last = [structlog.dev.ConsoleRenderer(colors=out.isatty())]
    else:
        last = [structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
            foreign_pre_chain=shared,
        )
    )
    # What other packages say below a warning is about themselves, not about calls.
    logging.basicConfig(handlers=[handler], level=max(numeric, logging.WARNING), force=True)
