"""`trunkline serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

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

if TYPE_CHECKING:
    from trunkline.call.routing import Routing
    from trunkline.call.scenario_file import ScenarioFile
    from trunkline.cli.results import ResultPrinter
    from trunkline.config.settings import Settings

CARRIERS_PANEL = "Carriers"

Twilio = Annotated[
    str | None,
    typer.Option(
        "--twilio",
        metavar="HOST:PORT",
        help="Where to take Twilio's webhooks and media streams (twilio.bind).",
        rich_help_panel=CARRIERS_PANEL,
    ),
]
TrustLoopback = Annotated[
    bool,
    typer.Option(
        "--trust-loopback",
        help="Take media streams from this machine that no webhook announced, for load tests.",
        rich_help_panel=CARRIERS_PANEL,
    ),
]
Browser = Annotated[
    str | None,
    typer.Option(
        "--browser",
        metavar="HOST:PORT",
        help="Where to take calls from web browsers, and serve a page to talk from (browser.bind).",
        rich_help_panel=CARRIERS_PANEL,
    ),
]
Mrcp = Annotated[
    str | None,
    typer.Option(
        "--mrcp",
        metavar="udp:HOST:PORT",
        help="Offer our recognisers and voices to other platforms over MRCPv2 (mrcp.bind).",
        rich_help_panel=CARRIERS_PANEL,
    ),
]
TestLines = Annotated[
    bool,
    typer.Option(
        "--test-lines",
        help="Answer the users echo, ring, tone, dtmf, silence and busy too, without an agent.",
    ),
]


def serve(
    scenario: ScenarioSource = "",
    sip: Sip = None,
    twilio: Twilio = None,
    trust_loopback: TrustLoopback = False,
    browser: Browser = None,
    mrcp: Mrcp = None,
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
    test_lines: TestLines = False,
) -> None:
    """Answer calls with a scenario, until told to stop.

    SIGTERM or Ctrl-C drains: no new calls; those in progress may finish for a while (service.drain_time),
    then are told goodbye. A second one ends at once. With --json, one line a call, as it ends.

    The scenario's file is read again when it changes. A broken one changes nothing; a call keeps its version.
    """
    from trunkline.call.routing import Routing
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
        sip__bind=("--sip", sip),
        sip__trace=("--trace", trace),
        sip__test_lines=("--test-lines", test_lines),
        twilio__bind=("--twilio", twilio),
        twilio__trust_loopback=("--trust-loopback", trust_loopback),
        browser__bind=("--browser", browser),
        mrcp__bind=("--mrcp", mrcp),
        record__folder=("--runs", runs),
    )
    service = loaded.settings.service
    tools = [tool.name for tool in loaded.settings.integrations.tools]
    routing = Routing(service.routes, ScenarioFile(scenario, tools), lambda name: ScenarioFile(name, tools))
    run(_serve(with_log(loaded.settings), routing, ResultPrinter(as_json=as_json)))


async def _serve(settings: Settings, routing: Routing[ScenarioFile], printer: ResultPrinter) -> None:
    import asyncio
    from contextlib import AsyncExitStack

    from trunkline.call.carrier_service import open_carriers
    from trunkline.call.mrcp_service import open_mrcp
    from trunkline.call.service import open_service
    from trunkline.cli.running import stopped_by_signals
    from trunkline.clock import SystemClock
    from trunkline.doctor import State, records

    service_settings = settings.for_service()
    kept = records(settings)
    if kept.state is State.PROBLEM:  # Calls are answered all the same: better unrecorded than not at all.
        printer.note(f"records: {kept.what}. {kept.hint}")
    async with (
        open_service(service_settings, SystemClock()) as service,
        open_carriers(service, settings.for_carriers()) as carriers,
        AsyncExitStack() as more,
    ):
        if settings.mrcp.bind:
            offered = await more.enter_async_context(open_mrcp(service, settings.mrcp))
            printer.note("offering speech resources at sip:mrcp@{}:{}".format(*offered.address))
            if offered.tls_port:
                printer.note(f"and over TLS at sips:mrcp@{offered.address[0]}:{offered.tls_port}")

        def say_that_it_stops() -> None:
            printer.note(
                f"stopping; calls in progress ({service.active}) may go on for "
                f"{service_settings.drain_time:g} s; the same again ends at once"
            )

        async with stopped_by_signals(say_that_it_stops) as stop:
            host, port = service.sip.address
            address = f"sip:{settings.sip.user}@{host}:{port}"
            names = ", ".join(source.play.name for source in routing.sources)
            printer.note(f"answering calls to {address} with {names}; Ctrl-C stops")
            for name, (carrier_host, carrier_port) in carriers.carrying.listening.items():
                printer.note(f"answering {name} calls at {carrier_host}:{carrier_port}")
                if name == "browser":
                    printer.note(f"talk from http://{carrier_host}:{carrier_port}/browser/talk")
            service.sip.tell = lambda line: print(line, flush=True)
            service.screen_with(routing.refusal)
            beside = [
                *(
                    asyncio.create_task(service.prepare(file.play), name="fixed lines")
                    for file in routing.sources
                ),
                *(
                    asyncio.create_task(file.watch(service.clock), name="watch the scenario")
                    for file in routing.sources
                ),
            ]
            try:
                await carriers.serve(routing.play, stop, on_result=printer.result)
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)
