"""baresip over TLS, whose certificate we believe or not. Debian's SIPp is built without TLS, so this is the
proof with a program that nobody here wrote.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from legs.test_sip_streams import certificates, certified, secure
from peers.softphone import baresip, free_port, needs_baresip
from peers.test_baresip import Echo, heard_by_baresip
from trunkline.clock import SystemClock
from trunkline.events import HungUp
from trunkline.legs.sip import SipService
from trunkline.rtp.pacer import Pacer
from trunkline.sip.not_taken import CallNotTaken, Why

__all__ = ["certificates"]

pytestmark = list(needs_baresip)


@asynccontextmanager
async def phone(certificates: Path) -> AsyncIterator[SipService]:
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    service = await SipService.open(secure(certificates, "agent"), clock, pacer)
    try:
        async with asyncio.timeout(30):
            yield service
    finally:
        await service.close()
        await pacer.close()


def settings(folder: Path) -> str:
    """baresip's certificate, with its key in one file."""
    both = folder / "both.pem"
    both.write_text((folder / "phone.pem").read_text() + (folder / "phone.key").read_text())
    return f"sip_certificate {both}\n"


async def test_baresip_dials_in_over_tls(certificates: Path) -> None:
    async with phone(certificates) as service:
        target = f"sip:agent@127.0.0.1:{service.tls_port};transport=tls"
        async with baresip(
            certificates, free_port(), "-e", f"/dial {target}", settings=settings(certificates)
        ) as program:
            leg = await anext(service.calls())
            assert leg.signalling == "tls"
            await leg.answer()
            echo = Echo(leg)
            await echo.enough.wait()
            assert echo.tone() > 0.9
            program.terminate()  # Its BYE comes by the same connection.
            events = [event async for event in leg.events()]
            assert isinstance(events[-1], HungUp)
            await leg.hang_up()
    assert heard_by_baresip(certificates) > 0.9


async def test_baresip_is_dialled_over_tls(certificates: Path) -> None:
    there = free_port()
    async with (
        phone(certificates) as service,
        baresip(certificates, there, settings=settings(certificates)) as program,
    ):
        assert program.stdout is not None
        while b"ready" not in await program.stdout.readline():
            pass
        leg = await service.dial(f"sip:baresip@127.0.0.1:{there + 1};transport=tls")
        await leg.answer()
        assert leg.signalling == "tls"
        echo = Echo(leg)
        await echo.enough.wait()
        assert echo.tone() > 0.9
        await leg.hang_up()
        while b"session closed" not in (line := (await program.stdout.readline()).lower()):
            assert line, "baresip ended without a word of the call's end"


async def test_baresip_is_not_called_where_nobody_we_believe_vouches_for_it(
    certificates: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The test above would pass too where nobody looked at its certificate."""
    there = free_port()
    others = certified(tmp_path_factory.mktemp("others"), "IP:127.0.0.1")
    async with (
        phone(others) as service,
        baresip(certificates, there, settings=settings(certificates)) as program,
    ):
        assert program.stdout is not None
        while b"ready" not in await program.stdout.readline():
            pass
        leg = await service.dial(f"sip:baresip@127.0.0.1:{there + 1};transport=tls")
        with pytest.raises(CallNotTaken) as caught:
            await leg.answer()
        assert caught.value.why is Why.NOT_REACHABLE
