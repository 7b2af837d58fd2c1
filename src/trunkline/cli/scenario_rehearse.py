"""`trunkline scenario test`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.cli.exit_status import ExitStatus
from trunkline.cli.options import OUTPUT_PANEL, AsJson

if TYPE_CHECKING:
    from trunkline.providers.protocols import LanguageModel
    from trunkline.scenario.junit import Tried

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
    gives a rate. Exit status 0 where all passed, 1 where not, 2 where a file cannot be used.
    """
    import asyncio

    results = asyncio.run(_all(sources, model, caller_model, repeat, at_least, only))
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


async def _all(
    sources: list[str], model_spec: str, caller_spec: str | None, repeat: int, at_least: float, only: str
) -> list[Tried]:
    from trunkline.clock import SystemClock
    from trunkline.providers.registry import make_llm
    from trunkline.scenario.junit import Tried
    from trunkline.scenario.load import load_scenario
    from trunkline.scenario.rehearsal import load_rehearsal
    from trunkline.scenario.rehearse import rehearse

    clock = SystemClock()
    files = [(source, *load_rehearsal(source)) for source in sources]
    scenarios = {of: load_scenario(of) for _, _, of in files}
    model = make_llm(model_spec, clock)
    caller = make_llm(caller_spec, clock) if caller_spec else None
    engines: list[LanguageModel] = [model, *([caller] if caller is not None else [])]
    results: list[Tried] = []
    try:
        for engine in engines:
            await engine.start()
        for source, rehearsal, of in files:
            for talk in rehearsal.conversations:
                if only not in talk.name:
                    continue
                began = clock.now()
                tries = tuple(
                    [await rehearse(scenarios[of], rehearsal, talk, model, caller) for _ in range(repeat)]
                )
                results.append(Tried(source, talk.name, tries, at_least, clock.now() - began))
    finally:
        for engine in engines:
            await engine.close()
    return results


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
