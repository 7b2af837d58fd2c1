"""What a call's log says first."""

from __future__ import annotations

from trunkline.call.engines import Engines
from trunkline.call.play import Play
from trunkline.clock import Clock
from trunkline.events import CallStarted
from trunkline.legs.leg import LegInfo
from trunkline.turn.policy import TurnPolicy


def call_started(info: LegInfo, play: Play, engines: Engines, turn: TurnPolicy, clock: Clock) -> CallStarted:
    """Who calls whom, which scenario leads, and with which engines."""
    return CallStarted(
        clock.now(),
        info.call_id,
        info.direction,
        info.caller,
        info.callee,
        info.kind,
        play.name,
        clock.wall().isoformat(timespec="milliseconds"),
        engines.names(),
        turn.changed(),
        dict(info.variables),
    )
