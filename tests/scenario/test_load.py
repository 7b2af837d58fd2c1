"""Files: what is read, and that every error names the line, what is wrong and what to write."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scenario.talks import SMALL
from trunkline.errors import ScenarioError
from trunkline.scenario import load
from trunkline.scenario.load import examine, examine_file, library, load_scenario, parse_scenario
from trunkline.scenario.migrate import migrated
from trunkline.scenario.model import Scenario
from trunkline.scenario.plain_yaml import LARGEST


@pytest.mark.parametrize("name", library())
def test_shipped_scenarios_have_no_findings(name: str) -> None:
    assert [str(finding) for finding in examine_file(name).findings] == []
    assert load_scenario(name).name == name


def test_json_is_read_too() -> None:
    data = yaml.safe_load(SMALL)
    assert parse_scenario(json.dumps(data)) == parse_scenario(SMALL)


def test_a_scenario_survives_its_own_json() -> None:
    for name in library():
        scenario = load_scenario(name)
        again = Scenario.model_validate_json(scenario.model_dump_json())
        assert again == scenario
    assert Scenario.model_json_schema()["properties"]["steps"]


def test_words_stay_words() -> None:
    scenario = parse_scenario(SMALL.replace('reask: ["What number is it?"]', "reask: [no, on, yes, '16:30']"))
    assert scenario.fields["size"].reask == ("no", "on", "yes", "16:30")


def test_an_edge_case_keeps_what_is_not_overridden() -> None:
    scenario = parse_scenario(SMALL + "edge_cases: {silence: {limit: 1}}\n")
    assert scenario.edge_cases.silence.limit == 1
    assert scenario.edge_cases.silence.words[0] == "Are you still there?"
    assert scenario.edge_cases.silence.outcome == "no_answer"


LINES = SMALL.splitlines()


def _line(of: str) -> int:
    return next(number for number, line in enumerate(LINES, 1) if of in line)


@pytest.mark.parametrize(
    ("old", "new", "line", "what", "hint"),
    [
        ("kind: ask", "kind: aks", "kind: ask", "has no such kind", "'ask'"),
        (
            "unit: people",
            "units: people",
            "unit: people",
            "`fields.size.units` is not known",
            "Did you mean `unit`",
        ),
        ("to: little", "to: litle", "to: little", "no step is called 'litle'", "hello, big, little"),
        ("size > 10", "size = 10", "when:", "'=' is not understood", "Write == to compare"),
        ("size > 10", "sise > 10", "when:", "'sise' is no field and no fact", "Add it"),
        ("    field: size\n", "", "hello:", "needs `field`", ""),
        ("start: hello", "start: hallo", "start:", "no step is called 'hallo'", "hello"),
        ("outcome: big, ", "", "big:", "needs `outcome`", ""),
        (
            "outcome: big, ",
            "outcome: big, how: bridged, ",
            "big:",
            "`how` belongs to steps of kind transfer",
            "",
        ),
        ("outcome: big, ", "outcome: big, how: somehow, ", "big:", "how", ""),
        ("type: number", "type: [1]", "type:", "has no such kind", "Write one of"),
        (
            "confirm: true",
            "confirm: true\n    confirm: false",
            "keypad",
            "'confirm' stands twice",
            "keep one",
        ),
        ("name: small", "name: Small One", "name: small", "is no usable name", "small letters"),
        ("trunkline: 1", "trunkline: 2", "trunkline", "newer than this program", "Update trunkline"),
        ("trunkline: 1", "", "trunkline", "the version is missing", "trunkline: 1"),
        ("Hello, this is Ann", "Hello {nobody}, this is Ann", "say:", "{nobody} has no source", "fallback"),
        ("kind: ask", "kind: ask\n    reasks: 99", "field: size\n", "reasks", ""),
        ("      - to: little\n", "", "edges:", "no default edge", "Add a last edge"),
        ("name: small", "name: &a small", "name: small", "anchors", "Write it out"),
        ("name: small", "name: !!python/name:os.system small", "name: small", "is not read", ""),
        ("steps:", "steps: [", "kind: ask", "is not YAML", "indentation"),
    ],
)
def test_errors_name_the_line(old: str, new: str, line: str, what: str, hint: str) -> None:
    assert old in SMALL
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(SMALL.replace(old, new, 1), "my.yaml")
    text = str(caught.value)
    assert what in text
    assert hint in text
    file, _, number = text.partition(":")
    assert file == "my.yaml"
    if "reasks" not in new and new:
        assert int(number.partition(":")[0]) == _line(line), text


def test_all_findings_come_at_once() -> None:
    broken = SMALL.replace("unit:", "units:").replace("kind: ask", "kind: aks")
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(broken)
    assert "units" in str(caught.value)
    assert "no such kind" in str(caught.value)


def test_bombs() -> None:
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
    deep = "a: " + "[" * 5000
    for text, says in ((bomb, "anchors"), (deep, "nesting"), ("x" * (LARGEST + 1), "larger"), ("", "empty")):
        with pytest.raises(ScenarioError, match=says):
            parse_scenario(text)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    with pytest.raises(ScenarioError, match=r"cannot be read.*appointment_reminder, .*lead_qualification"):
        load_scenario(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ScenarioError, match="UTF-8"):
        load_scenario(path)
    path.write_text(SMALL, "utf-8")
    assert load_scenario(path).name == "small"


@given(st.text(max_size=300))
def test_any_text_is_examined(text: str) -> None:
    examined = examine(text)
    assert examined.scenario is not None or examined.findings


@given(st.integers(0, len(SMALL) - 1), st.text(alphabet="{}[]:-&*!|>'\"\n ax1", max_size=3))
def test_a_damaged_file_is_a_scenario_or_a_finding(place: int, put: str) -> None:
    examined = examine(SMALL[:place] + put + SMALL[place + 1 :])
    assert examined.scenario is not None or all(finding.what for finding in examined.findings)
    assert examined.scenario is not None or examined.findings


def test_an_older_version_is_read_with_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def renamed(data: dict[str, Any]) -> tuple[dict[str, Any], str]:
        return {
            "start" if key == "begin" else key: value for key, value in data.items()
        }, "`begin` is `start`"

    old = SMALL.replace("trunkline: 1", "trunkline: 0").replace("start: hello", "begin: hello")
    with pytest.raises(ScenarioError, match="0 is no format version"):
        parse_scenario(old)
    monkeypatch.setattr(load, "migrated", partial(migrated, migrations={0: renamed}))
    examined = load.examine(old, "x")
    assert examined.scenario is not None
    assert examined.scenario.start == "hello"
    [note] = examined.findings
    assert str(note).startswith("x:2: note: format version 0 is read as 1: `begin` is `start`. Change it")
    assert parse_scenario(old) == examined.scenario


def test_each_step_of_a_migration_is_told() -> None:
    def counted(data: dict[str, Any]) -> tuple[dict[str, Any], str]:
        return {**data, "seen": data.get("seen", 0) + 1}, "one more"

    data, notes = migrated({"trunkline": 1}, {1: counted, 2: counted}, newest=3)
    assert data == {"trunkline": 3, "seen": 2}
    assert len(notes) == 2
    assert migrated({"trunkline": 9}, {1: counted}) == ({"trunkline": 9}, [])
    assert migrated({"trunkline": True}, {1: counted}, newest=3) == ({"trunkline": True}, [])


def test_a_tab_is_called_a_tab() -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario("trunkline: 1\nsteps:\n\tgreet: {}\n", "my.yaml")
    assert str(caught.value).startswith("my.yaml:3: is indented with a tab. Write spaces")
