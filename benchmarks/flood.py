"""What a flood from strangers costs the calls in progress.

    .venv/bin/python benchmarks/flood.py [CALLS] [SECONDS]

A process answers CALLS calls (20) of a trunk with its `echo` line. For SECONDS (6) each, another process
floods it from 127.0.0.2: 2,000 INVITEs a second, 2,000 REGISTERs a second, datagrams of 60 KB as fast as they
go, and connections that never say anything. Prints the gaps between the packets that the calls were sent
(p50, p99 and the longest, in ms), its memory, what it dropped, and how many lines it wrote to its log; first
of all without any flood, which is what the rest is to be compared with. Times are only as good as the machine
is idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

import uvloop

from trunkline.clock import SystemClock
from trunkline.legs.sip import SipService, SipSettings
from trunkline.legs.sip_trunk import Trunk
from trunkline.log import set_up
from trunkline.rtp.pacer import Pacer

STRANGER = "127.0.0.2"
RATE = 2_000
FLOODS = ("nothing", "INVITE", "REGISTER", "garbage", "connections")


# --- who is flooded -------------------------------------------------------------------------------


def resident() -> float:
    """Memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def gaps(service: SipService) -> list[int]:
    """How many gaps of so many milliseconds there were, over all calls."""
    total = [0] * 256
    for leg in service._legs.values():
        if leg.media is not None:
            total = [a + b for a, b in zip(total, leg.media._gaps, strict=True)]
    return total


def at_share(counts: list[int], share: float) -> int:
    wanted, running = share * sum(counts), 0
    for milliseconds, count in enumerate(counts):
        running += count
        if running >= wanted:
            return milliseconds
    return len(counts) - 1


async def answer() -> None:
    """Answer calls; for each line of standard input, print what has happened since the last."""
    set_up("info", "json")
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    settings = SipSettings(
        bind="udp:127.0.0.1:0",
        test_lines=True,
        never_flooding=(),
        trunks=(Trunk("t", server="127.0.0.1:9"),),
    )
    service = await SipService.open(settings, clock, pacer)

    async def take() -> None:
        async for leg in service.calls():
            await leg.hang_up("busy")  # strangers who ring, within what they may

    taking = asyncio.create_task(take())
    print(json.dumps(service.address), flush=True)
    loop = asyncio.get_running_loop()
    before, processor = gaps(service), time.process_time()
    while await loop.run_in_executor(None, sys.stdin.readline):
        now = gaps(service)
        counts = [max(0, a - b) for a, b in zip(now, before, strict=True)]
        agent = service._endpoint.agent
        print(
            json.dumps(
                {
                    "packets": sum(counts),
                    "p50": at_share(counts, 0.5),
                    "p99": at_share(counts, 0.99),
                    "longest": max((n for n, count in enumerate(counts) if count), default=0),
                    "mb": round(resident(), 1),
                    "processor_s": round(time.process_time() - processor, 2),
                    "transactions": len(agent.layer),
                    "calls": len(agent.calls),
                    "dropped": dict(agent.dropped),
                }
            ),
            flush=True,
        )
        before, processor = gaps(service), time.process_time()
    await service.close()
    await taking
    await pacer.close()


# --- who floods -----------------------------------------------------------------------------------


def request(method: str, number: int) -> bytes:
    return (
        f"{method} sip:two@127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {STRANGER}:5060;branch=z9hG4bK{method}{number}\r\n"
        f"From: <sip:x@{STRANGER}>;tag={number}\r\nTo: <sip:two@127.0.0.1>\r\n"
        f"Call-ID: {method}{number}\r\nCSeq: 1 {method}\r\nContact: <sip:x@{STRANGER}>\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def flood(kind: str, host: str, port: int, seconds: float) -> None:
    """Flood; prints how much was sent."""
    until, sent = time.monotonic() + seconds, 0
    held: list[socket.socket] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((STRANGER, 0))
        began = time.monotonic()
        while time.monotonic() < until:
            if kind == "connections":
                with contextlib.suppress(OSError):
                    tcp = socket.create_connection((host, port), source_address=(STRANGER, 0), timeout=1)
                    tcp.sendall(b"INVITE sip:")
                    held.append(tcp)
                    if len(held) > 500:
                        held.pop(0).close()
            else:
                data = bytes([sent % 256]) * 60_000 if kind == "garbage" else request(kind, sent)
                with contextlib.suppress(OSError):
                    udp.sendto(data, (host, port))
            sent += 1
            ahead = sent / RATE - (time.monotonic() - began)
            if ahead > 0 and kind != "garbage":
                time.sleep(ahead)
    for tcp in held:
        tcp.close()
    print(sent)


# --- the measurement ------------------------------------------------------------------------------


async def measure(calls: int, seconds: float) -> None:
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    own = [sys.executable, __file__]
    pipe = subprocess.PIPE
    target = await asyncio.create_subprocess_exec(*own, "answer", stdin=pipe, stdout=pipe, stderr=pipe)
    assert target.stdin is not None
    assert target.stdout is not None
    host, port = json.loads(await target.stdout.readline())
    caller = await SipService.open(SipSettings(bind="udp:127.0.0.1:0", user="caller"), clock, pacer)
    legs = [await caller.dial(f"sip:echo@{host}:{port}") for _ in range(calls)]
    for leg in legs:
        await leg.answer()
        leg.start(lambda _: None, lambda _: b"\x00\x20" * 160)
    await clock.sleep(1)
    target.stdin.write(b"\n")
    await target.stdout.readline()
    print(f"{calls} calls, {seconds:g} s each")
    for kind in FLOODS:
        sent = 0
        if kind == "nothing":
            await clock.sleep(seconds)
        else:
            flooding = await asyncio.create_subprocess_exec(
                *own, "flood", kind, host, str(port), str(seconds), stdout=subprocess.PIPE
            )
            output, _ = await flooding.communicate()
            sent = int(output)
        target.stdin.write(b"\n")
        found = json.loads(await target.stdout.readline())
        print(f"{kind:12} sent {sent:7} {json.dumps(found)}")
    for leg in legs:
        await leg.hang_up()
    target.stdin.close()
    _, log = await target.communicate()
    print("lines in the log:", len(log.splitlines()))
    await caller.close()
    await pacer.close()


def main() -> None:
    match sys.argv[1:]:
        case ["answer"]:
            uvloop.run(answer())
        case ["flood", kind, host, port, seconds]:
            flood(kind, host, int(port), float(seconds))
        case [*numbers]:
            calls, seconds = (*map(float, numbers), *(20.0, 6.0)[len(numbers) :])
            uvloop.run(measure(int(calls), seconds))


if __name__ == "__main__":
    main()
