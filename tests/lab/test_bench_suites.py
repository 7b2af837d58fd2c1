"""The suites' rows and drawing: that each figure stands beside its aim; not the figures."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console as Terminal

from trunkline.errors import ConfigError, RecordError
from trunkline.lab.bench import BenchResult, Level
from trunkline.lab.bench_drawing import draw_svg, write
from trunkline.lab.bench_suites import (
    FIGURES,
    WHOLE,
    Measured,
    figures_of,
    suite,
    suite_rows,
    suite_table,
)
from trunkline.lab.load_sounds import overlay_sounds
from trunkline.lab.recordings import Recordings
from trunkline.turn.completeness import completeness

LEVEL = Level(1, 10, 0, 240.0, 260.0, 150.0, 160.0, 0, 3.0, 0, 1.0, 0.4, 90.0, None, 0.1)


def measured(name: str, *levels: Level) -> list[Measured]:
    return [Measured(row, BenchResult(levels, None, "")) for row in suite(name, 150, 10.0, 0)]


def test_all_rows_of_all_suites_are_in_all() -> None:
    names = [row.name for row in suite("all", 150, 10.0, 0)]
    assert names == ["stages", "fixed", "zero", "interruptions", "signs", "noises", "calls"]
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
    assert [row["reached"] for row in nothing] == [False, False], "no case is no success"


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
