"""What many calls cost, by what they came to: a fold over the `call.json` of their run folders.

A call whose cost is not known in full is counted, and the sum it belongs to is then not known either: what is
known of it is told apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trunkline.errors import RecordError
from trunkline.lab.report import read_record

NO_OUTCOME = "none"


@dataclass(slots=True)
class Spending:
    """The calls of one outcome. `known`: what those cost of which all is known, `priced` in number."""

    outcome: str
    currency: str = ""
    calls: int = 0
    seconds: float = 0.0
    priced: int = 0
    known: float = 0.0

    @property
    def total(self) -> float | None:
        """What they cost together; None where a price is missing for one of them."""
        return self.known if self.priced == self.calls else None

    @property
    def each(self) -> float | None:
        """What one of them costs, of those whose cost is known; None where that is none."""
        return self.known / self.priced if self.priced else None


def spending(records: Iterable[dict[str, Any]]) -> tuple[list[Spending], list[str]]:
    """By outcome, the most frequent first; and what has no price. Raises `RecordError` for what is no record
    of a call, and for calls in several currencies."""
    found: dict[str, Spending] = {}
    unknown: set[str] = set()
    currency = None
    for record in records:
        costs = record.get("costs")
        if not isinstance(costs, dict) or "total" not in costs:
            raise RecordError("does not say what it cost", where=str(record.get("call_id", "a call")))
        this = str(costs.get("currency", ""))
        currency = this if currency is None else currency
        if this != currency:
            raise RecordError(
                f"they cost {currency} and {this}",
                where="costs",
                hint="Name a folder whose calls were priced from one table",
            )
        outcome = str(record.get("outcome") or NO_OUTCOME)
        row = found.setdefault(outcome, Spending(outcome, currency))
        row.calls += 1
        row.seconds += _number(record.get("duration"))
        unknown.update(str(name) for name in costs.get("unknown") or ())
        if costs["total"] is not None:
            row.priced += 1
            row.known += _number(costs["total"])
    return sorted(found.values(), key=lambda row: (-row.calls, row.outcome)), sorted(unknown)


def records_in(folder: Path) -> Iterator[dict[str, Any]]:
    """The record of each call in this folder of run folders; or of the one call whose run folder it is.
    Raises `RecordError` where there is none."""
    folders = [folder] if (folder / "call.json").exists() else sorted(folder.glob("*/"))
    there = [each for each in folders if (each / "call.json").exists()]
    if not there:
        hint = "Give the folder that calls were recorded into: --runs, or record.folder in trunkline.toml"
        raise RecordError("holds no record of a call", where=str(folder), hint=hint)
    for each in there:
        yield read_record(each)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
