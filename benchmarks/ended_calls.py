"""How long the garbage collector holds up all calls, and what calls that have ended leave to it.

    python benchmarks/ended_calls.py [calls] [at once] [seconds of each] [thresholds, as 10000,2,2]

An agent in a process of its own, pinned to core 0, as `trunkline lab bench` has it, takes short calls in
waves; it notes each collection by its generation. Prints a row for each generation: how often it was
collected, how long that took, in processor time and on the wall, and what was found. On a busy machine
the first of the two tells more.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trunkline.call import service
from trunkline.clock import SystemClock
from trunkline.lab import bench_agent
from trunkline.lab.bench import LINES, BenchOptions
from trunkline.lab.load_caller import LoadCaller
from trunkline.lab.recordings import Recordings


class Wave(LoadCaller):
    """Calls whose Call-IDs no wave before had."""

    first = 0

    def _invite(self, number: int) -> None:
        super()._invite(self.first + number)


class Pauses:
    """Each collection's generation, milliseconds of both kinds, and objects that it freed."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float, float, int]] = []
        self._began = 0.0, 0.0

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.thread_time(), time.perf_counter()
        else:
            used, took = time.thread_time() - self._began[0], time.perf_counter() - self._began[1]
            self.seen.append((info["generation"], 1000 * used, 1000 * took, info["collected"]))


def agent(options: str, told: Path, thresholds: str) -> None:
    """The agent's process: `bench_agent`, which ends with its standard input."""
    if thresholds:
        service.COLLECT_AFTER = tuple(map(int, thresholds.split(",")))
    pauses = Pauses()
    frozen = gc.freeze

    def freeze() -> None:
        frozen()
        gc.callbacks.append(pauses)  # what was loaded has been collected: calls are to be counted

    gc.freeze = freeze
    sys.argv[1:] = [options]
    try:
        bench_agent.main()
    finally:
        told.write_text(json.dumps(pauses.seen), "utf-8")


async def waves(calls: int, at_once: int, seconds: float, thresholds: str) -> None:
    options = BenchOptions()
    wanted = {name: getattr(options, name) for name in ("core", "stt", "llm", "tts", "vad", "turn", "play")}
    clock = SystemClock()
    recordings = Recordings()
    lines = [recordings.samples(line) for line in LINES]
    with TemporaryDirectory() as folder:
        told = Path(folder) / "pauses.json"
        process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, "--agent", json.dumps(wanted), str(told), thresholds,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        ready: dict[str, Any] = json.loads(await process.stdout.readline())
        ended = 0
        while ended < calls:
            caller = Wave(clock, (ready["host"], ready["port"]), lines)
            caller.first = ended
            await caller.place(min(at_once, calls - ended))
            await clock.sleep(seconds)
            await caller.close()
            ended += min(at_once, calls - ended)
            process.stdin.write(b"figures\n")
            figures: dict[str, Any] = json.loads(await process.stdout.readline())
            memory, lag = figures["memory_bytes"] / 1e6, figures["loop_lag_max_ms"]
            print(f"{ended} calls ended: {memory:.0f} MB, the loop's longest lag {lag:.0f} ms", flush=True)
        process.stdin.close()
        await process.wait()
        seen: list[list[float]] = json.loads(told.read_text("utf-8"))
    for generation in range(3):
        mine = [row for row in seen if row[0] == generation]
        used, took, found = (sum(row[place] for row in mine) for place in (1, 2, 3))
        longest = [max((row[place] for row in mine), default=0.0) for place in (1, 2)]
        print(
            f"generation {generation}: {len(mine)} collections, "
            f"{used:.0f} ms of processor time, longest {longest[0]:.1f}, "
            f"{took:.0f} ms on the wall, longest {longest[1]:.1f}; {found:.0f} objects freed"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--agent"]:
        agent(sys.argv[2], Path(sys.argv[3]), sys.argv[4])
    else:
        given = sys.argv[1:] + ["480", "60", "4", ""][len(sys.argv) - 1 :]
        asyncio.run(waves(int(given[0]), int(given[1]), float(given[2]), given[3]))
