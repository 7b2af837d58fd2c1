"""SIPp, as caller and as called, with scenarios of our own: what it expects must come, message by message."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from peers.softphone import free_port
from trunkline.clock import SystemClock
from trunkline.errors import CallRefused
from trunkline.events import CallAnswered, CallRinging, Dtmf
from trunkline.legs.leg import TransferResult
from trunkline.legs.sip import SipService, SipSettings
from trunkline.rtp.pacer import Pacer
from trunkline.sip.digest import Credentials
from trunkline.sip.not_taken import CallNotTaken, Why

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="sipp is not installed here"),
]

SCENARIOS = Path(__file__).parent / "sipp"


@asynccontextmanager
async def sipp(folder: Path, scenario: str, port: int, *arguments: str) -> AsyncIterator[None]:
    """SIPp playing one of our scenarios. On leaving, it must have ended well."""
    program = await asyncio.create_subprocess_exec(
        "sipp", "-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", "127.0.0.1", "-p", str(port), "-nostdin",
        "-timeout", "60s", "-timeout_error", "-trace_err",
        "-error_file", str(folder / "errors.log"), *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=folder,
    )  # fmt: skip
    try:
        yield
        errors = folder / "errors.log"
        assert await program.wait() == 0, errors.read_text() if errors.exists() else "no error file"
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()


def _listens(port: int) -> bool:
    """Whether somebody reads datagrams there; a system that cannot say tells nobody of a closed port."""
    udp = Path("/proc/net/udp")
    return not udp.exists() or f"0100007F:{port:04X} " in udp.read_text()


@asynccontextmanager
async def called(folder: Path, scenario: str, port: int, *arguments: str) -> AsyncIterator[None]:
    """SIPp waiting for one call. It listens by now: a port where nobody does is told at once."""
    async with sipp(folder, scenario, port, "-m", "1", *arguments):
        clock = SystemClock()
        while not _listens(port):
            await clock.sleep(0.01)
        yield


@asynccontextmanager
async def phone() -> AsyncIterator[SipService]:
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    service = await SipService.open(SipSettings(bind="udp:127.0.0.1:0"), clock, pacer)
    try:
        async with asyncio.timeout(75):
            yield service
            # Both ends have had their say, so nothing waits here any more.
            while service.active:
                await clock.sleep(0.01)
    finally:
        await service.close()
        await pacer.close()


def to(service: SipService, calls: int, *more: str) -> tuple[str, ...]:
    host, port = service.address
    return ("-s", "agent", "-m", str(calls), *more, f"{host}:{port}")


@pytest.mark.parametrize("transport", ["u1", "t1"], ids=["udp", "tcp"])
async def test_sipp_calls_changes_the_call_and_hangs_up(tmp_path: Path, transport: str) -> None:
    arguments = "-r", "20", "-t", transport
    async with phone() as service, sipp(tmp_path, "calls", free_port(), *to(service, 20, *arguments)):
        legs = service.calls()
        for _ in range(20):
            leg = await anext(legs)
            await leg.answer()
            leg.start(lambda frame: None, lambda at: None)
            assert leg.quality().codec == "PCMU"  # Ours is preferred, though theirs stands first.


async def test_sipp_cancels_while_it_rings(tmp_path: Path) -> None:
    async with phone() as service, sipp(tmp_path, "cancels", free_port(), *to(service, 1)):
        leg = await anext(service.calls())
        assert [type(event).__name__ async for event in leg.events()] == ["HungUp"]
        with pytest.raises(CallRefused, match="cancelled"):
            await leg.answer()


async def test_sipp_gives_its_answer_in_the_ack_of_a_repeated_200(tmp_path: Path) -> None:
    async with phone() as service, sipp(tmp_path, "late_offer", free_port(), *to(service, 1)):
        leg = await anext(service.calls())
        await leg.answer()
        leg.start(lambda frame: None, lambda at: None)
        assert leg.quality().codec == "PCMA"
        await leg.hang_up()


async def test_sipp_is_called_with_early_media_and_repeats_its_200(tmp_path: Path) -> None:
    there = free_port()
    async with phone() as service, called(tmp_path, "is_called", there):
        leg = await service.dial(f"sip:sipp@127.0.0.1:{there}", variables={"campaign": "spring"})
        await leg.answer()
        leg.start(lambda frame: None, lambda at: None)
        assert leg.quality().codec == "PCMA"
        events = leg.events()
        first, second = await anext(events), await anext(events)
        assert isinstance(first, CallRinging)
        assert first.early_media
        assert isinstance(second, CallAnswered)
        await leg.hang_up()


async def test_sipp_is_busy(tmp_path: Path) -> None:
    there = free_port()
    async with phone() as service, called(tmp_path, "refuses", there):
        leg = await service.dial(f"sip:sipp@127.0.0.1:{there}")
        with pytest.raises(CallNotTaken) as caught:
            await leg.answer()
        assert (caught.value.why, caught.value.status) == (Why.BUSY, 486)


@pytest.mark.parametrize(
    ("outcome", "result"), [("200 OK", TransferResult.TRANSFERRED), ("486 Busy Here", TransferResult.BUSY)]
)
async def test_sipp_is_asked_to_call_somebody_else(
    tmp_path: Path, outcome: str, result: TransferResult
) -> None:
    there = free_port()
    async with phone() as service, called(tmp_path, "transfers", there, "-s", outcome):
        leg = await service.dial(f"sip:sipp@127.0.0.1:{there}")
        await leg.answer()
        assert await leg.transfer("sip:person@192.0.2.77") is result
        await leg.hang_up()


async def test_sipp_wants_a_password_for_the_call_and_for_its_end(tmp_path: Path) -> None:
    there = free_port()
    async with phone() as service, called(tmp_path, "authenticates", there):
        leg = await service.dial(
            f"sip:sipp@127.0.0.1:{there}", credentials=(Credentials("agent", "hunter2"),)
        )
        await leg.answer()
        await leg.hang_up()


async def test_sipp_answers_early_and_reliably(tmp_path: Path) -> None:
    there = free_port()
    async with phone() as service, called(tmp_path, "early_reliably", there):
        leg = await service.dial(f"sip:sipp@127.0.0.1:{there}")
        await leg.answer()
        assert leg.quality().codec == "PCMA"
        await leg.hang_up()


async def test_sipp_sends_the_call_on(tmp_path: Path) -> None:
    there = free_port()
    async with phone() as service, called(tmp_path, "redirects", there):
        leg = await service.dial(f"sip:sipp@127.0.0.1:{there}")
        await leg.answer()
        await leg.hang_up()


async def test_sipp_agrees_on_a_session_interval_and_refreshes(tmp_path: Path) -> None:
    async with phone() as service, sipp(tmp_path, "refreshes", free_port(), *to(service, 1)):
        leg = await anext(service.calls())
        await leg.answer()
        assert [type(event).__name__ async for event in leg.events()] == ["CallAnswered", "HungUp"]


async def test_sipp_holds_in_every_form_and_changes_its_mind(tmp_path: Path) -> None:
    async with phone() as service, sipp(tmp_path, "holds", free_port(), *to(service, 1)):
        leg = await anext(service.calls())
        await leg.answer()
        leg.start(lambda frame: None, lambda at: None)
        keys = [event.digit async for event in leg.events() if isinstance(event, Dtmf)]
        assert keys == ["5"]
        assert leg.quality().codec == "PCMA"


async def test_sipp_may_not_have_us_call_somebody(tmp_path: Path) -> None:
    async with phone() as service, sipp(tmp_path, "refers_us", free_port(), *to(service, 1)):
        leg = await anext(service.calls())
        await leg.answer()
        assert [type(event).__name__ async for event in leg.events()] == ["CallAnswered", "HungUp"]


async def test_sipp_takes_the_place_of_another_call(tmp_path: Path) -> None:
    async with phone() as service, sipp(tmp_path, "stays", free_port(), *to(service, 1)):
        leg = await anext(service.calls())
        await leg.answer()
        leg.start(lambda frame: None, lambda at: None)
        first = leg.session
        assert first.dialog is not None
        call_id, ours, theirs = first.dialog.key
        replaces = "-key", "replaces", f"{call_id};to-tag={ours};from-tag={theirs}"
        other = tmp_path / "other"
        other.mkdir()
        async with sipp(other, "replaces", free_port(), *replaces, *to(service, 1)):
            while leg.session is first or not leg.session.is_up:
                await service._clock.sleep(0.01)
            assert leg.quality().codec == "PCMA"
            assert not leg.ended
            await leg.hang_up()


async def test_sipp_answers_our_early_offer_in_its_prack(tmp_path: Path) -> None:
    async with phone() as service, sipp(tmp_path, "early_offer", free_port(), *to(service, 1)):
        leg = await anext(service.calls())
        await leg.early_media()
        while leg._sound.agreement is None:
            await service._clock.sleep(0.01)
        leg.start(lambda frame: None, lambda at: None)
        await leg.answer()
        assert leg.quality().codec == "PCMA"
        await leg.hang_up()
