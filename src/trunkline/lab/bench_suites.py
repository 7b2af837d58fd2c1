"""`trunkline lab bench --suite`: the benchmark in rows, each beside what it must reach.

The rows are `bench_rows.py`'s. Nothing here passes or fails: a row says whether it reached its aim.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console as Terminal
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from trunkline.clock import Clock, SystemClock
from trunkline.errors import RecordError
from trunkline.lab.bench import SETTLE, BenchOptions, BenchResult, Level, measure, steps
from trunkline.lab.bench_rows import FIGURES, Row
from trunkline.lab.bench_trial import TrialOptions, TrialResult, run_trial
from trunkline.lab.load_caller import CALLS_A_SECOND

_TICK = 0.5
_START = 3.0
"""About how long the agent's process takes to start and to end, seconds."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A row with what came out."""

    row: Row
    result: BenchResult | TrialResult

    @property
    def figures(self) -> dict[str, float | None]:
        result = self.result
        return result.figures if isinstance(result, TrialResult) else figures_of(result.levels)

    def cases(self, figure: str) -> int:
        """How many cases a figure was taken from."""
        if isinstance(self.result, TrialResult):
            return len(self.result.outcomes)
        last = self.result.levels[-1]
        return last.overlaid if figure == "lost_share" else last.answers


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


async def run_suite(
    rows: Sequence[Row], json_path: Path | None = None, clock: Clock | None = None
) -> list[Measured]:
    """Run all rows, one after another, print their table, and write the figures where a path is given.

    Raises what `bench.measure` and `run_trial` raise, and `RecordError`."""
    clock = clock or SystemClock()
    terminal = Terminal()
    measured: list[Measured] = []
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
        for number, row in enumerate(rows, start=1):
            terminal.print(f"{number} of {len(rows)}: {row.what}")
            measured.append(Measured(row, await _run(row, clock, terminal, progress)))
    terminal.print(suite_table(measured))
    terminal.print(f"Load on this machine, one minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    if json_path is not None:
        _write(json_path, measured)
    return measured


async def _run(row: Row, clock: Clock, terminal: Terminal, progress: Progress) -> BenchResult | TrialResult:
    options = row.options
    if isinstance(options, TrialOptions):
        bar = progress.add_task(row.name, total=options.cases)
        try:
            result = await run_trial(options, lambda count: progress.update(bar, completed=count))
        finally:
            progress.remove_task(bar)
        terminal.print(_trial_in_words(options, result))
        return result
    bar = progress.add_task(row.name, total=expected_seconds(options))
    try:
        async with _ticking(clock, lambda: progress.advance(bar, _TICK)):
            return await measure(options, clock, terminal)
    finally:
        progress.remove_task(bar)


def expected_seconds(options: BenchOptions) -> float:
    """About how long a run over the wire takes."""
    counts = steps(options.calls, find_limit=False)
    return _START + len(counts) * (SETTLE + options.seconds) + counts[-1] / CALLS_A_SECOND


@asynccontextmanager
async def _ticking(clock: Clock, tick: Callable[[], None]) -> AsyncIterator[None]:
    async def go_on() -> None:
        while True:
            await clock.sleep(_TICK)
            tick()

    ticking = asyncio.create_task(go_on(), name="progress")
    try:
        yield
    finally:
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)


def _trial_in_words(options: TrialOptions, result: TrialResult) -> str:
    sums = result.to_json()
    ended = "given up" if options.kind == "interruptions" else "lost"
    return (
        f"{sums['cases']} sentences: {sums['went_quieter']} made quieter, {sums['held']} held, "
        f"{sums['lost']} {ended}"
    )


def suite_rows(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """Each figure that a row has an aim for, beside it."""
    return [
        {
            "row": each.row.name,
            "what": each.row.what,
            "figure": name,
            "measured": None if (value := each.figures.get(name)) is None else round(value, 2),
            "aim": aim,
            "reached": value is not None and value <= aim,
            "cases": each.cases(name),
        }
        for each in measured
        for name, aim in each.row.aims.items()
    ]


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
        "rows": [{"row": each.row.name, **_detail(each.result)} for each in measured],
    }
    try:
        path.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise RecordError(f"cannot be written: {error.strerror or error}", where=str(path)) from error


def _detail(result: BenchResult | TrialResult) -> dict[str, Any]:
    if isinstance(result, TrialResult):
        return {"trial": result.to_json()}
    return {"levels": [asdict(level) for level in result.levels]}
