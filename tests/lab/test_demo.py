"""The demonstration passes only when the call ended as its persona intends."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trunkline.config.load import load
from trunkline.errors import MediaError
from trunkline.lab import demo
from trunkline.lab.console import Console
from trunkline.lab.demo import complaints, load_play
from trunkline.lab.persona import Intent, load_persona, shipped

INTENDS = Intent(outcome=("qualified", "callback"), fields={"team_size": 20, "timeline": "this_year"})


def record(outcome: str = "qualified", **fields: Any) -> dict[str, Any]:
    values = {"team_size": 20.0, "timeline": "this_year", **fields}
    return {"outcome": outcome, "fields": {name: {"value": value} for name, value in values.items()}}


@pytest.mark.parametrize("size", [20, 20.0, "20", "20.00", {"amount": "20", "currency": "USD"}])
def test_numbers_are_compared_as_numbers(size: object) -> None:
    assert complaints(INTENDS, record(team_size=size)) == ()


@pytest.mark.parametrize("size", [12, "twenty", None, "", {}])
def test_a_wrong_field_is_named(size: object) -> None:
    (said,) = complaints(INTENDS, record(team_size=size))
    assert said.startswith("team_size is ")
    assert said.endswith(", not 20")


def test_a_wrong_outcome_and_missing_fields_are_all_named() -> None:
    found = complaints(INTENDS, {"outcome": "", "fields": {}})
    assert found == (
        "the outcome is 'none', not 'qualified' or 'callback'",
        "team_size is None, not 20",
        "timeline is None, not 'this_year'",
    )


@pytest.mark.parametrize("name", shipped())
def test_what_a_persona_intends_can_come_of_its_scenario(name: str) -> None:
    persona = load_persona(name)
    assert load_play(persona.scenario).name == persona.scenario


async def test_without_a_sound_device_the_call_is_held_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_speakers() -> None:
        raise MediaError("this machine has no sound device that works", where="--listen")

    async def hold(_options: object, _clock: object, _listeners: object, speakers: object) -> object:
        assert speakers is None
        prospect = SimpleNamespace(trouble="")
        return SimpleNamespace(complaints=(), prospect=prospect, folder=tmp_path, record={})

    told: list[str] = []
    monkeypatch.setattr(demo, "Speakers", no_speakers)
    monkeypatch.setattr(demo, "hold_demo", hold)
    monkeypatch.setattr(Console, "finish", lambda _console, _record, remarks: told.extend(remarks))
    settings = load(file=None, environment={}, flags=()).settings.for_service()
    await demo.run_demo(demo.DemoOptions(settings=settings, listen=True))
    assert told[0] == "--listen: this machine has no sound device that works"
