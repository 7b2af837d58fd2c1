"""What a service may repeat of a call in its error: a person may read it, the log may not hold it."""

from __future__ import annotations

import io
import logging

import structlog

from trunkline.errors import EngineError
from trunkline.log import set_up

SAID = "my card number is four two four two"


def assert_is_not_for_the_log(error: EngineError) -> None:
    """The person who meets the error reads the service's words; a log line with it, or its traceback, does
    not have them."""
    assert SAID in str(error), "else the test shows nothing"
    root, out = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    set_up("info", "json", out)
    try:
        log = structlog.get_logger("x")
        log.warning("an engine failed", error=error.for_log())
        log.error("an engine failed", exc_info=error)
        logging.getLogger("other").error("an engine failed", exc_info=error)
    finally:
        structlog.reset_defaults()
        root.handlers[:], root.level = handlers, level
    assert out.getvalue().count(type(error).__name__) >= 3
    assert SAID not in out.getvalue()
