"""What a `StreamLeg` is given by its carrier and its socket (times, a wire, a hand on the call), and the
phases it goes through."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from trunkline.legs.leg import Can, TransferResult
from trunkline.legs.stream import Message


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """Times of a stream, in seconds."""

    answer_within: float = 90.0
    """From `answer` until the stream must be there; an outbound call rings meanwhile,
    for as long as the carrier lets it: this is longer, so that the carrier says why."""
    return_within: float = 10.0
    """How long a stream that broke off may stay away until the call counts as ended."""
    lost_after: float = 5.0
    """Without a frame for so long, the media counts as lost."""
    lead: float = 0.04
    """How far ahead a carrier that buffers is sent the agent's sound."""


class Phase(StrEnum):
    """Where a leg stands. OVER is for good."""

    WAITING = "waiting"
    """The stream has not come yet."""
    UP = "up"
    AWAY = "away"
    """The stream broke off and may come back."""
    OVER = "over"


class Wire(Protocol):
    """The socket of a stream, as a leg uses it. Nothing here blocks; what waits to be sent is bounded."""

    def send(self, message: Message, *, droppable: bool = False) -> None:
        """Send in order. `droppable` messages (audio) are thrown away, oldest first, where the other
        end does not take them."""

    def drop(self) -> None:
        """Throw away the droppable messages that have not left yet."""

    def close(self, why: str) -> None: ...


class CallControl(Protocol):
    """What a carrier can do to one call. Each raises `SipError` where the carrier would not."""

    can: frozenset[Can]

    async def answer(self) -> None:
        """Have the call taken, and its stream opened."""

    async def send_dtmf(self, digits: str) -> None: ...

    async def transfer(self, target: str) -> TransferResult: ...

    async def stream_broke_off(self) -> None:
        """The stream is away while the call is up: ask for it again, where that is ours to do."""

    async def hang_up(self) -> None: ...
