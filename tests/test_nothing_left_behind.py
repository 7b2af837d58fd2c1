"""The watch in conftest.py notices what it is there to notice, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

INI = """[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""

LEAKS = """
import asyncio, socket, subprocess, sys, threading

kept = []

async def test_task():
    kept.append(asyncio.create_task(asyncio.Event().wait()))

def test_task_of_an_own_loop():
    async def story():
        kept.append(asyncio.create_task(asyncio.Event().wait()))
    asyncio.run(story())

def test_socket():
    kept.append(socket.socket())

def test_thread():
    kept.append(threading.Event())
    threading.Thread(target=kept[-1].wait, daemon=True).start()

def test_child():
    kept.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))
"""

CLEAN = """
import asyncio, socket, subprocess, sys, threading

async def test_task_that_was_cancelled():
    task = asyncio.create_task(asyncio.Event().wait())
    await asyncio.sleep(0)
    task.cancel()

async def test_transport_that_was_closed():
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
    transport.close()

def test_thread_about_to_end():
    threading.Thread(target=int).start()

def test_child_that_was_waited_for():
    subprocess.run([sys.executable, "-c", ""], check=True)
"""


def run(folder: Path, source: str) -> str:
    """pytest's last line for these tests, run under the same conftest and the same strict settings."""
    (folder / "conftest.py").write_bytes(Path(__file__).with_name("conftest.py").read_bytes())
    (folder / "test_it.py").write_text(source)
    (folder / "pytest.ini").write_text(INI)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no", "-q", str(folder)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        timeout=100,
        check=False,
    )
    assert done.stdout.strip(), done.stderr
    return done.stdout.strip().splitlines()[-1]


def test_each_kind_of_leak_is_told(tmp_path: Path) -> None:
    assert "1 failed, 4 passed, 4 errors" in run(tmp_path, LEAKS)


def test_what_was_put_away_is_not_told(tmp_path: Path) -> None:
    assert run(tmp_path, CLEAN).startswith("4 passed")
