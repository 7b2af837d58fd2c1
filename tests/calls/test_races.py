"""What an answer asks for is done once, when the caller hears of it: whoever goes on before has not been
answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calls.story import PLAIN_SETTINGS, Says, SmallTalk, Told, tell
from calls.test_tools_in_calls import Desk
from scenario.test_look_up import DESK
from trunkline.clock import SystemClock
from trunkline.events import (
    Expecting,
    FieldSet,
    GenerationDropped,
    OptedOut,
    OutcomeDecided,
    SpeakingStarted,
    SynthesisStarted,
    ToolStarted,
    TurnResumed,
)
from trunkline.providers.llm.local_brain import LocalBrain
from trunkline.scenario.load import parse_scenario
from trunkline.scenario.play import ScenarioPlay

SLOW_VOICE = {"delay_ms": 500}
"""Half a second between the end of the caller's turn and the answer's first sound."""


def told(*lines: Says, desk: Desk, lasts: float = 30.0, text: str = DESK) -> Told:
    play = ScenarioPlay(parse_scenario(text))
    brain = LocalBrain(clock=SystemClock())
    return tell(
        *lines, play=play, model=brain, tools=desk, settings=PLAIN_SETTINGS, lasts=lasts, tts=SLOW_VOICE
    )


@pytest.mark.parametrize("pause", [0.25, 0.35, 0.45, 0.55])
def test_a_tool_is_called_once_though_the_caller_goes_on_before_the_answer(pause: float) -> None:
    desk = Desk(0.1)
    first = Says(6.0, "twelve people")
    call = told(first, Says(first.end + pause, "in all"), desk=desk)
    assert call.names(TurnResumed, GenerationDropped).count("TurnResumed") == 1
    assert len(desk.asked) == 1
    assert len(call.of(ToolStarted)) == 1
    assert call.caller_words()[0] == "twelve people in all"


def test_a_tool_is_called_for_what_was_meant_in_the_end() -> None:
    desk = Desk(0.1)
    first = Says(6.0, "twelve")
    call = told(first, Says(first.end + 0.4, "no twenty people"), desk=desk)
    assert [asked["people"] for asked in desk.asked] == [20.0]
    assert [event.value for event in call.of(FieldSet)] == [20.0]  # type: ignore[attr-defined]


def test_a_question_is_expected_to_be_answered_once_it_is_heard() -> None:
    first = Says(6.0, "twelve people")
    call = told(first, desk=Desk(0.1))
    greeted, *_ = call.of(SpeakingStarted)
    expected = [event.at for event in call.of(Expecting)]
    assert expected[0] == pytest.approx(greeted.at, abs=0.02)
    assert not [at for at in expected if first.at < at < first.end + 0.5]


def test_who_hangs_up_at_once_has_decided_all_the_same() -> None:
    first = Says(6.0, "twelve people")
    yes = Says(16.0, "yes")
    call = told(first, yes, desk=Desk(0.1), lasts=yes.end + 0.4)
    assert call.result.by == "caller"
    assert call.result.outcome == "booked"
    assert call.names(OutcomeDecided) == ["OutcomeDecided"]


def test_who_goes_on_has_decided_nothing_yet() -> None:
    yes = Says(16.0, "yes")
    goes_on = Says(yes.end + 0.4, "but wait", lasts=3.0)
    call = told(Says(6.0, "twelve people"), yes, goes_on, desk=Desk(0.1), lasts=goes_on.at + 2.0)
    assert call.names(TurnResumed)
    assert call.result.outcome == "ended by caller"


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_wish_to_be_left_alone_counts_from_when_it_is_said(goes_on: bool) -> None:
    wish = Says(6.0, "please do not call me again")
    more = [Says(wish.end + 0.35, "never ever", lasts=3.0)] if goes_on else []
    call = told(wish, *more, desk=Desk(0.1), lasts=wish.end + 0.6)
    assert call.names(SpeakingStarted) == ["SpeakingStarted"]
    assert call.names(OptedOut) == ["OptedOut"]


def test_a_tools_answer_waits_until_who_goes_on_has_finished() -> None:
    """It came while the caller had just gone on: the agent does not speak over them."""
    desk = Desk(1.4)
    first = Says(6.0, "twelve people")
    more = Says(first.end + 2.0, "is it")
    rest = Says(more.end + 0.4, "going to take you very long to find that", lasts=2.5)
    call = told(first, more, rest, desk=desk, lasts=30.0)
    over = [start for start, _ in call.agent_sound if rest.at + 0.1 < start < rest.end]
    assert over == []
    assert any("suit you" in words for words in call.said())


@pytest.mark.parametrize("second", [6.1, 6.5, 8.0])
def test_goodbye_is_said_once(second: float) -> None:
    call = tell(play=SmallTalk(), settings=PLAIN_SETTINGS, must_end_at=(6.0, second), tts=SLOW_VOICE)
    assert call.said() == ["Hello, this is Maya.", "I have to go. Goodbye."]
    assert call.result.outcome == "ended"


def test_goodbye_is_said_to_who_goes_on_too() -> None:
    first = Says(6.0, "I see")
    call = tell(
        first,
        Says(first.end + 0.5, "well then"),
        play=SmallTalk(),
        settings=replace(PLAIN_SETTINGS, goodbye_time=8.0),
        must_end_at=(first.end + 0.3,),
        tts=SLOW_VOICE,
        lasts=20,
    )
    assert call.said()[-1] == "I have to go. Goodbye."
    assert call.result.outcome == "ended"


@pytest.mark.parametrize("reply", ["…", "—", "😊", "* * *", "Good morning. 😊", "… Good morning."])
def test_what_holds_no_word_is_not_sent_to_the_voice(reply: str) -> None:
    call = tell(Says(3.0, "hello there"), replies=[reply], settings=PLAIN_SETTINGS, lasts=6.0)
    asked = [event.text for event in call.of(SynthesisStarted)]  # type: ignore[attr-defined]
    assert all(any(map(str.isalnum, words)) for words in asked)
    assert len(asked) == (2 if "morning" in reply else 1)
