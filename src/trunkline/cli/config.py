"""`trunkline config`."""

from __future__ import annotations

import typer

from trunkline.cli.options import (
    AsJson,
    Assignments,
    ConfigFile,
    Llm,
    Runs,
    S2s,
    Sip,
    Stt,
    Tts,
    settings_from,
)


def config(
    file: ConfigFile = None,
    stt: Stt = None,
    llm: Llm = None,
    tts: Tts = None,
    s2s: S2s = None,
    sip: Sip = None,
    runs: Runs = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Print every setting in force and who set it; secrets are masked.

    The output is itself a configuration file. Each layer goes over the one before: defaults, trunkline.toml,
    environment variables (TRUNKLINE_SIP_BIND for sip.bind), flags.
    """
    from trunkline.config.explain import as_toml, rows

    loaded = settings_from(
        file,
        assignments,
        engines__stt=("--stt", stt),
        engines__llm=("--llm", llm),
        engines__tts=("--tts", tts),
        engines__s2s=("--s2s", s2s),
        sip__bind=("--sip", sip),
        record__folder=("--runs", runs),
    )
    if as_json:
        import json

        told = {
            row.path: {"value": row.value, "layer": row.layer, "place": row.place} for row in rows(loaded)
        }
        typer.echo(json.dumps(told, indent=2))
    else:
        typer.echo(as_toml(loaded))
