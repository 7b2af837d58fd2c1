"""What an answer begins with was often said before, and is there as sound. Whole calls, in virtual time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from calls.story import Says, Told, tell
from trunkline.call.settings import CallSettings
from trunkline.events import SynthesisStarted
from trunkline.providers.voice_cache import VoiceCache

SETTINGS = CallSettings(vad="energy")
FIRST, SECOND = Says(3.0, "what does it cost"), Says(12.0, "how does it work")
REPLIES = (
    "Good question, it is twenty dollars a month for each of you.",
    "Good question, it rings them for you.",
)
STAGES: dict[str, Any] = {
    "stt": {"delay_ms": 100, "partial_ms": 100},
    "llm": {"delay_ms": 200, "tokens_per_s": 100},
    "tts": {"delay_ms": 150},
}


def call(beginnings: VoiceCache | None, settings: CallSettings = SETTINGS, replies: Any = REPLIES) -> Told:
    return tell(
        FIRST,
        SECOND,
        replies=replies,
        settings=settings,
        line_cache=VoiceCache(),
        beginnings=beginnings,
        lasts=20,
        **STAGES,
    )


def cached(told: Told) -> list[str]:
    return [
        event.text
        for event in told.of(SynthesisStarted)
        if isinstance(event, SynthesisStarted) and event.cached
    ]


def test_words_that_an_answer_began_with_need_no_voice_the_next_time() -> None:
    with_it, without = call(VoiceCache()), call(None)
    assert cached(with_it) == ["Good question,"]
    assert cached(without) == []
    saved = without.answer_after(SECOND) - with_it.answer_after(SECOND)
    assert saved == pytest.approx(0.15, abs=0.021)
    assert with_it.answer_after(FIRST) == without.answer_after(FIRST)
    assert with_it.said() == without.said()


def test_the_next_call_knows_them_too() -> None:
    beginnings = VoiceCache()
    call(beginnings)
    assert cached(call(beginnings)) == ["Hello, this is Maya.", "Good question,", "Good question,"]


def test_none_are_kept_where_none_are_wanted() -> None:
    assert cached(call(VoiceCache(), replace(SETTINGS, remembered_words=0))) == []
    assert cached(call(VoiceCache(), replace(SETTINGS, remembered_words=1))) == []
