"""The worker's side of a worker process: its pipes, its manners, and how it says that it failed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from trunkline.errors import EngineError, EngineMissing
from trunkline.providers.stt.worker_wire import HEADER, Kind, header, packed

_NICER = 5
"""The loops that carry audio go before recognition."""


def each_message(messages: BinaryIO) -> Iterator[tuple[Kind, bytes]]:
    """Messages until there are no more, which is when the engine has gone."""
    while len(start := messages.read(HEADER.size)) == HEADER.size:
        kind, length = header(start)
        body = messages.read(length)
        if len(body) < length:
            return
        yield kind, body


def run(serve: Callable[[BinaryIO, BinaryIO], None]) -> int:
    """Serve the engine on stdin and stdout; gives the exit status."""
    # Only messages may be on stdout, whatever a library prints.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    if hasattr(os, "nice"):
        os.nice(_NICER)
    failed: dict[str, Any]
    try:
        serve(sys.stdin.buffer, answers)
    except (BrokenPipeError, KeyboardInterrupt):
        return 0  # the engine has gone, or the terminal's Ctrl-C reached us first
    except EngineError as error:
        failed = {"what": error.what, "hint": error.hint, "missing": isinstance(error, EngineMissing)}
    except Exception as error:  # noqa: BLE001 - the last thing this process does is to say why it ends
        failed = {"what": f"its worker failed: {error!r}", "hint": "", "missing": False}
    else:
        return 0
    answers.write(packed(Kind.FAILED, failed))
    answers.flush()
    return 1
