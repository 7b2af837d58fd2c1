"""Each of the ear's answers is laid beside the ledger's row for it, right or wrong."""

from typing import Any

from trunkline.lab.agreement import beside_the_ledger
from trunkline.lab.ear import EarReport, HeardAnswer, HeardInterruption


def answer(number: int, end: float, audible: float | None) -> HeardAnswer:
    ms = None if audible is None else (audible - end) * 1000
    return HeardAnswer(number, f"cue{number}", end - 1, end, audible, ms)


def row(turn: int, audible: float | None, total: float | None) -> dict[str, Any]:
    return {"turn": turn, "audible": audible, "total_ms": total}


def test_answers_find_their_rows_by_when_they_became_audible() -> None:
    ear = EarReport(
        answers=(answer(0, 102.0, 102.5), answer(1, 110.0, None), answer(2, 120.0, 120.6)),
        interruptions=(HeardInterruption(2, "cue2", 119.0, 119.2, 200.0),),
    )
    rows = [row(1, 2.51, 515.0), row(2, None, None), row(3, 20.58, 578.0)]
    found = beside_the_ledger(ear, rows, zero=100.0)
    assert [(a.get("row"), a.get("turn"), a.get("apart_ms")) for a in found["answers"]] == [
        (0, 1, 15.0),
        (None, None, None),
        (2, 3, -22.0),
    ]
    assert found["agreement"] == {"count": 2, "p50": 18.5, "p95": 21.6, "max": 22.0}
    assert found["answer"]["words"] == "Feels natural"
    assert found["interruption"]["p50"] == 200.0


def test_a_row_belongs_to_one_answer_and_a_far_one_to_none() -> None:
    ear = EarReport(answers=(answer(0, 2.0, 2.5), answer(1, 3.0, 3.2), answer(2, 30.0, 31.0)))
    found = beside_the_ledger(ear, [row(1, 2.6, 600.0)], zero=0.0)
    assert [a.get("row") for a in found["answers"]] == [0, None, None]


def test_a_ledger_that_is_wrong_is_shown_as_wrong() -> None:
    found = beside_the_ledger(EarReport(answers=(answer(0, 2.0, 2.9),)), [row(1, 2.3, 300.0)], zero=0.0)
    assert found["agreement"]["p95"] == 600.0


def test_nothing_heard_is_no_agreement() -> None:
    found = beside_the_ledger(EarReport(), [row(1, 2.3, 300.0)], zero=0.0)
    assert found["agreement"]["count"] == 0
    assert found["answer"]["words"] == ""
