"""The command line as a person and a script meet it: real processes, their output and exit status."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.text import Text

from trunkline import __version__
from trunkline.cli.app import app

COMMANDS = ("demo", "serve", "call", "config", "costs", "doctor", "version", "scenario", "lab")


def trunkline(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in this folder, with nothing of ours in the environment but `variables`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}
    environment |= {"NO_COLOR": "1", "COLUMNS": "100", "TERM": "dumb", **variables}
    return subprocess.run(
        [sys.executable, "-m", "trunkline", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=60,
        check=False,
    )


def test_help_lists_every_command(tmp_path: Path) -> None:
    done = trunkline("--help", folder=tmp_path)
    assert done.returncode == 0
    for command in COMMANDS:
        assert f" {command} " in done.stdout
    assert "Exit status" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(tmp_path: Path, command: str) -> None:
    done = trunkline(command, "--help", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Usage: python -m trunkline {command}" in done.stdout


def test_no_help_loses_words_to_markup() -> None:
    # Rich takes `[serve]` for a style and drops it; such words are written `serve.drain_time`.
    commands: list[tuple[str, Any]] = [("trunkline", typer.main.get_command(app))]
    told = 0
    while commands:
        name, command = commands.pop()
        commands += [(f"{name} {key}", each) for key, each in getattr(command, "commands", {}).items()]
        for text in (command.help, command.epilog, *(getattr(each, "help", "") for each in command.params)):
            if text:
                told += 1
                assert Text.from_markup(text).plain == text, name
    assert told > 100


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys, trunkline.cli.app\n"
        "heavy = {'numpy', 'pydantic', 'structlog', 'onnxruntime', 'yaml', 'asyncio', 'rich.console'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_version(tmp_path: Path) -> None:
    assert trunkline("version", folder=tmp_path).stdout.startswith(f"trunkline {__version__} ")
    assert json.loads(trunkline("version", "--json", folder=tmp_path).stdout)["trunkline"] == __version__


def test_the_version_flag_is_as_light_as_help(tmp_path: Path) -> None:
    done = trunkline("--version", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == trunkline("version", folder=tmp_path).stdout
    script = (
        "import sys\n"
        "from trunkline.cli.app import app\n"
        "app(['--version'], standalone_mode=False)\n"
        "heavy = {'numpy', 'pydantic', 'structlog', 'onnxruntime', 'yaml', 'asyncio', 'rich.console'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    light = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert light.stdout.splitlines()[1:] == ["[]"]


def test_config_prints_a_configuration_file(tmp_path: Path) -> None:
    (tmp_path / "trunkline.toml").write_text("[turn]\nsilence = 0.75\n")
    done = trunkline(
        "config", "--tts", "fake,api_key=very-secret", folder=tmp_path, TRUNKLINE_SIP_USER="maya"
    )
    told = tomllib.loads(done.stdout)
    assert (told["turn"]["silence"], told["sip"]["user"]) == (0.75, "maya")
    assert told["engines"]["tts"] == ["fake,api_key=********"]
    assert "# trunkline.toml:2" in done.stdout
    assert "# TRUNKLINE_SIP_USER" in done.stdout


def test_config_for_machines(tmp_path: Path) -> None:
    told = json.loads(trunkline("config", "--json", "--set", "turn.silence=0.3", folder=tmp_path).stdout)
    assert told["turn.silence"] == {"value": 0.3, "layer": "flag", "place": "--set turn.silence"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["config", "--set", "turn.slence=1"], "Did you mean turn.silence?"),
        (["config", "--config", "nowhere.toml"], "nowhere.toml: cannot be read: No such file"),
        (["serve", "--scenario", "nowhere.yaml"], "nowhere.yaml"),
        (
            ["serve"],
            "--scenario: no scenario is named. Give a file, or a shipped one: `trunkline scenario list`",
        ),
        (["call", "sip:a@127.0.0.1"], "`trunkline scenario list` has their names"),
        (["call", "bob", "--scenario", "survey"], "trunkline: an address without a scheme: 'bob'"),
        (
            ["scenario", "chat", "survey", "--model", "nope"],
            "--model: there is no llm engine called 'nope'. Known",
        ),
        (["scenario", "chat", "survey", "--model", "opnai"], "Did you mean openai? Known here:"),
        (
            ["scenario", "chat", "survey", "--model", "fake,dely=1"],
            "--model fake: it has no option 'dely'. It takes",
        ),
        (["call", "sip:a@127.0.0.1", "--scenario", "nowhere.yaml"], "nowhere.yaml"),
        (["demo", "--persona", "nobody"], "nobody"),
        (["scenario", "check", "nowhere.yaml"], "nowhere.yaml"),
        (["srve"], "serve"),
        (["lab", "replay", "nowhere"], "nowhere: cannot be read: No such file or directory. Give the folder"),
        (["lab", "fork", "nowhere", "--turn", "1"], "Give the folder of one call"),
        (["lab", "replay", "/dev/null"], "/dev/null: is empty: there is no call in it. Give the folder"),
        (["lab", "bench", "--plot", "drawn"], "add --suite NAME"),
        (["lab", "pauses", "--turns", "nowhere"], "Give figures, tuning, unfitted, or a file"),
        (["lab", "pauses", "--runs", "nowhere"], "nowhere: there is no recorded call in it"),
        (["sip", "trace", "nowhere.pcap"], "nowhere.pcap: cannot be read: No such file"),
    ],
)
def test_what_a_person_got_wrong_is_one_clear_paragraph(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = trunkline(*arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "calling" not in done.stderr


@pytest.mark.parametrize(
    ("flag", "path", "words"),
    [
        ("--runs", "file", "file cannot be written. Choose another with --runs FOLDER"),
        ("--runs", "file/below", "cannot be written"),
        ("--json", "nowhere/figures.json", "there is no folder nowhere"),
        ("--json", ".", ". is a folder. Name a file in it"),
    ],
)
def test_a_demo_whose_results_cannot_be_kept_is_not_held(
    tmp_path: Path, flag: str, path: str, words: str
) -> None:
    (tmp_path / "file").touch()
    done = trunkline("demo", flag, path, folder=tmp_path)
    assert (done.returncode, done.stdout) == (5, "")  # no word of the call was shown
    assert words in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bench", "--calls", "1", "--json", "."], "--json: . is a folder. Name a file in it"),
        (["bench", "--suite", "echo", "--cases", "1", "--plot", "file"], "--plot: file cannot be written"),
        (["pauses", "--plot", "file"], "--plot: file cannot be written. Name another folder"),
    ],
)
def test_what_cannot_be_kept_is_not_measured(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "file").touch()
    done = trunkline("lab", *arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith(f"trunkline: {words}")  # and before it, no word of progress


@pytest.mark.parametrize("command", ["", "call", "demo", "doctor", "scenario check", "sip dial", "voices"])
def test_help_that_tells_an_exit_status_tells_that_of_ctrl_c(tmp_path: Path, command: str) -> None:
    told = trunkline(*command.split(), "--help", folder=tmp_path).stdout
    assert "130" in told[told.index("Exit status") :] if "Exit status" in told else False


def test_debug_shows_all_of_an_error(tmp_path: Path) -> None:
    done = trunkline("serve", "--debug", "--scenario", "nowhere.yaml", folder=tmp_path)
    assert "Traceback" in done.stderr
    assert done.returncode != 0


def test_a_shipped_scenario_passes_the_check(tmp_path: Path) -> None:
    shipped = json.loads(trunkline("scenario", "list", "--json", folder=tmp_path).stdout)
    assert "lead_qualification" in shipped
    done = trunkline("scenario", "check", "lead_qualification", folder=tmp_path)
    assert done.returncode == 0
    assert "can be used" in done.stdout


def test_a_wrong_scenario_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("trunkline: 1\nnme: mine\n")
    done = trunkline("scenario", "check", "mine.yaml", folder=tmp_path)
    assert done.returncode == 2
    assert "mine.yaml:2" in done.stdout
    told = json.loads(trunkline("scenario", "check", "mine.yaml", "--json", folder=tmp_path).stdout)
    assert not told["usable"]
    assert any(finding["where"] == "mine.yaml:2" for finding in told["findings"])


FAKES = {"--stt": "fake", "--llm": "fake", "--tts": "fake", "--sip": "udp:127.0.0.1:0"}


def serve(folder: Path, **over: str) -> subprocess.CompletedProcess[str]:
    """Try to serve a shipped scenario with fake engines, these flags over it."""
    flags = FAKES | {f"--{name}": value for name, value in over.items()}
    arguments = [word for flag in flags.items() for word in flag]
    return trunkline("serve", "--scenario", "lead_qualification", *arguments, folder=folder)


@pytest.mark.parametrize(
    ("engine", "status", "words"),
    [
        ("nonesuch", 2, "nonesuch"),
        ("fake,dely_ms=5", 2, "Did you mean delay_ms?"),
        ("whisper,model=no/such/model", 3, "whisper"),
    ],
)
def test_an_engine_that_cannot_be_had(tmp_path: Path, engine: str, status: int, words: str) -> None:
    done = serve(tmp_path, stt=engine)
    assert (done.returncode, done.stdout) == (status, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_has_its_own_status(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        done = serve(tmp_path, sip=f"udp:127.0.0.1:{port}")
    assert (done.returncode, done.stdout) == (4, "")
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


def test_costs_are_told_by_outcome(tmp_path: Path) -> None:
    for name, outcome, total in (("a", "[b]booked", 0.04), ("b", "[b]booked", 0.02), ("c", "", None)):
        (tmp_path / "runs" / name).mkdir(parents=True)
        unknown = ["stt deepgram/nova-2"] if total is None else []
        told = {"outcome": outcome, "duration": 90.0, "costs": {"currency": "USD", "total": total}}
        told["costs"]["unknown"] = unknown  # type: ignore[index]
        (tmp_path / "runs" / name / "call.json").write_text(json.dumps(told), "utf-8")
    done = trunkline("costs", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[1:3] == [
        ["[b]booked", "2", "3.0", "0.0600", "0.0300"],
        ["none", "1", "1.5", *["unknown"] * 2],
    ]
    assert "Without a price: stt deepgram/nova-2." in done.stdout
    as_json = json.loads(trunkline("costs", "--json", folder=tmp_path).stdout)
    assert [row["each"] for row in as_json["outcomes"]] == [0.03, None]
    nowhere = trunkline("costs", "nowhere", folder=tmp_path)
    assert (nowhere.returncode, "Give the folder that calls were" in nowhere.stderr) == (2, True)
    (tmp_path / "runs" / "a" / "call.json").write_text("{}", "utf-8")
    assert trunkline("costs", folder=tmp_path).returncode == 2
