"""The agent calls, and it is not a person who answers: or it is. Whole calls, in virtual time.

docs/turn-taking.md, "Who took the call", says what is decided.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calls.story import Beeps, Says, Told, tell
from trunkline.call.settings import CallSettings
from trunkline.events import (
    AnsweredBy,
    Event,
    MailboxReady,
    OutcomeDecided,
    SpeakingStarted,
    ToneHeard,
)
from trunkline.lab.replay import as_line, parse_line, replay_scenario, replay_turns
from trunkline.scenario.load import parse_scenario
from trunkline.scenario.model import Scenario
from trunkline.scenario.play import ScenarioPlay
from trunkline.turn.policy import TurnPolicy
from turn.sounds import flite, needs_flite

SETTINGS = CallSettings(vad="energy")
SCENARIO = """
trunkline: 1
name: reminder
persona: {name: Maya, company: Acme}
start: opening
fields:
  good_time: {type: yes_no, ask: "Is this a good time?"}
steps:
  opening: {kind: ask, say: "Hello, this is Maya.", field: good_time, edges: [{to: over}]}
  over: {kind: end, say: Thank you., outcome: talked}
  leave: {kind: end, say: "Please call Acme back.", outcome: asked_back}
"""
MESSAGE = "Hello, this is Maya, the AI assistant of Acme. I will call again. Goodbye."
GREETING = "hi this is dana i can not come to the phone right now please leave a message after the tone"


def scenario(edge_cases: str = "") -> Scenario:
    return parse_scenario(SCENARIO + (f"edge_cases: {edge_cases}\n" if edge_cases else ""))


def call(
    *lines: Says | Beeps,
    edge_cases: str = "",
    policy: TurnPolicy | None = None,
    vad: str = "energy",
    **more: object,
) -> Told:
    play = ScenarioPlay(scenario(edge_cases))
    settings = replace(SETTINGS, turn=policy or TurnPolicy(), vad=vad)
    told = tell(*lines, play=play, settings=settings, outbound=True, lasts=90, **more)  # type: ignore[arg-type]
    events = [parse_line(as_line(event)) for event in told.events]
    assert replay_turns(events).difference is None
    assert replay_scenario(events, ScenarioPlay(scenario(edge_cases))).difference is None
    return told


def answerers(told: Told) -> list[tuple[str, str]]:
    return [(e.who.value, e.why) for e in told.events if isinstance(e, AnsweredBy)]


def the(told: Told, kind: type[Event]) -> Event:
    (found,) = told.of(kind)
    return found


def ended(told: Told) -> tuple[str, str]:
    return told.result.by, told.result.outcome


def test_a_machine_is_greeted_at_once_and_gets_the_message_after_its_beep() -> None:
    greeting = Says(0.8, GREETING)
    beep = Beeps(greeting.end + 0.9)
    told = call(greeting, beep)
    assert next(start for start, _ in told.agent_sound) < 0.2
    assert answerers(told) == [("machine", "words")]
    known = the(told, AnsweredBy)
    # Its words are enough: it is known before the greeting is over.
    assert known.at < greeting.end + 0.2
    ready = the(told, MailboxReady)
    assert isinstance(ready, MailboxReady)
    assert ready.why == "beep"
    assert 0 <= ready.at - beep.end < 0.1
    # Nothing is said between the verdict and the beep; the message is heard to its end.
    assert [start for start, _ in told.agent_sound if known.at + 0.05 < start < beep.end] == []
    assert told.said()[-1] == MESSAGE
    assert ended(told) == ("agent", "voicemail_left")
    assert told.result.record["answered_by"] == "machine"


@pytest.mark.parametrize("hertz", [440.0, 620.0, 1000.0, 1100.0, 1400.0, 2000.0])
@pytest.mark.parametrize("lasts", [0.2, 0.5, 1.2])
def test_beeps_of_many_kinds_are_known(hertz: float, lasts: float) -> None:
    greeting = Says(0.8, GREETING)
    beep = Beeps(greeting.end + 0.6, lasts, hertz)
    told = call(greeting, beep)
    tone = the(told, ToneHeard)
    assert isinstance(tone, ToneHeard)
    assert tone.hertz == pytest.approx(hertz, abs=4)
    assert the(told, MailboxReady).at == pytest.approx(beep.end, abs=0.1)
    assert told.said()[-1] == MESSAGE


def test_a_machine_whose_words_are_not_understood_is_known_by_its_beep() -> None:
    greeting = Says(0.8, "greeting", heard_as="", lasts=5.0)
    told = call(greeting, Beeps(greeting.end + 1.0))
    assert answerers(told) == [("machine", "beep")]
    assert told.said()[-1] == MESSAGE


def test_a_greeting_that_goes_on_and_on_is_a_machines_and_silence_is_its_beep() -> None:
    greeting = Says(0.8, "greeting", heard_as="", lasts=12.0)
    told = call(greeting)
    assert answerers(told) == [("machine", "long greeting")]
    ready = the(told, MailboxReady)
    assert isinstance(ready, MailboxReady)
    assert ready.why == "silence"
    assert ready.at == pytest.approx(greeting.end + 3.5, abs=0.1)
    assert told.said()[-1] == MESSAGE


@needs_flite
@pytest.mark.parametrize("voice", ["rms", "slt"])
@pytest.mark.parametrize("heard_as", [GREETING, ""])
def test_a_voice_that_speaks_its_greeting_is_a_machines(voice: str, heard_as: str, tmp_path: Path) -> None:
    sound = flite(GREETING, tmp_path, voice)
    pcm = (sound / np.abs(sound).max() * 9000).astype("<i2").tobytes()
    greeting = Says(0.8, GREETING, heard_as, lasts=len(sound) / 8000, pcm=pcm)
    beep = Beeps(greeting.end + 0.7)
    told = call(greeting, beep, vad="gate")
    assert [who for who, _ in answerers(told)] == ["machine"]
    assert the(told, MailboxReady).at == pytest.approx(beep.end, abs=0.1)
    assert told.said()[-1] == MESSAGE


def test_words_that_come_long_after_the_beep_are_not_too_late() -> None:
    greeting = Says(0.8, "hello you have reached dana please leave a message after the tone", lasts=3.0)
    told = call(greeting, Beeps(greeting.end + 0.5, 0.3), stt={"delay_ms": 1500, "partial_ms": 0})
    assert the(told, MailboxReady).at < greeting.end + 3.0
    assert told.said()[-1] == MESSAGE


def test_a_machine_that_talks_for_ever_is_told_the_message_all_the_same() -> None:
    talk = " ".join([GREETING, *["and here is more that nobody asked for"] * 60])
    told = call(Says(0.8, talk), policy=TurnPolicy(machine_limit=20.0))
    ready = the(told, MailboxReady)
    assert isinstance(ready, MailboxReady)
    assert ready.why == "limit"
    assert ready.at - the(told, AnsweredBy).at == pytest.approx(20.0, abs=0.1)
    assert told.said()[-1] == MESSAGE


def test_it_hangs_up_on_a_machine_where_the_scenario_says_so() -> None:
    greeting = Says(0.8, GREETING)
    told = call(greeting, edge_cases="{voicemail: {words: []}}")
    assert ended(told) == ("agent", "voicemail")
    assert told.events[-1].at - told.zero < greeting.end + 1.0


def test_a_machine_leads_to_a_step_where_the_scenario_says_so() -> None:
    greeting = Says(0.8, GREETING)
    told = call(greeting, Beeps(greeting.end + 0.8), edge_cases="{voicemail: {go: leave}}")
    assert told.said()[-1] == "Please call Acme back."
    assert ended(told) == ("agent", "asked_back")


def test_a_full_mailbox_is_left_at_once() -> None:
    told = call(Says(0.8, "the mailbox is full and can not accept any messages at this time goodbye"))
    assert answerers(told) == [("mailbox-full", "words")]
    assert ended(told) == ("agent", "mailbox_full")
    assert len(told.said()) == 1, "only the greeting, and it was cut"


def test_a_menu_is_left_in_its_first_pause() -> None:
    menu = Says(0.8, "thank you for calling for sales press one for support press two")
    told = call(menu)
    assert answerers(told) == [("ivr", "words")]
    assert the(told, AnsweredBy).at == pytest.approx(menu.end + 1.2, abs=0.4)
    assert ended(told) == ("agent", "phone_menu")


def test_a_mailbox_that_offers_keys_is_a_mailbox() -> None:
    greeting = Says(0.8, "dana is not available to page her press five or leave a message after the tone")
    told = call(greeting, Beeps(greeting.end + 0.8))
    assert [who for who, _ in answerers(told)] == ["machine"]
    assert told.said()[-1] == MESSAGE


def test_an_answering_fax_is_left() -> None:
    told = call(Beeps(1.8, 3.0, 2100.0))
    assert answerers(told) == [("fax", "tone")]
    assert the(told, AnsweredBy).at == pytest.approx(2.8, abs=0.1)
    assert ended(told) == ("agent", "fax")


def test_a_calling_fax_is_known_by_its_tone_where_inbound_calls_are_looked_at() -> None:
    settings = replace(SETTINGS, turn=TurnPolicy(machines="always"))
    told = tell(Beeps(1.0, 0.5, 1100.0), play=ScenarioPlay(scenario()), settings=settings, lasts=20)
    assert answerers(told) == [("fax", "tone")]
    assert told.result.outcome == "fax"


@pytest.mark.parametrize(
    "hello",
    [
        Says(0.4, "hello"),
        Says(0.6, "hello dana jones speaking"),
        Says(0.5, "good morning acme plumbing this is dana how may I help you"),
        Says(0.7, "hi if you record your name and reason for calling I will see if this person is available"),
        Says(0.7, "he is not available would you like to leave a message"),
    ],
)
def test_people_and_those_who_screen_calls_are_talked_to(hello: Says) -> None:
    told = call(hello, Says(hello.end + 4.0, "yes it is a good time"))
    assert [who for who, _ in answerers(told) if who != "human"] == []
    assert the(told, OutcomeDecided).outcome == "talked"  # type: ignore[attr-defined]


def test_who_picks_up_after_the_machine_is_greeted_as_a_person() -> None:
    greeting = Says(0.8, "dana is not here please leave a message after the tone")
    hello = Says(greeting.end + 1.0, "hello")
    told = call(greeting, hello, Says(hello.end + 5.0, "yes that is fine"))
    assert [who for who, _ in answerers(told)] == ["machine", "human"]
    assert told.names(MailboxReady) == []
    assert told.said()[1].startswith("Hello, this is Maya.")
    assert told.answer_after(hello) < 1.5
    assert ended(told) == ("agent", "talked")
    assert told.result.record["answered_by"] == "human"


def test_a_person_who_picks_up_and_is_thought_a_machine_again_gets_the_message() -> None:
    greeting = Says(0.8, GREETING)
    hello = Says(greeting.end + 1.2, "hello")
    again = Says(hello.end + 4.5, "leave your message after the beep")
    told = call(greeting, hello, again, Beeps(again.end + 0.8))
    assert [who for who, _ in answerers(told)] == ["machine", "human", "machine"]
    assert told.said()[-1] == MESSAGE


def test_a_call_that_came_in_is_not_looked_at() -> None:
    greeting = Says(0.8, GREETING)
    told = tell(
        greeting, Beeps(greeting.end + 0.8), play=ScenarioPlay(scenario()), settings=SETTINGS, lasts=30
    )
    assert told.names(AnsweredBy, ToneHeard, MailboxReady) == []


def test_nobody_looks_where_the_policy_says_never() -> None:
    greeting = Says(0.8, GREETING)
    told = call(greeting, Beeps(greeting.end + 0.8), policy=TurnPolicy(machines="never"))
    assert told.names(AnsweredBy, ToneHeard, MailboxReady) == []


def test_the_message_is_not_cut_by_what_the_machine_still_says() -> None:
    greeting = Says(0.8, GREETING)
    beep = Beeps(greeting.end + 0.8)
    told = call(greeting, beep, Says(beep.end + 0.6, "to listen to your message press one"))
    assert told.said()[-1] == MESSAGE
    speaking = [event for event in told.of(SpeakingStarted) if isinstance(event, SpeakingStarted)]
    assert not speaking[-1].interruptible
