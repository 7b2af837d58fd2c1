"""`trunkline version`."""

from __future__ import annotations

import platform

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
        typer.echo(f"trunkline {__version__} (Python {platform.python_version()}, {platform.platform()})")
