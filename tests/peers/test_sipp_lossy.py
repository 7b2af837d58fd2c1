"""SIPp through a network that loses messages: what is lost is repeated until it is heard, by either end."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from peers.proxy import free_port
from trunkline.clock import SystemClock
from trunkline.lab.link import LinkModel, LossyLink, Weather
from trunkline.legs.sip import SipService, SipSettings
from trunkline.rtp.pacer import Pacer

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="sipp is not installed here"),
]


@pytest.mark.parametrize("way", ["uac", "uas"])
async def test_calls_come_about_and_end_though_one_message_in_six_is_lost(tmp_path: Path, way: str) -> None:
    """SIPp's own scenarios. What goes to SIPp straight is not lost: our answers, as it asks for no `rport`,
    and our ACK and BYE, to its Contact."""
    calls, there = 12, free_port()
    command = [
        "sipp",
        "-sn",
        way,
        "-i",
        "127.0.0.1",
        "-p",
        str(there),
        "-m",
        str(calls),
        "-r",
        "10",
        "-nostdin",
    ]
    bad = LinkModel(Weather(loss=0.15), 1), LinkModel(Weather(loss=0.15), 2)
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    service = await SipService.open(SipSettings(bind="udp:127.0.0.1:0"), clock, pacer)
    link = LossyLink(clock, service.address if way == "uac" else ("127.0.0.1", there), *bad)
    host, port = link.local
    program = await asyncio.create_subprocess_exec(
        *command, *((f"{host}:{port}", "-d", "100") if way == "uac" else ()),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL, cwd=tmp_path,
    )  # fmt: skip
    try:
        async with asyncio.timeout(100):
            if way == "uac":
                legs = service.calls()
                for _ in range(calls):
                    await (await anext(legs)).answer()
            else:
                for _ in range(calls):
                    leg = await service.dial(f"sip:sipp@{host}:{port}")
                    await leg.answer()
                    await leg.hang_up()
            assert await program.wait() == 0
            assert sum(one.lost for one in bad) > 0
    finally:
        await link.close()
        if program.returncode is None:
            program.kill()
        await program.wait()
        await service.close()
        await pacer.close()
