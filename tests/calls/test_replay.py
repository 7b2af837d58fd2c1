"""A call's log, fed back, gives the same decisions; a changed log or scenario shows where it parts.

Saved logs under `tests/calls/replays/` are regression tests: turn-taking must decide on them as it did.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from calls.story import Presses, Says, SmallTalk, Told, tell
from trunkline.call.logged_play import digest, happening_from, plain_happening
from trunkline.call.settings import CallSettings
from trunkline.cli.app import app
from trunkline.errors import ConfigError, ParseError
from trunkline.events import CallStarted, Event, Final, Partial, ScenarioStepped, TurnEnded
from trunkline.lab.replay import (
    as_line,
    parse_line,
    policy_of,
    read_log,
    replay_scenario,
    replay_turns,
)
from trunkline.prompt import Message, Prompt
from trunkline.scenario.actions import AgentHeard, CallBegan, CallerSaid, ModelCalled
from trunkline.turn.policy import TurnPolicy

SAVED = sorted((Path(__file__).parent / "replays").glob("*.jsonl"))
LONG = "Our plans start at twenty dollars a month for each person, and you may leave whenever you like."


def stories() -> dict[str, Told]:
    plain = CallSettings(vad="energy", turn=TurnPolicy(silence=0.2, adaptive=False))
    ask = Says(3.0, "what does it cost")
    return {
        "interrupted": tell(ask, Says(6.0, "wait is there a contract"), replies=[LONG], lasts=12),
        "mm-hm": tell(ask, Says(5.5, "mm-hm", lasts=0.3), replies=[LONG], settings=plain, lasts=14),
        "keys": tell(Presses(0.5, "42#"), Presses(5.0, "7"), settings=plain),
        "resumed": tell(ask, Says(4.7, "for forty people"), llm={"delay_ms": 900}, lasts=12),
        "silent": tell(lasts=25),
        "failing": tell(ask, llm={"fail": True}, stt={"delay_ms": 900}, lasts=12),
    }


@pytest.fixture(scope="module", name="told")
def _told() -> dict[str, Told]:
    return stories()


@pytest.mark.parametrize("name", ["interrupted", "mm-hm", "keys", "resumed", "silent", "failing"])
def test_a_log_fed_back_gives_the_same_decisions(told: dict[str, Told], name: str) -> None:
    lines = [as_line(event) for event in told[name].events]
    events = [parse_line(line) for line in lines]
    assert [as_line(event) for event in events] == lines
    turns = replay_turns(events)
    assert turns.difference is None
    assert turns.decisions >= 1
    steps = replay_scenario(events, SmallTalk())
    assert steps.difference is None
    assert steps.steps == sum(isinstance(event, ScenarioStepped) for event in events) >= 2


def test_the_policy_is_in_the_log(told: dict[str, Told]) -> None:
    assert policy_of(told["mm-hm"].events) == TurnPolicy(silence=0.2, adaptive=False)
    assert policy_of(told["silent"].events) == TurnPolicy()
    other = replay_turns(told["mm-hm"].events, TurnPolicy(silence=0.9, adaptive=False))
    assert other.difference is not None
    assert '"TurnEnded"' in (other.difference.recorded or "")


def changed(events: list[Event], old: Event, *new: Event) -> list[Event]:
    place = events.index(old)
    return [*events[:place], *new, *events[place + 1 :]]


def test_the_first_difference_is_shown_with_its_line(told: dict[str, Told]) -> None:
    events = told["interrupted"].events
    ended = next(event for event in events if isinstance(event, TurnEnded))
    place = events.index(ended) + 1

    wrong = replay_turns(changed(events, ended, replace(ended, text="what does it lost"))).difference
    assert wrong is not None
    assert wrong.line == place
    assert "lost" in (wrong.recorded or "")
    assert "cost" in (wrong.replayed or "")

    missing = replay_turns(changed(events, ended)).difference
    assert missing is not None
    assert missing.line == place
    assert missing.recorded is None or "TurnEnded" not in missing.recorded
    assert "TurnEnded" in (missing.replayed or "")

    deaf = replay_turns([event for event in events if not isinstance(event, Partial | Final)]).difference
    assert deaf is not None


def test_a_changed_scenario_is_shown(told: dict[str, Told]) -> None:
    found = replay_scenario(told["keys"].events, SmallTalk(greeting="Good day.")).difference
    assert found is not None
    assert "Hello, this is Maya." in (found.recorded or "")
    assert "Good day." in (found.replayed or "")


def test_another_prompt_is_another_digest() -> None:
    prompt = Prompt((Message("user", "hello"),))
    assert digest(prompt) == digest(Prompt((Message("user", "hello"),)))
    assert digest(prompt) != digest(Prompt((Message("user", "hello!"),)))


@pytest.mark.parametrize(
    "happening",
    [
        CallBegan(datetime(2026, 1, 5, 9, tzinfo=UTC), {"name": "Ann"}),
        CallerSaid(1, "yes", datetime(2026, 1, 5, 9, 0, 1, 500, tzinfo=UTC), 0.5, keys="1", speculative=True),
        AgentHeard("Hello,", "this is Maya.", interrupted=True),
        ModelCalled("7", "set_field", {"name": "size", "value": 40}, datetime(2026, 1, 5, tzinfo=UTC)),
    ],
)
def test_happenings_make_the_round_trip(happening: CallBegan | CallerSaid | AgentHeard | ModelCalled) -> None:
    assert happening_from(json.loads(json.dumps(plain_happening(happening)))) == happening


@pytest.mark.parametrize(
    "data", [{}, {"type": "Nonsense"}, {"type": "AgentHeard"}, {"type": "CallBegan", "now": "x"}]
)
def test_what_is_no_happening_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ParseError):
        happening_from(data)


@pytest.mark.parametrize("line", ["", "{", "[]", "7", '{"type":"Final"}', '{"type":7}', "[" * 5000])
def test_what_is_no_event_is_refused(line: str) -> None:
    with pytest.raises(ParseError):
        parse_line(line)


def test_a_policy_that_is_none_is_refused(told: dict[str, Told]) -> None:
    start = told["silent"].events[0]
    assert isinstance(start, CallStarted)
    for wrong in ({"patiens": 3.0}, {"patience": "long"}, {"patience": float("nan")}):
        with pytest.raises(ConfigError):
            policy_of([replace(start, policy=wrong)])


def test_the_command_says_what_it_found(told: dict[str, Told], tmp_path: Path) -> None:
    lines = [as_line(event) for event in told["interrupted"].events]
    log = tmp_path / "events.jsonl"
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert read_log(tmp_path) == read_log(log) == told["interrupted"].events
    run = CliRunner()
    same = run.invoke(app, ["lab", "replay", str(tmp_path)])
    assert same.exit_code == 0, same.output
    assert "all the same" in same.output
    assert "--scenario" in same.output
    log.write_text("\n".join(line for line in lines if '"Partial"' not in line), encoding="utf-8")
    other = run.invoke(app, ["lab", "replay", str(log)])
    assert other.exit_code == 1
    assert "line" in other.output
    log.write_text("\n".join([*lines, '{"type":"Fin']), encoding="utf-8")
    broken = run.invoke(app, ["lab", "replay", str(log)])
    assert isinstance(broken.exception, ParseError)
    assert f":{len(lines) + 1}" in broken.exception.where
    missing = run.invoke(app, ["lab", "replay", str(tmp_path / "nowhere")])
    assert isinstance(missing.exception, ConfigError)


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_saved_calls_are_decided_as_they_were(path: Path) -> None:
    events = read_log(path)
    assert replay_turns(events).difference is None
    assert any(isinstance(event, TurnEnded) for event in events)


def test_there_are_saved_calls() -> None:
    assert SAVED
