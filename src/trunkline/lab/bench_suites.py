"""`trunkline lab bench --suite`: the benchmark in rows, each beside what it must reach.

Every row is a run of `bench.py` over real SIP and RTP, heard at the caller's ear; a row differs from another
in its engines, its policy and what its callers do. Nothing here passes or fails: a row says whether it
reached its aim.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console as Terminal
from rich.table import Table

from trunkline.clock import Clock, SystemClock
from trunkline.errors import ConfigError, RecordError
from trunkline.lab.bench import REPLY, BenchOptions, BenchResult, Level, measure

WHOLE = (
    "we have one already and we want to know more",
    "I would like to know what it costs per month",
    "can you call me again tomorrow",
)
STAGES_STT = f"fake,delay_ms=100,partial_ms=100,text='{'|'.join(WHOLE)}'"
STAGES_LLM = f"fake,delay_ms=200,tokens_per_s=100,reply='{REPLY}'"
STAGES_TTS = "fake,delay_ms=150,chunk_ms=100,rate=8000,speed=20,sound=speech"
SEVERAL = 16
"""Calls at once in rows that need many cases rather than one undisturbed call."""


@dataclass(frozen=True, slots=True)
class Row:
    """One run. `aims`: the most that a figure of it may be, by the names of `FIGURES`."""

    name: str
    what: str
    options: BenchOptions
    aims: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """A row with what came out."""

    row: Row
    result: BenchResult

    @property
    def figures(self) -> dict[str, float | None]:
        return figures_of(self.result.levels)


FIGURES = {
    "answer_p50": "answer p50, ms",
    "answer_p95": "answer p95, ms",
    "stop_p50": "stop p50, ms",
    "stop_p95": "stop p95, ms",
    "p95_rise": "p95 above one call's, ms",
    "lost_share": "sentences lost, %",
    "processor": "processor s a call-minute",
    "memory": "MB a call",
}


def figures_of(levels: Sequence[Level]) -> dict[str, float | None]:
    """The figures of a run by name; None where it has none."""
    first, last = levels[0], levels[-1]
    rise = None
    if len(levels) > 1 and first.answer_p95 is not None and last.answer_p95 is not None:
        rise = last.answer_p95 - first.answer_p95
    return {
        "answer_p50": last.answer_p50,
        "answer_p95": last.answer_p95,
        "stop_p50": last.stop_p50,
        "stop_p95": last.stop_p95,
        "p95_rise": rise,
        "lost_share": 100 * last.lost / last.overlaid if last.overlaid else None,
        "processor": last.processor_seconds_per_call_minute,
        "memory": last.memory_mb_per_call,
    }


def suite(name: str, calls: int, seconds: float, core: int | None) -> list[Row]:
    """The rows of a suite. `calls`: of the rows with many. Raises `ConfigError` for a name that is none."""
    one = BenchOptions(calls=1, core=core, seconds=seconds)
    stages = replace(one, stt=STAGES_STT, llm=STAGES_LLM, tts=STAGES_TTS, turn={})
    overlaid = replace(stages, calls=2 * SEVERAL, seconds=4 * seconds)
    stop = {"stop_p50": 160.0, "stop_p95": 250.0}
    rows = {
        "speed": [
            Row("stages", "the article's stages", stages, {"answer_p50": 520.0, "answer_p95": 620.0}),
            Row(
                "fixed",
                "fixed lines",
                replace(stages, play="fixed"),
                {"answer_p50": 260.0, "answer_p95": 350.0},
            ),
            Row(
                "zero",
                "fakes at zero delay, 200 ms of silence",
                one,
                {"answer_p50": 225.0, "answer_p95": 240.0},
            ),
        ],
        "interruptions": [Row("interruptions", "real interruptions", replace(stages, calls=SEVERAL), stop)],
        "backchannels": [
            Row(
                "signs",
                "signs of listening, noise at 10 dB",
                replace(overlaid, overlay="signs", stt=STAGES_STT.partition("text=")[0] + "text=mm-hm"),
                {"lost_share": 2.0},
            ),
            Row(
                "noises",
                "coughs and bursts of noise",
                replace(overlaid, overlay="noises", stt="fake,silent=true"),
                {"lost_share": 2.0},
            ),
        ],
        "calls": [
            Row(
                "calls",
                f"{calls} calls on one core, fakes at zero delay",
                replace(one, calls=calls),
                {"p95_rise": 40.0, "processor": 0.35, "memory": 1.0},
            )
        ],
    }
    if name == "all":
        return [row for each in rows.values() for row in each]
    if name not in rows:
        raise ConfigError(f"there is no suite {name!r}", where="--suite", hint=", ".join([*rows, "all"]))
    return rows[name]


async def run_suite(
    rows: Sequence[Row], json_path: Path | None = None, clock: Clock | None = None
) -> list[Measured]:
    """Run all rows, one after another, print their table, and write the figures where a path is given.

    Raises what `bench.measure` raises, and `RecordError`."""
    clock = clock or SystemClock()
    terminal = Terminal()
    measured: list[Measured] = []
    for number, row in enumerate(rows, start=1):
        terminal.print(f"{number} of {len(rows)}: {row.what}, {row.options.seconds:.0f} s a number of calls")
        measured.append(Measured(row, await measure(row.options, clock, terminal)))
    terminal.print(suite_table(measured))
    terminal.print(f"Load on this machine, one minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    if json_path is not None:
        _write(json_path, measured)
    return measured


def suite_rows(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """Each figure that a row has an aim for, beside it."""
    return [
        {
            "row": each.row.name,
            "what": each.row.what,
            "figure": name,
            "measured": None if (value := each.figures[name]) is None else round(value, 2),
            "aim": aim,
            "reached": value is not None and value <= aim,
            "cases": _cases(each, name),
        }
        for each in measured
        for name, aim in each.row.aims.items()
    ]


def _cases(each: Measured, name: str) -> int:
    last = each.result.levels[-1]
    return last.overlaid if name == "lost_share" else last.answers


def suite_table(measured: Sequence[Measured]) -> Table:
    """What was measured beside what was aimed at, as people read it."""
    table = Table(title="At the caller's ear", box=SIMPLE_HEAD, padding=0, title_justify="left")
    for name, side in (
        ("what", "left"),
        ("figure", "left"),
        ("measured", "right"),
        ("aim", "right"),
        ("", "left"),
    ):
        table.add_column(name, justify=side, no_wrap=name != "what")  # type: ignore[arg-type]
    for row in suite_rows(measured):
        value = "–" if row["measured"] is None else f"{row['measured']:g}"
        mark = "reached" if row["reached"] else "missed"
        table.add_row(row["what"], FIGURES[row["figure"]], value, f"{row['aim']:g}", mark)
    return table


def _write(path: Path, measured: Sequence[Measured]) -> None:
    figures = {
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
        },
        "aims": suite_rows(measured),
        "rows": [
            {"row": each.row.name, "levels": [asdict(level) for level in each.result.levels]}
            for each in measured
        ],
    }
    try:
        path.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise RecordError(f"cannot be written: {error.strerror or error}", where=str(path)) from error
