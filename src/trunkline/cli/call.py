"""`trunkline call`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.cli.exit_status import ExitStatus
from trunkline.cli.options import (
    AsJson,
    Assignments,
    ConfigFile,
    Debug,
    Llm,
    Runs,
    S2s,
    ScenarioSource,
    Sip,
    Stt,
    Trace,
    Tts,
    settings_from,
    with_log,
)
from trunkline.cli.sip import check_targets

if TYPE_CHECKING:
    from trunkline.call.call import CallResult
    from trunkline.cli.results import ResultPrinter
    from trunkline.config.settings import Settings
    from trunkline.scenario.play import ScenarioPlay


def call(
    target: Annotated[str, typer.Argument(metavar="SIP-URI", help="Whom to call: sip:dana@192.0.2.7:5060")],
    scenario: ScenarioSource = "",
    fact: Annotated[
        list[str] | None,
        typer.Option("--fact", metavar="NAME=VALUE", help="What is known of the person; may be repeated."),
    ] = None,
    caller: Annotated[str, typer.Option("--from", metavar="SIP-URI", help="Whom the call comes from.")] = "",
    sip: Sip = None,
    stt: Stt = None,
    llm: Llm = None,
    tts: Tts = None,
    s2s: S2s = None,
    runs: Runs = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
    debug: Debug = False,
    trace: Trace = None,
) -> None:
    """Place one call with a scenario, and hold it to its end.

    Exit status 0 where a conversation took place and one of the two ended it; 1 where it was refused or
    broken off, or nobody answered. Ctrl-C or SIGTERM says goodbye and ends the call; a second one ends it
    at once.
    """
    from trunkline.call.scenario_file import ScenarioFile
    from trunkline.cli.results import ResultPrinter
    from trunkline.cli.running import run

    loaded = settings_from(
        config,
        assignments,
        debug=debug,
        engines__stt=("--stt", stt),
        engines__llm=("--llm", llm),
        engines__tts=("--tts", tts),
        engines__s2s=("--s2s", s2s),
        # Dialling needs a port of its own and takes any, so that it can run beside `serve`.
        sip__bind=("--sip", sip),
        sip__trace=("--trace", trace),
        record__folder=("--runs", runs),
    )
    facts = dict(_parse_fact(text) for text in fact or ())
    play = ScenarioFile(scenario, (tool.name for tool in loaded.settings.integrations.tools)).play
    printer = ResultPrinter(as_json=as_json)
    settings = with_log(loaded.settings)
    check_targets(settings.sip, [target])
    result = run(
        _place(settings, play, target, caller, facts, printer, any_port="sip.bind" not in loaded.origins)
    )
    if result is None:
        raise typer.Exit(ExitStatus.INTERRUPTED)
    printer.result(result)
    if result.by not in ("agent", "caller", "person"):
        raise typer.Exit(ExitStatus.OTHERWISE)


def _parse_fact(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise typer.BadParameter(f"{text!r} is not of the form NAME=VALUE", param_hint="--fact")
    return name.strip(), value.strip()


async def _place(
    settings: Settings,
    play: ScenarioPlay,
    target: str,
    caller: str,
    facts: dict[str, str],
    printer: ResultPrinter,
    *,
    any_port: bool,
) -> CallResult | None:
    """The call's result; None where a signal ended it."""
    import asyncio
    import dataclasses

    from trunkline.call.service import open_service
    from trunkline.cli.running import stopped_by_signals
    from trunkline.clock import SystemClock
    from trunkline.doctor import State, records

    for_service = settings.for_service()
    if any_port:
        bind = f"{for_service.sip.bind.rpartition(':')[0]}:0"
        for_service = dataclasses.replace(for_service, sip=dataclasses.replace(for_service.sip, bind=bind))
    async with (
        open_service(for_service, SystemClock()) as service,
        stopped_by_signals(lambda: printer.note("saying goodbye; the same again ends at once")) as stop,
    ):
        kept = records(settings)
        if kept.state is State.PROBLEM:  # The call is held all the same, as `serve` answers.
            printer.note(f"records: {kept.what}. {kept.hint}")
        printer.note(f"calling {target} with {play.name}")
        placed = asyncio.create_task(service.place(target, play, caller=caller, facts=facts), name="place")
        stopped = asyncio.create_task(stop.wait(), name="stop")
        try:
            await asyncio.wait((placed, stopped), return_when=asyncio.FIRST_COMPLETED)
            if placed.done():
                return placed.result()
        finally:
            placed.cancel()
            stopped.cancel()
            await asyncio.gather(placed, stopped, return_exceptions=True)
    return None
