"""Running a command's coroutine: the fast event loop, and signals that end it politely."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import typer

from trunkline.cli.exit_status import ExitStatus
from trunkline.clock import SystemClock

T = TypeVar("T")

SIGNALS = (signal.SIGTERM, signal.SIGINT)

SAME_SIGNAL = 0.3
"""Seconds within which a second signal is the first one come twice: `timeout` and `make` send theirs to this
process and to its whole group, where a terminal's Ctrl-C arrives as well. No person is as quick."""


def run(story: Coroutine[Any, Any, T]) -> T:
    """Run to the end on uvloop where it is installed (everywhere but Windows), else on asyncio's own loop.

    Ended by a signal, the command exits with `ExitStatus.INTERRUPTED`."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(story)
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        raise typer.Exit(ExitStatus.INTERRUPTED) from error


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


@asynccontextmanager
async def stopped_by_signals(on_stop: Callable[[], object]) -> AsyncIterator[asyncio.Event]:
    """Within this, the first SIGTERM or SIGINT sets the event that it gives (and calls `on_stop`, to tell a
    person); the second, `SAME_SIGNAL` or more after it, cancels the task that is within, which ends it at
    once."""
    stop = asyncio.Event()
    task = asyncio.current_task()
    assert task is not None

    clock = SystemClock()
    first = 0.0

    def signalled() -> None:
        nonlocal first
        if not stop.is_set():
            first = clock.now()
            stop.set()
            on_stop()
        elif clock.now() - first >= SAME_SIGNAL:
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, signalled)
    try:
        yield stop
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
