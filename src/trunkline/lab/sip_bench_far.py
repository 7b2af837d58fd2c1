"""The far end of `trunkline lab bench --sip`: it calls, sends media, and notes when what comes.

Started by `sip_bench.py` as `python -m trunkline.lab.sip_bench_far JSON`, in a process of its own on another
core than the one that is measured. It shares no code with the user agent that it calls. All media goes
over one socket; arrivals are the kernel's times. It prints one JSON object at its end.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import sys
from collections import Counter
from contextlib import suppress
from typing import Any

from trunkline.clock import SystemClock
from trunkline.lab.load_sip import Dialog, media_address, read

SO_TIMESTAMPNS = 35
"""Linux: the arrival of each packet in nanoseconds of calendar time."""
_LAST_SECONDS = 4.0
"""What calls have left to end by themselves when all have been placed."""
_UP_SECONDS = 10.0
"""After this, media is measured with the calls that are up."""
_LOOK_SECONDS = 0.05
_GAP_BIN = 1e-4
_SOUND = bytes(range(128, 256)) + bytes(range(32))
"""160 bytes of mu-law."""


class FarEnd:
    """Places calls at a steady rate, and holds or ends them. `run` it once."""

    def __init__(self, agent: tuple[str, int], options: dict[str, Any]) -> None:
        self._agent = agent
        self._rate: float = options["rate"]
        self._count: int = options["count"]
        self._media: bool = options["media"]
        self._hold: float = options["hold"]
        """Seconds of media that are measured, once all calls are up; without media calls end at once."""
        self._clock = SystemClock()
        self._sip = _udp()
        self._rtp = _udp()
        self._rtp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._dialogs: dict[str, Dialog] = {}
        self._going: dict[str, Dialog] = {}
        """Dialogs that wait for something."""
        self._began: dict[str, float] = {}
        self._took: list[float] = []
        self._sent_again = self._came_again = self._refused = self._ended = 0
        self._places: list[tuple[str, int]] = []
        self._turns: list[int] = []
        self._last: dict[int, float] = {}
        self._gaps: Counter[int] = Counter()
        self._received = 0
        self._measuring = False

    def run(self) -> dict[str, Any]:
        zero = self._clock.now()
        placed, looked, slot = 0, zero, 0
        media_from = measured_from = until = None
        while True:
            now = self._clock.now()
            while placed < self._count and zero + placed / self._rate <= now:
                self._call(placed, now)
                placed += 1
            if now >= looked + _LOOK_SECONDS:
                looked = now
                self._send_again(now)
            if placed == self._count and until is None:
                up = len(self._took) + self._refused
                if not self._media and not self._going:
                    break
                late = now > zero + self._count / self._rate + _UP_SECONDS
                if self._media and measured_from is None and (up == self._count or late):
                    measured_from = now + 2.0
                limit = _LAST_SECONDS + (30 if self._going else 0)
                if not self._media and now > zero + self._count / self._rate + limit:
                    break
            if measured_from is not None and until is None and now >= measured_from:
                self._measuring, until = True, now + self._hold
            if until is not None and now >= until:
                break
            if self._media and self._places:
                media_from = media_from or now
                slot = self._send_media(now, media_from, slot)
            self._read()
        seconds = self._clock.now() - zero
        self._measuring = False
        self._hang_up()
        return {
            "placed": placed, "answered": len(self._took), "refused": self._refused, "seconds": seconds,
            "sent_again": self._sent_again, "came_again": self._came_again, "unfinished": len(self._going),
            "ended": self._ended, "took": sorted(self._took), "received": self._received,
            "gaps": sorted(self._gaps.items()), "gap_bin": _GAP_BIN,
        }  # fmt: skip

    def _call(self, number: int, now: float) -> None:
        host, port = self._sip.getsockname()
        # Each far end's calls are others than those of the one before it.
        name = os.getpid() * 100_000 + number
        dialog = Dialog(name, host, port, self._rtp.getsockname()[1], f"{self._agent[0]}:{self._agent[1]}")
        self._dialogs[dialog.call_id] = self._going[dialog.call_id] = dialog
        self._began[dialog.call_id] = now
        self._send(dialog.start(now))

    def _send(self, data: bytes | None) -> None:
        if data is not None:
            with suppress(BlockingIOError):  # As good as lost on the way.
                self._sip.sendto(data, self._agent)

    def _send_again(self, now: float) -> None:
        for call_id, dialog in list(self._going.items()):
            again = dialog.late(now)
            if again is not None:
                self._sent_again += 1
                self._send(again)
            if dialog.ended:
                self._done(call_id)

    def _done(self, call_id: str) -> None:
        if self._going.pop(call_id, None) is not None:
            self._ended += 1

    def _read(self) -> None:
        select.select([self._sip, self._rtp], [], [], 0.001)
        for _ in range(64):
            try:
                data = self._sip.recv(65_535)
            except (BlockingIOError, ConnectionError):
                break
            self._hear(data, self._clock.now())
        for _ in range(256):
            try:
                data, extra, _, source = self._rtp.recvmsg(2048, 64)
            except (BlockingIOError, ConnectionError):
                break
            if 192 <= data[1] <= 223:
                continue
            seconds, nanoseconds = struct.unpack("qq", extra[0][2][:16])
            at = seconds + nanoseconds * 1e-9
            before = self._last.get(source[1])
            if self._measuring and before is not None:
                self._received += 1
                self._gaps[max(0, int((at - before) / _GAP_BIN))] += 1
            self._last[source[1]] = at

    def _hear(self, data: bytes, now: float) -> None:
        message = read(data)
        call_id = message.headers.get("call-id", "") if message is not None else ""
        dialog = self._dialogs.get(call_id)
        if message is None or dialog is None:
            return
        was_answered, was_refused = dialog.answered is not None, dialog.refused
        if was_answered and message.method == "INVITE" and message.status >= 200:
            self._came_again += 1
        self._send(dialog.hear(message))
        if dialog.refused and not was_refused:
            self._refused += 1
            self._done(call_id)
        elif dialog.answered is not None and not was_answered:
            self._took.append(now - self._began[call_id])
            place = media_address(dialog.answered.body)
            if not self._media:
                self._send(dialog.hang_up(now))
            elif place is not None:
                self._places.append(place)
                self._turns.append(0)
                self._going.pop(call_id)
        elif dialog.ended:
            self._done(call_id)

    def _send_media(self, now: float, began: float, slot: int) -> int:
        """What is due by now: a packet every 20 ms to each call, evenly spread."""
        count = len(self._places)
        due = int((now - began) / 0.02 * self._count)
        for number in range(slot, min(due, slot + 2_000)):
            which = number % self._count
            if which >= count:
                continue
            turn = self._turns[which] = self._turns[which] + 1
            head = struct.pack("!BBHII", 0x80, 0, turn & 0xFFFF, turn * 160 & 0xFFFFFFFF, which + 1)
            with suppress(BlockingIOError):
                self._rtp.sendto(head + _SOUND, self._places[which])
        return min(due, slot + 2_000)

    def _hang_up(self) -> None:
        """BYE to all that are up, and a while for their answers."""
        now = self._clock.now()
        for call_id, dialog in self._dialogs.items():
            if dialog.answered is not None and not dialog.ended:
                self._going[call_id] = dialog
                self._send(dialog.hang_up(now))
                if len(self._going) % 50 == 0:
                    self._read()
        limit = now + 8.0
        while self._going and self._clock.now() < limit:
            self._read()
            self._send_again(self._clock.now())
        self._sip.close()
        self._rtp.close()


def _udp() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    made.bind(("127.0.0.1", 0))
    made.setblocking(False)
    return made


def main() -> None:
    options = json.loads(sys.argv[1])
    if options["core"] is not None:
        os.sched_setaffinity(0, {options["core"]})
    print(json.dumps(FarEnd(tuple(options["agent"]), options).run()), flush=True)


if __name__ == "__main__":
    main()
