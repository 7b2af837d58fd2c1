"""`trunkline version` and `trunkline --version`."""

from __future__ import annotations

import platform
from typing import Annotated

import typer

from trunkline import __version__
from trunkline.cli.options import AsJson


def version(as_json: AsJson = False) -> None:
    """Say which Trunkline this is, and on what it runs."""
    if as_json:
        import json

        about = {
            "trunkline": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
        }
        typer.echo(json.dumps(about))
    else:
        typer.echo(_line())


def _line() -> str:
    return f"trunkline {__version__} (Python {platform.python_version()}, {platform.platform()})"


def _tell_and_end(wanted: bool) -> None:
    if wanted:
        typer.echo(_line())
        raise typer.Exit


def version_flag(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_and_end, is_eager=True, help="As the command `version`."),
    ] = False,
) -> None:
    """Flags of `trunkline` itself, before any command."""
