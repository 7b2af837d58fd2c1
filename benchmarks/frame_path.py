"""What 20 ms cost a call each way, in µs of processor time: `python benchmarks/frame_path.py [CALLS]`.

The path of `call/call.py` without sockets, engines that think, or a network for voice activity (the gate
decides): a datagram through `RtpSession` to `Listener`, which asks the fake recogniser and voice activity;
and a frame of the agent's through `RtpSession` to a datagram, with voice activity told. Times are
virtual, so it runs as fast as it can. Best and median of the rounds, for each kind of sound that comes
and goes.
"""

from __future__ import annotations

import statistics
import struct
import sys
import time

from trunkline.audio.frame import Frame
from trunkline.call.listen import Listener
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import VirtualClock, run_virtual
from trunkline.events import Event
from trunkline.lab.load_call import SILENCE, payloads
from trunkline.lab.recordings import Recordings
from trunkline.providers.protocols import ListenOptions
from trunkline.providers.registry import make_stt
from trunkline.rtp.session import RtpSession
from trunkline.rtp.stream import Stream

FRAMES = 150
ROUNDS = 7
REMOTE = ("127.0.0.1", 40000)
LINE = "Wait, how much does it cost?"
SPEECH = b"".join(struct.pack("<h", (place * 397) % 8000 - 4000) for place in range(160))


class Path:
    """One call's frames, in and out."""

    def __init__(self, number: int, listener: Listener) -> None:
        self.listener = listener
        self.session = RtpSession(ssrc=number, sequence=1, timestamp=1, cname=b"bench")
        self.session.configure(Stream("PCMU", 0), remote=REMOTE)
        self.session.start(0.0)
        self._ssrc = 0x1000 + number
        self._count = number

    def datagram(self, payload: bytes) -> bytes:
        self._count += 1
        count = self._count
        return struct.pack(">BBHII", 0x80, 0, count & 0xFFFF, count * 160 & 0xFFFFFFFF, self._ssrc) + payload

    def receive(self, data: bytes, at: float) -> None:
        admitted = self.session.admit(data, REMOTE, at)
        if admitted is not None:
            for frame in self.session.hear(*admitted, at):
                self.heard(frame)

    def heard(self, frame: Frame) -> None:
        self.listener.hear(frame)

    def send(self, pcm: bytes | None, now: float) -> None:
        for frame in self.session.advance(now):
            self.heard(frame)
        self.listener.played(pcm)
        self.session.send(pcm)


async def measure(clock: VirtualClock, calls: int) -> None:
    def nothing(event: Event) -> None:
        del event

    engine = make_stt("fake,delay_ms=0,partial_ms=0,text='one two three'", clock)
    await engine.start()
    batch = VoiceBatch(clock, inline=True)
    paths = []
    for number in range(calls):
        listener = Listener([engine], ListenOptions(8000, "en"), clock, nothing)
        await listener.open(batch, "gate")
        paths.append(Path(number, listener))
    line = payloads(Recordings().samples(LINE))
    quiet = b"\x7e\xfe\xff\x7f" * 40
    cases: list[tuple[str, tuple[bytes, ...], bytes | None]] = [
        ("digital silence in, silence out", (SILENCE,), None),
        ("a quiet line in, silence out", (quiet,), None),
        ("speech in, silence out", line, None),
        ("a quiet line in, speech out", (quiet,), SPEECH),
        ("speech both ways", line, SPEECH),
    ]
    for name, sound, spoken in cases:
        took: list[tuple[float, float]] = []
        for _ in range(ROUNDS):
            inward = outward = 0.0
            for place in range(FRAMES):
                await clock.sleep(0.02)
                now = clock.now()
                datagrams = [path.datagram(sound[place % len(sound)]) for path in paths]
                began = time.process_time()
                for path, data in zip(paths, datagrams, strict=True):
                    path.receive(data, now)
                between = time.process_time()
                for path in paths:
                    path.send(spoken, now)
                outward += time.process_time() - between
                inward += between - began
            took.append((1e6 * inward / FRAMES / calls, 1e6 * outward / FRAMES / calls))
        ways = zip(("received", "sent"), zip(*took, strict=True), strict=True)
        figures = ", ".join(f"{way} {min(us):.1f} / {statistics.median(us):.1f}" for way, us in ways)
        print(f"{name}: {figures}")
    for path in paths:
        await path.listener.close()
    await batch.close()
    await engine.close()


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    run_virtual(lambda clock: measure(clock, calls))


if __name__ == "__main__":
    main()
