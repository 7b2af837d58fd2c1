"""Keys of one SIP call, each told once, whichever way it comes; and pressed whichever way they are taken.

Keys travel as telephone-events within the sound (RFC 4733), or as INFO requests where a gateway knows no
better. Some send both for one key.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from trunkline.clock import Clock
from trunkline.errors import MediaError
from trunkline.sip.session import Session

BOTH_WAYS_SECONDS = 1.0
"""Within this the same key by the other way is the same press."""
_ANSWER_SECONDS = 5.0
_MOST_ALONE = 64
KEYS = frozenset("0123456789*#ABCD")


class Pressed:
    """Tells a key from its double, which may come after the next keys: signalling takes longer than sound."""

    def __init__(self) -> None:
        self._alone: deque[tuple[str, str, float]] = deque(maxlen=_MOST_ALONE)
        """Presses whose double has not come."""

    def is_new(self, key: str, way: str, at: float) -> bool:
        """Whether this is a press of its own; `way`: "rtp" or "info"."""
        while self._alone and at - self._alone[0][2] > BOTH_WAYS_SECONDS:
            self._alone.popleft()
        for before in self._alone:
            if before[0] == key and before[1] != way:
                self._alone.remove(before)
                return False
        self._alone.append((key, way, at))
        return True


async def press_by_info(digits: str, session: Session, clock: Clock, settle: Callable[[], None]) -> None:
    """Press keys by INFO, one after the other. Raises `MediaError` where the other end takes none, and for
    what is no key; `SipError` where the call is not up."""
    if not set(digits.upper()) <= KEYS:
        raise MediaError(f"not all of {digits[:40]!r} are keys")
    if not session.peer.allows("INFO"):
        raise MediaError("the other end takes no keys")
    loop = asyncio.get_running_loop()
    for key in digits.upper():
        answer: asyncio.Future[bool] = loop.create_future()

        def done(taken: bool, _: float, answer: asyncio.Future[bool] = answer) -> None:
            if not answer.done():
                answer.set_result(taken)

        session.press(key, clock.now(), done)
        settle()
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                taken = await answer
        except TimeoutError:
            taken = False
        if not taken:
            raise MediaError("the other end did not take a key")
