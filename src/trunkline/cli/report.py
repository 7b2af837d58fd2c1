"""`trunkline report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trunkline.cli.options import OUTPUT_PANEL, check_file


def report(
    run: Annotated[Path, typer.Argument(help="A call's run folder, such as runs/20261125-183921-…")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where to write the page; else report.html in the run folder.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = None,
) -> None:
    """Make a page of a recorded call: its sound, its words, what was collected, how long answers took.

    One HTML file that loads nothing. Without a recording the page has no sound.
    """
    from trunkline.errors import ConfigError, RecordError
    from trunkline.lab.report import page_of, write_page

    check_file("--out", out)
    if not (run / "call.json").is_file():
        raise ConfigError(
            "there is no record of a call in it",
            where=str(run),
            hint="Give the folder of one call that has ended, such as runs/20261125-183921-…",
        )
    try:
        page = page_of(run)
    except RecordError as error:  # Nothing has been written yet: it is what was named that is no record.
        raise ConfigError(error.what, where=error.where, hint=error.hint) from error
    path = out or run / "report.html"
    write_page(path, page)
    typer.echo(path)
