"""`trunkline lab …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trunkline.cli.options import ENGINES_PANEL, OUTPUT_PANEL, Debug, check_file, check_folder


def bench(
    calls: Annotated[
        int | None, typer.Option("--calls", min=1, max=5000, help="Calls at once; else 50, with --sip 400.")
    ] = None,
    core: Annotated[int, typer.Option("--core", min=0, help="The processor core that the agent gets.")] = 0,
    seconds: Annotated[
        float, typer.Option("--seconds", min=5, max=3600, help="How long each number of calls is measured.")
    ] = 30.0,
    find_limit: Annotated[
        bool, typer.Option("--find-limit", help="Go on with more calls until one core no longer holds them.")
    ] = False,
    stt: Annotated[
        str | None, typer.Option("--stt", metavar="NAME[,key=value…]", rich_help_panel=ENGINES_PANEL)
    ] = None,
    llm: Annotated[
        str | None, typer.Option("--llm", metavar="NAME[,key=value…]", rich_help_panel=ENGINES_PANEL)
    ] = None,
    tts: Annotated[
        str | None, typer.Option("--tts", metavar="NAME[,key=value…]", rich_help_panel=ENGINES_PANEL)
    ] = None,
    json_path: Annotated[
        Path | None,
        typer.Option(
            "--json", metavar="PATH", help="Write all figures, as JSON.", rich_help_panel=OUTPUT_PANEL
        ),
    ] = None,
    debug: Debug = False,
    sip: Annotated[
        bool,
        typer.Option(
            "--sip", help="Measure signalling and media alone: calls a second, calls at once, floods."
        ),
    ] = False,
    rate: Annotated[
        float, typer.Option("--rate", min=1, max=5000, help="With --sip: calls set up a second.")
    ] = 150.0,
    suite_name: Annotated[
        str | None,
        typer.Option(
            "--suite", metavar="NAME", help="speed, interruptions, backchannels, echo, calls or all."
        ),
    ] = None,
    cases: Annotated[
        int,
        typer.Option(
            "--cases", min=1, max=5000, help="With --suite: sentences in each row that is in memory."
        ),
    ] = 200,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="DIR", help="With --suite: draw it (PNG, HTML).", rich_help_panel=OUTPUT_PANEL
        ),
    ] = None,
) -> None:
    """Measure answers, interruptions, lateness, processor and memory with many real calls at once.

    The calls come over SIP and RTP from a second process on another core. The engines are fakes that
    answer at once, unless others are named, so that what is measured is Trunkline's own part.

    With --sip there is no agent: calls set up and ended a second, calls with media both ways, and calls that
    go on while strangers flood the machine (from 127.0.0.2). SIPp, baresip and pjsua are measured in the same
    way, where they are installed.

    With --suite the rows of a suite are measured one after another, each beside what it must reach: usual
    stages, fixed lines, zero delay, interruptions, sounds that must not interrupt, echo, many calls. Sounds
    and echo are laid over 200 sentences in memory, in virtual time; that needs flite for the voices.
    """
    from trunkline.cli.running import run
    from trunkline.lab.bench import BenchOptions, run_bench
    from trunkline.log import set_up

    if plot is not None and suite_name is None:
        raise typer.BadParameter("it draws what --suite measures; add --suite NAME", param_hint="--plot")
    check_file("--json", json_path)
    check_folder("--plot", plot)
    set_up("debug" if debug else "warning")
    if sip:
        from trunkline.lab.sip_bench import SipBenchOptions, run_sip_bench

        run(run_sip_bench(SipBenchOptions(calls or 400, rate, seconds, core, json_path=json_path)))
        return
    if suite_name is not None:
        from trunkline.lab.bench_drawing import write as draw
        from trunkline.lab.bench_rows import suite
        from trunkline.lab.bench_suites import run_suite, suite_rows

        measured = run(run_suite(suite(suite_name, calls or 150, seconds, core, cases), json_path))
        for path in draw(plot, suite_rows(measured)) if plot is not None else ():
            typer.echo(path)
        return
    usual = BenchOptions()
    options = BenchOptions(
        calls=calls or usual.calls,
        core=core,
        seconds=seconds,
        find_limit=find_limit,
        json_path=json_path,
        stt=stt or usual.stt,
        llm=llm or usual.llm,
        tts=tts or usual.tts,
    )
    run(run_bench(options))


def replay(
    run: Annotated[Path, typer.Argument(help="A call's run folder, or its `events.jsonl`.")],
    scenario: Annotated[
        str | None,
        typer.Option("--scenario", metavar="FILE", help="The scenario, where the log's name is not enough."),
    ] = None,
) -> None:
    """Feed a call's log back through turn-taking and its scenario, and show the first decision that differs.

    Exit status 0 where all are the same, 1 where one is not.
    """
    from trunkline.call.play import ScenarioPlay
    from trunkline.cli.exit_status import ExitStatus
    from trunkline.lab.replay import read_log, replay_scenario, replay_turns
    from trunkline.lab.replay_report import describe, scenario_of

    events = read_log(run)
    turns = replay_turns(events)
    known = scenario_of(events, scenario)
    steps = replay_scenario(events, ScenarioPlay(known)) if known is not None else None
    for line in describe(run, turns, steps, events):
        typer.echo(line)
    if not turns.same or (steps is not None and not steps.same):
        raise typer.Exit(ExitStatus.OTHERWISE)
