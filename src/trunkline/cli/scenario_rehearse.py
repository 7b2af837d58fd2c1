"""`trunkline scenario test`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.cli.exit_status import ExitStatus
from trunkline.cli.options import OUTPUT_PANEL, AsJson

if TYPE_CHECKING:
    from trunkline.clock import Clock
    from trunkline.lab.spoken_rehearsal import Studio
    from trunkline.providers.protocols import LanguageModel
    from trunkline.scenario.junit import Tried
    from trunkline.scenario.model import Scenario
    from trunkline.scenario.rehearsal import Rehearsal, Talk
    from trunkline.scenario.rehearse import Outcome

    Hold = Callable[[Scenario, Rehearsal, Talk], Awaitable[Outcome]]

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE…", help="Test files (….test.yaml), scenarios with one beside them, or shipped names."
    ),
]


def rehearse_files(
    sources: Sources,
    model: Annotated[
        str, typer.Option("--model", metavar="NAME[,key=value…]", help="Language model of the agent.")
    ] = "brain",
    caller_model: Annotated[
        str | None,
        typer.Option(
            "--caller-model", metavar="NAME[,key=value…]", help="Language model that plays the personas."
        ),
    ] = None,
    repeat: Annotated[
        int, typer.Option("--repeat", min=1, max=1000, help="Hold each conversation so often.")
    ] = 1,
    at_least: Annotated[
        float, typer.Option("--at-least", min=0.0, max=1.0, help="The share of them that must pass.")
    ] = 1.0,
    voice: Annotated[
        bool,
        typer.Option("--voice", help="Hold them aloud: a whole call in memory, in real time, each in turn."),
    ] = False,
    stt: Annotated[
        str, typer.Option("--stt", metavar="NAME[,key=value…]", help="With --voice: what the agent hears by.")
    ] = "embedded",
    tts: Annotated[
        str,
        typer.Option("--tts", metavar="NAME[,key=value…]", help="With --voice: the agent's voice."),
    ] = "embedded",
    caller_tts: Annotated[
        str,
        typer.Option("--caller-tts", metavar="NAME[,key=value…]", help="With --voice: the caller's voice."),
    ] = "embedded",
    only: Annotated[str, typer.Option("--only", metavar="TEXT", help="Those with this in their names.")] = "",
    junit_file: Annotated[
        Path | None,
        typer.Option(
            "--junit", metavar="PATH", help="Write the results as JUnit XML.", rich_help_panel=OUTPUT_PANEL
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hold the conversations of test files in text, and tell what was not as expected.

    With the local brain that takes milliseconds. A hosted model answers otherwise each time: --repeat
    gives a rate. With --voice the caller's lines are spoken, heard by a recogniser, and answered aloud, which
    takes as long as the call. Exit status 0 where all passed, 1 where not, 2 where a file cannot be used.
    """
    import asyncio

    engines = _Engines(model, caller_model, (stt, tts, caller_tts) if voice else None)
    results = asyncio.run(_all(sources, engines, repeat, at_least, only))
    if not results:
        raise typer.BadParameter(f"no conversation has {only!r} in its name", param_hint="--only")
    if junit_file is not None:
        _write_junit(junit_file, results)
    if as_json:
        typer.echo(json.dumps([_plain(one) for one in results], indent=2))
    else:
        _print(results)
    if not all(one.passed for one in results):
        raise typer.Exit(ExitStatus.OTHERWISE)


@dataclass(frozen=True, slots=True)
class _Engines:
    """Specs: the agent's model, the caller's, and by voice (recogniser, agent's voice, caller's voice)."""

    model: str
    caller: str | None
    voice: tuple[str, str, str] | None


async def _all(sources: list[str], engines: _Engines, repeat: int, at_least: float, only: str) -> list[Tried]:
    from trunkline.clock import SystemClock
    from trunkline.scenario.junit import Tried
    from trunkline.scenario.load import load_scenario
    from trunkline.scenario.rehearsal import load_rehearsal

    clock = SystemClock()
    files = [(source, *load_rehearsal(source)) for source in sources]
    scenarios = {of: load_scenario(of) for _, _, of in files}
    results: list[Tried] = []
    async with _opened(engines, clock) as hold:
        for source, rehearsal, of in files:
            for talk in rehearsal.conversations:
                if only not in talk.name:
                    continue
                began = clock.now()
                tries = tuple([await hold(scenarios[of], rehearsal, talk) for _ in range(repeat)])
                results.append(Tried(source, talk.name, tries, at_least, clock.now() - began))
    return results


