"""Hundreds of real calls from one process: SIP and RTP over UDP sockets, a handful of microseconds a packet.

Arrival times are the kernel's (SO_TIMESTAMPNS), so that a caller that is late to read a packet does
not make the agent look late. All sending is on one absolute grid of 20 ms, split into slots so that
the calls do not all send at once.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence

import numpy as np

from trunkline.audio.frame import FRAME_SECONDS
from trunkline.clock import Clock
from trunkline.errors import CallRefused, MediaError
from trunkline.lab.load_call import LoadCall, payloads
from trunkline.lab.load_sip import Dialog, media_address, read
from trunkline.lab.recordings import DECODED

SLOTS = 10
PACKETS_AT_ONCE = 64
SO_TIMESTAMPNS = 35
"""Linux: the arrival of each packet in nanoseconds of calendar time."""
ANSWER_LIMIT = 20.0
HANG_UP_LIMIT = 8.0
CALLS_A_SECOND = 40


class LoadCaller:
    """Places calls to one agent, holds them, ends them. Its calls' figures are in `calls`."""

    def __init__(
        self,
        clock: Clock,
        agent: tuple[str, int],
        lines: Sequence[np.ndarray],
        sounds: Sequence[np.ndarray] = (),
    ) -> None:
        self.calls: list[LoadCall] = []
        self.refused = 0
        self._clock = clock
        self._agent = agent
        self._lines = [payloads(line) for line in lines]
        self._decoded = [
            [DECODED[np.frombuffer(piece, np.uint8)].tobytes() for piece in line] for line in self._lines
        ]
        self._overlays = [payloads(sound) for sound in sounds]
        self._decoded += [
            [DECODED[np.frombuffer(piece, np.uint8)].tobytes() for piece in sound] for sound in self._overlays
        ]
        self._loop = asyncio.get_running_loop()
        self._sip = _udp(agent[0])
        self._loop.add_reader(self._sip, self._read_sip)
        self._dialogs: dict[str, Dialog] = {}
        self._ports: dict[str, tuple[socket.socket, LoadCall]] = {}
        self._slots: list[list[tuple[socket.socket, LoadCall]]] = [[] for _ in range(SLOTS)]
        self._changed = asyncio.Event()
        self._zero = clock.now()
        self._slot = 0
        self._timer: asyncio.TimerHandle | None = None
        self._to_monotonic = 0.0
        self._set_offset()
        self._schedule()

    async def place(self, count: int) -> None:
        """Have `count` calls up, placing what is missing. Raises `CallRefused` where one is refused."""
        while len(self._dialogs) < count:
            self._invite(len(self._dialogs))
            await self._clock.sleep(1 / CALLS_A_SECOND)
        limit = self._clock.now() + ANSWER_LIMIT
        while any(dialog.answered is None for dialog in self._dialogs.values()):
            refused = next((dialog.refused for dialog in self._dialogs.values() if dialog.refused), 0)
            if refused:
                raise CallRefused(f"the agent answered {refused}", where="load caller")
            if self._clock.now() > limit:
                raise CallRefused("the agent did not answer in time", where="load caller")
            await self._wait(0.1)

    def reset(self) -> None:
        """Forget what was measured so far; the calls go on."""
        self._set_offset()
        for call in self.calls:
            call.forget()

    @property
    def ended_early(self) -> int:
        """Calls that the agent ended."""
        return sum(dialog.ended for dialog in self._dialogs.values())

    async def close(self) -> None:
        """BYE to all, and free every socket."""
        now = self._clock.now()
        for dialog in self._dialogs.values():
            if dialog.answered is not None and not dialog.ended:
                self._send_sip(dialog.hang_up(now))
        limit = now + HANG_UP_LIMIT
        while not all(dialog.ended for dialog in self._dialogs.values()) and self._clock.now() < limit:
            await self._wait(0.1)
        if self._timer is not None:
            self._timer.cancel()
        for endpoint, _ in self._ports.values():
            self._loop.remove_reader(endpoint)
            endpoint.close()
        self._loop.remove_reader(self._sip)
        self._sip.close()

    async def _wait(self, seconds: float) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def _invite(self, number: int) -> None:
        host, sip_port = self._sip.getsockname()[:2]
        endpoint = _udp(self._agent[0])
        call = LoadCall(number, self._lines, self._decoded, self._overlays)
        agent = f"{self._agent[0]}:{self._agent[1]}"
        dialog = Dialog(number, host, sip_port, endpoint.getsockname()[1], agent)
        self._dialogs[dialog.call_id] = dialog
        self._ports[dialog.call_id] = (endpoint, call)
        self.calls.append(call)
        self._loop.add_reader(endpoint, self._read_rtp, endpoint, call)
        self._send_sip(dialog.start(self._clock.now()))

    def _send_sip(self, message: bytes | None) -> None:
        if message is None:
            return
        try:
            self._sip.sendto(message, self._agent)
        except BlockingIOError:
            return  # as good as lost on the way: it will be sent again

    def _read_sip(self) -> None:
        for _ in range(PACKETS_AT_ONCE):
            try:
                data = self._sip.recv(65_535)
            except (BlockingIOError, ConnectionError):
                return
            message = read(data)
            dialog = self._dialogs.get(message.headers.get("call-id", "")) if message is not None else None
            if message is None or dialog is None:
                continue
            was_answered = dialog.answered is not None
            self._send_sip(dialog.hear(message))
            if dialog.answered is not None and not was_answered:
                self._connect(dialog)
            self._changed.set()

    def _connect(self, dialog: Dialog) -> None:
        assert dialog.answered is not None
        address = media_address(dialog.answered.body)
        if address is None:
            raise MediaError("the agent's answer names no place for audio", where="load caller")
        endpoint, call = self._ports[dialog.call_id]
        endpoint.connect(address)
        self._slots[dialog.number % SLOTS].append((endpoint, call))

    def _read_rtp(self, endpoint: socket.socket, call: LoadCall) -> None:
        for _ in range(PACKETS_AT_ONCE):
            try:
                data, extra, _, _ = endpoint.recvmsg(2048, 64)
            except (BlockingIOError, ConnectionError):
                return
            if extra:
                seconds, nanoseconds = struct.unpack("qq", extra[0][2][:16])
                at = seconds + nanoseconds * 1e-9 - self._to_monotonic
            else:
                at = self._clock.now()
            call.packet(data, at)

    def _set_offset(self) -> None:
        self._to_monotonic = self._clock.wall().timestamp() - self._clock.now()

    def _schedule(self) -> None:
        due = self._zero + self._slot * FRAME_SECONDS / SLOTS
        self._timer = self._clock.call_at(due, self._tick)

    def _tick(self) -> None:
        for endpoint, call in self._slots[self._slot % SLOTS]:
            packet = call.next_packet(self._clock.now())
            try:
                endpoint.send(packet)
            except (BlockingIOError, ConnectionError):
                continue  # lost on the way; the agent's jitter buffer sees a gap, as it would
        self._slot += 1
        if self._slot % (5 * SLOTS) == 0:
            now = self._clock.now()
            for dialog in self._dialogs.values():
                self._send_sip(dialog.late(now))
        self._schedule()


def _udp(host: str) -> socket.socket:
    endpoint = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        endpoint.setblocking(False)
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        endpoint.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        endpoint.bind((host, 0))
    except OSError as error:
        endpoint.close()
        raise MediaError(f"no socket: {error.strerror or error}", where="load caller") from error
    return endpoint
