"""Which commands there are, and how any of them ends."""

from __future__ import annotations

import inspect
import os
import sys
import traceback
from collections.abc import Callable

import typer

from trunkline.cli.call import call
from trunkline.cli.config import config
from trunkline.cli.costs import costs
from trunkline.cli.demo import demo
from trunkline.cli.doctor import doctor
from trunkline.cli.engines import engines, try_engine
from trunkline.cli.engines_compare import compare
from trunkline.cli.exit_status import ExitStatus, status_of
from trunkline.cli.lab import bench, replay
from trunkline.cli.lab_fork import fork
from trunkline.cli.lab_pauses import pauses
from trunkline.cli.report import report
from trunkline.cli.say import say
from trunkline.cli.scenario import check, list_shipped
from trunkline.cli.scenario_chat import chat
from trunkline.cli.scenario_files import draw, new, schema
from trunkline.cli.scenario_rehearse import rehearse_files
from trunkline.cli.serve import serve
from trunkline.cli.sip import dial, register
from trunkline.cli.sip_doctor import examine_trunk
from trunkline.cli.sip_trace import trace
from trunkline.cli.version import version, version_flag
from trunkline.cli.voices import voices
from trunkline.errors import TrunklineError

OTHER_STATUS = "As every command: 130 where Ctrl-C ended it; trunkline --help has the others."

app = typer.Typer(
    name="trunkline",
    help="Phone calls in which an AI agent talks with a person.\n\n"
    "Try `trunkline demo` first: a whole call on this machine, no key and no server needed.",
    epilog="Exit status: 0 well; 1 ended otherwise than intended; 2 a flag, setting or scenario is wrong; "
    "3 an engine is missing or failed; 4 network; 5 a record could not be written; 70 our own fault; "
    "130 ended by Ctrl-C.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
scenarios = typer.Typer(no_args_is_help=True)
laboratory = typer.Typer(no_args_is_help=True)
engine_commands = typer.Typer(invoke_without_command=True)
signalling = typer.Typer(no_args_is_help=True)


def _add(group: typer.Typer, name: str, command: Callable[..., None]) -> None:
    """A command whose help is its docstring. One that tells its exit status tells that of Ctrl-C, too."""
    prose = _prose(command)
    group.command(name, help=prose, epilog=OTHER_STATUS if "Exit status" in prose else None)(command)


def _prose(command: Callable[..., None]) -> str:
    """The docstring as paragraphs: a line of the source is not a line of the terminal."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in paragraphs)


app.callback()(version_flag)
for _name, _command in (
    ("demo", demo),
    ("serve", serve),
    ("call", call),
    ("config", config),
    ("costs", costs),
    ("report", report),
    ("doctor", doctor),
    ("say", say),
    ("voices", voices),
    ("version", version),
):
    _add(app, _name, _command)
_add(scenarios, "check", check)
_add(scenarios, "chat", chat)
_add(scenarios, "test", rehearse_files)
_add(scenarios, "draw", draw)
_add(scenarios, "new", new)
_add(scenarios, "schema", schema)
_add(scenarios, "list", list_shipped)
_add(laboratory, "bench", bench)
_add(laboratory, "fork", fork)
_add(laboratory, "pauses", pauses)
_add(laboratory, "replay", replay)
_add(engine_commands, "try", try_engine)
_add(engine_commands, "compare", compare)
engine_commands.callback(help=_prose(engines))(engines)
app.add_typer(engine_commands, name="engines")
_add(signalling, "dial", dial)
_add(signalling, "register", register)
_add(signalling, "trace", trace)
_add(signalling, "doctor", examine_trunk)
app.add_typer(signalling, name="sip", help="Try a trunk or a phone, without an agent.")
app.add_typer(scenarios, name="scenario", help="Work on scenarios: what the agent is to do.")
app.add_typer(laboratory, name="lab", help="Measure, and go back over calls that were held.")


def run() -> None:
    """Run the command that `sys.argv` names, and end the process with its status."""
    try:
        app()
    except TrunklineError as error:
        if _debugging():
            raise
        sys.exit(_tell(error))
    except Exception as error:  # noqa: BLE001 - the last place that can tell a person anything
        sys.exit(_confess(error))


def _debugging() -> bool:
    """`--debug` anywhere: looked for here because an error may come before flags are read."""
    from trunkline.config.names import DEBUG_VARIABLE

    return "--debug" in sys.argv[1:] or os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")


def _tell(error: TrunklineError) -> ExitStatus:
    """One clear paragraph: what is wrong, where, and what to do."""
    from rich.console import Console
    from rich.text import Text

    words = Text()
    words.append("trunkline: ", style="bold red")
    if error.where:
        words.append(f"{error.where}: ", style="bold")
    words.append(error.what)
    if error.hint:
        words.append("\n  " if "\n" in error.what else ". ")
        words.append(error.hint, style="cyan")
    Console(stderr=True, highlight=False, soft_wrap=True).print(words)
    return status_of(error)


def _confess(error: Exception) -> ExitStatus:
    if _debugging():
        traceback.print_exception(error)
    else:
        place = traceback.extract_tb(error.__traceback__)[-1]
        print(
            f"trunkline: a fault of its own: {type(error).__name__}: {error} "
            f"({place.filename}:{place.lineno})\n"
            "  This should not happen. Please report it, with what the same command prints with --debug.",
            file=sys.stderr,
        )
    return ExitStatus.FAULT
