"""What the media of calls costs, and how evenly it leaves: `python benchmarks/rtp.py [parts|pairs|calls]`.

* `parts`: processor time of the pure parts, for a packet.
* `pairs`: media ports that talk in pairs in one process, with uvloop and with asyncio's own loop: processor
  time (user and system) for 20 ms sent and received by one port.
* `calls`: so many calls held by this process, pinned to one core, with a far end in a process of its own on
  another core, which reckons the gaps between packets from the kernel's time of their arrival.

Options: `--calls N`, `--seconds S`, `--codec NAME`, `--ptime MS`, `--srtp SUITE`, `--bridged`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import resource
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

import uvloop

from trunkline.audio.codecs.registry import codec_named
from trunkline.audio.frame import Frame, frame_bytes
from trunkline.clock import SystemClock
from trunkline.rtp.bridge import Bridge
from trunkline.rtp.jitter import JitterBuffer
from trunkline.rtp.pacer import Pacer
from trunkline.rtp.packet import Packet
from trunkline.rtp.port import MediaPort
from trunkline.rtp.session import RtpSession
from trunkline.rtp.srtp import KEY_BYTES, Srtp
from trunkline.rtp.stream import Keys, Stream

SPEECH = bytes(range(256)) * 8
SO_TIMESTAMPNS = 35
BIN = 1e-4
"""Gaps are counted in tenths of a millisecond."""


@dataclass(frozen=True)
class Options:
    calls: int
    seconds: float
    codec: str
    ptime: int
    srtp: str
    bridged: bool

    @property
    def stream(self) -> Stream:
        codec = codec_named(self.codec)
        payload_type = 96 if codec.payload_type is None else codec.payload_type
        keys = None
        if self.srtp:
            key = bytes(KEY_BYTES[self.srtp])
            keys = Keys(self.srtp, key, key)
        return Stream(self.codec, payload_type, ptime_ms=self.ptime, keys=keys)


def processor_time() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# --- parts ----------------------------------------------------------------------------------------


def timed(name: str, work: Callable[[int], object], count: int = 20_000) -> None:
    """Processor time, the best of five, so that what else the machine does counts least."""
    best = float("inf")
    for turn in range(5):
        began = time.process_time()
        for number in range(turn * count, (turn + 1) * count):
            work(number)
        best = min(best, (time.process_time() - began) / count)
    print(f"{name:42} {best * 1e6:6.2f} µs")


def parts(_: Options) -> None:
    datagram = bytes(Packet(0, 7, 160, 1, bytes(160)))
    timed("parse a packet", lambda _: Packet.parse(datagram))
    decode = codec_named("PCMU").make_decoder()
    jitter = JitterBuffer(rate=8000, clock_rate=8000, decode=decode)
    jitter.start(0)
    timed(
        "jitter buffer, a packet in order",
        lambda n: jitter.push(Packet(0, n & 0xFFFF, n * 160, 1, bytes(160)), n / 50),
    )
    session = RtpSession(ssrc=1, sequence=0, timestamp=0, cname=b"bench")
    session.configure(Stream("PCMU", 0), remote=("127.0.0.1", 5000))
    session.start(0)
    sent: list[bytes] = []

    def send(_: int) -> None:
        made = session.send(SPEECH[:320])
        assert made is not None
        sent.append(made)

    timed("session, send", send)
    timed("session, receive", lambda n: session.receive(sent[n], ("127.0.0.1", 5000), n / 50))
    plain = [bytes(Packet(0, n & 0xFFFF, n * 160 & 0xFFFFFFFF, 1, bytes(160))) for n in range(100_000)]
    for suite, size in KEY_BYTES.items():
        one = Srtp(Keys(suite, bytes(size), bytes(size)))
        protected: list[bytes] = []
        timed(f"protect, {suite}", lambda n, one=one, to=protected: to.append(one.protect(plain[n])))
        timed(f"open, {suite}", lambda n, one=one, made=protected: one.open(made[n]))
        assert one.refused == 0
    for name in ("PCMU", "G722", "OPUS", "L16"):
        codec = codec_named(name)
        encode, decode = codec.make_encoder(), codec.make_decoder()
        size = frame_bytes(codec.rate)
        sound = speech(codec.rate)
        payloads: list[bytes] = []

        def coded(n: int, sound: bytes = sound, size: int = size) -> bytes:
            start = n * size % (len(sound) - size)
            return sound[start - start % 2 :][:size]

        timed(f"encode 20 ms, {name}", lambda n, e=encode, p=payloads, c=coded: p.append(e(c(n))), 2000)
        timed(f"decode 20 ms, {name}", lambda n, d=decode, p=payloads: d(p[n]), 2000)


def speech(rate: int) -> bytes:
    """Five seconds of a buzz that wanders, in syllables: to a speech codec something like speech."""
    import numpy as np

    moment = np.arange(5 * rate) / rate
    phase = 2 * np.pi * (120 * moment + 8 * np.sin(3 * moment))
    order = np.arange(1, 20)
    buzz = (np.sin(np.outer(order, phase)) / order[:, None]).sum(axis=0)
    return bytes((4000 * buzz * (0.6 + 0.4 * np.sin(8 * np.pi * moment))).astype("<i2").data)


# --- pairs ----------------------------------------------------------------------------------------


async def talking(options: Options) -> tuple[float, int, float]:
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    frames = 0

    def on_frame(_: Frame) -> None:
        nonlocal frames
        frames += 1

    size = frame_bytes(codec_named(options.codec).rate)
    opened = [await MediaPort.open(pacer, clock) for _ in range(2 * options.calls)]
    for one, other in zip(opened[::2], opened[1::2], strict=True):
        for here, there in ((one, other), (other, one)):
            here.configure(options.stream, remote=("127.0.0.1", there.local_port))
    for port in opened:
        port.start(on_frame, lambda _: SPEECH[:size])
    await clock.sleep(1)
    began, first = processor_time(), frames
    await clock.sleep(options.seconds)
    used, done = processor_time() - began, frames - first
    gaps = max(port.quality().send_gap_p99_ms for port in opened)
    for port in opened:
        await port.close()
    await pacer.close()
    return used, done, gaps


def pairs(options: Options) -> None:
    for name, factory in (("uvloop", uvloop.new_event_loop), ("asyncio", asyncio.new_event_loop)):
        with asyncio.Runner(loop_factory=factory) as runner:
            used, frames, gaps = runner.run(talking(options))
        print(
            f"{name:8} {2 * options.calls} ports: {used / frames * 1e6:6.1f} µs a frame sent and received, "
            f"{used / frames * 3000:.3f} s a call-minute, worst p99 gap {gaps:.0f} ms"
        )


# --- calls ----------------------------------------------------------------------------------------


def far_end(pipe: Connection, options: Options, core: int) -> None:
    """Sends to each call what it should get, evenly spread, and notes when each call's packets come."""
    os.sched_setaffinity(0, {core})
    ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    ours.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    ours.bind(("127.0.0.1", 0))
    ours.setblocking(False)
    pipe.send(ours.getsockname())
    ports: list[int] = pipe.recv()
    stream = options.stream
    codec = codec_named(options.codec)
    encode = codec.make_encoder()
    sound = speech(codec.rate)
    size = frame_bytes(codec.rate) * options.ptime // 20
    payloads = [encode(sound[n * size : (n + 1) * size]) for n in range(len(sound) // size - 1)]
    protect = [Srtp(stream.keys).protect if stream.keys else None for _ in ports]
    every = options.ptime / 1000
    last: dict[int, float] = {}
    gaps = [0] * 5000
    began = time.monotonic()
    number = received = sent = 0
    counting_from = began + 2
    while True:
        now = time.monotonic()
        if now - began > options.seconds + 2:
            break
        while began + number * every / len(ports) <= now:
            place, turn = number % len(ports), number // len(ports)
            packet = bytes(
                Packet(
                    stream.payload_type,
                    turn & 0xFFFF,
                    turn * codec.clock_rate * options.ptime // 1000 & 0xFFFFFFFF,
                    place + 1,
                    payloads[turn % len(payloads)],
                )
            )
            shield = protect[place]
            with contextlib.suppress(BlockingIOError):
                ours.sendto(shield(packet) if shield else packet, ("127.0.0.1", ports[place]))
            sent += 1
            number += 1
        for _ in range(64):
            try:
                data, ancillary, _, source = ours.recvmsg(2048, 64)
            except BlockingIOError:
                break
            if 192 <= data[1] <= 223:
                continue
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
            at = seconds + nanoseconds * 1e-9
            before = last.get(source[1])
            if before is not None and now > counting_from:
                received += 1
                gaps[min(len(gaps) - 1, max(0, int((at - before) / BIN)))] += 1
            last[source[1]] = at
        else:
            continue
        wait = began + number * every / len(ports) - time.monotonic()
        if wait > 0:
            select.select([ours], [], [], wait)
    pipe.send((gaps, received, sent))
    ours.close()


def share(gaps: list[int], part: float) -> float:
    """Milliseconds that this part of the gaps did not pass."""
    left = sum(gaps) * part
    for place, count in enumerate(gaps):
        left -= count
        if left <= 0:
            return (place + 1) * BIN * 1000
    return float("inf")


async def held(options: Options, pipe: Connection) -> None:
    remote: tuple[str, int] = pipe.recv()
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    heard = 0

    def on_frame(frame: Frame) -> None:
        nonlocal heard
        heard += not frame.concealed

    size = frame_bytes(codec_named(options.codec).rate)
    sound = speech(codec_named(options.codec).rate)
    place = 0

    def next_frame(_: float) -> bytes:
        nonlocal place
        place = (place + size) % (len(sound) - 2 * size)
        return sound[place : place + size]

    opened = [await MediaPort.open(pacer, clock) for _ in range(options.calls)]
    for port in opened:
        port.configure(options.stream, remote=remote, remote_rtcp=(remote[0], 9))
        port.start(on_frame, next_frame)
    bridges = []
    if options.bridged:
        bridges = [Bridge(one, other) for one, other in zip(opened[::2], opened[1::2], strict=True)]
    pipe.send([port.local_port for port in opened])
    await clock.sleep(2)
    began, first, used = clock.now(), heard, processor_time()
    await clock.sleep(options.seconds - 0.5)
    passed, used, frames = clock.now() - began, processor_time() - used, heard - first
    qualities = [port.quality() for port in opened]
    while not pipe.poll():
        await clock.sleep(0.05)
    gaps, received, sent = pipe.recv()
    lost = sum(one.packets_lost for one in qualities)
    print(
        f"{options.calls} calls, {options.codec} {options.ptime} ms, {options.srtp or 'plain'}"
        f"{', joined in pairs' if options.bridged else ''}, {passed:.0f} s: "
        f"{100 * used / passed:.0f} % of one core, {used / passed / options.calls * 60:.3f} s a call-minute"
    )
    print(
        f"  gaps on arrival: p50 {share(gaps, 0.5):.1f}, p99 {share(gaps, 0.99):.1f}, "
        f"p99.9 {share(gaps, 0.999):.1f}, longest {share(gaps, 1.0):.1f} ms, of {received} packets; "
        f"under 5 ms: {sum(gaps[:50])}"
    )
    print(
        f"  heard {frames / passed / options.calls:.2f} frames a second and call; lost {lost} of {sent} sent"
    )
    for bridge in bridges:
        bridge.close()
    for port in opened:
        await port.close()
    await pacer.close()


def calls(options: Options) -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit[1], 65536), limit[1]))
    cores = sorted(os.sched_getaffinity(0))
    here, there = multiprocessing.get_context("spawn").Pipe()
    other = multiprocessing.get_context("spawn").Process(target=far_end, args=(there, options, cores[-1]))
    other.start()
    os.sched_setaffinity(0, {cores[0]})
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(held(options, here))
    finally:
        other.join(10)
        if other.is_alive():
            other.terminate()


def main() -> None:
    reader = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    reader.add_argument("what", nargs="?", choices=("parts", "pairs", "calls"), default="parts")
    reader.add_argument("--calls", type=int, default=50)
    reader.add_argument("--seconds", type=float, default=5)
    reader.add_argument("--codec", default="PCMU", type=str.upper)
    reader.add_argument("--ptime", type=int, default=20)
    reader.add_argument("--srtp", default="", choices=("", *KEY_BYTES))
    reader.add_argument("--bridged", action="store_true")
    read = reader.parse_args()
    chosen = Options(read.calls, read.seconds, read.codec, read.ptime, read.srtp, read.bridged)
    {"parts": parts, "pairs": pairs, "calls": calls}[read.what](chosen)


if __name__ == "__main__":
    main()
