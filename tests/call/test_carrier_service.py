"""Whole calls over a carrier's stream: real loopback sockets, an agent of fakes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from call.test_routing import Fixed
from calls.story import SmallTalk
from legs.carrier_ends import (
    TwilioEnd,
    World,
    aiohttp,
    fake_api,
    twilio_connect,
    twilio_post,
    twilio_settings,
    values,
)
from legs.far_ends import LIMIT, loudness, tone, until
from trunkline.call.call import CallResult
from trunkline.call.carrier_service import CarrierService, open_carriers
from trunkline.call.routing import Route, Routing
from trunkline.call.service import ServiceSettings, open_service
from trunkline.call.settings import CallSettings
from trunkline.clock import SystemClock
from trunkline.errors import ConfigError
from trunkline.legs.sip import SipSettings

SETTINGS = ServiceSettings(
    sip=SipSettings(bind="udp:127.0.0.1:0"),
    stt=("fake",),
    llm="fake,delay_ms=0,reply='I see.'",
    tts="fake,delay_ms=0,rate=8000,speed=0",
    call=CallSettings(vad="energy"),
    drain_time=0.0,
)


@asynccontextmanager
async def serving(
    play: SmallTalk, results: list[CallResult], settings: ServiceSettings = SETTINGS
) -> AsyncIterator[tuple[World, CarrierService, asyncio.Event]]:
    """A service that answers, and a client with which to be the carrier."""
    stop = asyncio.Event()
    async with (
        asyncio.timeout(2 * LIMIT),
        fake_api() as api,
        open_service(settings, SystemClock()) as service,
        open_carriers(service, twilio_settings(api.base, trust_loopback=True)) as carriers,
        aiohttp.ClientSession() as client,
    ):
        host, port = carriers.carrying.listening["twilio"]
        here = World(carriers.carrying, client, api, host, port)
        running = asyncio.create_task(carriers.serve(lambda _: play, stop, on_result=results.append))
        try:
            yield here, carriers, stop
        finally:
            stop.set()
            await running
            for socket in here.sockets:
                await socket.close()


class Caller:
    """Speaks and listens on a Media Streams socket."""

    def __init__(self, end: TwilioEnd) -> None:
        self.end = end

    async def says(self, frames: int) -> None:
        for _ in range(frames):
            await self.end.speak(tone(8000))

    async def hears_the_agent(self) -> None:
        so_far = len(self.end.heard)
        await until(lambda: loudness(bytes(self.end.heard[so_far:])) > 0.01)


async def test_a_stream_from_this_machine_is_a_whole_call() -> None:
    play, results = SmallTalk(ends_after=99), list[CallResult]()
    async with serving(play, results) as (here, _, _stop):
        socket = await twilio_connect(here, "CA7", {"campaign": "spring"})
        end = TwilioEnd(socket, None, "CA7")
        await Caller(end).hears_the_agent()
        await end.press("4")
        await end.hang_up()
        await until(lambda: bool(results))
        await end.close()
    (result,) = results
    assert result.by == "caller"
    assert result.record["leg"] == "twilio"
    began = play.happenings[0]
    assert getattr(began, "facts", {}) == {"campaign": "spring"}


async def test_a_call_that_a_webhook_announced_is_ended_by_the_agent() -> None:
    play, results = SmallTalk(), list[CallResult]()
    async with serving(play, results) as (here, _, stop):
        said = {"CallSid": "CA8", "From": "+15551110000", "To": "+15550001111"}
        _, document = await twilio_post(here, "/twilio/voice?campaign=autumn", said)
        name, value = values(document, ("name", "value"))
        end = TwilioEnd(await twilio_connect(here, "CA8", {name: value}), None, "CA8")
        await Caller(end).hears_the_agent()
        stop.set()
        assert await here.api.asked_for("/Calls/CA8.json") == {"Status": "completed"}
        await end.closed.wait()
        await end.close()
    (result,) = results
    assert result.by in ("agent", "drain")
    assert getattr(play.happenings[0], "facts", {}) == {"campaign": "autumn"}


async def test_calling_out_through_a_carrier() -> None:
    play, results = SmallTalk(greeting="Hello there."), list[CallResult]()
    async with serving(play, results) as (here, carriers, _stop):
        here.api.answers["/Calls.json"] = (201, {"sid": "CA9"})
        calling = asyncio.create_task(carriers.place("twilio", "+15557770000", play))
        asked = await here.api.asked_for("/Calls.json")
        target = asked["Url"].removeprefix("https://voice.example.com")
        _, document = await twilio_post(here, target, {"CallSid": "CA9"})
        name, value = values(document, ("name", "value"))
        end = TwilioEnd(await twilio_connect(here, "CA9", {name: value}), None, "CA9")
        await Caller(end).hears_the_agent()
        await end.hang_up()
        result = await calling
        await end.close()
    assert (result.by, result.reason) == ("caller", "hung up")


async def test_more_calls_than_may_be_are_turned_away() -> None:
    results = list[CallResult]()
    async with serving(SmallTalk(), results, replace(SETTINGS, max_calls=1)) as (here, _, _stop):
        first = TwilioEnd(await twilio_connect(here, "CA1", {}), None, "CA1")
        await Caller(first).hears_the_agent()
        second = TwilioEnd(await twilio_connect(here, "CA2", {}), None, "CA2")
        await second.closed.wait()
        await second.close()
        assert not first.closed.is_set()
        await first.hang_up()
        await until(lambda: bool(results))
        await first.close()
    assert len(results) == 1


async def test_a_route_may_turn_a_carriers_call_away() -> None:
    results = list[CallResult]()
    async with serving(SmallTalk(), results) as (here, carriers, _stop):
        routes = (Route(headers={"campaign": "spam"}, refuse=603),)
        carriers._service.screen_with(
            Routing(routes, Fixed(SmallTalk()), lambda _: Fixed(SmallTalk())).refusal
        )
        refused = TwilioEnd(await twilio_connect(here, "CA1", {"campaign": "spam"}), None, "CA1")
        await refused.closed.wait()
        await refused.close()
        taken = TwilioEnd(await twilio_connect(here, "CA2", {"campaign": "spring"}), None, "CA2")
        await Caller(taken).hears_the_agent()
        await taken.hang_up()
        await until(lambda: bool(results))
        await taken.close()
    assert len(results) == 1


async def test_a_carrier_that_is_not_in_use_cannot_be_dialled() -> None:
    async with serving(SmallTalk(), []) as (_, carriers, _stop):
        with pytest.raises(ConfigError, match="no carrier 'pigeon'"):
            await carriers.place("pigeon", "+15557770000", SmallTalk())
