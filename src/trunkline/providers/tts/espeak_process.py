"""The espeak-ng process as seen from here: started when needed, asked over pipes, restarted when it
dies, ended with us. One for all calls: it makes a second of speech in about a millisecond."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import deque
from collections.abc import AsyncGenerator
from pathlib import Path

from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineError, EngineMissing, EngineRequest, EngineTimeout
from trunkline.providers.tts import espeak_worker
from trunkline.providers.tts.espeak_worker import HEADER

Piece = tuple[bytes, bytes]
"""Kind and payload of a frame, as `espeak_worker` describes them."""

_START_SECONDS = 10.0
_PIECE_SECONDS = 5.0
_LARGEST_FRAME = 1_000_000
_STARTS, _STARTS_WITHIN = 5, 30.0
"""A process that dies this often in so many seconds is not started again."""


class EspeakProcess:
    """`rate`: samples a second, known once it runs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._starts: deque[float] = deque(maxlen=_STARTS)
        self._requests: dict[int, asyncio.Queue[Piece]] = {}
        self._last_request = 0
        self._wanted = False
        """Between `start` and `close`: a process that dies is started again."""
        self.rate = 0

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return self._process.pid if self._process is not None and self._alive() else None

    async def start(self) -> None:
        """See that it runs. Raises `EngineMissing` or `EngineDown`."""
        self._wanted = True
        await self._ensure()

    async def _ensure(self) -> None:
        async with self._starting:
            if not self._wanted:
                raise EngineDown("it is not started, or was closed", where="espeak")
            if not self._alive():
                await self._stop()
                await self._launch()

    async def speak(self, text: str, voice: str, rate: int) -> AsyncGenerator[Piece, None]:
        """The frames of one phrase. Closing it early cancels the work."""
        await self._ensure()
        assert self._process is not None
        assert self._process.stdin is not None
        stdin = self._process.stdin
        self._last_request += 1
        request = self._last_request
        # Bounded by the phrase: the process sends no more than its sound.
        pieces = self._requests[request] = asyncio.Queue()
        try:
            wanted = json.dumps({"text": text, "voice": voice, "rate": rate}).encode()
            stdin.write(HEADER.pack(b"S", request, len(wanted)) + wanted)
            while True:
                kind, payload = await self._next(pieces)
                if kind == b"E":
                    return
                if kind == b"X":
                    raise _failure(payload)
                yield kind, payload
        finally:
            if self._requests.pop(request, None) is not None and not stdin.is_closing():
                stdin.write(HEADER.pack(b"C", request, 0))

    async def close(self) -> None:
        self._wanted = False
        async with self._starting:
            await self._stop()

    def _alive(self) -> bool:
        return (
            self._process is not None
            and self._process.returncode is None
            and self._reading is not None
            and not self._reading.done()
        )

    async def _next(self, pieces: asyncio.Queue[Piece]) -> Piece:
        try:
            async with asyncio.timeout(_PIECE_SECONDS):
                return await pieces.get()
        except TimeoutError:
            # It hangs: the next request starts another.
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
            raise EngineTimeout("espeak-ng gave no sound in its time", where="espeak") from None

    async def _launch(self) -> None:
        now = self._clock.now()
        if len(self._starts) == _STARTS and now - self._starts[0] < _STARTS_WITHIN:
            raise EngineDown(f"espeak-ng died {_STARTS} times in {_STARTS_WITHIN:g} s", where="espeak")
        self._starts.append(now)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # nothing beside the worker's file may be taken for a module of its own
            str(Path(espeak_worker.__file__)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # a signal for our process group is ours to answer
        )
        assert self._process.stdout is not None
        stdout = self._process.stdout
        try:
            async with asyncio.timeout(_START_SECONDS):
                kind, _, payload = await _frame(stdout)
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            await self._stop()
            raise EngineDown("espeak-ng did not start", where="espeak") from error
        if kind != b"R":
            await self._stop()
            raise EngineMissing(
                f"espeak-ng is not usable here: {payload.decode('utf-8', 'replace')}",
                where="espeak",
                hint="Run: pip install espeakng-loader",
            )
        self.rate = int(json.loads(payload)["rate"])
        self._reading = asyncio.create_task(self._read(stdout), name="espeak-ng")

    async def _read(self, stdout: asyncio.StreamReader) -> None:
        try:
            while True:
                kind, request, payload = await _frame(stdout)
                if (pieces := self._requests.get(request)) is not None:
                    pieces.put_nowait((kind, payload))
        except asyncio.IncompleteReadError:
            pass  # it ended; whoever waits is told below
        finally:
            for pieces in self._requests.values():
                pieces.put_nowait((b"X", b"died"))

    async def _stop(self) -> None:
        process, self._process = self._process, None
        reading, self._reading = self._reading, None
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def _frame(stdout: asyncio.StreamReader) -> tuple[bytes, int, bytes]:
    kind, request, length = HEADER.unpack(await stdout.readexactly(HEADER.size))
    if length > _LARGEST_FRAME:
        raise asyncio.IncompleteReadError(b"", length)
    return kind, request, await stdout.readexactly(length)


def _failure(payload: bytes) -> EngineError:
    text = payload.decode("utf-8", "replace")
    if text.startswith("voice "):
        return EngineRequest(
            f"espeak-ng has no {text!r}", where="espeak", hint="espeak-ng --voices lists them, e.g. en-us"
        )
    return EngineDown(f"espeak-ng's process ended: {text}", where="espeak")
