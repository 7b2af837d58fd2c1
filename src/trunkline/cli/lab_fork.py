"""`trunkline lab fork`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.cli.options import ENGINES_PANEL, OUTPUT_PANEL

if TYPE_CHECKING:
    from trunkline.clock import Clock
    from trunkline.events import Event
    from trunkline.lab.fork import Exchange
    from trunkline.lab.rehear import CallersSound, Reheard
    from trunkline.scenario.model import Scenario


def fork(
    run: Annotated[Path, typer.Argument(help="A call's run folder, or its `events.jsonl`.")],
    turn: Annotated[int, typer.Option("--turn", min=1, metavar="N", help="The caller's turn to go on from.")],
    scenario: Annotated[
        str | None,
        typer.Option(
            "--scenario", metavar="FILE", help="Another scenario; else the call's own, where shipped."
        ),
    ] = None,
    llm: Annotated[
        str, typer.Option("--llm", metavar="NAME[,key=value…]", rich_help_panel=ENGINES_PANEL)
    ] = "brain",
    stt: Annotated[
        str | None,
        typer.Option(
            "--stt",
            metavar="NAME[,key=value…]",
            help="Hear the recorded caller again with this; takes as long as they spoke.",
            rich_help_panel=ENGINES_PANEL,
        ),
    ] = None,
    tts: Annotated[
        str | None,
        typer.Option(
            "--tts",
            metavar="NAME[,key=value…]",
            help="Speak the agent's new answers with this, into --out.",
            rich_help_panel=ENGINES_PANEL,
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FILE", help="With --tts: the WAV file to write.", rich_help_panel=OUTPUT_PANEL
        ),
    ] = Path("fork.wav"),
    say: Annotated[
        list[str] | None,
        typer.Option("--say", metavar="TEXT", help="The caller says this instead; may be repeated."),
    ] = None,
) -> None:
    """Go on from one turn of a recorded call with another scenario, other engines or another caller.

    It goes on by text: the caller says what was recorded from that turn on, unless `--say` is given; the
    answers take no time, and nobody interrupts.

    With --stt the caller's sound is cut from the run's recording, turn by turn, and heard again. From turn N
    on the new words are what the caller says. Turns before N are heard too and shown beside what the call
    understood, but change nothing: use `--turn 1` to go through the whole call by the new words. Where
    turns begin and end stays as it was.

    With --tts the answers are spoken, and written with the caller's recorded sound before each, the caller
    left, the agent right.
    """
    from trunkline.cli.running import run as run_story
    from trunkline.errors import ConfigError
    from trunkline.lab.rehear import callers_sound
    from trunkline.lab.replay import read_log
    from trunkline.lab.replay_report import scenario_of

    events = read_log(run)
    known = scenario_of(events, scenario)
    if known is None:
        raise ConfigError("the call's scenario is not a shipped one", where=str(run), hint="Give --scenario")
    folder = run if run.is_dir() else run.parent
    recorded = stt is not None or (folder / "recording.wav").is_file()
    sound = callers_sound(folder) if recorded and (stt is not None or tts is not None) else None
    run_story(_forked(events, turn, known, sound, (stt, llm, tts), say or (), out))


async def _forked(
    events: Sequence[Event],
    turn: int,
    scenario: Scenario,
    sound: CallersSound | None,
    engines: tuple[str | None, str, str | None],
    lines: Sequence[str],
    out: Path,
) -> None:
    from trunkline.clock import SystemClock
    from trunkline.lab.fork import fork as go_on
    from trunkline.lab.fork import happenings_before
    from trunkline.providers.registry import make_llm

    happenings_before(events, turn)  # a turn that is none is told before anything is paid for
    clock = SystemClock()
    stt, llm, tts = engines
    reheard = await _reheard(stt, sound, events, scenario, clock) if stt and sound is not None else []
    for one in reheard:
        typer.echo(_beside(one, turn))
    model = make_llm(llm, clock)
    try:
        await model.start()
        words = {one.turn: one.text for one in reheard}
        exchanges = await go_on(events, turn, scenario, model, lines, words)
    finally:
        await model.close()
    for exchange in exchanges:
        typer.echo(f"caller  {exchange.caller}")
        typer.echo(f"agent   {exchange.agent}   [{exchange.step}]")
    if tts is not None:
        await _spoken(tts, events, exchanges, sound, scenario, clock, out)


async def _reheard(
    spec: str, sound: CallersSound, events: Sequence[Event], scenario: Scenario, clock: Clock
) -> list[Reheard]:
    from trunkline.lab.rehear import rehear
    from trunkline.providers.registry import make_stt

    engine = make_stt(spec, clock)
    try:
        await engine.start()
        return await rehear(engine, sound, events, clock, scenario.language)
    finally:
        await engine.close()


def _beside(one: Reheard, turn: int) -> str:
    used = "said again" if one.turn >= turn else "for comparison"
    if one.same:
        return f"turn {one.turn}, {used}: the same, {one.text!r}"
    return f"turn {one.turn}, {used}: {one.recorded!r} is now {one.text!r}"


async def _spoken(
    spec: str,
    events: Sequence[Event],
    exchanges: Sequence[Exchange],
    sound: CallersSound | None,
    scenario: Scenario,
    clock: Clock,
    out: Path,
) -> None:
    from trunkline.lab.fork_sound import spoken, write
    from trunkline.lab.recordings import RATE
    from trunkline.lab.rehear import spoken_turns
    from trunkline.providers.protocols import VoiceOptions
    from trunkline.providers.registry import make_tts

    turns = spoken_turns(events) if sound is not None else {}
    callers = {
        number: (sound.between(turn.start, turn.end), sound.rate)
        for number, turn in turns.items()
        if sound is not None
    }
    # The scenario's own voice is a name of another engine's: the new one speaks as its SPEC says.
    options = VoiceOptions("", scenario.persona.pace, scenario.language, RATE)
    engine = make_tts(spec, clock)
    try:
        await engine.start()
        seconds = write(out, await spoken(engine, exchanges, callers, options, clock))
    finally:
        await engine.close()
    typer.echo(f"{out}: {seconds:.1f} s")
