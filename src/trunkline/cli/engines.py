"""`trunkline engines`, `trunkline engines try`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.cli.exit_status import ExitStatus
from trunkline.cli.options import AsJson

if TYPE_CHECKING:
    from trunkline.clock import Clock

KINDS = ("stt", "llm", "tts", "s2s")

Kind = Annotated[
    str,
    typer.Option("--kind", metavar="stt|llm|tts|s2s", help="Which kind, where several engines share a name."),
]


def engines(
    context: typer.Context,
    reach: Annotated[
        bool,
        typer.Option(
            "--reach", help="Start each that is installed and has its key, to see whether it answers."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the engines: which are installed, which have their key, and with --reach which answer.

    A start verifies key and model with the vendor and costs nothing.
    """
    if context.invoked_subcommand is not None:
        return
    from trunkline.cli.running import run

    rows = [_row(kind, name) for kind in KINDS for name in _names(kind)]
    if reach:
        run(_reach(rows))
    if as_json:
        import json

        typer.echo(json.dumps(rows, indent=2))
    else:
        _show(rows, reach=reach)
    if any(row.get("reached") is False for row in rows):
        raise typer.Exit(ExitStatus.ENGINE)


def _names(kind: str) -> list[str]:
    from trunkline.providers.registry import engines as known

    return list(known(kind))


def _row(kind: str, name: str) -> dict[str, Any]:
    """What can be known without starting it."""
    import os

    from trunkline.errors import EngineMissing
    from trunkline.providers.registry import engines as known
    from trunkline.providers.registry import options_of

    entry = known(kind)[name]
    row: dict[str, Any] = {"kind": kind, "name": name, "about": entry.about}
    if entry.lacks:
        return row | {"installed": False, "hint": f"Install it: pip install 'trunkline[{entry.extra}]'"}
    try:
        options = {option.name: option.default for option in options_of(kind, name)}
    except EngineMissing as error:
        return row | {"installed": False, "hint": error.hint or error.what}
    variable = options.get("key_env")
    row |= {"installed": True, "key": None, "hint": ""}
    if isinstance(variable, str):
        row["key"] = bool(os.environ.get(variable))
        row["hint"] = "" if row["key"] else f"Set {variable}"
    return row


async def _reach(rows: list[dict[str, Any]]) -> None:
    from trunkline.clock import SystemClock
    from trunkline.errors import TrunklineError
    from trunkline.providers.registry import engines as known

    clock = SystemClock()
    for row in rows:
        if not row["installed"] or row["key"] is False or known(row["kind"])[row["name"]].plugins:
            continue
        engine: Any = None
        try:
            engine = _made(row["kind"], row["name"], clock)
            began = clock.now()
            await engine.start()
            row |= {"reached": True, "start_ms": round((clock.now() - began) * 1000)}
        except TrunklineError as error:
            row |= {"reached": False, "hint": str(error)}
        finally:
            if engine is not None:
                await engine.close()


def _made(kind: str, spec: str, clock: Clock) -> Any:
    from trunkline.providers.registry import make_llm, make_s2s, make_stt, make_tts

    make: dict[str, Any] = {"stt": make_stt, "llm": make_llm, "tts": make_tts, "s2s": make_s2s}
    return make[kind](spec, clock)


