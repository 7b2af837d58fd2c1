"""`trunkline scenario draw`, `new` and `schema`: what is made from scenarios, and for them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from trunkline.errors import ConfigError, RecordError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")


def draw(
    source: Annotated[
        str, typer.Argument(metavar="FILE", help="Scenario file, or the name of a shipped one.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="….svg for an image, ….mmd for Mermaid."),
    ] = None,
) -> None:
    """Draw a scenario's steps and the ways between them: Mermaid on the terminal, or an SVG image."""
    from trunkline.scenario.draw import mermaid, svg
    from trunkline.scenario.load import load_scenario

    scenario = load_scenario(source)
    if output is None:
        typer.echo(mermaid(scenario), nl=False)
        return
    forms = {".svg": svg, ".mmd": mermaid, ".mermaid": mermaid}
    if output.suffix not in forms:
        raise ConfigError(f"no picture ends in {output.suffix!r}", where="--output", hint="Use .svg or .mmd")
    _write(output, forms[output.suffix](scenario), replace=True)
    typer.echo(f"written: {output}")


def new(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to make, such as our_leads.yaml.")],
    template: Annotated[
        str, typer.Option("--template", metavar="NAME", help="The shipped scenario to start from.")
    ] = "lead_qualification",
) -> None:
    """Start a scenario of your own from a shipped one, with its test file beside it.

    Nothing that exists is written over.
    """
    from trunkline.scenario.load import library
    from trunkline.scenario.rehearsal import SUFFIX

    shipped = library()
    if template not in shipped:
        hint = f"There are: {', '.join(shipped)}"
        raise ConfigError(f"no template is called {template!r}", where="--template", hint=hint)
    if path.suffix != ".yaml" or not _NAME.match(path.stem):
        hint = "Use small letters, digits and _, such as our_leads.yaml"
        raise ConfigError(f"{path.name!r} is no name for a scenario", where="FILE", hint=hint)
    test = path.with_name(path.stem + SUFFIX)
    for file in (path, test):
        if file.exists():
            raise ConfigError(f"{file} exists already", where="FILE", hint="Choose another name")
    scenario = shipped[template].read_text(encoding="utf-8")
    rehearsal = shipped[template].with_name(template + SUFFIX).read_text(encoding="utf-8")
    _write(path, re.sub(r"(?m)^name: .*$", f"name: {path.stem}", scenario, count=1))
    _write(test, re.sub(r"(?m)^scenario: .*$", f"scenario: {path.name}", rehearsal, count=1))
    typer.echo(f"written: {path} and {test}")
    typer.echo(f"Try it: trunkline scenario chat {path}")


def schema(
    tests: Annotated[bool, typer.Option("--tests", help="That of test files instead.")] = False,
) -> None:
    """Print the JSON Schema of scenarios, for editors and for programs that write them."""
    from trunkline.scenario.schema import rehearsal_schema, scenario_schema

    typer.echo(json.dumps(rehearsal_schema() if tests else scenario_schema(), indent=2, ensure_ascii=False))


def _write(path: Path, text: str, *, replace: bool = False) -> None:
    try:
        with path.open("w" if replace else "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise RecordError(f"cannot be written: {error.strerror}", where=str(path)) from error