@asynccontextmanager
async def _opened(engines: _Engines, clock: Clock) -> AsyncIterator[Hold]:
    """The engines started, as the function that holds one conversation with them."""
    from trunkline.providers.registry import make_llm
    from trunkline.scenario.rehearse import rehearse

    async with AsyncExitStack() as stack:
        caller: LanguageModel | None = None
        if engines.caller:
            caller = make_llm(engines.caller, clock)
            stack.push_async_callback(caller.close)
            await caller.start()
        if engines.voice is not None:
            studio = await _studio(engines.model, engines.voice, clock, stack)
            from trunkline.lab.spoken_rehearsal import rehearse_by_voice

            yield lambda scenario, rehearsal, talk: rehearse_by_voice(
                studio, scenario, rehearsal, talk, caller
            )
            return
        model = make_llm(engines.model, clock, "--model")
        stack.push_async_callback(model.close)
        await model.start()
        yield lambda scenario, rehearsal, talk: rehearse(scenario, rehearsal, talk, model, caller)


async def _studio(model: str, voice: tuple[str, str, str], clock: Clock, stack: AsyncExitStack) -> Studio:
    from trunkline.call.service import ServiceSettings, running_engines
    from trunkline.call.voice_batch import VoiceBatch
    from trunkline.lab.spoken_rehearsal import Studio
    from trunkline.providers.registry import make_tts

    stt, tts, caller_tts = voice
    settings = ServiceSettings(stt=(stt,), llm=model, tts=tts)
    engines = await stack.enter_async_context(running_engines(settings, clock))
    mouth = make_tts(caller_tts, clock)
    stack.push_async_callback(mouth.close)
    await mouth.start()
    batch = VoiceBatch(clock)
    stack.push_async_callback(batch.close)
    await batch.start()
    return Studio(engines, mouth, batch, clock)


def _write_junit(path: Path, results: list[Tried]) -> None:
    from trunkline.errors import RecordError
    from trunkline.scenario.junit import junit

    try:
        path.write_text(junit(results), encoding="utf-8")
    except OSError as error:
        raise RecordError(f"cannot be written: {error.strerror}", where=str(path)) from error


def _plain(one: Tried) -> dict[str, object]:
    worst = one.worst
    return {
        "file": one.file,
        "name": one.name,
        "passed": one.passed,
        "rate": one.rate,
        "tries": len(one.tries),
        "seconds": round(one.seconds, 4),
        "wrong": list(worst.wrong) if worst else [],
        "transcript": list((worst or one.tries[0]).transcript),
        "outcome": (worst or one.tries[0]).outcome,
        "turns": (worst or one.tries[0]).turns,
    }


def _print(results: list[Tried]) -> None:
    for file in dict.fromkeys(one.file for one in results):
        typer.echo(file)
        for one in [one for one in results if one.file == file]:
            mark = typer.style("ok    ", fg="green") if one.passed else typer.style("FAILED", fg="red")
            rate = f"  {sum(t.passed for t in one.tries)} of {len(one.tries)}" if len(one.tries) > 1 else ""
            typer.echo(f"  {mark} {one.name}{rate}")
            if not one.passed and one.worst is not None:
                for line in (*one.worst.wrong, "", *one.worst.transcript, ""):
                    typer.echo(f"         {line}".rstrip())
    tries = [held for one in results for held in one.tries]
    passed = sum(one.passed for one in results)
    by_rule, asked = sum(held.local for held in tries), sum(held.asked_model for held in tries)
    typer.echo(f"{passed} of {len(results)} conversations passed in {sum(r.seconds for r in results):.2f} s")
    typer.echo(f"{by_rule} turns were decided by rule alone; the model was asked {asked} times")
