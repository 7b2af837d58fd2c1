"""Flags that several commands share, and reading the configuration they are laid over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from trunkline.config.load import Loaded
    from trunkline.config.settings import Settings

ENGINES_PANEL = "Engines"
SETTINGS_PANEL = "Settings"
OUTPUT_PANEL = "Output"

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Configuration file; else ./trunkline.toml where there is one.",
        rich_help_panel=SETTINGS_PANEL,
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="TABLE.KEY=VALUE",
        help="Any setting, such as turn.silence=0.4; may be repeated. `trunkline config` lists them.",
        rich_help_panel=SETTINGS_PANEL,
    ),
]
Stt = Annotated[
    list[str] | None,
    typer.Option(
        "--stt",
        metavar="NAME[,key=value…]",
        help="Speech-to-text engine; repeated: tried in this order when one fails.",
        rich_help_panel=ENGINES_PANEL,
    ),
]
Llm = Annotated[
    list[str] | None,
    typer.Option(
        "--llm",
        metavar="NAME[,key=value…]",
        help="Language model; repeated: tried in this order when one fails.",
        rich_help_panel=ENGINES_PANEL,
    ),
]
Tts = Annotated[
    list[str] | None,
    typer.Option(
        "--tts",
        metavar="NAME[,key=value…]",
        help="Text-to-speech engine; repeated: tried in this order when one fails.",
        rich_help_panel=ENGINES_PANEL,
    ),
]
S2s = Annotated[
    str | None,
    typer.Option(
        "--s2s",
        metavar="NAME[,key=value…]",
        help="One engine that hears and speaks; the other three go on where it fails.",
        rich_help_panel=ENGINES_PANEL,
    ),
]
Sip = Annotated[
    str | None,
    typer.Option("--sip", metavar="udp:HOST:PORT", help="Where to listen for SIP; port 0 is any free one."),
]
Trace = Annotated[
    str | None,
    typer.Option(
        "--trace",
        metavar="FILE",
        help="Write all SIP and RTP that passes to a capture file, for `trunkline sip trace` and Wireshark.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Runs = Annotated[
    str | None,
    typer.Option("--runs", metavar="FOLDER", help="Where calls' records go.", rich_help_panel=SETTINGS_PANEL),
]


def _named(scenario: str) -> str:
    """The flag is required; typer's own words for that would not say where scenarios are to be had."""
    if not scenario:
        from trunkline.errors import ConfigError

        hint = "Give a file, or a shipped one: `trunkline scenario list` has their names"
        raise ConfigError("no scenario is named", where="--scenario", hint=hint)
    return scenario


ScenarioSource = Annotated[
    str,
    typer.Option(
        "--scenario",
        metavar="FILE",
        callback=_named,
        show_default=False,
        help="Scenario file, or the name of a shipped one. Required.",
    ),
]
Debug = Annotated[
    bool, typer.Option("--debug", help="Log everything; show faults in full.", rich_help_panel=OUTPUT_PANEL)
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON for machines.", rich_help_panel=OUTPUT_PANEL)
]


def settings_from(
    config: Path | None,
    assignments: list[str] | None,
    *,
    debug: bool = False,
    **flags: tuple[str, Any],
) -> Loaded:
    """The configuration with these flags over it. `flags`: `engines__stt=("--stt", value)`, a key's path with
    two underscores for its dot; a value of None or an empty list was not given. Raises `ConfigError`."""
    from trunkline.config.load import load
    from trunkline.config.sources import from_assignments, from_flags

    given = {path.replace("__", "."): (flag, value or None) for path, (flag, value) in flags.items()}
    if debug:
        given["log.level"] = ("--debug", "debug")
    # A flag with a name of its own counts more than a general `--set` beside it.
    over = [*from_assignments(assignments or ()), *from_flags(given)]
    return load(file=config, environment=os.environ, flags=over)


def with_log(settings: Settings) -> Settings:
    """The same settings, the log set up as they say."""
    from trunkline.log import set_up

    set_up(settings.log.level, settings.log.format)
    return settings


def check_file(flag: str, path: Path | None) -> None:
    """Before minutes of work: raises `RecordError` where this file could not be written afterwards."""
    from trunkline.errors import RecordError

    if path is None:
        return
    if path.is_dir():
        raise RecordError(f"{path} is a folder", where=flag, hint="Name a file in it")
    if not path.parent.is_dir():
        raise RecordError(f"there is no folder {path.parent}", where=flag, hint="Make it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise RecordError(f"{path} cannot be written", where=flag, hint="Choose another place")


def check_folder(flag: str, folder: Path | None) -> None:
    """The same of a folder, which is made where it is not there."""
    from trunkline.errors import RecordError

    if folder is None:
        return
    whole = folder.absolute()
    existing = next(place for place in (whole, *whole.parents) if place.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise RecordError(f"{folder} cannot be written", where=flag, hint="Name another folder")
