"""`trunkline scenario chat`: a call in the terminal, typed instead of spoken."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.cli.exit_status import ExitStatus

if TYPE_CHECKING:
    import asyncio

    from rich.console import Console

    from trunkline.scenario.rehearsal import CallerLine
    from trunkline.scenario.typed_call import TypedCall

_SECONDS = re.compile(r"\d{1,4}(\.\d+)?")
HELP = """\
Type what the caller says. Lines that begin with a slash are for the terminal:
  /silence   nobody says anything          /noise   speech not understood
  /keys 12#  pressed on the keypad         /transfer busy   how it ended
  /wait 30   seconds pass                  (tools answer with their `example`)
  /undo      take the last turn back       /fields  all that is known
  /save FILE write this call as a test     /quit    leave (or Ctrl-D)"""


def chat(
    source: Annotated[
        str, typer.Argument(metavar="FILE", help="Scenario file, or the name of a shipped one.")
    ],
    model: Annotated[
        str, typer.Option("--model", metavar="NAME[,key=value…]", help="Language model of the agent.")
    ] = "brain",
    facts: Annotated[
        list[str] | None,
        typer.Option("--fact", metavar="NAME=VALUE", help="Something known of the contact; may be repeated."),
    ] = None,
) -> None:
    """Hold a call with a scenario by typing. Shows the step and the fields after each turn.

    /undo takes a turn back; /save FILE writes the call down as a test; /help lists the rest.
    """
    import asyncio

    from rich.console import Console

    from trunkline.clock import SystemClock
    from trunkline.providers.registry import make_llm
    from trunkline.scenario.load import load_scenario
    from trunkline.scenario.typed_call import TypedCall

    scenario = load_scenario(source)
    clock = SystemClock()
    engine = make_llm(model, clock, "--model")
    known = dict(_facts(facts or []))
    console = Console(highlight=False)
    try:
        # One loop for all turns: a hosted model's connections belong to it. Typing waits outside of it.
        with asyncio.Runner() as runner:
            runner.run(engine.start())
            try:
                call = TypedCall(scenario, engine, clock.wall(), known)
                _agent(console, call, runner.run(call.begin()))
                console.print("/help lists what else can be typed", style="dim")
                _turns(console, runner, call, source)
            finally:
                runner.run(engine.close())
    except KeyboardInterrupt as error:
        console.print()
        raise typer.Exit(ExitStatus.INTERRUPTED) from error


def _facts(given: list[str]) -> Iterator[tuple[str, str]]:
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"{one!r} is no NAME=VALUE", param_hint="--fact")
        yield name.strip(), value.strip()


def _turns(console: Console, runner: asyncio.Runner, call: TypedCall, source: str) -> None:
    while True:
        try:
            typed = console.input("[bold]you[/bold]    ").strip()
        except EOFError:
            console.print()
            return
        word, _, rest = typed.partition(" ")
        match word:
            case "":
                continue
            case "/quit":
                return
            case "/help":
                console.print(HELP, style="dim", markup=False)
            case "/undo":
                done = call.undo()
                console.print("taken back" if done else "nothing to take back", style="dim")
                _where(console, call)
            case "/fields":
                _fields(console, call)
            case "/save":
                _save(console, call, source, rest)
            case _:
                line = _line(word, rest.strip(), typed)
                if line is None:
                    console.print(f"no {word} is known; /help lists what is", style="dim", markup=False)
                elif call.talk.ended:
                    console.print("the call is over: /undo, /save FILE or /quit", style="dim")
                else:
                    _agent(console, call, runner.run(call.do(line)))


def _line(word: str, rest: str, typed: str) -> CallerLine | None:
    from trunkline.scenario.rehearsal import NOISE, SILENCE, CallerLine

    match word:
        case "/silence":
            return CallerLine(say=SILENCE)
        case "/noise":
            return CallerLine(say=NOISE)
        case "/keys":
            return CallerLine(keys=rest) if rest else None
        case "/transfer":
            return CallerLine(transfer=rest or "transferred")
        case "/wait":
            return CallerLine(wait=float(rest)) if _SECONDS.fullmatch(rest) else None
    return None if word.startswith("/") else CallerLine(say=typed[:2000])


def _agent(console: Console, call: TypedCall, words: str) -> None:
    from rich.text import Text

    console.print(Text.assemble(("agent  ", "bold cyan"), words or "(says nothing)"))
    for called in call.newly_called():
        given = ", ".join(f"{name}={value}" for name, value in called.arguments.items())
        console.print(Text(f"       called {called.tool}({given})", style="dim"))
    for sentence in call.talk.blocked[-1:]:
        if sentence and call.talk.said and sentence not in call.talk.said[-1]:
            console.print(Text(f"       kept from saying: {sentence}", style="yellow"))
    _where(console, call)


def _where(console: Console, call: TypedCall) -> None:
    from rich.text import Text

    state = call.talk.state
    place = f"[{state.step}]"
    if state.transferring:
        place += f" handing over to {call.talk.transferred_to}; /transfer transferred, or busy"
    if state.ended:
        place = f"[the call is over: {state.outcome}; {state.reason}]"
    known = ", ".join(f"{name}={held.value}" for name, held in state.fields.items() if held.value is not None)
    console.print(Text(f"       {place} {known}".rstrip(), style="dim"))


def _fields(console: Console, call: TypedCall) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("field", "value", "how", "turn", "from the words", box=None)
    for name, held in call.talk.state.fields.items():
        cells = (name, str(held.value), held.status, str(held.turn), held.evidence)
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table if table.row_count else Text("nothing is known yet", style="dim"))


def _save(console: Console, call: TypedCall, source: str, target: str) -> None:
    from trunkline.scenario.load import library
    from trunkline.scenario.rehearsal import SUFFIX

    if not target.strip() or not call.lines:
        console.print("say something first, then /save FILE", style="dim")
        return
    path = Path(target.strip())
    path = path if path.name.endswith((".yaml", ".yml", ".json")) else path.with_name(path.name + SUFFIX)
    folder = path.resolve().parent
    of = source if source in library() else os.path.relpath(Path(source).resolve(), folder)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(call.as_test(of, path.name.removesuffix(SUFFIX).replace("_", " ")))
    except OSError as error:
        console.print(f"{path} cannot be written: {error.strerror}", style="red", markup=False)
        return
    console.print(f"written: trunkline scenario test {path}", style="dim", markup=False)
