"""The HTTP port of the carriers, before anything is a call: a port that is taken, and what is no HTTP."""

from __future__ import annotations

import asyncio
import errno
import logging

import pytest
from structlog.testing import capture_logs

from trunkline.clock import SystemClock
from trunkline.errors import MediaError
from trunkline.legs.carrier_front import CarrierFront, cannot_listen

GARBAGE = (
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET /x HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\n",
)


async def test_a_taken_port_is_told_with_what_to_do() -> None:
    first = await CarrierFront.open("127.0.0.1:0", [], SystemClock())
    try:
        port = first.address[1]
        with pytest.raises(MediaError) as told:  # The network's exit status, as for SIP's port.
            await CarrierFront.open(f"127.0.0.1:{port}", [], SystemClock())
    finally:
        await first.close()
    assert str(told.value) == (
        f"carriers: cannot listen at 127.0.0.1:{port}: another program has it. "
        "Choose another HOST:PORT of this machine, or stop what has this one"
    )
    assert "Cannot assign" in str(cannot_listen("x:1", OSError(errno.EADDRNOTAVAIL, "Cannot assign"), "x"))


async def test_where_there_is_no_page_the_address_alone_is_nothing() -> None:
    front = await CarrierFront.open("127.0.0.1:0", [], SystemClock())
    try:
        async with asyncio.timeout(30):
            reader, writer = await asyncio.open_connection(*front.address)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 404 " in await reader.readline()
            writer.close()
    finally:
        await front.close()


async def test_what_is_no_http_is_refused_and_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    front = await CarrierFront.open("127.0.0.1:0", [], SystemClock())
    with capture_logs() as told, caplog.at_level(logging.DEBUG):
        try:
            for garbage in GARBAGE:
                async with asyncio.timeout(30):
                    reader, writer = await asyncio.open_connection(*front.address)
                    writer.write(garbage)
                    assert b" 400 " in await reader.readline()
                    writer.close()
        finally:
            await front.close()
    assert [entry["event"] for entry in told] == ["what came is no HTTP; more like it is not told"]
    assert [
        record for record in caplog.records if record.exc_info and record.levelno >= logging.WARNING
    ] == []
