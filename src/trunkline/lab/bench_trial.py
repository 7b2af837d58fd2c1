"""A benchmark's row in memory: many cases of sounds over the agent's sentences, in virtual time.

The calls run in a thread of their own, so that the loop can show how far they are.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from trunkline.lab.ear import STOP_WITHIN, percentile
from trunkline.lab.overtalk.cases import Kind, draw, shipped
from trunkline.lab.overtalk.trial import Outcome, run


@dataclass(frozen=True, slots=True)
class TrialOptions:
    """Which cases, and how many. `material`: "figures", or "tuning" to tune by."""

    kind: Kind
    cases: int
    material: str = "figures"


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What became of every case."""

    outcomes: tuple[Outcome, ...]

    @property
    def figures(self) -> dict[str, float | None]:
        """By the names of `bench_rows.FIGURES`; an interruption that was not obeyed counts as the longest."""
        if not self.outcomes:
            return {}
        longest = 1000 * STOP_WITHIN
        stops = [longest if one.stop_ms is None else one.stop_ms for one in self.outcomes]
        return {
            "lost_share": 100 * len(self.lost) / len(self.outcomes),
            "own_turns": float(sum(one.turns for one in self.outcomes)),
            "stop_p50": percentile(stops, 50),
            "stop_p95": percentile(stops, 95),
        }

    @property
    def lost(self) -> list[Outcome]:
        return [one for one in self.outcomes if one.lost]

    def to_json(self) -> dict[str, Any]:
        """Plain data: the sums, and each case that was lost or made a turn, as it can be run again."""
        return {
            "cases": len(self.outcomes),
            "lost": len(self.lost),
            "went_quieter": sum(one.ducked for one in self.outcomes),
            "held": sum(one.held for one in self.outcomes),
            "not_obeyed": sum(one.stop_ms is None for one in self.outcomes),
            "lost_by_sound": dict(Counter(one.case.sound for one in self.lost)),
            "lost_by_background": dict(Counter(one.case.background for one in self.lost)),
            "worth_a_look": [asdict(one) for one in self.outcomes if one.lost or one.turns],
        }


async def run_trial(options: TrialOptions, done: Callable[[int], None]) -> TrialResult:
    """Run all cases; `done` is told, from another thread, how many are through. Raises `EngineMissing`
    where there is no flite."""
    cases = draw(shipped(options.material), options.kind, options.cases)
    stopped = threading.Event()

    def told(count: int) -> None:
        if stopped.is_set():
            raise asyncio.CancelledError
        done(count)

    with ThreadPoolExecutor(1, thread_name_prefix="bench-trial") as thread:
        try:
            outcomes = await asyncio.get_running_loop().run_in_executor(thread, run, cases, told)
        finally:
            stopped.set()
    return TrialResult(tuple(outcomes))
