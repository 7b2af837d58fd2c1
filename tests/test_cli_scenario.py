"""`trunkline scenario …`: what a person types, what they see, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from trunkline.cli.app import app
from trunkline.cli.scenario_chat import HELP
from trunkline.errors import ConfigError, TrunklineError

RUNNER = CliRunner()
FAILING = """
trunkline_test: 1
scenario: lead_qualification
conversations:
  - {name: wrong on purpose, caller: ["yes"], expect: {step: fit}}
  - {name: right, caller: ["yes"], expect: {step: team_size}}
"""


def test_new_gives_a_scenario_whose_tests_pass(tmp_path: Path) -> None:
    mine = tmp_path / "ours.yaml"
    made = RUNNER.invoke(app, ["scenario", "new", str(mine), "--template", "renewal"])
    assert made.exit_code == 0, made.output
    assert "name: ours" in mine.read_text()
    assert RUNNER.invoke(app, ["scenario", "check", str(mine)]).exit_code == 0
    tested = RUNNER.invoke(app, ["scenario", "test", str(mine), "--json"])
    assert tested.exit_code == 0
    assert all(one["passed"] and one["file"] == str(mine) for one in json.loads(tested.stdout))
    before = mine.read_text()
    again = RUNNER.invoke(app, ["scenario", "new", str(mine)])
    assert isinstance(again.exception, ConfigError)
    assert mine.read_text() == before


@pytest.mark.parametrize(
    "typed",
    [
        ["scenario", "new", "Ours.yaml"],
        ["scenario", "new", "ours.txt"],
        ["scenario", "new", "ours.yaml", "--template", "nothing"],
        ["scenario", "draw", "lead_qualification", "-o", "x.gif"],
        ["scenario", "draw", "no_such_file"],
        ["scenario", "test", "no_such_file"],
        ["scenario", "test", "survey", "--voice", "--stt", "nonesuch"],
        ["scenario", "test", "survey", "--voice", "--caller-tts", "nonesuch"],
    ],
)
def test_what_cannot_be_is_told(typed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(RUNNER.invoke(app, typed).exception, TrunklineError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "shape"), [("hello there", "a single value"), ("42", "a single value"), ("[1, 2]", "a list")]
)
@pytest.mark.parametrize("command", ["check", "test"])
def test_a_file_of_another_shape_is_told_what_is_expected(
    tmp_path: Path, text: str, shape: str, command: str
) -> None:
    file = tmp_path / ("x.test.yaml" if command == "test" else "x.yaml")
    file.write_text(text)
    done = RUNNER.invoke(app, ["scenario", command, str(file)])
    told = done.output + str(done.exception or "")
    assert f"x{'.test' if command == 'test' else ''}.yaml:1" in told
    assert f"holds {shape} instead of named parts" in told
    assert "Write name: value lines, beginning with trunkline" in told
    assert done.exit_code != 0


def test_a_failing_conversation_is_shown_and_sets_the_status(tmp_path: Path) -> None:
    file = tmp_path / "x.test.yaml"
    file.write_text(FAILING)
    report = tmp_path / "junit.xml"
    done = RUNNER.invoke(app, ["scenario", "test", str(file), "--junit", str(report), "--repeat", "3"])
    assert done.exit_code == 1
    assert "FAILED wrong on purpose  0 of 3" in done.stdout
    assert "the step is 'team_size', not 'fit'" in done.stdout
    assert "1 of 2 conversations passed" in done.stdout
    (suite,) = ElementTree.fromstring(report.read_text())
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    lenient = RUNNER.invoke(app, ["scenario", "test", str(file), "--at-least", "0"])
    assert lenient.exit_code == 0
    assert RUNNER.invoke(app, ["scenario", "test", str(file), "--only", "right"]).exit_code == 0
    assert RUNNER.invoke(app, ["scenario", "test", str(file), "--only", "nothing"]).exit_code == 2


def test_a_typed_call_is_undone_and_saved(tmp_path: Path) -> None:
    typed = ["sure", "/undo", "yes", "12", "/fields", "/nonsense", "", f"/save {tmp_path / 'mine'}", "/quit"]
    done = RUNNER.invoke(app, ["scenario", "chat", "lead_qualification"], input="\n".join(typed))
    assert done.exit_code == 0, done.output
    for seen in ("Maya", "[team_size]", "taken back", "Twelve people", "no /nonsense is known", "written:"):
        assert seen in done.stdout
    assert RUNNER.invoke(app, ["scenario", "test", str(tmp_path / "mine.test.yaml")]).exit_code == 0


def test_the_end_of_input_ends_a_typed_call() -> None:
    done = RUNNER.invoke(
        app, ["scenario", "chat", "survey", "--fact", "first_name=Dana"], input="no thank you"
    )
    assert done.exit_code == 0
    assert "Hello Dana" in done.stdout
    assert "the call is over: declined" in done.stdout
    assert RUNNER.invoke(app, ["scenario", "chat", "survey", "--fact", "Dana"]).exit_code == 2


@pytest.mark.parametrize(("key", "status"), [(KeyboardInterrupt, 130), (EOFError, 0)])
def test_ctrl_c_and_ctrl_d_end_a_typed_call_differently(
    key: type[BaseException], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object, **__: object) -> str:
        raise key

    monkeypatch.setattr("rich.console.Console.input", pressed)
    done = RUNNER.invoke(app, ["scenario", "chat", "survey", "--fact", "first_name=Dana"])
    assert (done.exit_code, "Hello Dana" in done.stdout) == (status, True)


def test_draw_and_schema(tmp_path: Path) -> None:
    picture = tmp_path / "p.svg"
    assert RUNNER.invoke(app, ["scenario", "draw", "survey", "-o", str(picture)]).exit_code == 0
    assert picture.read_text().startswith("<svg")
    assert RUNNER.invoke(app, ["scenario", "draw", "survey"]).stdout.startswith("flowchart TD")
    for flag in ([], ["--tests"]):
        shown = json.loads(RUNNER.invoke(app, ["scenario", "schema", *flag]).stdout)
        assert shown["$schema"].startswith("https://json-schema.org/")


def test_the_list_says_what_each_scenario_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[int, list[str]] = {}
    for columns in (40, 80, 300):
        monkeypatch.setenv("COLUMNS", str(columns))
        told[columns] = RUNNER.invoke(app, ["scenario", "list"]).output.splitlines()
        assert all(len(line) <= columns for line in told[columns])
    assert told[40][:2] == ["appointment_booking", "    Taking bookings for a garage".ljust(40)]
    assert told[80][0].split("  ") == ["appointment_booking", " Taking bookings for a garage"]
    assert told[300][0].endswith("appointment_booking.yaml")
    paths = json.loads(RUNNER.invoke(app, ["scenario", "list", "--json"]).output)
    assert len(paths) == len(told[80])
    assert Path(paths["survey"]).exists()


def test_the_help_of_a_typed_call_fits_80_columns() -> None:
    assert max(len(line) for line in HELP.splitlines()) <= 80
