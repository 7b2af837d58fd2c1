"""What holds for every test: nothing is left behind.

After each test there is no task, thread, child process or socket that was not there before it. Tasks are
looked for when their loop is about to close, since a closing loop cancels what is left and hides the leak.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

THREAD_GRACE = 2.0
"""Seconds that a thread which was told to end may take to do so."""

_LOOP_TURNS = 10
"""Turns of the loop in which cancelled tasks and closing transports may finish."""

# A busy machine is no failure: no property test has a time to keep.
settings.register_profile("trunkline", deadline=None)
settings.load_profile("trunkline")

# No test reads or writes the user's own cache folder.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="trunkline-tests-")
atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)

_close_runner = asyncio.Runner.close


async def _settle() -> set[str]:
    """What else runs on this loop, once what was already ending has ended."""
    own = asyncio.current_task()
    for _ in range(_LOOP_TURNS):
        if not asyncio.all_tasks() - {own}:
            break
        await asyncio.sleep(0)
    return {_described(task) for task in asyncio.all_tasks() if task is not own}


def _described(task: asyncio.Task[object]) -> str:
    frames = task.get_stack(limit=1)
    place = f" at {frames[0].f_code.co_filename}:{frames[0].f_lineno}" if frames else ""
    return f"{task.get_name()} ({task.get_coro()!r}){place}"


def _close_and_tell(self: asyncio.Runner) -> None:
    left: set[str] = set()
    failing = sys.exc_info()[0] is not None  # a failed test leaves tasks; its own error says enough
    loop = getattr(self, "_loop", None)
    if not failing and loop is not None and not loop.is_closed() and not loop.is_running():
        left = self.run(_settle())
    _close_runner(self)
    if left:
        pytest.fail("tasks left behind: " + "; ".join(sorted(left)), pytrace=False)


asyncio.Runner.close = _close_and_tell  # type: ignore[method-assign]


def _children() -> dict[int, str]:
    """This process's children as the kernel knows them, but for multiprocessing's own trackers."""
    multiprocessing.active_children()  # reaps those that have ended and were joined by nobody else
    found: dict[int, str] = {}
    for listing in Path("/proc/self/task").glob("*/children"):
        try:
            pids = [int(pid) for pid in listing.read_text().split()]
        except FileNotFoundError:  # the thread ended between the two looks
            continue
        for pid in pids:
            try:
                command = (
                    Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
            except (FileNotFoundError, ProcessLookupError):
                continue
            if "multiprocessing.resource_tracker" not in command and "forkserver" not in command:
                found[pid] = command.strip() or "(ended, never waited for)"
    return found


def _sockets() -> set[str]:
    """The inodes of the sockets that this process holds."""
    held: set[str] = set()
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        return held
    for name in os.listdir(folder):  # noqa: PTH208 - names are all that is needed, and this is done often
        try:
            target = os.readlink(folder / name)  # noqa: PTH115
        except FileNotFoundError:  # the listing's own descriptor
            continue
        if target.startswith("socket:"):
            held.add(target)
    return held


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fails the test that leaves a thread, a child process or a socket."""
    threads = set(threading.enumerate())
    children = set(_children())
    sockets = _sockets()
    yield
    for thread in set(threading.enumerate()) - threads:
        thread.join(THREAD_GRACE)
    left = [f"thread {thread.name}" for thread in set(threading.enumerate()) - threads if thread.is_alive()]
    left += [f"child process {pid}: {line}" for pid, line in _children().items() if pid not in children]
    if _sockets() - sockets:
        gc.collect()  # a socket in a cycle that nobody can reach any more is not held, only not yet freed
        left += [f"socket {inode}" for inode in sorted(_sockets() - sockets)]
    if left:
        pytest.fail("left behind: " + "; ".join(left), pytrace=False)
