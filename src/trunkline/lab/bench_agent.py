"""The agent's side of the benchmark: `trunkline serve` with fake engines, in a process of its own.

Started by `bench.py` as `python -m trunkline.lab.bench_agent JSON`. It prints one JSON object a
line: first where it listens, then, for each line on its standard input, what it has used since the
line before. It ends when its standard input does, so that it is never left behind.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from trunkline.call.play import Play
from trunkline.call.service import CallService, ServiceSettings, open_service
from trunkline.call.settings import CallSettings
from trunkline.clock import Clock, SystemClock
from trunkline.lab.bench_brain_play import BrainPlay
from trunkline.lab.bench_play import BenchPlay
from trunkline.lab.ear import percentile
from trunkline.lab.own_figures import LoopLag, memory_bytes, processor_seconds
from trunkline.legs.sip import SipSettings
from trunkline.turn.policy import TurnPolicy

PLAYS: dict[str, Callable[[], Play]] = {
    "model": BenchPlay,
    "fixed": lambda: BenchPlay(fixed=True),
    "brain": BrainPlay,
}
"""Who answers, by `BenchOptions.play`."""


async def answer_questions(service: CallService, clock: Clock, lag: LoopLag) -> None:
    """One line of figures for each line on the standard input, until it ends."""
    loop = asyncio.get_running_loop()
    questions = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    used, since = processor_seconds(), clock.now()
    try:
        while await questions.readline():
            now, total = clock.now(), processor_seconds()
            late_ms = [1000 * late for late in lag.late]
            figures: dict[str, Any] = {
                "seconds": now - since,
                "processor_seconds": total - used,
                "loop_lag_p99_ms": percentile(late_ms, 99),
                "loop_lag_max_ms": max(late_ms, default=None),
                "memory_bytes": memory_bytes(),
                "calls": service.active,
            }
            lag.late.clear()
            used, since = total, now
            print(json.dumps(figures), flush=True)
    finally:
        transport.close()


async def serve(options: dict[str, Any]) -> None:
    clock = SystemClock()
    settings = ServiceSettings(
        sip=SipSettings(bind="udp:127.0.0.1:0"),
        stt=(options["stt"],),
        llm=options["llm"],
        tts=options["tts"],
        call=CallSettings(
            turn=TurnPolicy(**options["turn"]),
            vad=options["vad"],
            record_audio=False,
            line_cache="",
            remembered_words=options["remembered_words"],
        ),
        max_calls=100_000,
        drain_time=0.0,
    )
    async with open_service(settings, clock) as service:
        stop = asyncio.Event()
        make = PLAYS[options["play"]]
        serving = asyncio.create_task(service.serve(lambda _: make(), stop))
        lag = LoopLag(clock)
        try:
            host, port = service.sip.address
            print(json.dumps({"host": host, "port": port, "memory_bytes": memory_bytes()}), flush=True)
            await answer_questions(service, clock, lag)
        finally:
            lag.close()
            stop.set()
            await serving


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that started this one
    options = json.loads(sys.argv[1])
    if options["core"] is not None:
        os.sched_setaffinity(0, {options["core"]})
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(options))


if __name__ == "__main__":
    main()
