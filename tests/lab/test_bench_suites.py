"""The suites' rows and drawing: that each figure stands beside its aim; not the figures."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console as Terminal

from trunkline.errors import ConfigError, RecordError
from trunkline.lab.bench import BenchOptions, BenchResult, Level
from trunkline.lab.bench_drawing import draw_svg, write
from trunkline.lab.bench_rows import FIGURES, WHOLE, Row, suite
from trunkline.lab.bench_suites import (
    Measured,
    expected_seconds,
    figures_of,
    run_suite,
    suite_rows,
    suite_table,
)
from trunkline.lab.bench_trial import TrialOptions, TrialResult
from trunkline.lab.load_sounds import overlay_sounds
from trunkline.lab.overtalk.cases import Case, draw, shipped
from trunkline.lab.overtalk.trial import Outcome
from trunkline.lab.recordings import Recordings
from trunkline.turn.completeness import completeness

LEVEL = Level(1, 10, 0, 240.0, 260.0, 150.0, 160.0, 0, 3.0, 0, 1.0, 0.4, 90.0, None, 0.1)


CASE = draw(shipped("tuning"), "signs", 1)[0]
KEPT = Outcome(CASE, "", ducked=True, held=True, turns=0, stop_ms=None)


def measured(name: str, *levels: Level) -> list[Measured]:
    return [Measured(row, result_of(row, levels)) for row in suite(name, 150, 10.0, 0)]


def result_of(row: Row, levels: tuple[Level, ...]) -> BenchResult | TrialResult:
    if isinstance(row.options, TrialOptions):
        return TrialResult((KEPT, replace(KEPT, lost="words")) if levels[0].overlaid else ())
    return BenchResult(levels, None, "")


def test_all_rows_of_all_suites_are_in_all() -> None:
    names = [row.name for row in suite("all", 150, 10.0, 0)]
    assert names == [
        *("stages", "known", "polite", "fixed", "brain", "zero", "interruptions"),
        *("signs", "noises", "signs-wire", "noises-wire", "echo", "echo-stops", "calls"),
    ]
    assert all(row.aims.keys() <= FIGURES.keys() for row in suite("all", 150, 10.0, 0))
    with pytest.raises(ConfigError, match="speed"):
        suite("sped", 150, 10.0, 0)


def test_the_callers_sentences_are_whole_ones() -> None:
    assert min(map(completeness, WHOLE)) > 0.8


def test_a_figure_stands_beside_its_aim() -> None:
    slow = replace(LEVEL, answer_p95=700.0)
    found = suite_rows(measured("speed", slow))
    stages = {row["figure"]: row for row in found if row["row"] == "stages"}
    assert stages["answer_p50"]["reached"]
    assert not stages["answer_p95"]["reached"]
    assert (stages["answer_p95"]["measured"], stages["answer_p95"]["aim"]) == (700.0, 620.0)
    out = io.StringIO()
    Terminal(file=out, width=100).print(suite_table(measured("speed", slow)))
    assert "missed" in out.getvalue()


def test_what_many_calls_add_is_told_and_what_was_lost() -> None:
    many = replace(LEVEL, calls=150, answer_p95=290.0, memory_mb_per_call=0.8, overlaid=50, lost=1)
    assert figures_of([LEVEL, many])["p95_rise"] == pytest.approx(30.0)
    assert figures_of([LEVEL, many])["lost_share"] == pytest.approx(2.0)
    assert figures_of([LEVEL])["lost_share"] is None
    nothing = suite_rows(measured("backchannels", LEVEL))
    assert [row["reached"] for row in nothing] == [False] * 4, "no case is no success"


def test_a_trial_counts_what_was_lost_and_what_was_not_obeyed() -> None:
    stopped = replace(KEPT, lost="words", stop_ms=100.0)
    trial = TrialResult((KEPT, stopped, stopped, replace(KEPT, turns=2)))
    assert trial.figures == {
        "lost_share": 50.0,
        "own_turns": 2.0,
        "stop_p50": 1050.0,
        "stop_p95": 2000.0,
    }, "who was not obeyed waited for as long as an ear waits"
    told = trial.to_json()
    assert (told["cases"], told["lost"], told["held"], told["not_obeyed"]) == (4, 2, 4, 2)
    assert len(json.loads(json.dumps(told))["worth_a_look"]) == 3
    [row] = [each for each in measured("echo", replace(LEVEL, overlaid=1)) if each.row.name == "echo"]
    lost, turns = suite_rows([row])
    assert (lost["measured"], lost["reached"], lost["cases"]) == (50.0, False, 2)
    assert (turns["measured"], turns["reached"]) == (0.0, True)


def test_how_long_a_row_takes_is_known_beforehand() -> None:
    short, long = (suite("calls", 50, seconds, 0)[0].options for seconds in (10.0, 20.0))
    assert isinstance(short, BenchOptions)
    assert isinstance(long, BenchOptions)
    assert expected_seconds(long) - expected_seconds(short) == pytest.approx(20.0), "one call, then fifty"


async def test_a_suite_in_memory_runs_shows_its_table_and_writes_its_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[int] = []

    def run(cases: Sequence[Case], done: Callable[[int], None]) -> list[Outcome]:
        seen.append(len(cases))
        done(len(cases))
        return [replace(KEPT, case=case) for case in cases]

    monkeypatch.setattr("trunkline.lab.bench_trial.run", run)
    found = await run_suite(suite("echo", 150, 10.0, 0, cases=7), tmp_path / "bench.json")
    assert seen == [7, 7]
    assert [each.cases("lost_share") for each in found] == [7, 7]
    rows = json.loads((tmp_path / "bench.json").read_text())
    assert [row["trial"]["cases"] for row in rows["rows"]] == [7, 7]
    assert [row["reached"] for row in rows["aims"]] == [True, True, False, False]
    assert "7 sentences: 7 made quieter, 7 held, 0 given up" in capsys.readouterr().out


def test_sounds_over_the_agent_are_sounds_and_always_the_same() -> None:
    recordings = Recordings()
    for name in ("signs", "noises"):
        first, again = overlay_sounds(name, recordings), overlay_sounds(name, recordings)
        assert len(first) == 4
        for one, other in zip(first, again, strict=True):
            assert np.array_equal(one, other)
            assert np.abs(one.astype(int)).max() > 500
    assert overlay_sounds("", recordings) == []
    with pytest.raises(ConfigError):
        overlay_sounds("music", recordings)


def test_the_drawing_is_written(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    rows = suite_rows(measured("all", LEVEL, replace(LEVEL, calls=9)))
    ElementTree.fromstring(draw_svg(rows))
    paths = write(tmp_path / "plots", rows)
    assert [path.name for path in paths] == ["bench.png", "bench.html"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert "fixed lines" in paths[1].read_text()
    assert json.dumps(rows)
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError):
        write(tmp_path / "file", rows)
