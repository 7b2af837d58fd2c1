"""Whole calls whose model hears and speaks by itself: the rules are those of every call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from calls.story import PLAIN_SETTINGS, Says, SmallTalk, tell
from trunkline.clock import VirtualClock
from trunkline.errors import EngineNetwork
from trunkline.events import (
    FieldSet,
    FirstToken,
    GenerationDone,
    GenerationStarted,
    GuardrailBlocked,
    Interrupted,
    ModelUsed,
    SynthesisStarted,
    ToolCalled,
    Trouble,
)
from trunkline.prompt import ToolCall
from trunkline.providers.llm.fake import FakeReply
from trunkline.providers.s2s.fake import FakeSpeechToSpeech
from trunkline.providers.stt.fake import FakeSpeechToText
from trunkline.providers.voice_cache import VoiceCache
from trunkline.scenario.load import parse_scenario
from trunkline.scenario.play import ScenarioPlay

Made = Callable[[VirtualClock, FakeSpeechToText], FakeSpeechToSpeech]
ASKS = Says(3.0, "what does it cost")
LONG = "It is twenty dollars a month for each person."
SURVEY = """
trunkline: 1
name: survey
persona: {name: Maya, company: Acme}
start: size
fields:
  team: {type: number, required: false, ask: "How many people are you?", reask: ["Roughly how many are you?"]}
steps:
  size: {kind: ask, field: team, edges: [{to: over}]}
  over: {kind: end, say: "Thank you.", outcome: talked}
