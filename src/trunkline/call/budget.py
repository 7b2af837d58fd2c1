"""The live budget: a call that is too slow for several turns moves to the next cheaper choice. Pure.

Rows of the ledger go in as they become complete; what comes out is `Economised`, which goes into the log, and
from then on `Economy` (`economy.py`) asks another model or gives it less to read. A call never goes back:
what was too slow three times would be so again, and a voice that keeps changing its mind is worse than
either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from trunkline.call.ledger import BUDGET_MS, Row
from trunkline.errors import ConfigError
from trunkline.events import Economised

Choice = Literal["short-context", "fast-model", "cached-lines"]

_HELPS: dict[str, tuple[Choice, ...]] = {
    "llm": ("short-context", "fast-model", "cached-lines"),
    "tts": ("cached-lines",),
}
"""Which choices make a stage faster. The others' stages are not ours to hurry."""


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """The `[budget]` table of the configuration file."""

    turns: int = 3
    """So many turns running must be too slow, each in the same stage; 0: the budget is not watched."""
    llm_ms: float = BUDGET_MS["llm"]
    """From asking the model to its first token."""
    tts_ms: float = BUDGET_MS["tts"]
    """From handing a sentence to the voice to its first sound."""
    total_ms: float = BUDGET_MS["total"]
    """From the caller's last sound to the agent's first. A turn within this is not too slow, whatever its
    stages took: what overlapping hides costs the caller nothing."""
    choices: tuple[Choice, ...] = ("short-context", "fast-model")
    """What may be moved to, in this order. "short-context": the model reads fewer lines of the talk.
    "fast-model": simple turns go to `llm`. "cached-lines": what the scenario can answer in its own words,
    which are there as sound, is not given to a model."""
    llm: str = ""
    """The faster model for simple turns, as `[engines] llm` is written; empty: there is none."""
    simple_words: int = 8
    """A turn of more words is not simple."""
    context_lines: int = 8
    """Lines of the talk that a model still reads after "short-context"."""

    def __post_init__(self) -> None:
        for name in ("turns", "simple_words", "context_lines", "llm_ms", "tts_ms", "total_ms"):
            if getattr(self, name) < 0:
                raise ConfigError("must not be negative", where=f"budget.{name}")
        unknown = set(self.choices) - set(get_args(Choice))
        if unknown:
            known = ", ".join(get_args(Choice))
            raise ConfigError(f"{min(unknown)!r} is not one of {known}", where="budget.choices")

    @property
    def allowed(self) -> tuple[Choice, ...]:
        """The choices that there is something to move to for."""
        return tuple(choice for choice in self.choices if choice != "fast-model" or self.llm)


class LiveBudget:
    """One for each call. Give it each row once, when it is complete."""

    def __init__(self, settings: BudgetSettings) -> None:
        self._limits = {"llm": settings.llm_ms, "tts": settings.tts_ms}
        self._total = settings.total_ms
        self._turns = settings.turns
        self._left = list(settings.allowed)
        self._slow: dict[str, list[float]] = {stage: [] for stage in self._limits}
        """Of each stage: how long it took in the turns running in which it was too slow, milliseconds."""

    def add(self, row: Row, at: float, wire_delay: float = 0.0) -> Economised | None:
        """Take one complete row; gives the choice that the call moves to now."""
        if self._turns <= 0:
            return None
        taken = row.stages(wire_delay)
        total = taken["total"]
        found: Economised | None = None
        for stage, limit in self._limits.items():
            took = taken[stage]
            if took is None or total is None:
                continue  # a turn without this stage says nothing about it
            if took <= limit or total <= self._total:
                self._slow[stage].clear()
                continue
            self._slow[stage].append(took)
            if len(self._slow[stage]) >= self._turns and found is None:
                found = self._move(stage, at)
        return found

    def _move(self, stage: str, at: float) -> Economised | None:
        slow = self._slow[stage]
        choice = next((choice for choice in self._left if choice in _HELPS[stage]), None)
        if choice is None:
            return None
        self._left.remove(choice)
        mean, turns = round(sum(slow) / len(slow), 1), len(slow)
        slow.clear()  # the new choice has as many turns to prove itself
        return Economised(at, choice, stage, mean, self._limits[stage], turns)
