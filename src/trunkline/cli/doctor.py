"""`trunkline doctor`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from trunkline.cli.exit_status import ExitStatus
from trunkline.cli.options import (
    AsJson,
    Assignments,
    ConfigFile,
    Debug,
    Llm,
    S2s,
    Sip,
    Stt,
    Tts,
    settings_from,
    with_log,
)

if TYPE_CHECKING:
    from trunkline.doctor import Finding

HONEST = (
    "The embedded engines are for demonstrations and tests. The embedded recogniser understands what a "
    "scenario expects to hear and little else; for real callers name a real engine, such as "
    "--stt whisper,model=small.en. docs/engines.md has the measurements."
)


def doctor(
    config: ConfigFile = None,
    stt: Stt = None,
    llm: Llm = None,
    tts: Tts = None,
    s2s: S2s = None,
    sip: Sip = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Look at this machine: which engines are there and start, sound, ports, records; what to type where not.

    Exit status 0 where everything in force works, 3 where an engine in force does not, else 1.
    """
    from trunkline.cli.running import run
    from trunkline.clock import SystemClock
    from trunkline.doctor import KINDS, State, examine

    loaded = settings_from(
        config,
        assignments,
        debug=debug,
        engines__stt=("--stt", stt),
        engines__llm=("--llm", llm),
        engines__tts=("--tts", tts),
        engines__s2s=("--s2s", s2s),
        sip__bind=("--sip", sip),
    )
    findings = run(examine(with_log(loaded.settings), SystemClock()))
    if as_json:
        import json

        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _show(findings)
    problems = [finding for finding in findings if finding.state is State.PROBLEM]
    if any(finding.part in KINDS.values() for finding in problems):
        raise typer.Exit(ExitStatus.ENGINE)
    if problems:
        raise typer.Exit(ExitStatus.OTHERWISE)


def _show(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from trunkline.cli.entries import is_narrow, print_entry

    signs = {
        "ok": Text("✓", style="green"),
        "note": Text("·", style="dim"),
        "problem": Text("✗", style="bold red"),
    }
    console = Console(highlight=False)
    narrow = is_narrow(console)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    part = ""
    for finding in findings:
        words = Text(finding.what)
        if finding.hint:
            words.append(f"\n→ {finding.hint}", style="cyan")
        sign = signs[finding.state.value]
        if narrow:
            named = Text.assemble(sign, " ", (finding.part, "bold"), f": {finding.name}")
            print_entry(console, named, words)
            continue
        shown = "" if finding.part == part else finding.part
        table.add_row(sign, Text(shown, style="bold"), Text(finding.name), words)
        part = finding.part
    if not narrow:
        console.print(table)
    console.print(f"\n{HONEST}", style="yellow")