"""


def speaking(seen: list[FakeSpeechToSpeech], name: str = "fake", **options: Any) -> Made:
    def make(clock: VirtualClock, hears: FakeSpeechToText) -> FakeSpeechToSpeech:
        engine = FakeSpeechToSpeech(
            **{"clock": clock, "hears": hears, "rate": 8000, "delay_ms": 200, **options}
        )
        engine.name = name
        seen.append(engine)
        return engine

    return make


def test_the_session_greets_hears_and_answers() -> None:
    seen: list[FakeSpeechToSpeech] = []
    told = tell(
        ASKS,
        settings=PLAIN_SETTINGS,
        s2s=speaking(seen, reply="It is twenty dollars a month. Shall I go on?"),
        lasts=9.0,
    )
    assert told.said() == ["Hello, this is Maya.", "It is twenty dollars a month. Shall I go on?"]
    assert told.caller_words() == ["what does it cost"]
    assert list(seen[0].lines) == ["Hello, this is Maya."], "its own sentences are not read a second time"
    assert [event.model for event in told.of(GenerationStarted)] == ["scenario", "fake"]  # type: ignore[attr-defined]
    assert not told.of(Trouble)
    # 200 ms of silence, 200 ms of the model's delay, a frame or two.
    assert told.answer_after(ASKS) == pytest.approx(0.45, abs=0.06)
    done = told.of(GenerationDone)[-1]
    assert isinstance(done, GenerationDone)
    assert 0 < done.audio_output_tokens < done.output_tokens
    (line,) = told.of(ModelUsed)
    assert isinstance(line, ModelUsed)
    assert (line.model, line.purpose) == ("fake", "line")


def test_what_the_caller_cuts_is_cancelled_and_the_next_prompt_says_what_was_heard() -> None:
    seen: list[FakeSpeechToSpeech] = []
    cuts = Says(5.5, "stop how long does it take")
    told = tell(
        ASKS,
        cuts,
        settings=PLAIN_SETTINGS,
        # As slow as speech: the answer is still being made when it is cut.
        s2s=speaking(seen, speed=1.0, reply=f"{LONG} You may leave. Fine.|A week."),
        lasts=12.0,
    )
    assert told.of(Interrupted)
    assert told.silent_after(cuts.at) < 0.8
    said = told.said()
    assert said[1].startswith("It is twenty")
    assert "Fine." not in said[1]
    assert said[2] == "A week."
    (cut,) = [event for event in told.of(ModelUsed) if getattr(event, "purpose", "") == "cut"]
    assert cut.at < cuts.at + 0.8, "the vendor was told at once, and what it cost is known"
    heard = [happening.heard for happening in told.play.happenings if hasattr(happening, "heard")]
    assert said[1] in heard
    assert not told.of(Trouble)


def test_a_sentence_that_is_blocked_is_not_heard_and_its_replacement_is_read() -> None:
    seen: list[FakeSpeechToSpeech] = []
    told = tell(
        ASKS,
        settings=PLAIN_SETTINGS,
        s2s=speaking(seen, reply="I can tell you that. This is forbidden fruit. Is that all right?"),
        lasts=14.0,
    )
    (blocked,) = told.of(GuardrailBlocked)
    assert isinstance(blocked, GuardrailBlocked)
    assert told.said()[1] == "I can tell you that. Let me check that. Is that all right?"
    assert list(seen[0].lines)[1:] == ["Let me check that."]
    # Four words, the line read with its pause, four words: the three words between are passed over.
    heard = sum(end - start for start, end in told.agent_sound if start >= ASKS.end)
    assert heard == pytest.approx(13 * 0.375, abs=0.75)
    assert not told.of(Trouble)


def test_a_line_that_is_not_read_as_it_stands_is_said_by_the_configured_voice() -> None:
    seen: list[FakeSpeechToSpeech] = []
    told = tell(settings=PLAIN_SETTINGS, s2s=speaking(seen, reads=False), lasts=6.0)
    assert told.said() == ["Hello, this is Maya."]
    assert "read other words" in getattr(told.of(Trouble)[0], "what", "")
    assert 4 * 0.3 < sum(end - start for start, end in told.agent_sound) < 4 * 0.5


def test_an_answer_that_fails_is_the_configured_models() -> None:
    seen: list[FakeSpeechToSpeech] = []
    told = tell(
        ASKS,
        replies=("From the other one.",),
        settings=PLAIN_SETTINGS,
        s2s=speaking(seen, delay_ms=60_000),
        lasts=12.0,
    )
    assert told.said()[-1] == "From the other one."
    assert any("nothing came within" in getattr(event, "what", "") for event in told.of(Trouble))
    assert told.result.by == "caller"


def test_a_session_that_breaks_is_opened_again() -> None:
    seen: list[FakeSpeechToSpeech] = []

    def make(clock: VirtualClock, hears: FakeSpeechToText) -> FakeSpeechToSpeech:
        engine = speaking(seen, reply="One.|Two.")(clock, hears)
        clock.call_at(clock.now() + 5.4, lambda: engine.sessions[-1].fail(EngineNetwork("it broke")))
        return engine

    told = tell(ASKS, Says(6.0, "and then"), settings=PLAIN_SETTINGS, s2s=make, lasts=10.0)
    assert told.said()[1:] == ["One.", "Two."]
    assert len(seen[0].prompts) == 2
    assert told.caller_words() == ["what does it cost", "and then"]


def test_when_the_session_dies_in_an_answer_the_three_go_on_with_the_call() -> None:
    seen: list[FakeSpeechToSpeech] = []
    later = Says(9.0, "and then")
    told = tell(
        ASKS,
        later,
        replies=("I see.", "The others go on."),
        settings=PLAIN_SETTINGS,
        s2s=speaking(seen, "session", reply=f"{LONG} And there is no fee.", fail_after=0),
        lasts=14.0,
    )
    assert told.result.by == "caller", "the call is not lost"
    assert told.caller_words() == ["what does it cost", "and then"]
    said = told.said()
    assert said[1].startswith(LONG)
    assert said[1].endswith("And there is no fee."), "what the session had written is spoken by the voice"
    assert said[2] == "The others go on."
    assert told.of(Trouble)
    spent = {(row["kind"], row["name"]): row["used"] for row in told.result.record["costs"]["engines"]}
    assert spent["tts", "fake"]["characters"] >= len(said[2])
    assert spent["stt", "fake"]["seconds"] > 4.0
    assert ("tts", "session") not in spent, "its sound is in its tokens"
    assert spent["llm", "session"]["audio_output"]
    assert spent["llm", "fake"]["output"]


def test_lines_are_made_ahead_in_the_sessions_own_voice() -> None:
    seen: list[FakeSpeechToSpeech] = []
    cache = VoiceCache()
    settings = replace(PLAIN_SETTINGS, openers=("Got it.",))

    class Knows(SmallTalk):
        def fixed_lines(self, facts: Any) -> list[str]:
            return [self.greeting]

    for _ in range(2):
        told = tell(play=Knows(), settings=settings, s2s=speaking(seen), line_cache=cache, lasts=5.0)
        assert told.said() == ["Hello, this is Maya."]
    assert list(seen[1].lines) == []
    (asked,) = told.of(SynthesisStarted)
    assert isinstance(asked, SynthesisStarted)
    assert asked.cached


def test_an_answer_begun_early_leaves_no_trace() -> None:
    seen: list[FakeSpeechToSpeech] = []
    goes_on = Says(3.0, "what does it cost")
    told = tell(
        goes_on,
        Says(5.0, "for a team of ten"),
        settings=replace(PLAIN_SETTINGS, speculate=True),
        s2s=speaking(seen, reply="It is twenty.|It is ten."),
        lasts=10.0,
    )
    assert told.of(FirstToken)
    assert told.said()[-1] in {"It is twenty.", "It is ten."}
    assert not told.of(Trouble)


def test_the_scenario_refuses_what_it_did_not_offer_and_the_session_is_told() -> None:
    seen: list[FakeSpeechToSpeech] = []

    def make(clock: VirtualClock, hears: FakeSpeechToText) -> FakeSpeechToSpeech:
        engine = speaking(seen)(clock, hears)
        engine.script += [
            FakeReply("", (ToolCall("c1", "give_discount", {"percent": 50}),)),
            FakeReply("Never mind, then.", (ToolCall("c2", "decline_field", {"name": "team"}),)),
        ]
        return engine

    told = tell(
        Says(4.0, "well quite a crowd to be honest"),
        play=ScenarioPlay(parse_scenario(SURVEY)),
        settings=PLAIN_SETTINGS,
        s2s=make,
        lasts=20.0,
    )
    first, second = told.of(ToolCalled)
    assert isinstance(first, ToolCalled)
    assert isinstance(second, ToolCalled)
    assert first.refused.startswith("Refused: there is no tool 'give_discount'")
    assert not second.refused
    answered = seen[0].prompts[1].messages[-1]
    assert (answered.role, answered.tool_call_id) == ("tool", "c1")
    assert answered.content == first.refused
    assert {tool.name for tool in seen[0].prompts[0].tools} >= {"set_field"}
    assert told.of(FieldSet)
    assert told.said()[1] == "Never mind, then. Thank you."
    assert list(seen[0].lines) == ["How many people are you?", "Thank you."]
    assert told.result.outcome == "talked"
    assert not told.of(Trouble)
