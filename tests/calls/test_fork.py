"""A recorded call goes on from one turn: the same with the same scenario, otherwise with another."""

from __future__ import annotations

import json
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from calls.story import Says, SmallTalk, Told, tell
from trunkline.call.play import ScenarioPlay
from trunkline.cli.app import app
from trunkline.clock import VirtualClock, run_virtual
from trunkline.errors import ConfigError, ParseError
from trunkline.events import ScenarioStepped, SpeakingStopped, TurnEnded, TurnStarted
from trunkline.lab.fork import Exchange, caller_lines, fork, happenings_before
from trunkline.lab.replay import as_line
from trunkline.providers.llm.fake import FakeLanguageModel
from trunkline.scenario.actions import AgentHeard, CallBegan
from trunkline.scenario.load import load_scenario

SCENARIO = load_scenario("lead_qualification")


@pytest.fixture(scope="module", name="told")
def _told() -> Told:
    return tell(
        Says(7.5, "sorry who is this"),
        Says(24.0, "how much does it cost"),
        Says(40.0, "not interested goodbye"),
        play=cast("SmallTalk", ScenarioPlay(SCENARIO)),
        lasts=60,
    )


def go_on(told: Told, turn: int, lines: tuple[str, ...] = ()) -> list[Exchange]:
    async def story(clock: VirtualClock) -> list[Exchange]:
        model = FakeLanguageModel(clock=clock, reply="I see.")
        return await fork(told.events, turn, SCENARIO, model, lines)

    return run_virtual(story)


def test_what_led_to_a_turn_is_all_there_and_nothing_that_was_thrown_away(told: Told) -> None:
    led, _ = happenings_before(told.events, 2)
    assert isinstance(led[0], CallBegan)
    heard = [happening.heard for happening in led if isinstance(happening, AgentHeard)]
    ended = [event.heard for event in told.events if isinstance(event, SpeakingStopped)]
    assert heard == ended[: len(heard)]
    assert heard


def test_the_recorded_lines_are_said_again(told: Told) -> None:
    lines = [event.text for event in caller_lines(told.events, 2)]
    assert lines == told.caller_words()[1:]
    exchanges = go_on(told, 2)
    assert [exchange.caller for exchange in exchanges] == lines[: len(exchanges)]
    assert all(exchange.agent for exchange in exchanges)


def test_other_lines_lead_elsewhere(told: Told) -> None:
    other = go_on(told, 2, ("please take me off your list",))
    assert [exchange.caller for exchange in other] == ["please take me off your list"]
    assert other[0].agent != go_on(told, 2)[0].agent


def test_a_turn_that_was_not_is_refused(told: Told) -> None:
    with pytest.raises(ConfigError):
        happenings_before(told.events, 99)


def test_a_log_with_a_gap_is_refused(told: Told) -> None:
    steps = [event for event in told.events if isinstance(event, ScenarioStepped)]
    events: list[Any] = [event for event in told.events if event is not steps[0]]
    with pytest.raises(ParseError):
        happenings_before(events, 2)
    circle = [replace(event, before=event.after + 1) if event is steps[0] else event for event in told.events]
    with pytest.raises(ParseError):
        happenings_before(circle, 2)


def test_the_command_goes_on(told: Told, tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text("\n".join(map(as_line, told.events)), encoding="utf-8")
    arguments = ["lab", "fork", str(tmp_path), "--turn", "2", "--say", "how much does it cost"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "caller  how much does it cost" in done.output
    assert "agent   " in done.output


def test_the_words_of_another_recogniser_are_said_from_the_turn_on(told: Told) -> None:
    async def story(clock: VirtualClock) -> list[Exchange]:
        model = FakeLanguageModel(clock=clock, reply="I see.")
        words = {1: "never said", 2: "please take me off your list", 3: ""}
        return await fork(told.events, 2, SCENARIO, model, (), words)

    exchanges = run_virtual(story)
    assert exchanges[0].caller == "please take me off your list"
    assert exchanges[0].turn == 2
    assert exchanges[0].agent == go_on(told, 2, ("please take me off your list",))[0].agent


def test_the_command_hears_the_recording_again_and_speaks_the_answers(told: Told, tmp_path: Path) -> None:
    # Turns of 0.2 s, so that nobody waits for them to be heard.
    began = {event.turn: event.since for event in told.events if isinstance(event, TurnStarted)}
    events = [
        replace(event, speech_end=began[event.turn] + 0.2) if isinstance(event, TurnEnded) else event
        for event in told.events
    ]
    zero = events[0].at
    (tmp_path / "events.jsonl").write_text("\n".join(map(as_line, events)), encoding="utf-8")
    (tmp_path / "call.json").write_text(json.dumps({"zero": zero}))
    with wave.open(str(tmp_path / "recording.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\x00\x20\x00\x00" * 8000 * 60)
    arguments = ["lab", "fork", str(tmp_path), "--turn", "2", "--out", str(tmp_path / "fork.wav")]
    engines = ["--stt", "fake,text='please take me off your list'", "--tts", "fake"]
    done = CliRunner().invoke(app, [*arguments, *engines])
    assert done.exit_code == 0, done.output
    again = "is now 'please take me off your list'"
    assert f"turn 1, for comparison: 'sorry who is this' {again}" in done.output
    assert f"turn 2, said again: 'how much does it cost' {again}" in done.output
    assert "caller  please take me off your list" in done.output
    with wave.open(str(tmp_path / "fork.wav")) as file:
        assert file.getnframes() > 8000
    (tmp_path / "recording.wav").unlink()
    refused = CliRunner().invoke(app, [*arguments, *engines])
    assert isinstance(refused.exception, ConfigError)
