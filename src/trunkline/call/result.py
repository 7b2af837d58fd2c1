"""What is left of a call once it is over: its result, and the record on disk."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog

from trunkline.call.after_call import Finished
from trunkline.call.record import RunRecorder
from trunkline.call.summary import CallSummary
from trunkline.errors import RecordError
from trunkline.legs.leg import Leg

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CallResult:
    """How a call ended, and everything known of it. `record` is what `call.json` holds."""

    by: str
    reason: str
    outcome: str
    record: dict[str, Any]
    transcript: str = ""
    folder: Path | None = None
    """Where its record is; None: it has none."""


async def written(
    by: str,
    reason: str,
    *,
    leg: Leg,
    summary: CallSummary,
    finished: Finished,
    recorder: RunRecorder | None,
    now: float,
) -> CallResult:
    """The result of a call that ended; its record is written, and where that fails the log says so."""
    zero = recorder.zero if recorder is not None else None
    if zero is None:
        zero = summary.answered or now
    # Half the round trip is known only once reports have come.
    summary.ledger.wire_delay = leg.wire_delay
    record = summary.to_json(zero, asdict(leg.quality()))
    transcript = summary.transcript(zero)
    if (review := finished.review()) is not None:
        record["review"] = review.to_json()
    if recorder is not None:
        try:
            await asyncio.to_thread(recorder.finish, record, transcript)
        except RecordError as error:
            logger.error("record not written", error=error.for_log())
    folder = recorder.folder if recorder is not None else None
    return CallResult(by, reason, record["outcome"], record, transcript, folder)
