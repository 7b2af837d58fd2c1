"""`trunkline sip doctor`: what is wrong with a trunk, in words."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.cli.exit_status import ExitStatus
from trunkline.cli.options import AsJson, Assignments, ConfigFile, Debug, settings_from, with_log

if TYPE_CHECKING:
    from trunkline.legs.sip_diagnosis import Finding
    from trunkline.legs.sip_settings import SipSettings
    from trunkline.legs.sip_trunk import Trunk

_ANY_PORT = "udp:0.0.0.0:0"
_SIGNS = {"ok": ("✓", "green"), "note": ("·", "yellow"), "problem": ("✗", "bold red")}


def examine_trunk(
    trunk: Annotated[
        str, typer.Argument(metavar="TRUNK", help="A trunk's name in the configuration, or sip:HOST[:PORT].")
    ],
    echo: Annotated[
        str,
        typer.Option(
            "--echo", metavar="URI|NUMBER", help="Call this line, which gives sound back, and listen."
        ),
    ] = "",
    auth: Annotated[
        str, typer.Option("--auth", metavar="USER:PASSWORD", help="Whom to register and log in as.")
    ] = "",
    sip: Annotated[
        str | None, typer.Option("--sip", metavar="udp:HOST:PORT", help="Where to send from.")
    ] = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Find out what is wrong with a trunk: its name, firewalls, NAT, credentials, codecs, sound, clocks.

    Finds it, asks OPTIONS, registers where the trunk does (and unregisters), and with --echo calls a line
    that gives sound back (`trunkline serve --test-lines` has one, called echo), says something and listens
    for it.

    Exit status 0 where nothing is wrong, 4 where it cannot be reached, 1 where something else is wrong.
    """
    from trunkline.cli.running import run
    from trunkline.clock import SystemClock
    from trunkline.legs.sip_diagnosis import Part, State, diagnose
    from trunkline.legs.sip_doctor import examine
    from trunkline.legs.sip_trunk import number_in
    from trunkline.sip.uri import parse_uri

    loaded = settings_from(config, assignments, debug=debug, sip__bind=("--sip", sip))
    settings = with_log(loaded.settings).sip
    if "sip.bind" not in loaded.origins:
        settings = replace(settings, bind=_ANY_PORT)
    chosen = _chosen(trunk, settings, auth)
    if echo and not number_in(echo):
        parse_uri(echo)  # What cannot be called is told before anything is asked.
    seen = run(examine(settings, chosen, SystemClock(), echo=echo, tell=_note))
    findings = diagnose(seen)
    if as_json:
        told = {"observed": asdict(seen), "findings": [asdict(one) for one in findings]}
        typer.echo(json.dumps(told, indent=2))
    else:
        _show(findings)
    wrong = [one for one in findings if one.state is State.PROBLEM]
    if any(one.part in (Part.ADDRESS, Part.FIREWALL, Part.ENCRYPTION) for one in wrong):
        raise typer.Exit(ExitStatus.NETWORK)
    if wrong:
        raise typer.Exit(ExitStatus.OTHERWISE)


def _chosen(name: str, settings: SipSettings, auth: str) -> Trunk:
    """The trunk of that name, or one made of the address. Raises `ConfigError`."""
    from trunkline.errors import ConfigError
    from trunkline.legs.sip_trunk import Trunk

    user, _, password = auth.partition(":")
    if auth and not (user and password):
        raise typer.BadParameter("it is not of the form USER:PASSWORD", param_hint="--auth")
    found = next((one.settled for one in settings.trunks if one.name == name), None)
    if found is None:
        if not name.startswith(("sip:", "sips:")):
            known = ", ".join(one.name for one in settings.trunks) or "none"
            raise ConfigError(
                f"there is no trunk {name!r}",
                where="sip.trunks",
                hint=f"There are: {known}. Or give sip:HOST",
            )
        found = Trunk("given", server=name, register=bool(auth), user=user, password=password)
    elif auth:
        found = replace(found, user=user, password=password)
    return found


def _note(text: str) -> None:
    print(f"trunkline: {text}", file=sys.stderr, flush=True)


def _show(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        sign, style = _SIGNS[finding.state.value]
        line = Text(f"{sign} ", style=style)
        line.append(f"{finding.part:<12}", style="bold")
        line.append(finding.what, style="")
        if finding.hint:
            line.append(f"\n  {'':<12}→ {finding.hint}", style="cyan")
        console.print(line)
