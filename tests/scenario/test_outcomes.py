"""What may happen on the way to an outcome. That each is reached is in the scenarios' own test files."""

from dataclasses import replace

import pytest

from scenario.talks import NOISE, SMALL, call, conversation, played
from trunkline.events import CallbackAgreed, FieldSet, ObjectionRaised, OptedOut
from trunkline.scenario.actions import MustEnd, Transfer
from trunkline.scenario.conclude import concluded
from trunkline.scenario.load import parse_scenario
from trunkline.scenario.play import ScenarioPlay

LEAD = "lead_qualification"
REMINDER = "appointment_reminder"
CONTACT = {"first_name": "Dana", "appointment": "Thursday at three in the afternoon"}


async def test_a_target_that_comes_with_the_call_wins() -> None:
    talk = await played(conversation(LEAD), "give me a human", facts={"target": "sip:desk@example.org"})
    assert talk.transferred_to == "sip:desk@example.org"


async def test_the_whole_story() -> None:
    """The call of the demo: everything that a caller may do to an agent."""
    talk = conversation(LEAD)
    assert "AI assistant" in await talk.begin()
    assert await talk.hear("Yes, I have a minute.") == "Great. How many people at your company use the phone?"
    talk.interrupt("Great. How many people", "at your company use the phone?")
    words = await talk.hear("Wait, how much does it cost?")
    assert words.startswith("Sure, about the price: It is twenty dollars a month")
    assert words.endswith("A rough number is fine.")
    assert await talk.hear("About twelve people.") == "Twelve people. Is that right?"
    assert await talk.hear("No, we are twenty.") == "Sorry. Twenty people. Is that right?"
    assert "each month" in await talk.hear("Yes, that's right.")
    words = await talk.hear("We already have a provider.")
    assert words.startswith("Many of our customers had one too.")
    assert words.endswith("A guess is fine.")
    assert "When might you change" in await talk.hear("We pay about three hundred dollars a month.")
    assert (await talk.silence()).startswith("Are you still there?")
    assert "specialist" in await talk.hear("Probably this year.")
    assert "tomorrow at ten in the morning" in await talk.hear("Tomorrow at ten.")
    assert (await talk.hear("Yes, that's right.")).endswith("goodbye.")
    assert talk.state.outcome == "qualified"
    values = {name: held.value for name, held in talk.state.fields.items()}
    assert (values["team_size"], values["monthly_cost"], values["timeline"]) == (20, 300, "this_year")
    assert values["meeting_time"] == "2026-01-06T10:00:00+00:00"
    statuses = [note.status for note in talk.notes if isinstance(note, FieldSet) and note.name == "team_size"]
    assert statuses == ["heard", "corrected", "confirmed"]
    assert [note.name for note in talk.notes if isinstance(note, ObjectionRaised)] == [
        "price",
        "have_provider",
    ]
    assert any(isinstance(note, CallbackAgreed) for note in talk.notes)


def test_an_opt_out_is_recorded_with_the_words() -> None:
    talk = call(LEAD, "Stop calling me!")
    assert [note.evidence for note in talk.notes if isinstance(note, OptedOut)] == ["Stop calling me!"]


def test_values_that_are_volunteered_are_kept_and_not_asked_again() -> None:
    talk = call(LEAD, "Sure, we are about fifteen people and we pay 300 dollars a month.", "Yes.")
    assert "When might you change" in talk.said[-1]
    assert talk.state.fields["team_size"].status == "confirmed"
    assert talk.state.fields["monthly_cost"].value == 300


def test_a_field_is_corrected_later() -> None:
    talk = call(LEAD, "yes", "twelve", "yes", "Actually we are eighteen people.")
    assert "eighteen people" in talk.said[-1]
    assert talk.said[-1].endswith(("A guess is fine.", "phones?"))
    assert talk.state.fields["team_size"].value == 18


def test_a_callback_with_its_time_in_one_breath() -> None:
    talk = call(LEAD, "yes", "I have no time, call me Thursday at four.")
    assert "Thursday at four in the afternoon" in talk.said[-1]
    assert "team_size" not in talk.state.fields


def test_a_day_alone_asks_for_the_time() -> None:
    talk = call(LEAD, "no I'm busy", "on Friday", "at ten", "yes")
    assert talk.said[2].endswith("At what time on Friday?")
    assert talk.state.fields["callback_time"].value == "2026-01-09T10:00:00+00:00"


def test_a_caller_in_another_zone_is_called_by_their_own_clock() -> None:
    talk = call(LEAD, "no I'm busy", "today at four", "yes", facts={"time_zone": "America/New_York"})
    assert talk.state.fields["callback_time"].value == "2026-01-05T16:00:00-05:00"


def test_known_fields_come_with_the_contact_and_are_confirmed() -> None:
    talk = call(LEAD, "yes", facts={"team_size": "12", "timeline": "no such thing"})
    assert talk.said[-1].endswith("Twelve people. Is that right?")
    assert "timeline" not in talk.state.fields


def test_a_robot_says_so_and_goes_on() -> None:
    talk = call(LEAD, "Are you a robot?")
    assert talk.said[-1].startswith("Yes, I am an AI assistant")
    assert talk.said[-1].endswith("?")


async def test_repeat_gives_the_same_again() -> None:
    talk = await played(conversation(LEAD), "yes")
    assert await talk.hear("Sorry, what did you say?") == talk.said[1]


async def test_the_keypad_answers_for_the_voice() -> None:
    talk = await played(conversation(LEAD), "yes", NOISE, NOISE)
    assert "hash key" in talk.said[-1]
    assert talk.expectation is not None
    assert talk.expectation.digits == -1
    assert await talk.hear("", keys="25#") == "Twenty five people. Is that right?"


async def test_draining_says_goodbye_and_ends() -> None:
    talk = await played(conversation(LEAD), "yes")
    assert (await talk.happen(MustEnd("draining"))).endswith("Goodbye.")
    assert talk.state.outcome == "cut_short"
    assert await talk.hear("hello?") == ""


@pytest.mark.parametrize("how", ["", "blind", "attended", "bridged"])
def test_a_transfer_step_says_how(how: str) -> None:
    text = SMALL.replace(
        "big: {kind: end, outcome: big, say: Goodbye to many.}",
        "big: {kind: transfer, target: 'sip:desk@example.org', "
        + (f"how: {how}, " if how else "")
        + "edges: [{to: little}]}",
    )
    scenario = parse_scenario(text, "small.yaml")
    state = replace(ScenarioPlay(scenario).initial(), step="big")
    _, actions = concluded(scenario, state, "", [])
    (transfer,) = [action for action in actions if isinstance(action, Transfer)]
    assert (transfer.target, transfer.how) == ("sip:desk@example.org", how or "blind")
