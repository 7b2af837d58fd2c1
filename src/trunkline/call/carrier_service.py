"""Calls that reach us through carriers, held by the same service as those over SIP.

`open_carriers` listens for every carrier that is set up; `serve` answers their calls beside those over
SIP until told to stop; `place` calls out. Which carriers there are: `legs/carriers.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog

from trunkline.call.call import CallResult
from trunkline.call.log import Listener as EventListener
from trunkline.call.play import Play
from trunkline.call.service import CallService
from trunkline.errors import TrunklineError
from trunkline.legs.call_control import StreamSettings
from trunkline.legs.carried_leg import CarriedLeg
from trunkline.legs.carriers import CarrierSettings, Carrying
from trunkline.legs.leg import LegInfo

logger = structlog.get_logger(__name__)


@asynccontextmanager
async def open_carriers(
    service: CallService, settings: CarrierSettings, times: StreamSettings | None = None
) -> AsyncIterator[CarrierService]:
    """Listen for the carriers that are set up. Raises `ConfigError` where that cannot be."""
    carrying = await Carrying.open(settings, service.clock, service.pacer, times)
    try:
        yield CarrierService(service, carrying)
    finally:
        await carrying.close()


class CarrierService:
    """Made by `open_carriers`."""

    def __init__(self, service: CallService, carrying: Carrying) -> None:
        self.carrying = carrying
        self._service = service

    async def serve(
        self,
        play_for: Callable[[LegInfo], Play],
        stop: asyncio.Event,
        *,
        listeners_for: Callable[[LegInfo], Sequence[EventListener]] = lambda _: (),
        on_result: Callable[[CallResult], None] = lambda _: None,
    ) -> None:
        """Answer every call, over SIP too, until `stop` is set; then drain all of them alike."""

        async def turn_away() -> None:
            await stop.wait()
            self.carrying.board.draining = True

        tasks = [
            asyncio.create_task(self._accept(play_for, listeners_for, on_result), name="accept carriers"),
            asyncio.create_task(turn_away(), name="stop carriers"),
        ]
        # A fault in the accepting of calls must not leave a service that looks alive and takes none.
        tasks[0].add_done_callback(lambda _: stop.set())
        try:
            await self._service.serve(play_for, stop, listeners_for=listeners_for, on_result=on_result)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def place(
        self,
        carrier: str,
        number: str,
        play: Play,
        *,
        caller: str = "",
        facts: Mapping[str, str] | None = None,
        listeners: Sequence[EventListener] = (),
        key: str = "",
    ) -> CallResult:
        """Call `number` through this carrier and hold the call to its end. Raises `ConfigError` and
        `SipError` as `Carrying.dial` does. Cancelling it says goodbye and ends the call. `key`: as for
        `CallService.place`."""

        async def dial() -> CallResult:
            leg = await self.carrying.dial(carrier, number, caller=caller)
            return await self._service.hold(leg, play, facts=facts, listeners=listeners)

        return await (self._service.once.do(key, dial) if key else dial())

    async def _accept(
        self,
        play_for: Callable[[LegInfo], Play],
        listeners_for: Callable[[LegInfo], Sequence[EventListener]],
        on_result: Callable[[CallResult], None],
    ) -> None:
        def ended(task: asyncio.Task[CallResult]) -> None:
            if not task.cancelled():
                on_result(task.result())

        async for leg in self.carrying.board.calls():
            if self._service.is_full():
                await _turn_away(leg)
                continue
            if status := self._service.screen(leg.info):
                await _turn_away(leg, "busy" if status == 486 else "declined")
                continue
            self._service.take(leg, play_for(leg.info), listeners_for(leg.info)).add_done_callback(ended)


async def _turn_away(leg: CarriedLeg, why: str = "busy") -> None:
    try:
        await leg.hang_up(why)
    except TrunklineError as error:  # the leg is closed here either way
        logger.warning("call not hung up", call_id=leg.info.call_id, error=error.for_log())
