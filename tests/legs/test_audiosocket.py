"""Asterisk's AudioSocket: packets cut from any pieces, strangers, a whole connection."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legs.far_ends import LIMIT, FarEnd, loudness, tone, until
from legs.leg_conformance import CHECKS, Check, checked
from trunkline.clock import SystemClock
from trunkline.errors import ConfigError, ParseError
from trunkline.events import HungUp
from trunkline.legs.audiosocket import AudioSocketSettings, AudioSocketStream, PacketCutter, packet
from trunkline.legs.audiosocket_server import AudioSocketServer
from trunkline.legs.carriers import CarrierSettings, Carrying
from trunkline.legs.leg import TransferResult
from trunkline.legs.stream import Complained, Heard, Opened, Pressed, Stopped
from trunkline.legs.switchboard import Switchboard
from trunkline.rtp.pacer import Pacer

CALL = uuid.UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
"""The UUID of the protocol's own description."""


# --- packets ----------------------------------------------------------------------------------------


def test_the_packets_of_the_description_are_understood() -> None:
    stream = AudioSocketStream()
    assert stream.receive(b"\x01\x00\x10" + CALL.bytes) == [Opened(str(CALL), str(CALL), "L16", 8000)]
    assert stream.receive(b"\x10\x01\x40" + bytes(320)) == [Heard(bytes(320))]
    assert stream.receive(b"\x03\x00\x015") == [Pressed("5")]
    assert stream.receive(b"\x00\x00\x00") == [Stopped("hung up")]
    assert stream.receive(b"\xff\x00\x01\x02") == [Complained("error 02")]
    assert stream.audio(bytes(320)) == b"\x10\x01\x40" + bytes(320)
    assert AudioSocketStream(16000).audio(bytes(640)) == b"\x12\x02\x80" + bytes(640)
    assert stream.goodbye() == b"\x00\x00\x00"


def test_sound_at_another_rate_is_brought_to_ours() -> None:
    (heard,) = AudioSocketStream(8000).receive(packet(0x12, tone(16000)))
    assert isinstance(heard, Heard)
    assert len(heard.pcm) == 320
    assert loudness(heard.pcm) == pytest.approx(loudness(tone(8000)), rel=0.2)


@pytest.mark.parametrize(
    "message",
    [
        "text",
        b"",
        b"\x10\x00",
        b"\x10\x00\x02\x00",
        b"\x01\x00\x01\x00",
        b"\x03\x00\x01x",
        b"\x03\x00\x00",
        b"\x10\x00\x01\x00",
        b"\x42\x00\x00",
        packet(0x11, bytes(480)),
    ],
)
def test_what_is_no_packet_is_an_error_of_its_own(message: str | bytes) -> None:
    with pytest.raises(ParseError):
        AudioSocketStream().receive(message)


