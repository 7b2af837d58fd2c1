"""What calls cost by what they came to, with the holes told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trunkline.errors import RecordError
from trunkline.lab.spending import Spending, records_in, spending


def record(outcome: str, total: float | None, seconds: float = 60.0, currency: str = "USD") -> dict[str, Any]:
    unknown = ["tts nonesuch"] if total is None else []
    costs = {"currency": currency, "total": total, "unknown": unknown, "engines": [], "turns": []}
    return {"call_id": "c", "outcome": outcome, "duration": seconds, "costs": costs}


def test_calls_are_put_together_by_their_outcome() -> None:
    rows, unknown = spending([record("booked", 0.04), record("", 0.01), record("booked", 0.08, 30.0)])
    assert rows == [Spending("booked", "USD", 2, 90.0, 2, 0.12), Spending("none", "USD", 1, 60.0, 1, 0.01)]
    assert [rows[0].total, rows[0].each] == pytest.approx([0.12, 0.06])
    assert unknown == []


def test_a_sum_with_a_hole_in_it_is_no_sum() -> None:
    rows, unknown = spending([record("booked", 0.04), record("booked", None)])
    assert (rows[0].total, rows[0].each, rows[0].priced) == (None, 0.04, 1)
    assert unknown == ["tts nonesuch"]
    assert spending([record("x", None)])[0][0].each is None


def test_two_currencies_are_not_added() -> None:
    with pytest.raises(RecordError, match="USD and EUR"):
        spending([record("a", 1.0), record("b", 1.0, currency="EUR")])


@pytest.mark.parametrize("what", [{}, {"costs": None}, {"costs": {}}, {"costs": [1]}])
def test_a_record_without_costs_is_told(what: dict[str, Any]) -> None:
    with pytest.raises(RecordError, match="what it cost"):
        spending([what])


def test_records_are_found_in_a_folder_of_runs_or_in_one_run(tmp_path: Path) -> None:
    for name in ("a", "b", "in-progress"):
        (tmp_path / name).mkdir()
    for name in ("a", "b"):
        (tmp_path / name / "call.json").write_text(json.dumps(record(name, 1.0)), "utf-8")
    assert [each["outcome"] for each in records_in(tmp_path)] == ["a", "b"]
    assert [each["outcome"] for each in records_in(tmp_path / "b")] == ["b"]
    with pytest.raises(RecordError, match="no record"):
        list(records_in(tmp_path / "in-progress"))
