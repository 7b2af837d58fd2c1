"""Behaviours that are decided once and for all, each told as a whole call with a real scenario or real sound.

docs/turn-taking.md, "What callers complain of", lists them with those of `test_turn_taking.py`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calls.story import Presses, Says, SmallTalk, Told, tell
from trunkline.call.settings import CallSettings
from trunkline.events import (
    CallerSilent,
    Ducked,
    FieldSet,
    Interrupted,
    SpeakingStarted,
    SpeakingStopped,
    TurnEnded,
)
from trunkline.lab.recordings import Recordings
from trunkline.scenario.load import parse_scenario
from trunkline.scenario.play import ScenarioPlay

SETTINGS = CallSettings(vad="energy")
LONG = "Our plans start at twenty dollars a month for each person, and you may leave whenever you like."
SCENARIO = """
trunkline: 1
name: survey
persona: {name: Maya, company: Acme}
start: notice
fields:
  team: {type: number, keypad: true, ask: "How many people are you?", reask: ["Roughly how many are you?"]}
steps:
  notice: {kind: say, interruptible: false, edges: [{to: size}],
    say: "Hello, this is Maya, the AI assistant of Acme. This call is recorded for training purposes."}
  size: {kind: ask, field: team, edges: [{to: over}]}
  over: {kind: end, say: "Thank you.", outcome: talked}
"""


def survey(*lines: Says | Presses, lasts: float = 40.0) -> Told:
    return tell(*lines, play=ScenarioPlay(parse_scenario(SCENARIO)), settings=SETTINGS, lasts=lasts)


# --- what may not be interrupted ----------------------------------------------------------------------


@pytest.mark.parametrize("at", [0.5, 2.0, 4.0])
def test_a_legal_notice_is_said_to_its_last_word_and_what_was_said_over_it_counts(at: float) -> None:
    told = survey(Says(at, "we are twelve people"))
    first = next(event for event in told.of(SpeakingStopped) if isinstance(event, SpeakingStopped))
    started = next(event for event in told.of(SpeakingStarted) if isinstance(event, SpeakingStarted))
    assert not started.interruptible
    assert first.complete
    assert "training purposes." in first.heard
    assert [event for event in told.of(Interrupted, Ducked) if event.at < first.at] == []
    assert told.caller_words()[0] == "we are twelve people"
    assert told.result.outcome == "talked"


# --- silence, and keys instead of words ----------------------------------------------------------------


def test_silence_is_met_in_other_words_then_with_a_way_on_and_then_the_call_ends() -> None:
    told = survey(lasts=60)
    _, again, way_on, last = told.said()
    assert again.startswith("Are you still there?")
    assert "Roughly how many are you?" in again, "other words than the first time"
    assert "another time" in way_on
    assert "goodbye" in last
    assert (told.result.by, told.result.outcome) == ("agent", "no_answer")
    assert [event.count for event in told.of(CallerSilent) if isinstance(event, CallerSilent)] == [1, 2, 3]


def test_keys_answer_where_words_were_asked_for() -> None:
    told = survey(Presses(12.0, "42#"))
    [field] = [event for event in told.of(FieldSet) if isinstance(event, FieldSet)]
    assert (field.name, float(field.value)) == ("team", 42.0)
    assert told.result.outcome == "talked"


# --- the agent's own words, and voices that are not the caller's --------------------------------------


@pytest.mark.parametrize(
    "echo",
    [
        Says(5.4, "start at twenty dollars a month", loudness=0.002),
        Says(6.5, "for each person and you may", loudness=0.002),
        # It comes back late: the agent has just ended.
        Says(11.0, "whenever you like", loudness=0.002, lasts=0.5),
    ],
)
def test_its_own_words_out_of_the_recogniser_neither_interrupt_nor_count(echo: Says) -> None:
    told = tell(Says(3.0, "what does it cost"), echo, replies=[LONG, "Twice."], settings=SETTINGS, lasts=16)
    assert told.names(Interrupted) == []
    assert told.said()[1] == LONG
    assert "Twice." not in told.said()
    assert told.caller_words() == ["what does it cost"]


def spoken(words: str, down: float = 0.0) -> bytes:
    """A recorded caller's line, brought to one level and then so many decibels down."""
    samples = Recordings().samples(words).astype(float)
    level: bytes = (samples / np.abs(samples).max() * 12000 * 10 ** (-down / 20)).astype("<i2").tobytes()
    return level


def says(at: float, words: str, *, down: float = 0.0, heard_as: str | None = None) -> Says:
    pcm = spoken(words, down)
    return Says(at, words, heard_as, lasts=len(pcm) / 16000, pcm=pcm)


@pytest.mark.parametrize(("down", "held"), [(0.0, True), (28.0, False)])
def test_a_voice_in_the_background_does_not_stop_the_agent_and_the_callers_does(
    down: float, held: bool
) -> None:
    told = tell(
        says(3.0, "I am not interested."),
        says(8.0, "I want to talk to a person.", down=down, heard_as=""),
        replies=[LONG],
        settings=replace(SETTINGS, vad="gate"),
        lasts=18,
    )
    over = [event for event in told.of(Ducked, Interrupted) if 8.0 <= event.at <= 10.0]
    assert bool(over) is held
    if not held:
        assert told.said()[1] == LONG


# --- nothing stands still -------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["", "music"])
def test_sound_that_never_ends_does_not_end_the_agents_part(words: str) -> None:
    noise = Says(4.0, words or "noise", heard_as="", lasts=80.0)
    told = tell(noise, play=SmallTalk(), settings=SETTINGS, lasts=90)
    ends = [event.at for event in told.of(TurnEnded)]
    assert ends, "a sound without an end is given up on"
    assert [start for start, _ in told.agent_sound if start > 5.0]
