"""Strangers who make trouble, for `trunkline lab bench --sip`: from 127.0.0.2, on this machine alone.

Started by `sip_bench.py` as `python -m trunkline.lab.sip_bench_flood JSON`. It stops by itself after the
seconds that it is given, a minute at most, and sends to loopback addresses only.
"""

from __future__ import annotations

import ipaddress
import json
import os
import random
import selectors
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from trunkline.clock import SystemClock

LONGEST = 60.0
_STRANGER = "127.0.0.2"
_HALF_OPEN = 400
"""Connections that are held open at once, and say nothing."""


def request(method: str, number: int, host: str, port: int, target: str) -> bytes:
    """A request of a stranger's, another transaction and call each time."""
    user = "" if method == "REGISTER" else f"stranger{number % 1000}@"
    return (
        f"{method} sip:{user}{target} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bKf{number};rport\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:flood@{host}>;tag=f{number}\r\nTo: <sip:{user}{target}>\r\n"
        f"Call-ID: flood-{number}\r\nCSeq: 1 {method}\r\nContact: <sip:flood@{host}:{port}>\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()


def garbage(number: int) -> bytes:
    """As much nonsense as a datagram holds; every other one begins like a request."""
    head = b"INVITE sip:agent@127.0.0.1 SIP/2.0\r\nVia: " if number % 2 else b""
    return head + random.Random(number % 16).randbytes(65_000)


def flood(kind: str, agent: tuple[str, int], rate: float, seconds: float) -> dict[str, Any]:
    """Send so many a second for so long. Gives how many were sent."""
    if not ipaddress.ip_address(agent[0]).is_loopback:
        raise ValueError("this floods the machine it runs on, and no other")
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((_STRANGER, 0))
    udp.setblocking(False)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    host, port = udp.getsockname()
    target = f"{agent[0]}:{agent[1]}"
    make: dict[str, Callable[[int], bytes]] = {
        "invites": lambda number: request("INVITE", number, host, port, target),
        "registers": lambda number: request("REGISTER", number, host, port, target),
        "garbage": garbage,
    }
    clock, selector = SystemClock(), selectors.DefaultSelector()
    selector.register(udp, selectors.EVENT_READ)
    open_now: list[socket.socket] = []
    zero, number, answers = clock.now(), 0, 0
    while (now := clock.now()) < zero + min(seconds, LONGEST):
        while number < (now - zero) * rate:
            number += 1
            if kind == "half-open":
                _open_one(open_now, agent)
            else:
                with suppress(OSError):
                    udp.sendto(make[kind](number), agent)
        selector.select(0.002)
        for _ in range(64):
            try:
                udp.recv(65_535)
            except OSError:
                break
            answers += 1
    for one in open_now:
        one.close()
    udp.close()
    selector.close()
    return {"sent": number, "answers": answers}


def _open_one(open_now: list[socket.socket], agent: tuple[str, int]) -> None:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    with suppress(OSError):
        made.bind((_STRANGER, 0))
        made.connect_ex(agent)
    open_now.append(made)
    if len(open_now) > _HALF_OPEN:
        open_now.pop(0).close()


def main() -> None:
    options = json.loads(sys.argv[1])
    if options["core"] is not None:
        os.sched_setaffinity(0, {options["core"]})
    agent = (options["agent"][0], int(options["agent"][1]))
    print(json.dumps(flood(options["kind"], agent, options["rate"], options["seconds"])), flush=True)


if __name__ == "__main__":
    main()
