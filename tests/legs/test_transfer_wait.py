"""The wait for a transfer's result: requests that fail, webhooks that are early, late, doubled, or none."""

from __future__ import annotations

import asyncio

import pytest

from trunkline.clock import VirtualClock, run_virtual
from trunkline.errors import SipError
from trunkline.legs.leg import TransferResult
from trunkline.legs.transfer_wait import DIAL_SECONDS, TransferWait


def test_the_first_webhook_counts_even_before_the_request_is_answered() -> None:
    wait = TransferWait()

    async def asking() -> None:
        assert wait.waiting
        assert wait.told(TransferResult.BUSY)
        assert not wait.told(TransferResult.TRANSFERRED)

    async def story(_: VirtualClock) -> None:
        assert await wait.result_of(asking()) is TransferResult.BUSY
        assert not wait.waiting
        assert not wait.told(TransferResult.FAILED)

    run_virtual(story)


def test_a_request_that_the_carrier_refuses_is_told_and_ends_the_wait() -> None:
    wait = TransferWait()

    async def asking() -> None:
        raise SipError("the carrier answered 400", where="carrier")

    async def story(_: VirtualClock) -> None:
        with pytest.raises(SipError, match="400"):
            await wait.result_of(asking())
        assert not wait.waiting

    run_virtual(story)


def test_no_webhook_is_no_answer_once_the_target_has_rung_long_enough() -> None:
    wait = TransferWait()

    async def asking() -> None:
        return

    async def story(clock: VirtualClock) -> None:
        began = clock.now()
        assert await wait.result_of(asking()) is TransferResult.NO_ANSWER
        assert clock.now() - began > DIAL_SECONDS
        assert not wait.waiting

    run_virtual(story)


def test_a_call_that_is_cancelled_waits_no_more() -> None:
    wait = TransferWait()

    async def asking() -> None:
        await asyncio.Event().wait()

    async def story(clock: VirtualClock) -> None:
        transferring = asyncio.create_task(wait.result_of(asking()))
        await clock.sleep(1.0)
        transferring.cancel()
        with pytest.raises(asyncio.CancelledError):
            await transferring
        assert not wait.waiting

    run_virtual(story)
