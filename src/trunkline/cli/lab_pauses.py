"""`trunkline lab pauses`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.cli.options import OUTPUT_PANEL, AsJson, Assignments, ConfigFile, check_folder, settings_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trunkline.lab.pause_trial import Broken, Figures
    from trunkline.turn.policy import TurnPolicy

_SHIPPED = ("figures", "tuning", "unfitted")


def pauses(
    turns: Annotated[
        str, typer.Option("--turns", metavar="NAME|FILE", help="figures, tuning, or a file of your own.")
    ] = "figures",
    runs: Annotated[
        Path | None,
        typer.Option(
            "--runs",
            metavar="FOLDER",
            help="Tell what your own callers said instead, with the pauses they made: the folder of recorded "
            "calls, such as runs.",
        ),
    ] = None,
    most: Annotated[
        int, typer.Option("--most", min=1, help="With --runs: so many turns, of the newest calls first.")
    ] = 200,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="DIR", help="Write the drawing and all figures.", rich_help_panel=OUTPUT_PANEL
        ),
    ] = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
    assignments: Assignments = None,
) -> None:
    """Tell calls whose caller pauses within a sentence, and draw latency against wrong starts.

    Whole calls in memory, in virtual time, with the delays of the stages set: neither network nor real
    speech. The pauses of the shipped turns last 300 to 900 ms; those of --runs are as they were made. Beside
    turn-taking's own policy, and your settings where they differ from it, stand plain silence thresholds of
    200, 300, 500 and 800 ms.
    """
    from trunkline.lab.pause_chart import rows, write

    check_folder("--plot", plot)
    configured = settings_from(config, assignments).settings.turn
    told, source = _own(runs, most) if runs is not None else _written(turns)
    figures = _tell(told, configured)
    if as_json:
        import json

        typer.echo(json.dumps(rows(figures), indent=2))
    else:
        _show(figures)
        typer.echo(f"{len(told)} turns with {figures[0].pauses} pauses ({source}).")
    if plot is not None:
        for path in write(plot, figures, f"{len(told)} turns with {figures[0].pauses} pauses ({source})"):
            typer.echo(path, err=as_json)


def _written(turns: str) -> tuple[list[Broken], str]:
    from trunkline.errors import ConfigError
    from trunkline.lab.pause_trial import read_turns, shipped

    if turns in _SHIPPED:
        return read_turns(shipped(turns), turns), turns
    try:
        text = Path(turns).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        hint = f"Give {', '.join(_SHIPPED)}, or a file of your own"
        raise ConfigError(f"cannot be read: {why}", where=turns, hint=hint) from error
    return read_turns(text, turns), turns


def _own(runs: Path, most: int) -> tuple[list[Broken], str]:
    from trunkline.lab.recorded_pauses import turns_of_runs

    turns, unread = turns_of_runs(runs, most)
    for error in unread:
        typer.echo(f"trunkline: left out: {error}", err=True)
    return turns, str(runs)


def _tell(turns: Sequence[Broken], configured: TurnPolicy) -> list[Figures]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from trunkline.cli.running import run
    from trunkline.lab.pause_trial import Stages, compare, policies

    terminal = Console(stderr=True)
    typer.echo(f"Telling {len(turns)} turns under {len(policies(configured))} policies …", err=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
        bar = progress.add_task("", total=len(turns) * len(policies(configured)))
        told = partial(progress.update, bar, advance=1)
        return run(compare(turns, Stages(), configured, lambda name: told(description=name)))


def _show(figures: Sequence[Figures]) -> None:
    from rich.console import Console
    from rich.table import Table

    from trunkline.lab.pause_chart import rows

    table = Table("policy", "pauses", "wrong starts", "share", "p50 ms", "p95 ms")
    for row in rows(figures):
        share = f"{100 * row['wrong_share']:.1f} %" if row["pauses"] else "none made"
        cells = (row["policy"], row["pauses"], row["wrong_starts"], share, row["p50_ms"], row["p95_ms"])
        table.add_row(*map(str, cells))
    Console().print(table)
