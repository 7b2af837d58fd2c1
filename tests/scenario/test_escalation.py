"""Leaving the path: for what is known, what is meant, how often, and how the caller sounds."""

from __future__ import annotations

import pytest

from scenario.talks import SMALL, conversation
from trunkline.scenario.conversation import Conversation
from trunkline.scenario.load import parse_scenario
from trunkline.scenario.numbers import plain
from trunkline.scenario.sentiment import upset

DESK = """  desk:
    kind: transfer
    target: sip:desk@example.org
    say: I am putting you through.
    edges: [{event: transfer_failed, to: little}, {to: little}]
  big:"""


async def talk(reasons: str, *lines: str) -> Conversation:
    text = SMALL.replace("  big:", DESK, 1) + f"escalation: {reasons}\n"
    held = conversation(parse_scenario(text))
    await held.begin()
    for line in lines:
        await held.hear(line)
    return held


def handed_over(held: Conversation) -> bool:
    return held.transferred_to == "sip:desk@example.org"


async def test_for_a_value_once_it_is_sure() -> None:
    held = await talk("[{when: size > 100, to: desk}]", "five hundred people")
    assert not handed_over(held)
    await held.hear("yes")
    assert handed_over(held)
    assert held.said[-1].endswith("I am putting you through.")
    assert not handed_over(await talk("[{when: size > 100, to: desk}]", "fifty people", "yes"))


async def test_for_what_is_meant() -> None:
    assert handed_over(await talk("[{intent: robot, to: desk}]", "are you a robot"))
    assert not handed_over(await talk("[{intent: robot, to: desk}]", "who is this"))


async def test_for_the_number_of_turns_and_once_only() -> None:
    held = await talk("[{turns: 3, to: desk}]", "what?", "who is this?")
    assert not handed_over(held)
    await held.hear("blue elephants")
    assert handed_over(held)


async def test_for_a_caller_who_is_upset_twice() -> None:
    held = await talk("[{upset: 2, to: desk}]", "This is ridiculous.")
    assert not handed_over(held)
    assert not handed_over(await talk("[{upset: 2, to: desk}]", "This is ridiculous.", "about five"))
    await held.hear("You are wasting my time.")
    assert handed_over(held)


async def test_an_opt_out_goes_before_everything() -> None:
    held = await talk("[{upset: 1, to: desk}]", "This is ridiculous, stop calling me!")
    assert held.state.outcome == "opted_out"


@pytest.mark.parametrize(
    "words",
    [
        "This is ridiculous!", "I am really angry.", "You're wasting my time.", "I'm fed up with you people.",
        "I told you already.", "You are not listening to me.", "What a joke.", "I want to make a complaint.",
        "This is the worst company.", "I've had enough of this.", "How dare you call me at night.",
    ],
)  # fmt: skip
def test_upset(words: str) -> None:
    assert upset(plain(words))


@pytest.mark.parametrize(
    "words",
    [
        "Yes, that is right.", "I'm not angry, only tired.", "That is no problem.", "No complaints at all.",
        "We are twelve people.", "I am sad that he left.", "Could you say that again?",
        "That's not a scam, is it?", "I never get annoyed.",
    ],
)  # fmt: skip
def test_not_upset(words: str) -> None:
    assert not upset(plain(words))
