"""Callers whose language is not written in Latin letters: nothing is known of its grammar, all else holds."""

from __future__ import annotations

from typing import Any

import pytest

from calls.story import Says, SmallTalk, tell
from trunkline.events import Interrupted, TurnLikely
from trunkline.scenario.actions import CallerSaid
from trunkline.turn.policy import TurnPolicy

STAGES: dict[str, Any] = {
    "stt": {"delay_ms": 100, "partial_ms": 100},
    "llm": {"delay_ms": 200},
    "tts": {"delay_ms": 150},
}


@pytest.mark.parametrize(
    ("first", "rest"),
    [("Да конечно", "но не сегодня"), ("हाँ बिल्कुल", "लेकिन आज नहीं"), ("はい そうです", "でも 今日は だめです")],
)
def test_who_goes_on_is_answered_to_all_of_it(first: str, rest: str) -> None:
    play = SmallTalk()
    begins = Says(3.0, first)
    told = tell(begins, Says(begins.end + 0.35, rest), play=play, **STAGES)
    assert told.names(TurnLikely)
    assert told.caller_words() == [f"{first} {rest}"]
    answered = [happening.text for happening in play.happenings if isinstance(happening, CallerSaid)]
    assert answered[-1] == f"{first} {rest}"


def test_plain_silence_ends_the_turn() -> None:
    line = Says(3.0, "Сколько это стоит")
    told = tell(line, **STAGES)
    assert told.answer_after(line) == pytest.approx(TurnPolicy().silence, abs=0.05)


def test_words_over_the_agent_stop_it() -> None:
    long = "Our plan covers every line and every extension that your office has, and much more besides."
    told = tell(Says(3.0, "Сколько это стоит"), Says(6.0, "Нет подождите пожалуйста"), replies=[long, "Да."])
    assert told.names(Interrupted)
    assert told.caller_words() == ["Сколько это стоит", "Нет подождите пожалуйста"]
