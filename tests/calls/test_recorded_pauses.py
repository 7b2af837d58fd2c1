"""Callers' pauses are found again in what calls record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from trunkline.cli.app import app
from trunkline.errors import ConfigError, ParseError
from trunkline.events import (
    Answer,
    AnsweredBy,
    Answerer,
    Dtmf,
    Event,
    Expectation,
    Expecting,
    Final,
    Interrupted,
    Partial,
    SpeakingStarted,
    SpeakingStopped,
    SpeechStarted,
    SpeechStopped,
    TransferStarted,
    Word,
    to_json,
)
from trunkline.lab.pause_trial import Broken, Stages, hear_turn, read_turns, shipped
from trunkline.lab.recorded_pauses import recorded_turns, turns_of_runs
from trunkline.turn.policy import TurnPolicy

WAITING = TurnPolicy(silence=1.0, adaptive=False)
FIGURES = read_turns(shipped("figures"))


def recorded(turn: Broken, policy: TurnPolicy) -> list[Event]:
    events: list[Event] = []
    hear_turn(turn, policy, Stages(), events.append)
    return events


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(FIGURES))
def test_a_call_tells_what_its_caller_did(turn: Broken) -> None:
    (found,) = recorded_turns(recorded(turn, WAITING))
    assert (found.asked, found.pieces) == (turn.asked, turn.pieces)
    assert found.pauses == pytest.approx(turn.pauses, abs=0.05)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(FIGURES), st.sampled_from([0.2, 0.4, 0.6]))
def test_no_word_is_lost_and_none_doubled_where_the_agent_is_hasty(turn: Broken, silence: float) -> None:
    turns = recorded_turns(recorded(turn, TurnPolicy(silence=silence, adaptive=False)))
    words = " ".join(piece for found in turns for piece in found.pieces)
    assert words == " ".join(turn.pieces)


def heard(since: float, until: float, text: str, *, timed: bool = True) -> list[Event]:
    """Speech, and its words at once."""
    words = text.split()
    each = (until - since) / max(1, len(words))
    times = tuple(Word(word, since + each * n, since + each * (n + 1)) for n, word in enumerate(words))
    said = [Final(until + 0.1, text, times if timed else ())] if text else []
    return [SpeechStarted(since + 0.05, since), SpeechStopped(until + 0.1, until), *said]


def agent(since: float, until: float) -> list[Event]:
    return [SpeakingStarted(since, 1), SpeakingStopped(until, 1, "", complete=True)]


def pieces(events: Sequence[Event]) -> list[tuple[str, ...]]:
    return [turn.pieces for turn in recorded_turns(events)]


def test_who_speaks_before_they_can_have_heard_the_agent_was_pausing() -> None:
    one, two = heard(1.0, 2.0, "we have one"), heard(2.8, 3.5, "in Boston")
    began_in_it = [*one, SpeakingStarted(2.7, 1), *two, SpeakingStopped(3.0, 1, "", complete=False)]
    assert pieces([*began_in_it, *agent(4.0, 5.0)]) == [("we have one", "in Boston")]
    heard_it = [*one, SpeakingStarted(2.3, 1), two[0], Interrupted(2.9, 1, 2.8, "words"), *two[1:]]
    assert pieces([*heard_it, *agent(4.0, 5.0)]) == [("we have one",), ("in Boston",)]


def test_a_cough_is_part_of_the_pause() -> None:
    events = [*heard(1.0, 2.0, "it is"), *heard(2.3, 2.4, ""), *heard(2.9, 3.5, "in Boston"), *agent(4, 5)]
    (turn,) = recorded_turns(events)
    assert turn.pieces == ("it is", "in Boston")
    assert turn.pauses == pytest.approx([0.9])
    (turn,) = recorded_turns([*heard(1.0, 2.0, "it is"), *heard(2.3, 2.4, ""), *agent(4, 5)])
    assert (turn.pieces, turn.pauses) == (("it is",), ())


def test_a_sign_of_listening_is_no_turn() -> None:
    over = [SpeakingStarted(3.0, 1), *heard(4.0, 4.3, "okay"), SpeakingStopped(6.0, 1, "", complete=True)]
    assert pieces([*heard(1.0, 2.0, "what does it cost"), *over]) == [("what does it cost",)]


def test_words_without_times_go_by_when_they_came() -> None:
    events = [
        SpeechStarted(1.05, 1.0), Partial(1.5, "we"), Partial(2.1, "we have"), SpeechStopped(2.1, 2.0),
        SpeechStarted(2.75, 2.7), Partial(3.2, "we have one"), SpeechStopped(3.6, 3.5),
        Final(3.7, "we have one here"), *agent(4.0, 5.0),
    ]  # fmt: skip
    assert pieces(events) == [("we have", "one here")]


def test_what_says_nothing_of_a_persons_pauses_is_left_out() -> None:
    said = [*heard(1.0, 2.0, "hello there"), *agent(3.0, 4.0)]
    assert pieces(said) == [("hello there",)]
    assert pieces([*said, AnsweredBy(4.0, Answerer.MACHINE, "beep")]) == []
    assert pieces([Dtmf(0.5, "1"), *said]) == []
    assert pieces([TransferStarted(0.5, "sip:a@b"), *said]) == []
    assert pieces(heard(1.0, 2.0, "never answered")) == []
    assert pieces([*heard(1.0, 2.0, ""), *agent(3.0, 4.0)]) == []


def test_keys_spoil_no_turn_but_their_own() -> None:
    before, after = heard(1.0, 2.0, "hello there"), heard(8.0, 9.0, "thank you")
    events = [*before, *agent(3.0, 4.0), Dtmf(5.0, "1"), *agent(6.0, 7.0), *after, *agent(10.0, 11.0)]
    assert pieces(events) == [("hello there",), ("thank you",)]


def test_what_was_asked_is_what_was_asked_before_they_spoke() -> None:
    ask = Expecting(0.5, Expectation(Answer.PHONE))
    later = Expecting(2.5, Expectation(Answer.YES_NO))
    events = [
        ask,
        *heard(1.0, 2.0, "oh two oh"),
        later,
        *agent(3.0, 4.0),
        *heard(5.0, 6.0, "yes"),
        *agent(7, 8),
    ]
    assert [turn.asked for turn in recorded_turns(events)] == [Answer.PHONE, Answer.YES_NO]


def write_run(folder: Path, name: str, events: Sequence[Event]) -> None:
    (folder / name).mkdir()
    lines = [json.dumps(to_json(event)) + "\n" for event in events]
    (folder / name / "events.jsonl").write_text("".join(lines), encoding="utf-8")


def test_the_newest_calls_come_first(tmp_path: Path) -> None:
    for day, words in (("20261101", "first call"), ("20261103", "third call"), ("20261102", "second call")):
        write_run(tmp_path, f"{day}-120000-x", [*heard(1.0, 2.0, words), *agent(3.0, 4.0)])
    turns, unread = turns_of_runs(tmp_path, 2)
    assert ([turn.pieces for turn in turns], unread) == ([("third call",), ("second call",)], [])
    turns, _ = turns_of_runs(tmp_path / "20261101-120000-x", 9)
    assert [turn.pieces for turn in turns] == [("first call",)]


def test_a_log_that_ends_within_a_line_is_left_out_and_named(tmp_path: Path) -> None:
    write_run(tmp_path, "a", [*heard(1.0, 2.0, "hello"), *agent(3.0, 4.0)])
    for name, text in (("b", ""), ("c", '{"type":"Spee')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "events.jsonl").write_text(text)
    turns, unread = turns_of_runs(tmp_path, 9)
    assert [turn.pieces for turn in turns] == [("hello",)]
    assert [Path(error.where).parent.name for error in unread] == ["c", "b"]


def test_the_command_tells_them_under_the_settings_in_force(tmp_path: Path) -> None:
    events = [*heard(1.0, 2.0, "we have an office in"), *heard(2.8, 3.3, "Boston"), *agent(4.0, 5.0)]
    write_run(tmp_path, "20261101-120000-x", events)
    hasty = ["--set", "turn.silence=0.2", "--set", "turn.adaptive=false"]
    done = CliRunner().invoke(app, ["lab", "pauses", "--runs", str(tmp_path), "--json", *hasty])
    assert done.exit_code == 0
    configured, adaptive, *_ = json.loads(done.stdout)
    assert (configured["policy"], configured["pauses"], configured["wrong_starts"]) == ("as configured", 1, 1)
    assert (adaptive["policy"], adaptive["pauses"], adaptive["wrong_starts"]) == ("adaptive", 1, 0)


def test_where_there_is_nothing_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no recorded call"):
        turns_of_runs(tmp_path, 9)
    write_run(tmp_path, "a", heard(1.0, 2.0, ""))
    with pytest.raises(ConfigError, match="no recorded call in it with a word"):
        turns_of_runs(tmp_path, 9)
    with pytest.raises(ConfigError, match="no caller said a word"):
        turns_of_runs(tmp_path / "a", 9)
    (tmp_path / "a" / "events.jsonl").write_text("nonsense\n")
    with pytest.raises(ParseError):
        turns_of_runs(tmp_path / "a", 9)
