"""SIPp over TLS, as caller and as called. Debian's SIPp is built without TLS: this needs one that has it,
first on the PATH. It was written with 3.7.7, built with `-DUSE_SSL=1`."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from legs.test_sip_streams import certificates
from peers.softphone import free_port
from peers.test_baresip_tls import phone
from peers.test_sipp import sipp
from trunkline.errors import CallRefused
from trunkline.legs.sip import SipService
from trunkline.legs.sip_leg import SipLeg
from trunkline.sip.not_taken import CallNotTaken, Why

__all__ = ["certificates"]


def speaks_tls() -> bool:
    if shutil.which("sipp") is None:
        return False
    told = subprocess.run(["sipp", "-v"], capture_output=True, text=True, check=False, timeout=20)
    return "TLS" in told.stdout + told.stderr


pytestmark = [pytest.mark.peer, pytest.mark.skipif(not speaks_tls(), reason="no sipp here that speaks TLS")]


def secured(folder: Path) -> tuple[str, ...]:
    return "-t", "l1", "-tls_cert", str(folder / "phone.pem"), "-tls_key", str(folder / "phone.key")


async def taken(service: SipService, target: str) -> SipLeg:
    """A call that SIPp has answered, which may not listen yet when it is first tried."""
    for _ in range(100):
        leg = await service.dial(target, variables={"campaign": "spring"})
        try:
            await leg.answer()
        except CallNotTaken as refused:
            if refused.why is not Why.NOT_REACHABLE:
                raise
            await asyncio.sleep(0.1)
        else:
            return leg
    pytest.fail("SIPp does not listen")


async def test_sipp_calls_changes_the_call_and_hangs_up_over_tls(certificates: Path, tmp_path: Path) -> None:
    async with phone(certificates) as service:
        there = ("-s", "agent", "-m", "20", "-r", "20", f"127.0.0.1:{service.tls_port}")
        async with sipp(tmp_path, "calls", free_port(), *secured(certificates), *there):
            legs = service.calls()
            for _ in range(20):
                leg = await anext(legs)
                assert leg.signalling == "tls"
                await leg.answer()
                leg.start(lambda frame: None, lambda at: None)
                assert leg.quality().codec == "PCMU"


async def test_sipp_cancels_over_tls(certificates: Path, tmp_path: Path) -> None:
    async with phone(certificates) as service:
        there = ("-s", "agent", "-m", "1", f"127.0.0.1:{service.tls_port}")
        async with sipp(tmp_path, "cancels", free_port(), *secured(certificates), *there):
            leg = await anext(service.calls())
            assert [type(event).__name__ async for event in leg.events()] == ["HungUp"]
            with pytest.raises(CallRefused, match="cancelled"):
                await leg.answer()


async def test_sipp_is_called_over_tls(certificates: Path, tmp_path: Path) -> None:
    there = free_port()
    async with (
        phone(certificates) as service,
        sipp(tmp_path, "is_called", there, *secured(certificates), "-m", "1"),
    ):
        leg = await taken(service, f"sip:sipp@127.0.0.1:{there};transport=tls")
        assert leg.signalling == "tls"
        leg.start(lambda frame: None, lambda at: None)
        assert leg.quality().codec == "PCMA"
        await leg.hang_up()
