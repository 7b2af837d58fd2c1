"""baresip holds, resumes, and asks us to call somebody else."""

from __future__ import annotations

from pathlib import Path

from legs.far_ends import until
from legs.test_sip_in_call import Ear, named, phones
from peers.softphone import baresip, command, free_port, needs_baresip
from trunkline.events import HoldEnded, HoldStarted

pytestmark = list(needs_baresip)


async def test_baresip_holds_the_call_and_takes_it_up_again(tmp_path: Path) -> None:
    control = free_port()
    settings = f"ctrl_tcp_listen 127.0.0.1:{control}\n"
    async with phones(named("agent")) as (service,):
        host, port = service.address
        dial = "-e", f"/dial sip:agent@{host}:{port}"
        async with baresip(tmp_path, free_port(), *dial, modules=("ctrl_tcp",), settings=settings):
            leg = await anext(service.calls())
            await leg.answer()
            ear = Ear(leg, level=0.3)
            await ear.hears_sound()
            await command(control, "hold")
            await until(lambda: any(isinstance(event, HoldStarted) for event in leg._waiting))
            await command(control, "resume")
            await until(lambda: any(isinstance(event, HoldEnded) for event in leg._waiting))
            await ear.hears_sound()
            assert not leg.ended
            await leg.hang_up()


async def test_baresip_has_us_call_somebody_in_its_place(tmp_path: Path) -> None:
    control = free_port()
    settings = f"ctrl_tcp_listen 127.0.0.1:{control}\n"
    async with phones(named("agent", accept_refer=True), named("person")) as (service, person):
        host, port = service.address
        dial = "-e", f"/dial sip:agent@{host}:{port}"
        async with baresip(tmp_path, free_port(), *dial, modules=("ctrl_tcp",), settings=settings):
            leg = await anext(service.calls())
            await leg.answer()
            ear = Ear(leg, level=0.3)
            await ear.hears_sound()
            first = leg.session
            there, at = person.address
            await command(control, "transfer", f"sip:person@{there}:{at}")
            answered = await anext(person.calls())
            await answered.answer()
            Ear(answered, level=0.3)
            await until(lambda: leg.session is not first)
            await until(lambda: not first.is_up)
            await ear.hears_sound()
            assert not leg.ended
            await answered.hang_up()
            await until(lambda: leg.ended)
