"""llama.cpp's own server as a child process, out of the package `xllamacpp`, which carries it compiled."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

LOAD_SECONDS = 90.0
_PROGRAM = """
import os, sys
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.port = 0  # of 127.0.0.1, which is its own choice
params.n_ctx = 4096
params.n_parallel = 2
params.cpuparams.n_threads = 2
params.warmup = False
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()  # until the test closes it
os._exit(0)
"""


class LlamaServer:
    """Within this, the server answers at `base_url`."""

    def __init__(self, model: Path) -> None:
        self.base_url = ""
        self._model = model
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        # -P: nothing beside the tests is taken for one of its modules.
        command = (sys.executable, "-P", "-c", _PROGRAM, str(self._model))
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(LOAD_SECONDS):
            address = (await self._process.stdout.readline()).decode().strip()
        if not address:
            await self.kill()
            raise RuntimeError("llama.cpp's server did not start")
        self.base_url = f"{address}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()

    async def kill(self) -> None:
        """End it at once. It may have ended already."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        await process.communicate()
