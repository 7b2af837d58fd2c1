"""The measured end of `trunkline lab bench --sip`: SIP and media without an agent, in a process of its own.

Started by `sip_bench.py` as `python -m trunkline.lab.sip_bench_agent JSON`. Calls for the user `agent` are
answered at once and given sound; all others are refused. It prints one JSON object a line: first where
it listens, then, for each line on its standard input, what it has used since the line before. It ends when
its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from typing import Any

from trunkline.clock import SystemClock
from trunkline.errors import TrunklineError
from trunkline.lab.own_figures import memory_bytes, processor_seconds
from trunkline.legs.sip import SipService, SipSettings
from trunkline.legs.sip_leg import SipLeg
from trunkline.legs.sip_lines import tone
from trunkline.log import set_up
from trunkline.rtp.pacer import Pacer
from trunkline.sip.uri import parse_uri


class _Answering:
    """Answers calls, each in a task of its own until it is up."""

    def __init__(self, service: SipService, *, media: bool) -> None:
        self._service = service
        self._media = media
        self._sound = tone(8000)
        self._tasks: set[asyncio.Task[None]] = set()
        self.answered = 0

    async def run(self) -> None:
        async for leg in self._service.calls():
            task = asyncio.create_task(self._answer(leg))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, leg: SipLeg) -> None:
        if parse_uri(leg.info.callee).number != "agent":
            await leg.hang_up("not found")
            return
        with suppress(TrunklineError):  # Hung up while it was being answered: it is counted at the far end.
            await leg.answer()
            self.answered += 1
            if self._media:
                leg.start(lambda _: None, lambda _: self._sound)


async def serve(options: dict[str, Any]) -> None:
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    # The far end at 127.0.0.1 is as known as a trunk; floods come from 127.0.0.2, which is a stranger's.
    settings = SipSettings(
        bind="udp:127.0.0.1:0", max_calls=5_000, codecs=("PCMU",), never_flooding=("127.0.0.1",)
    )
    service = await SipService.open(settings, clock, pacer)
    answering = _Answering(service, media=options["media"])
    running = asyncio.create_task(answering.run())
    loop = asyncio.get_running_loop()
    questions = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    used, since = processor_seconds(), clock.now()
    try:
        host, port = service.address
        print(json.dumps({"host": host, "port": port}), flush=True)
        while await questions.readline():
            now, total = clock.now(), processor_seconds()
            figures = {
                "seconds": now - since,
                "processor_seconds": total - used,
                "memory_bytes": memory_bytes(),
                "answered": answering.answered,
                "known": service.active,
                "dropped": dict(service.endpoint.agent.dropped),
            }
            used, since = total, now
            print(json.dumps(figures), flush=True)
    finally:
        transport.close()
        await service.close()
        await running
        await pacer.close()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that started this one
    options = json.loads(sys.argv[1])
    if options["core"] is not None:
        os.sched_setaffinity(0, {options["core"]})
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit[1], 65_536), limit[1]))
    set_up("info", "json")
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(options))


if __name__ == "__main__":
    main()
