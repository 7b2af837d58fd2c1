"""A real Chromium without a screen, led by its DevTools protocol; its microphone is a file."""

from __future__ import annotations

import asyncio
import base64
import itertools
import math
import os
import shutil
import signal
import wave
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

aiohttp = pytest.importorskip("aiohttp", reason="needs: pip install aiohttp")

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
START_WITHIN = 60.0
"""Seconds; a machine that is busy takes long to start a browser."""
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
)

needs_chromium = pytest.mark.skipif(
    PROGRAM is None, reason="chromium is not installed: sudo apt-get install chromium"
)


class Page:
    """One page of the browser."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._session = ""
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            value = message.json()
            future = self._waiting.pop(value.get("id"), None)
            if future is not None and not future.done():
                future.set_result(value)

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        asked = {"id": number, "method": method, "params": parameters}
        await self._socket.send_json(asked | ({"sessionId": self._session} if self._session else {}))
        async with asyncio.timeout(START_WITHIN):
            answer = await future
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    async def open(self, url: str) -> None:
        target = await self.command("Target.createTarget", url=url)
        attached = await self.command("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]

    async def run(self, script: str) -> Any:
        """The value of a script, as a click of a person would run it."""
        answer = await self.command(
            "Runtime.evaluate", expression=script, userGesture=True, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until a script's value is true."""
        async with asyncio.timeout(START_WITHIN):
            while not await self.run(script):  # noqa: ASYNC110 - the page tells of no event
                await asyncio.sleep(0.05)

    async def picture(self, file: Path) -> None:
        shot = await self.command("Page.captureScreenshot", format="png")
        file.write_bytes(base64.b64decode(shot["data"]))  # noqa: ASYNC240 - a test's own small file

    async def close(self) -> None:
        self._session = ""
        with suppress(ConnectionError, TimeoutError, AssertionError):
            await self.command("Browser.close")
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


@asynccontextmanager
async def chromium(folder: Path, microphone: Path, url: str) -> AsyncIterator[Page]:
    """A browser with this page open."""
    assert PROGRAM is not None
    profile = folder / "profile"
    flags = (*FLAGS, f"--use-file-for-fake-audio-capture={microphone}", f"--user-data-dir={profile}")
    process = await asyncio.create_subprocess_exec(
        PROGRAM,
        *flags,
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port_file = profile / "DevToolsActivePort"
        async with asyncio.timeout(START_WITHIN):
            while not (port_file.exists() and len(port_file.read_text().split()) == 2):
                assert process.returncode is None, "chromium ended at once"
                await asyncio.sleep(0.05)
        port, path = port_file.read_text().split()
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"ws://127.0.0.1:{port}{path}", max_msg_size=0) as socket,
        ):
            page = Page(socket)
            await page.open(url)
            yield page
            await page.close()
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                await process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def bursts(file: Path, frequency: float, rate: int = 48000, seconds: float = 2.0) -> None:
    """A microphone that hears short tones with pauses: what stays the same, a browser takes for noise."""
    samples = array("h")
    for n in range(int(rate * seconds)):
        loud = 0.5 if n * 5 // rate % 2 == 0 else 0.0
        samples.append(int(32767 * loud * math.sin(2 * math.pi * frequency * n / rate)))
    with wave.open(str(file), "wb") as writing:
        writing.setnchannels(1)
        writing.setsampwidth(2)
        writing.setframerate(rate)
        writing.writeframes(samples.tobytes())


def pitch(pcm: bytes, rate: int) -> float:
    """How often a tone goes up through zero in a second, measured from its first to its last time."""
    samples = array("h", pcm)
    ups = [n for n in range(1, len(samples)) if samples[n - 1] < 0 <= samples[n]]
    return rate * (len(ups) - 1) / (ups[-1] - ups[0]) if len(ups) > 1 else 0.0
