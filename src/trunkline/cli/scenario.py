"""`trunkline scenario …`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from trunkline.cli.exit_status import ExitStatus
from trunkline.cli.options import AsJson


def check(
    source: Annotated[
        str, typer.Argument(metavar="FILE", help="Scenario file, or the name of a shipped one.")
    ],
    as_json: AsJson = False,
) -> None:
    """Tell everything that is wrong with a scenario, each with its line and what to write instead.

    Exit status 0 where it can be used (warnings do not hinder), 2 where it cannot.
    """
    from trunkline.scenario.load import examine_file, library

    examined = examine_file(library().get(source, source))
    errors = [finding for finding in examined.findings if finding.severity == "error"]
    if as_json:
        found = [
            {"severity": f.severity, "where": f.where, "what": f.what, "hint": f.hint}
            for f in examined.findings
        ]
        typer.echo(json.dumps({"usable": not errors, "findings": found}, indent=2))
    else:
        for finding in examined.findings:
            typer.echo(str(finding))
        warnings = sum(finding.severity == "warning" for finding in examined.findings)
        verdict = "cannot be used" if errors else "can be used"
        typer.echo(f"{source}: {verdict} ({len(errors)} errors, {warnings} warnings)")
    if errors:
        raise typer.Exit(ExitStatus.USAGE)


def list_shipped(as_json: AsJson = False) -> None:
    """List the scenarios that ship with Trunkline, and what each is for. Files are told by --json, and where
    the terminal is wide enough."""
    from trunkline.scenario.load import library, load_scenario

    shipped = {name: str(path) for name, path in library().items()}
    if as_json:
        typer.echo(json.dumps(shipped, indent=2))
    else:
        _show(
            [
                {"name": name, "title": load_scenario(name).title, "path": path}
                for name, path in shipped.items()
            ]
        )


def _show(rows: list[dict[str, str]]) -> None:
    from rich.console import Console
    from rich.text import Text

    from trunkline.cli.entries import is_narrow, print_entry

    console = Console(highlight=False)
    widths = {key: max(len(row[key]) for row in rows) for key in rows[0]}
    with_path = sum(widths.values()) + 4 <= console.width
    for row in rows:
        title = row["title"].ljust(widths["title"]) + f"  {row['path']}" if with_path else row["title"]
        if is_narrow(console):
            print_entry(console, Text(row["name"], style="bold"), Text(title))
        else:
            console.print(Text(f"{row['name']:<{widths['name']}}  {title}"))
