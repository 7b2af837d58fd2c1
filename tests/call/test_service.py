"""The service over SIP: which scenario answers, what is refused, and a request that is repeated."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from call.test_routing import Fixed
from calls.story import SmallTalk
from legs.far_ends import LIMIT, until
from legs.test_sip_calls import address, all_events, next_call
from providers.llm_conformance import answer, text_of
from providers.servers.openai_server import Answer, OpenAIServer, finish_chunk, text_chunk
from trunkline.call.call import CallResult
from trunkline.call.routing import Route, Routing
from trunkline.call.service import (
    COLLECT_AFTER,
    CallService,
    ServiceSettings,
    open_service,
    running_engines,
)
from trunkline.call.settings import CallSettings
from trunkline.clock import SystemClock
from trunkline.errors import CallRefused, EngineDown, EngineKeyWrong, EngineRate
from trunkline.legs.sip import SipService, SipSettings
from trunkline.sip.not_taken import CallNotTaken

SETTINGS = ServiceSettings(
    sip=SipSettings(bind="udp:127.0.0.1:0", user="agent"),
    stt=("fake",),
    llm="fake,delay_ms=0,reply='I see.'",
    tts="fake,delay_ms=0,rate=8000,speed=0",
    call=CallSettings(vad="energy"),
    drain_time=0.0,
)


@asynccontextmanager
async def serving(
    routes: Sequence[Route], results: list[CallResult], settings: ServiceSettings = SETTINGS
) -> AsyncIterator[tuple[CallService, SipService]]:
    """A service that answers, and a phone."""
    clock = SystemClock()
    stop = asyncio.Event()

    def load(name: str) -> Fixed:
        return Fixed(SmallTalk(name=name))

    async with asyncio.timeout(2 * LIMIT), open_service(settings, clock) as service:
        phone = await SipService.open(SipSettings(bind="udp:127.0.0.1:0", user="phone"), clock, service.pacer)
        routing = Routing(routes, load("default"), load)
        service.screen_with(routing.refusal)
        running = asyncio.create_task(service.serve(routing.play, stop, on_result=results.append))
        try:
            yield service, phone
        finally:
            await phone.close()
            stop.set()
            await running


async def test_garbage_is_collected_rarely_while_a_service_is_open_and_as_before_afterwards() -> None:
    before = gc.get_threshold()
    async with open_service(SETTINGS, SystemClock()):
        assert gc.get_threshold() == COLLECT_AFTER
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


async def test_the_number_called_chooses_the_scenario_and_a_refusal_comes_before_any_ringing() -> None:
    results = list[CallResult]()
    routes = (
        Route(number="sales*", scenario="sales"),
        Route(headers={"X-Queue": "support"}, scenario="support"),
        Route(number="nobody", refuse=404),
        Route(trunk="none", caller="blocked", refuse=603),
    )
    async with serving(routes, results) as (service, phone):
        for user, variables in (("sales-de", {}), ("any", {"Queue": "support"}), ("any", {})):
            calling = await phone.dial(address(service.sip, user), variables=variables)
            await calling.answer()
            await calling.hang_up()
        await until(lambda: len(results) == 3)
        assert [result.record["scenario"] for result in results] == ["sales", "support", "default"]
        assert [result.record["variables"] for result in results] == [{}, {"X-Queue": "support"}, {}]
        for user, caller, status in (("nobody", "", 404), ("any", "sip:blocked@127.0.0.1", 603)):
            calling = await phone.dial(address(service.sip, user), caller=caller)
            with pytest.raises(CallNotTaken) as caught:
                await calling.answer()
            assert caught.value.status == status
        assert len(results) == 3


async def test_a_repeated_request_dials_once() -> None:
    async with serving((), []) as (service, phone):
        target = address(phone, "phone")
        asked = [asyncio.create_task(service.place(target, SmallTalk(), key="order-7")) for _ in range(2)]
        called = await next_call(phone)
        await called.answer()
        await called.hang_up()
        first, second = await asyncio.gather(*asked)
        assert first is second
        assert await service.place(target, SmallTalk(), key="order-7") is first
        assert phone._incoming.empty()
        # Another key is another call.
        other = asyncio.create_task(service.place(target, SmallTalk(), key="order-8"))
        await (await next_call(phone)).hang_up("busy")
        assert (await other).outcome == "busy"


async def test_a_call_that_was_cancelled_is_not_dialled_again_by_the_same_request() -> None:
    async with serving((), []) as (service, phone):
        asked = asyncio.create_task(service.place(address(phone, "phone"), SmallTalk(), key="k"))
        called = await next_call(phone)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await all_events(called)
        with pytest.raises(CallRefused, match="cancelled"):
            await service.place(address(phone, "phone"), SmallTalk(), key="k")


async def test_calls_that_are_too_many_are_told_once_a_minute() -> None:
    results = list[CallResult]()
    with capture_logs() as logs:
        async with serving((), results, replace(SETTINGS, max_calls=1)) as (service, phone):
            first = await phone.dial(address(service.sip, "agent"))
            await first.answer()
            for _ in range(5):
                late = await phone.dial(address(service.sip, "agent"))
                with pytest.raises(CallNotTaken, match="busy"):
                    await late.answer()
            await first.hang_up()
            await until(lambda: bool(results))
    assert len([entry for entry in logs if entry["event"] == "calls refused"]) == 1


@pytest.mark.parametrize(
    ("refusal", "times", "error"),
    [
        (Answer(status=429), 2, EngineRate),
        (Answer(status=500), 1, EngineDown),
        (Answer(status=401), 1, EngineKeyWrong),
    ],
)
async def test_a_model_alone_is_asked_again_where_that_may_help(
    refusal: Answer, times: int, error: type[Exception]
) -> None:
    pytest.importorskip("openai")
    hello = Answer([text_chunk("Hello."), finish_chunk()])
    async with OpenAIServer() as server:
        settings = replace(SETTINGS, llm=f"openai,base_url={server.base_url},model=test")
        async with running_engines(settings, SystemClock()) as engines:
            server.answers += [refusal, hello]
            if times == 2:
                assert text_of(await answer(engines.llm)) == "Hello."
            else:
                with pytest.raises(error):
                    await answer(engines.llm)
            assert len(server.requests) == times
            server.answers.clear()
            server.answers += [refusal, refusal, hello]
            with pytest.raises(error):
                await answer(engines.llm)
            assert len(server.requests) == 2 * times, "it is not asked for ever"
