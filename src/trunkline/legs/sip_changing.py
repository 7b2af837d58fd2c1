"""A change of ours to a SIP call (hold, resume): offered, and waited for until the other end has answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from trunkline.errors import SipError
from trunkline.sip.offer import Terms
from trunkline.sip.session import Session
from trunkline.sip.timers import T64


class Change:
    """At most one of a call at a time."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[bool] | None = None

    async def offer(self, send: Callable[[], None]) -> None:
        """Have it sent, and wait. Raises `SipError` where another is under way, where it cannot be sent,
        and where the other end does not agree or says nothing."""
        if self._answer is not None:
            raise SipError("the call cannot be changed now", where="sip")
        self._answer = asyncio.get_running_loop().create_future()
        try:
            send()
            async with asyncio.timeout(2 * T64):
                agreed = await self._answer
        except TimeoutError:
            agreed = False
        finally:
            self._answer = None
        if not agreed:
            raise SipError("the other end does not agree to the change", where="sip")

    def answered(self, agreed: bool) -> None:
        """The other end has answered, or will not any more."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(agreed)


def refresh_path(session: Session, terms: Terms | None, at: float) -> None:
    """Offer what is in force once more (re-INVITE), where no sound comes any more: a phone that moved says
    where it is now, and whoever relays the media on the way opens its path again."""
    if terms is not None and session.may_change:
        with suppress(SipError):  # Another change is under way, which does the same.
            session.change(terms.offer(), at)
