"""`trunkline costs`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.cli.options import AsJson

if TYPE_CHECKING:
    from trunkline.lab.spending import Spending


def costs(
    folder: Annotated[
        Path, typer.Argument(help="Where the run folders of the calls are; or one of these.")
    ] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Tell what calls cost, by what they came to.

    From the records as they were written: a price that was missing then is missing here.
    """
    from trunkline.errors import ConfigError, RecordError
    from trunkline.lab.spending import records_in, spending

    try:
        rows, unknown = spending(records_in(folder))
    except RecordError as error:  # Nothing is written here: it is the folder that was named wrong.
        raise ConfigError(error.what, where=error.where, hint=error.hint) from error
    if as_json:
        import json

        told = {"currency": rows[0].currency, "outcomes": [_plain(row) for row in rows], "unknown": unknown}
        typer.echo(json.dumps(told, indent=2))
        return
    _show(rows)
    if unknown:
        typer.echo(f"Without a price: {', '.join(unknown)}. TRUNKLINE_PRICES may name a table that has them.")


def _plain(row: Spending) -> dict[str, str | float | None]:
    return {
        "outcome": row.outcome,
        "calls": row.calls,
        "minutes": round(row.seconds / 60, 2),
        "total": None if row.total is None else round(row.total, 6),
        "priced": row.priced,
        "each": None if row.each is None else round(row.each, 6),
    }


def _show(rows: list[Spending]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from trunkline.lab.console import printable

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("outcome", overflow="fold")
    for head in ("calls", "minutes", rows[0].currency, "a call"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        each = "unknown" if row.each is None else f"{row.each:.4f}"
        total = "unknown" if row.total is None else f"{row.total:.4f}"
        # As `Text`: an outcome is the scenario's word, and may look like markup.
        table.add_row(Text(printable(row.outcome)), str(row.calls), f"{row.seconds / 60:.1f}", total, each)
    Console(highlight=False).print(table)