def _show(rows: list[dict[str, Any]], *, reach: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from trunkline.cli.entries import is_narrow, print_entry

    console = Console(highlight=False)
    narrow = is_narrow(console)
    heads = ("kind", "engine", "installed", "key", *(("answers",) if reach else ()))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(head, no_wrap=True)
    table.add_column("", overflow="fold")
    words = {True: "yes", False: "no", None: "–"}
    for row in rows:
        answers = words[row.get("reached")] + (f", {row['start_ms']} ms" if "start_ms" in row else "")
        cells = [row["kind"], row["name"], words[row["installed"]], words[row.get("key")]]
        cells += [answers] if reach else []
        # As `Text`, so that Rich does not take the brackets of trunkline[vosk] for markup and drop them.
        about = Text(f"{row['about']}. {row['hint']}" if row["hint"] else row["about"])
        if narrow:
            states = ", ".join(f"{head} {cell}" for head, cell in zip(heads[2:], cells[2:], strict=True))
            print_entry(console, Text.assemble((f"{cells[0]} {cells[1]}", "bold"), f"  {states}"), about)
        else:
            table.add_row(*cells, about)
    if not narrow:
        console.print(table)


def try_engine(
    spec: Annotated[str, typer.Argument(metavar="NAME[,key=value…]", help="The engine, with its options.")],
    kind: Kind = "",
    text: Annotated[str, typer.Option("--text", help="What to ask, say or listen to.")] = "",
    times: Annotated[
        int, typer.Option("--times", min=1, max=20, help="How often; the first is the coldest.")
    ] = 3,
    as_json: AsJson = False,
) -> None:
    """Run one engine with a sentence, and print its latencies.

    A hosted engine is paid for what it does here. A recogniser listens to the sentence as the embedded voice
    speaks it, at its own pace, as over a telephone.
    """
    from trunkline.cli.running import run

    rows = run(_tried(_kind_of(spec, kind), spec, text, times))
    if as_json:
        import json

        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        figures = ", ".join(
            f"{name.removesuffix('_ms')} {row[name]} ms" for name in row if name.endswith("_ms")
        )
        typer.echo(f"{figures}  {row['what']}")


def _kind_of(spec: str, kind: str) -> str:
    from trunkline.errors import ConfigError
    from trunkline.providers.registry import engines as known
    from trunkline.providers.registry import parse_spec

    name = parse_spec(spec).name.partition(":")[0]
    found = [each for each in KINDS if name in known(each)]
    if kind:
        if kind not in KINDS:
            raise ConfigError(f"there is no kind {kind!r}", where="--kind", hint="Use stt, llm, tts or s2s")
        return kind
    if not found:
        raise ConfigError(f"there is no engine called {name!r}", hint="`trunkline engines` lists them")
    if len(found) > 1:
        raise ConfigError(
            f"{name!r} is an engine of several kinds",
            hint="Add " + " or ".join(f"--kind {each}" for each in found),
        )
    return found[0]


async def _tried(kind: str, spec: str, text: str, times: int) -> list[dict[str, Any]]:
    from trunkline.clock import SystemClock
    from trunkline.providers.protocols import VoiceOptions
    from trunkline.providers.s2s.trial import spoken
    from trunkline.providers.trial import SENTENCE, answered, said, understood

    clock = SystemClock()
    engine = _made(kind, spec, clock)
    voice = _made("tts", "embedded", clock) if kind == "stt" else None
    rows: list[dict[str, Any]] = []
    try:
        began = clock.now()
        await engine.start()
        rows.append({"start_ms": _ms(clock.now() - began), "what": f"{engine.name} started"})
        if voice is not None:
            await voice.start()
            speech = await said(voice, text or SENTENCE, VoiceOptions(), clock)
        for _ in range(times):
            if kind == "llm":
                told = await answered(engine, text or "What is the capital of France?", clock)
                used = f"({told.usage.input_tokens} tokens in, {told.usage.output_tokens} out)"
                rows.append(
                    {
                        "first_token_ms": _ms(told.first),
                        "whole_ms": _ms(told.whole),
                        "what": f"{told.text} {used}",
                    }
                )
            elif kind == "s2s":
                spoke = await spoken(engine, text or "What is the capital of France?", clock)
                what = f"{spoke.text} ({spoke.seconds:.2f} s of sound)"
                rows.append(
                    {
                        "open_ms": _ms(spoke.opened),
                        "first_word_ms": _ms(spoke.word),
                        "first_audio_ms": _ms(spoke.first),
                        "whole_ms": _ms(spoke.whole),
                        "what": what,
                    }
                )
            elif kind == "tts":
                sound = await said(engine, text or SENTENCE, VoiceOptions(), clock)
                what = f"{sound.seconds:.2f} s of sound at {sound.rate} Hz, {len(sound.marks)} word times"
                rows.append(
                    {
                        "open_ms": _ms(sound.opened),
                        "first_audio_ms": _ms(sound.first),
                        "whole_ms": _ms(sound.whole),
                        "what": what,
                    }
                )
            else:
                heard = await understood(engine, speech, clock)
                rows.append(
                    {
                        "first_words_ms": _ms(heard.first),
                        "final_ms": _ms(heard.final),
                        "what": f"“{heard.text}”",
                    }
                )
    finally:
        await engine.close()
        if voice is not None:
            await voice.close()
    return rows


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
