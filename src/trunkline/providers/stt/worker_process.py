"""One worker process as an engine sees it: started, written to, listened to, killed.

Workers are modules that read messages (`worker_wire.py`) from stdin and answer on stdout, and end when
stdin does, so that none outlives its engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from typing import Any

from trunkline.errors import EngineDown, EngineError, EngineMissing, EngineTimeout, ParseError
from trunkline.providers.stt.worker_wire import HEADER, Kind, header, packed, unpacked

LOADING = 60.0
"""Seconds that loading a model from disk may take; the embedded one takes half a second."""

OnMessage = Callable[[Kind, dict[str, Any]], None]


class WorkerProcess:
    """A worker process. While a call has it, `on_message` gets what it says; `failure` is why it is
    dead, once it is."""

    def __init__(self, process: Process, where: str) -> None:
        self._where = where
        self.failure: EngineError | None = None
        self.unfinished = 0
        """Messages that it has not worked off yet."""
        self._process = process
        self._on_message: OnMessage | None = None
        self._on_death: Callable[[EngineError], None] | None = None
        self._ready = asyncio.Event()
        self._reader = asyncio.create_task(self._read(), name=f"{where}: worker {process.pid}")

    @classmethod
    async def start(cls, module: str, *arguments: str, where: str) -> WorkerProcess:
        """A process that runs `module`, with its models loaded. `where` names the engine in errors.
        Raises an `EngineError` when it does not come to that."""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                *arguments,
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise EngineDown(f"its worker process cannot be started ({error})", where=where) from error
        worker = cls(process, where)
        try:
            async with asyncio.timeout(LOADING):
                await worker._ready.wait()
        except TimeoutError as error:
            await worker.kill()
            raise EngineTimeout(f"its models did not load in {LOADING:.0f} s", where=where) from error
        except asyncio.CancelledError:
            await worker.kill()
            raise
        if worker.failure is not None:
            await worker.kill()
            raise worker.failure
        return worker

    @property
    def pid(self) -> int:
        return self._process.pid

    def attach(self, on_message: OnMessage, on_death: Callable[[EngineError], None]) -> None:
        """A call takes it over."""
        self._on_message, self._on_death = on_message, on_death
        if self.failure is not None:
            on_death(self.failure)

    def detach(self) -> None:
        """The call gives it back; what it still says is nobody's."""
        self._on_message = self._on_death = None

    def send(self, kind: Kind, body: bytes | dict[str, Any]) -> None:
        """Hand it a message. Never waits: its caller keeps the number of unfinished ones small."""
        stdin = self._process.stdin
        if self.failure is None and stdin is not None and not stdin.is_closing():
            self.unfinished += 1
            stdin.write(packed(kind, body))

    def fail(self, error: EngineError) -> None:
        """It is of no more use: tell the call, once."""
        if self.failure is None:
            self.failure = error
            self._ready.set()
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):  # it was quicker
                    self._process.kill()
            if self._on_death is not None:
                self._on_death(error)

    async def kill(self) -> None:
        """End it and leave nothing of it behind."""
        self.detach()
        self.fail(EngineDown("its worker process was ended", where=self._where))
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        if self._process.stdin is not None:
            self._process.stdin.close()
        # A killed process is gone within milliseconds; nothing here can hold it longer.
        await self._process.wait()

    async def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        try:
            while True:
                kind, length = header(await stdout.readexactly(HEADER.size))
                self._take(kind, unpacked(await stdout.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.fail(EngineDown(f"its worker process {self.pid} died", where=self._where))
        except ParseError as error:
            self.fail(
                EngineDown(f"its worker process {self.pid} spoke nonsense ({error})", where=self._where)
            )

    def _take(self, kind: Kind, body: dict[str, Any]) -> None:
        if kind is Kind.READY:
            self._ready.set()
        elif kind is Kind.FAILED:
            failure = EngineMissing if body.get("missing") else EngineDown
            self.fail(failure(str(body.get("what")), where=self._where, hint=str(body.get("hint", ""))))
        else:
            if kind is Kind.DONE:
                self.unfinished = max(0, self.unfinished - 1)
            if self._on_message is not None:
                self._on_message(kind, body)
