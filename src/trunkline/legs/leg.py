"""The leg: one call's connection to the other party, whatever carries it.

The frame path is synchronous and has no queues: the leg calls `on_frame` for each 20 ms of the
caller as soon as it is known, and `next_frame` each time 20 ms of the agent must leave. So what the
caller hears can be changed up to the last instant, and nothing stale is ever queued here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from trunkline.audio.frame import Frame
from trunkline.events import (
    CallAnswered,
    CallRinging,
    Dtmf,
    HoldEnded,
    HoldStarted,
    HungUp,
    MediaBack,
    MediaLost,
)

LegEvent = CallRinging | CallAnswered | Dtmf | MediaLost | MediaBack | HoldStarted | HoldEnded | HungUp
OnFrame = Callable[[Frame], None]
NextFrame = Callable[[float], bytes | None]
"""Given the time at which the frame leaves, gives 20 ms of PCM at the leg's rate, or None for silence."""


class Can(StrEnum):
    """What a leg can do beyond audio."""

    TRANSFER = "transfer"
    SEND_DTMF = "send-dtmf"


@dataclass(frozen=True, slots=True)
class LegInfo:
    """Who is at the two ends. `variables`: what came with the call (X- headers, custom parameters)."""

    call_id: str
    direction: str  # "inbound" or "outbound"
    caller: str
    callee: str
    kind: str  # "sip", "twilio", "memory", …
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MediaQuality:
    """How the media did, both ways. Times in milliseconds; counts in packets."""

    codec: str = ""
    packets_sent: int = 0
    packets_received: int = 0
    packets_lost: int = 0
    packets_late: int = 0
    packets_doubled: int = 0
    concealed_ms: float = 0.0
    jitter_ms: float = 0.0
    round_trip_ms: float | None = None
    send_gap_p99_ms: float = 0.0
    remote_loss: float | None = None
    remote_jitter_ms: float | None = None
    recovered_ms: float = 0.0
    """Sound of lost packets that was had from the ones after them."""
    burst_loss: float = 0.0
    burst_ms: float = 0.0
    gap_loss: float = 0.0
    gap_ms: float = 0.0
    """Share lost within bursts of loss and between them, and how long either is on average (RFC 3611)."""
    mos: float | None = None
    """What a person would think of the sound received, 1 to 4.5 (E-model); None for too little of it."""
    remote_mos: float | None = None
    """What the other end says of the sound that we send."""
    srtp: str = ""
    """What encrypts it; empty for nothing."""
    undecodable: int = 0
    """Packets received whose sound could not be made out."""
    send_errors: int = 0
    """Packets that this machine would not take for sending (no route, a full buffer)."""


class TransferResult(StrEnum):
    """How a hand-over ended."""

    TRANSFERRED = "transferred"
    DECLINED = "declined"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"
    NOT_SUPPORTED = "not-supported"


class Leg(Protocol):
    """One call's connection. Made by whoever accepts or places calls; owned by one call."""

    info: LegInfo
    can: frozenset[Can]
    rate: int
    """Samples a second, both ways; known once answered."""

    @property
    def wire_delay(self) -> float:
        """Seconds from `next_frame` until that frame's first sample can be audible at the far end,
        as far as this side can know now (pacing, half the round trip)."""

    async def answer(self) -> None:
        """Take an inbound call; for an outbound one, wait until it is taken. Raises `SipError` or
        `CallRefused` when it will not be."""

    def start(self, on_frame: OnFrame, next_frame: NextFrame) -> None:
        """Begin moving audio. Both are called on the event loop and must return within 0.1 ms."""

    def events(self) -> AsyncIterator[LegEvent]:
        """What happens on the leg; ends after `HungUp`."""

    def clear(self) -> None:
        """Throw away what was given but not yet played (carriers that buffer; else nothing)."""

    async def send_dtmf(self, digits: str) -> None: ...

    async def transfer(self, target: str) -> TransferResult: ...

    async def hang_up(self, reason: str = "") -> None:
        """End the call and free everything; may be called more than once."""

    def quality(self) -> MediaQuality: ...
