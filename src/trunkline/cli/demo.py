"""`trunkline demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trunkline.cli.exit_status import ExitStatus
from trunkline.cli.options import (
    OUTPUT_PANEL,
    Assignments,
    ConfigFile,
    Debug,
    Llm,
    Runs,
    S2s,
    Stt,
    Tts,
    check_file,
    settings_from,
    with_log,
)


def demo(
    persona: Annotated[str, typer.Option(help="The prospect: dana, ben, rick, hana or nora.")] = "dana",
    outbound: Annotated[bool, typer.Option("--outbound", help="The agent dials the prospect.")] = False,
    listen: Annotated[bool, typer.Option("--listen", help="Hear both sides through the speakers.")] = False,
    json_path: Annotated[
        Path | None,
        typer.Option(
            "--json", metavar="PATH", help="Write all figures, as JSON.", rich_help_panel=OUTPUT_PANEL
        ),
    ] = None,
    stt: Stt = None,
    llm: Llm = None,
    tts: Tts = None,
    s2s: S2s = None,
    runs: Runs = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
    debug: Debug = False,
) -> None:
    """Hold a whole phone call on this machine and show it live.

    A scripted prospect with a voice of its own speaks with the agent over real SIP and RTP; each knows only
    what it hears. Afterwards the run folder holds the recording, the transcript and report.html.

    Exit status 0 only where the call ended as this prospect intends.
    """
    from trunkline.cli.running import run
    from trunkline.lab.demo import DemoOptions, run_demo

    loaded = settings_from(
        config,
        assignments,
        debug=debug,
        engines__stt=("--stt", stt),
        engines__llm=("--llm", llm),
        engines__tts=("--tts", tts),
        engines__s2s=("--s2s", s2s),
        record__folder=("--runs", runs),
    )
    _check_places(Path(loaded.settings.record.folder or "runs"), json_path)
    options = DemoOptions(
        settings=with_log(loaded.settings).for_service(),
        persona=persona,
        outbound=outbound,
        listen=listen,
        json_path=json_path,
    )
    result = run(run_demo(options))
    if not result.as_intended:
        raise typer.Exit(ExitStatus.OTHERWISE)


def _check_places(runs: Path, json_path: Path | None) -> None:
    """Before two minutes of a call: raises `RecordError` where its results could not be kept afterwards."""
    from os import W_OK, X_OK, access

    from trunkline.errors import RecordError

    folder = runs.absolute()
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    if not existing.is_dir() or not access(existing, W_OK | X_OK):
        hint = "Choose another with --runs FOLDER, or record.folder in trunkline.toml"
        raise RecordError(f"{folder} cannot be written", where="--runs", hint=hint)
    check_file("--json", json_path)
