"""Handing the call to a person, and saying how it went."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from trunkline.clock import Clock
from trunkline.errors import TrunklineError
from trunkline.events import Event, TransferDone, TransferStarted, Trouble
from trunkline.legs.leg import Can, Leg, TransferResult
from trunkline.scenario.actions import Transfer

TRANSFER_LIMIT = 60.0
"""How long a transfer may take until it counts as failed."""


async def hand_off(leg: Leg, action: Transfer, clock: Clock, emit: Callable[[Event], None]) -> TransferResult:
    """Try the transfer; both its beginning and its result are in the log."""
    emit(TransferStarted(clock.now(), action.target))
    result = await _try(leg, action.target, clock, emit)
    emit(TransferDone(clock.now(), action.target, result))
    return result


async def _try(leg: Leg, target: str, clock: Clock, emit: Callable[[Event], None]) -> TransferResult:
    if Can.TRANSFER not in leg.can:
        return TransferResult.NOT_SUPPORTED
    try:
        async with asyncio.timeout(TRANSFER_LIMIT):
            return await leg.transfer(target)
    except TimeoutError:
        return TransferResult.NO_ANSWER
    except TrunklineError as error:
        emit(Trouble(clock.now(), "transfer", type(error).__name__, str(error), error.verdict))
        return TransferResult.FAILED
