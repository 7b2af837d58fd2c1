"""Waiting for what becomes of a transfer: the carrier takes the request at once, and tells by a webhook."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from trunkline.legs.leg import TransferResult

DIAL_SECONDS = 30
"""How long a transfer's target may ring."""
_LIMIT = DIAL_SECONDS + 20.0
"""Seconds for the webhook that tells how it went; the request has a limit of its own."""


class TransferWait:
    """One call's; a call is transferred once at a time."""

    def __init__(self) -> None:
        self._result: asyncio.Future[TransferResult] | None = None

    @property
    def waiting(self) -> bool:
        """Whether the call is being handed over: its stream is meant to go meanwhile."""
        return self._result is not None

    async def result_of(self, asking: Awaitable[object]) -> TransferResult:
        """Ask the carrier, by awaiting `asking`, and wait for `told`. Raises what `asking` raises.

        The request is to be built before: one that cannot be built is no transfer, and leaves no trace.
        The wait begins before the request is out, since the webhook may overtake the request's answer.
        """
        self._result = asyncio.get_running_loop().create_future()
        try:
            await asking
            async with asyncio.timeout(_LIMIT):
                return await self._result
        except TimeoutError:
            return TransferResult.NO_ANSWER
        finally:
            self._result = None

    def told(self, result: TransferResult) -> bool:
        """A webhook tells. Whether a transfer was waiting for this."""
        if self._result is None or self._result.done():
            return False
        self._result.set_result(result)
        return True
