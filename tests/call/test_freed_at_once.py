"""A call over SIP that is over is freed at once, with its leg and its media."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from call.test_service import serving
from calls.story import SmallTalk
from freed import without_collector
from legs.far_ends import until
from legs.test_sip_calls import address, next_call
from trunkline.call.call import CallResult
from trunkline.call.service import CallService
from trunkline.legs.sip import SipService

PARTS = ("Call", "Thinker", "Speaker", "Listener", "Track", "Floor", "CallTasks", "EventLog")
MEDIA = ("SipLeg", "CallSound", "MediaPort", "RtpSession")

HoldsOne = Callable[[CallService, SipService, list[CallResult]], Awaitable[None]]


async def they_hang_up(service: CallService, phone: SipService, results: list[CallResult]) -> None:
    calling = await phone.dial(address(service.sip, "agent"))
    await calling.answer()
    heard = list[object]()
    calling.start(heard.append, lambda _: None)
    await until(lambda: bool(heard))
    await calling.hang_up()


async def we_hang_up(service: CallService, phone: SipService, results: list[CallResult]) -> None:
    calling = await phone.dial(address(service.sip, "agent"))
    await calling.answer()
    (call,) = service._calls
    call.must_end("enough")
    async for _ in calling.events():
        pass


async def it_is_not_taken(service: CallService, phone: SipService, results: list[CallResult]) -> None:
    task = asyncio.create_task(service.place(address(phone, "phone"), SmallTalk()))
    await (await next_call(phone)).hang_up("busy")
    results.append(await task)


@pytest.mark.parametrize("hold_one", [they_hang_up, we_hang_up, it_is_not_taken])
async def test_nothing_of_a_call_that_is_over_waits_for_the_collector(hold_one: HoldsOne) -> None:
    results = list[CallResult]()
    async with serving((), results) as (service, phone):
        with without_collector() as alive:

            def left() -> int:
                found = alive("call", "legs", "rtp")
                # Whoever waits for the next call has the leg of the last one in hand.
                return sum(found[part] for part in PARTS) + sum(max(0, found[part] - 1) for part in MEDIA)

            for held in (1, 2):
                await hold_one(service, phone, results)
                await until(lambda held=held: len(results) == held and not service.active)  # type: ignore[misc]
            await until(lambda: not left())