@given(
    st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=700)), max_size=12),
    st.lists(st.integers(1, 400), max_size=30),
)
def test_however_the_bytes_come_the_packets_are_the_same(
    packets: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    whole = [packet(kind, payload) for kind, payload in packets]
    data = b"".join(whole)
    cutter, got = PacketCutter(), []
    for cut in [*cuts, len(data) + 1]:
        got += cutter.push(data[:cut])
        data = data[cut:]
    assert got == whole


@given(st.binary(max_size=2000))
def test_any_bytes_at_all_are_understood_or_refused(data: bytes) -> None:
    stream = AudioSocketStream()
    for one in PacketCutter().push(data):
        with suppress(ParseError):
            stream.receive(one)


# --- connections ------------------------------------------------------------------------------------


@asynccontextmanager
async def listening(**settings: Any) -> AsyncIterator[tuple[AudioSocketServer, Switchboard]]:
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    board = Switchboard(clock, pacer)
    server = await AudioSocketServer.open(AudioSocketSettings(bind="127.0.0.1:0", **settings), board)
    try:
        async with asyncio.timeout(LIMIT):
            yield server, board
    finally:
        await board.close()
        await server.close()
        await pacer.close()


class Asterisk:
    """A connection, seen from Asterisk."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, leg: Any) -> None:
        self.leg = leg
        self.heard = bytearray()
        self.hung_up = False
        self.writer = writer
        self._reading = asyncio.create_task(self._read(reader))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        cutter = PacketCutter()
        while data := await reader.read(4096):
            for one in cutter.push(data):
                if one[0] == 0:
                    self.hung_up = True
                else:
                    self.heard.extend(one[3:])

    async def speak(self, pcm: bytes) -> None:
        self.writer.write(packet(0x10, pcm))

    async def press(self, digit: str) -> None:
        self.writer.write(packet(0x03, digit.encode()))

    async def hang_up(self) -> None:
        self.writer.write(packet(0x00))

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()
            await self._reading
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


async def connect(server: AudioSocketServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*server.address)


async def called(server: AudioSocketServer, board: Switchboard) -> Asterisk:
    reader, writer = await connect(server)
    writer.write(packet(0x01, CALL.bytes))
    leg = await anext(aiter(board.calls()))
    await leg.answer()
    return Asterisk(reader, writer, leg)


@asynccontextmanager
async def audiosocket_call() -> AsyncIterator[FarEnd]:
    async with listening() as (server, board):
        end = await called(server, board)
        yield end
        await end.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_leg(check: Check) -> None:
    await checked(audiosocket_call, check)


async def test_hanging_up_is_told_before_the_connection_is_closed() -> None:
    async with listening() as (server, board):
        end = await called(server, board)
        assert end.leg.info.call_id == str(CALL)
        assert await end.leg.transfer("sip:x@y") is TransferResult.NOT_SUPPORTED
        await end.leg.hang_up()
        await until(lambda: end.hung_up)
        await end.close()


async def test_the_end_of_the_connection_is_the_end_of_the_call() -> None:
    async with listening() as (server, board):
        end = await called(server, board)
        await end.close()
        events = [event async for event in end.leg.events()]
        assert isinstance(events[-1], HungUp)


@pytest.mark.parametrize(
    "first",
    [packet(0x10, bytes(320)), b"GET / HTTP/1.1\r\n\r\n" * 2000, packet(0x01, b"short"), packet(0x00)],
)
async def test_who_does_not_say_whose_call_it_is_is_closed(first: bytes) -> None:
    async with listening() as (server, board):
        reader, writer = await connect(server)
        writer.write(first)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        assert board.active == 0
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_second_connection_for_the_same_call_is_closed() -> None:
    async with listening() as (server, board):
        end = await called(server, board)
        reader, writer = await connect(server)
        writer.write(packet(0x01, CALL.bytes))
        assert await reader.read() == b""
        assert not end.leg.ended
        writer.close()
        await writer.wait_closed()
        await end.close()


async def test_addresses_that_are_not_allowed_are_closed() -> None:
    async with listening(allow=("192.0.2.0/24",)) as (server, board):
        reader, writer = await connect(server)
        writer.write(packet(0x01, CALL.bytes))
        with suppress(ConnectionError):
            assert await reader.read() == b""
        assert board.active == 0
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_rubbish_in_a_call_is_passed_over_and_too_much_of_it_ends_the_call() -> None:
    async with listening() as (server, board):
        end = await called(server, board)
        heard: list[bytes] = []
        end.leg.start(lambda frame: heard.append(frame.pcm), lambda _: None)
        end.writer.write(packet(0x42, b"?"))
        await end.speak(tone(8000))
        await until(lambda: tone(8000) in heard)
        end.writer.write(packet(0x42) * 60)
        events = [event async for event in end.leg.events()]
        assert isinstance(events[-1], HungUp)
        await end.close()


@pytest.mark.parametrize("settings", [{"allow": ("nowhere",)}, {"bind": "nowhere"}])
async def test_settings_that_cannot_be_are_the_owners_mistake(settings: dict[str, Any]) -> None:
    clock = SystemClock()
    given = AudioSocketSettings(**{"bind": "127.0.0.1:0", **settings})
    with pytest.raises(ConfigError):
        await AudioSocketServer.open(given, Switchboard(clock, Pacer(clock)))


async def test_it_is_opened_with_the_other_carriers() -> None:
    clock = SystemClock()
    pacer = Pacer(clock)
    settings = CarrierSettings(audiosocket=AudioSocketSettings(bind="127.0.0.1:0"))
    carrying = await Carrying.open(settings, clock, pacer)
    reader, writer = await asyncio.open_connection(*carrying.listening["audiosocket"])
    writer.write(packet(0x01, CALL.bytes))
    leg = await anext(aiter(carrying.board.calls()))
    assert leg.info.kind == "audiosocket"
    await carrying.close()
    assert await reader.read() == packet(0x00)
    writer.close()
    await writer.wait_closed()
    await pacer.close()
