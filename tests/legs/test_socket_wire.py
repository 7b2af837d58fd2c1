"""Writing to a socket that does not take what it is given: bounds, order, and the end."""

from __future__ import annotations

import asyncio
from typing import Any

from legs.far_ends import until
from trunkline.legs.socket_wire import AUDIO_BOUND, CONTROL_BOUND, SocketWire


class SlowSocket:
    """Takes messages only while it is open to them."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.took: list[str | bytes] = []
        self.closed: int | None = None
        self.broken = False

    async def send_str(self, message: str) -> None:
        await self._take(message)

    async def send_bytes(self, message: bytes) -> None:
        await self._take(message)

    async def _take(self, message: str | bytes) -> None:
        await self.open.wait()
        if self.broken:
            raise ConnectionResetError
        self.took.append(message)

    async def close(self, *, code: int, message: bytes) -> None:
        self.closed = code


async def started() -> tuple[SlowSocket, SocketWire]:
    socket = SlowSocket()
    wire = SocketWire(socket)
    wire.send("first")
    await asyncio.sleep(0)  # the writer now waits with it
    return socket, wire


async def test_everything_leaves_in_order() -> None:
    socket, wire = await started()
    wire.send(b"a", droppable=True)
    wire.send("mark")
    wire.send(b"b", droppable=True)
    socket.open.set()
    await until(lambda: len(socket.took) == 4)
    await wire.finish()
    assert socket.took == ["first", b"a", "mark", b"b"]
    assert socket.closed == 1000


async def test_of_audio_that_is_not_taken_the_oldest_goes() -> None:
    socket, wire = await started()
    for number in range(AUDIO_BOUND + 7):
        wire.send(bytes([number]), droppable=True)
    wire.send("mark")
    socket.open.set()
    await until(lambda: "mark" in socket.took)
    await wire.finish()
    assert wire.dropped == 7
    assert socket.took[1:] == [*(bytes([n]) for n in range(7, AUDIO_BOUND + 7)), "mark"]


async def test_a_clear_overtakes_the_audio_that_waits() -> None:
    socket, wire = await started()
    wire.send(b"a", droppable=True)
    wire.send("mark")
    wire.drop()
    wire.send("clear")
    socket.open.set()
    await until(lambda: "clear" in socket.took)
    await wire.finish()
    assert socket.took == ["first", "mark", "clear"]


async def test_a_socket_that_takes_nothing_at_all_is_closed() -> None:
    socket, wire = await started()
    for _ in range(CONTROL_BOUND + 1):
        wire.send("mark")
    wire.send("more")
    socket.open.set()
    await wire.finish()
    assert len(socket.took) == CONTROL_BOUND + 1
    assert "more" not in socket.took


async def test_what_was_to_be_said_last_is_said_before_the_close() -> None:
    socket, wire = await started()
    wire.send(b"audio", droppable=True)
    wire.send("goodbye")
    wire.close("refused", refused=True)
    wire.close("again")
    socket.open.set()
    await wire.finish()
    assert socket.took == ["first", "goodbye"]
    assert socket.closed == 1008


async def test_a_socket_that_breaks_ends_the_writer_quietly() -> None:
    socket, wire = await started()
    socket.broken = True
    socket.open.set()
    await wire.finish()
    wire.send("more")
    assert socket.took == []


async def test_nothing_is_left_when_the_end_comes_at_once() -> None:
    before = asyncio.all_tasks()
    wire: Any = SocketWire(SlowSocket())
    await wire.finish()
    await wire.finish()
    assert asyncio.all_tasks() == before
