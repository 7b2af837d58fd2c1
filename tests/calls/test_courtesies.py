"""Last words that cannot change the answer do not keep it waiting, and those that can do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from calls.story import Says, SmallTalk, Told, tell
from trunkline.call.settings import CallSettings
from trunkline.events import GenerationDropped
from trunkline.scenario.actions import CallerSaid

SETTINGS = CallSettings(vad="energy")
STAGES: dict[str, Any] = {
    "stt": {"delay_ms": 100, "partial_ms": 100},
    "llm": {"delay_ms": 200, "tokens_per_s": 100},
    "tts": {"delay_ms": 150},
}
ASKED = "can you call me again tomorrow"


def asked(words: str, settings: CallSettings = SETTINGS) -> tuple[Told, float]:
    line = Says(3.0, words)
    told = tell(line, replies=["Yes, I can do that."], settings=settings, **STAGES)
    assert told.caller_words() == [words]
    assert told.said()[-1] == "Yes, I can do that."
    return told, told.answer_after(line)


@pytest.mark.parametrize("courtesy", ["please", "thank you", "please thank you very much"])
def test_a_courtesy_is_spoken_while_the_answer_is_being_made(courtesy: str) -> None:
    (_, bare), (_, with_it) = asked(ASKED), asked(f"{ASKED} {courtesy}")
    # By itself the last word is heard 0.1 s late, then the model takes 0.2 s and the voice 0.15 s.
    assert bare > 0.45
    assert with_it < 0.3


def test_a_last_word_that_says_something_is_waited_for() -> None:
    told, after = asked(f"{ASKED} morning")
    assert after > 0.45
    heard = [each.text for each in told.play.happenings if isinstance(each, CallerSaid)]
    assert heard[-1] == f"{ASKED} morning"


def test_without_answers_prepared_ahead_a_courtesy_is_words_like_others() -> None:
    told, after = asked(f"{ASKED} please", replace(SETTINGS, speculate=False))
    assert after > 0.6
    assert isinstance(told.play, SmallTalk)
    assert [each.text for each in told.play.happenings if isinstance(each, CallerSaid)] == [f"{ASKED} please"]


def test_who_goes_on_behind_a_courtesy_is_heard_out() -> None:
    words = f"{ASKED} please at about ten"
    told, after = asked(words)
    assert after > 0.45
    assert told.names(GenerationDropped) != []
