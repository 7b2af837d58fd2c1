"""A scenario's file that changes, breaks, and goes away while a server runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scenario.talks import SMALL
from scenario.test_look_up import DESK
from trunkline.call.play import settings_for
from trunkline.call.scenario_file import ScenarioFile
from trunkline.call.settings import CallSettings
from trunkline.errors import ConfigError, ScenarioError


def write(path: Path, text: str) -> None:
    """Write it, at another time than before, whatever the file system's clock can tell apart."""
    stamp = path.stat().st_mtime_ns + 1_000_000 if path.exists() else 0
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(stamp, stamp))


async def test_the_next_call_gets_the_new_version_and_a_running_one_keeps_its_own(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    write(path, SMALL)
    file = ScenarioFile(str(path))
    running = file.play
    assert not await file.look()
    write(path, SMALL.replace("name: small", "name: other"))
    assert await file.look()
    assert (running.name, file.play.name) == ("small", "other")
    assert not await file.look()


@pytest.mark.parametrize(
    "broken",
    ["", "steps: [", SMALL.replace("start: hello", "start: nowhere"), "\x00", "trunkline: 99\n", DESK],
)
async def test_a_broken_file_changes_nothing(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "small.yaml"
    write(path, SMALL)
    file = ScenarioFile(str(path))
    before = file.play
    write(path, broken)
    assert not await file.look()
    assert file.play is before
    path.unlink()
    assert not await file.look()
    assert file.play is before
    write(path, SMALL.replace("name: small", "name: mended"))
    assert await file.look()
    assert file.play.name == "mended"


async def test_a_knowledge_file_that_changes_counts(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    write(tmp_path / "faq.md", "We take cards.")
    write(path, SMALL + "knowledge_files: [faq.md]\n")
    file = ScenarioFile(str(path))
    write(tmp_path / "faq.md", "We take cash.")
    assert await file.look()
    assert file.play.scenario.documents == {"faq.md": "We take cash."}


def test_a_scenario_is_not_taken_up_without_its_tools(tmp_path: Path) -> None:
    path = tmp_path / "desk.yaml"
    write(path, DESK)
    with pytest.raises(ConfigError, match="find_slot"):
        ScenarioFile(str(path))
    assert ScenarioFile(str(path), ["find_slot"]).play.name == "desk"
    with pytest.raises(ScenarioError):
        ScenarioFile(str(tmp_path / "away.yaml"))


def test_the_persona_speaks_unless_the_settings_say_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    write(path, SMALL.replace("name: Ann,", "name: Ann, voice: slt, pace: 140,"))
    play = ScenarioFile(str(path)).play
    own = settings_for(play, CallSettings())
    assert (own.voice, own.words_per_minute) == ("slt", 140)
    told = settings_for(play, CallSettings(voice="rms", words_per_minute=180))
    assert (told.voice, told.words_per_minute) == ("rms", 180)
