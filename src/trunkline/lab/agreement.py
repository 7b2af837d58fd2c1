"""The ledger's figures beside the ear's: which answer is which, and how far they are apart. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trunkline.call.ledger import feels_like
from trunkline.lab.ear import EarReport, summary

SAME_ANSWER = 1.0
"""Seconds that the two may be apart on when one answer became audible. Far more than they may be
apart on its latency: a ledger that is wrong has to be shown as wrong, not as unmatched."""


def beside_the_ledger(ear: EarReport, rows: Sequence[dict[str, Any]], zero: float) -> dict[str, Any]:
    """The ear's findings as `call.json` carries them, each answer with the ledger's row it belongs to.

    `rows`: the ledger's rows as JSON, moments in seconds from `zero` (monotonic seconds). An answer
    gets `row` (its index), `turn` and `apart_ms` (ledger minus ear); `agreement` sums up the
    absolute differences.
    """
    found = ear.to_json(zero)
    differences: list[float] = []
    taken: set[int] = set()
    for answer in found["answers"]:
        index = _row_of(answer["audible"], rows, taken)
        if index is None:
            continue
        taken.add(index)
        row = rows[index]
        answer["row"], answer["turn"] = index, row["turn"]
        answer["apart_ms"] = round(row["total_ms"] - answer["ms"], 1)
        differences.append(abs(answer["apart_ms"]))
    p95 = found["answer"]["p95"]
    found["answer"]["words"] = "" if p95 is None else feels_like(p95)
    found["agreement"] = summary(differences)
    return found


def _row_of(audible: float | None, rows: Sequence[dict[str, Any]], taken: set[int]) -> int | None:
    if audible is None:
        return None
    apart = {
        index: abs(row["audible"] - audible)
        for index, row in enumerate(rows)
        if index not in taken and row.get("audible") is not None and row.get("total_ms") is not None
    }
    nearest = min(apart, key=apart.__getitem__, default=None)
    return nearest if nearest is not None and apart[nearest] <= SAME_ANSWER else None
