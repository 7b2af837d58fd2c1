"""What every shipped scenario has: it says what it is, listens to no, and leaves a discreet message."""

from __future__ import annotations

import pytest

from scenario.talks import MONDAY, call
from trunkline.events import Answerer
from trunkline.scenario.actions import CallBegan, CallTaken, End, Say
from trunkline.scenario.check import DISCLOSES
from trunkline.scenario.load import examine_file, library, load_scenario
from trunkline.scenario.step import begin, step

INBOUND = {"appointment_booking", "support_triage"}
"""People call these; the others call people."""
SECRETS = ("invoice", "pay", "owe", "debt", "dentist", "appointment", "tooth", "application", "policy")
FACTS = {"first_name": "Dana", "invoice": "four seven", "appointment": "Thursday at three", "job": "packer"}


@pytest.mark.parametrize("name", library())
def test_the_checker_finds_nothing(name: str) -> None:
    assert examine_file(name).findings == ()


@pytest.mark.parametrize("name", library())
def test_its_first_words_say_that_it_is_an_ai(name: str) -> None:
    assert DISCLOSES.search(call(name, facts=FACTS).said[0])


@pytest.mark.parametrize("name", library())
def test_it_calls_again_when_asked_to_and_never_again_when_told_so(name: str) -> None:
    again = call(name, "I have no time, call me Thursday at four.", "yes", facts=FACTS)
    assert any(held.value == "2026-01-08T16:00:00+00:00" for held in again.state.fields.values())
    assert call(name, "Stop calling me.", facts=FACTS).state.outcome == "opted_out"


@pytest.mark.parametrize("name", sorted(library().keys() - INBOUND))
def test_it_leaves_a_message_of_its_own_that_tells_nobody_else_anything(name: str) -> None:
    scenario = load_scenario(name)
    state, _ = begin(scenario, CallBegan(MONDAY, FACTS))
    state, actions = step(scenario, state, CallTaken(Answerer.MACHINE, MONDAY, ready=True))
    [message] = [action for action in actions if isinstance(action, Say)]
    assert DISCLOSES.search(message.text)
    assert scenario.persona.company in message.text
    assert not message.interruptible
    assert isinstance(actions[-1], End)
    assert state.outcome == "voicemail_left"
    if name in ("overdue_payment", "appointment_reminder", "recruiting_screen"):
        assert not [word for word in SECRETS if word in message.text.lower()]
    assert scenario.case("voicemail") != load_scenario("support_triage").case("voicemail")


def test_support_hands_over_who_is_upset_for_the_third_time() -> None:
    talk = call("support_triage", "This is ridiculous.", "You are useless.")
    assert not talk.transferred_to
    talk = call("support_triage", "This is ridiculous.", "You are useless.", "I am really angry now.")
    assert talk.transferred_to
    assert talk.state.step == "to_colleague"
