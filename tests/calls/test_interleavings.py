"""What holds in any call: whole calls over random interleavings of speech, keys, delays and faults."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calls.marked_voice import MarkedEar, MarkedTextToSpeech
from calls.story import Beeps, Presses, Says, SmallTalk, Told, tell
from trunkline.call.settings import CallSettings
from trunkline.clock import VirtualClock
from trunkline.events import (
    Answer,
    GenerationDropped,
    MailboxReady,
    SpeakingStarted,
    SpeakingStopped,
    SynthesisStarted,
    TurnEnded,
    TurnResumed,
)
from trunkline.lab.replay import as_line, parse_line, replay_scenario, replay_turns
from trunkline.scenario.load import parse_scenario
from trunkline.scenario.play import ScenarioPlay
from trunkline.turn.policy import TurnPolicy

LASTS = 40.0
LONGEST_SILENCE = 18.0
"""Patience of six seconds; or the watchdog's fifteen over an answer that never comes, and the voice."""

WORDS = st.sampled_from(
    [
        "yes",
        "no",
        "mm-hm",
        "I see",
        "what does it cost",
        "wait",
        "my number is oh two oh",
        "we are about forty people and we would like to",
        "goodbye then",
    ]
)


@st.composite
def callers(draw: st.DrawFn) -> tuple[Says | Presses, ...]:
    """What the caller does, in order, never two things at once."""
    lines: list[Says | Presses] = []
    at = draw(st.sampled_from([0.0, 0.5, 1.5, 3.0]))
    for _ in range(draw(st.integers(1, 7))):
        if draw(st.integers(0, 6)) == 0:
            keys = draw(st.sampled_from(["1", "42#", "7"]))
            lines.append(Presses(at, keys))
            at += 0.3 * len(keys)
        else:
            words = draw(WORDS)
            heard_as = draw(st.sampled_from([None, None, None, None, ""]))
            loudness = draw(st.sampled_from([0.3, 0.3, 0.3, 0.002]))
            line = Says(at, words, heard_as, loudness)
            lines.append(line)
            at = line.end
        at += draw(st.sampled_from([0.14, 0.22, 0.26, 0.31, 0.4, 0.7, 1.1, 1.9, 4.0]))
    return tuple(lines)


@st.composite
def engines(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    stt = {
        "delay_ms": draw(st.sampled_from([0, 100, 400, 1200])),
        "partial_ms": draw(st.sampled_from([0, 100, 500])),
    }
    llm: dict[str, Any] = {
        "delay_ms": draw(st.sampled_from([0, 200, 900])),
        "tokens_per_s": draw(st.sampled_from([0, 20])),
    }
    fault = draw(st.sampled_from(["", "", "", "fail", "hang", "empty", "silent"]))
    if fault in ("fail", "hang", "empty"):
        llm[fault] = True
    elif fault == "silent":
        stt[fault] = True
    return {"stt": stt, "llm": llm}


class LateVoice(MarkedTextToSpeech):
    """Waits on whatever loop runs it: the clock is the call's own."""

    async def start(self) -> None:
        import asyncio

        from trunkline.clock import VirtualLoop

        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.clock = VirtualClock(loop)


POLICIES = st.sampled_from(
    [TurnPolicy(), TurnPolicy(silence=0.2, adaptive=False), TurnPolicy(patience=3.0), TurnPolicy(max_turn=4)]
)


@given(
    callers(),
    engines(),
    POLICIES,
    st.sampled_from([0.0, 0.05, 0.15, 0.6]),
    st.booleans(),
    st.sampled_from(list(Answer)),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_in_any_call(
    lines: tuple[Says | Presses, ...],
    engines: dict[str, dict[str, Any]],
    policy: TurnPolicy,
    voice_delay: float,
    speculate: bool,
    asks: Answer,
) -> None:
    ear, voice = MarkedEar(), LateVoice(delay=voice_delay)
    told = tell(
        *lines,
        replies=["It is twenty dollars a month for each person, and you may leave.", "No.", "I see. Go on."],
        play=SmallTalk(asks=asks),
        settings=CallSettings(vad="energy", turn=policy, speculate=speculate),
        lasts=LASTS,
        voice=voice,
        also_hears=ear.hear,
        stt=engines["stt"],
        llm=engines["llm"],
    )
    only_one_voice_and_never_a_cancelled_one(told, ear)
    never_silent_for_long(told, lines)
    every_row_is_whole_or_says_why_not(told)
    turns_end_once(told)
    replayed_the_same(told)


SURVEY = parse_scenario(
    """
trunkline: 1
name: survey
persona: {name: Maya, company: Acme}
start: opening
fields:
  good_time: {type: yes_no, ask: "Is this a good time?"}
steps:
  opening: {kind: ask, say: "Hello, this is Maya, an AI.", field: good_time, edges: [{to: over}]}
  over: {kind: end, say: Thank you., outcome: talked}
"""
)
MACHINES = st.sampled_from(
    [
        "hello",
        "you have reached dana",
        "please leave a message after the tone",
        "the mailbox is full",
        "for sales press one",
        "I am here who is this",
        "yes that is fine",
        "thank you for calling we are sorry that nobody can take your call",
    ]
)


@st.composite
def answerers(draw: st.DrawFn) -> tuple[Says | Beeps, ...]:
    """What a machine, a fax or a person does who takes the call."""
    lines: list[Says | Beeps] = []
    at = draw(st.sampled_from([0.0, 0.6, 2.0]))
    for _ in range(draw(st.integers(1, 6))):
        line: Says | Beeps
        if draw(st.integers(0, 3)) == 0:
            line = Beeps(
                at, draw(st.sampled_from([0.3, 0.5, 3.0])), draw(st.sampled_from([1000.0, 1100.0, 2100.0]))
            )
        else:
            line = Says(at, draw(MACHINES), draw(st.sampled_from([None, None, None, ""])))
        lines.append(line)
        at = line.end + draw(st.sampled_from([0.3, 0.8, 1.6, 4.0, 9.0]))
    return tuple(lines)


@given(answerers(), engines(), st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_in_any_call_that_the_agent_makes(
    lines: tuple[Says | Beeps, ...], engines: dict[str, dict[str, Any]], speculate: bool
) -> None:
    ear, voice = MarkedEar(), LateVoice()
    told = tell(
        *lines,
        replies=["Good."],
        play=ScenarioPlay(SURVEY),
        settings=CallSettings(vad="energy", speculate=speculate),
        lasts=150.0,
        voice=voice,
        also_hears=ear.hear,
        stt=engines["stt"],
        llm=engines["llm"],
        outbound=True,
    )
    only_one_voice_and_never_a_cancelled_one(told, ear)
    # Every such call comes to its end by itself: nobody is rung for ever, no machine is waited for.
    assert told.result.by == "agent", told.result.reason
    ready = [event for event in told.events if isinstance(event, MailboxReady)]
    assert len(ready) <= 1
    if ready and told.result.outcome == "voicemail_left":
        assert told.said()[-1].endswith("I will call again. Goodbye.")
        assert told.events[-1].at < ready[0].at + 15
    events = [parse_line(as_line(event)) for event in told.events]
    assert replay_turns(events).difference is None
    assert replay_scenario(events, ScenarioPlay(SURVEY)).difference is None


def only_one_voice_and_never_a_cancelled_one(told: Told, ear: MarkedEar) -> None:
    owners = [event.generation for event in told.events if isinstance(event, SynthesisStarted)]
    began = {event.generation: event.at for event in told.events if isinstance(event, SpeakingStarted)}
    over = {
        event.generation: event.at
        for event in told.events
        if isinstance(event, SpeakingStopped | GenerationDropped)
    }
    for when, numbers in ear.heard:
        assert len(numbers) == 1, f"two sentences at once at {when - told.zero:.2f}"
        generation = owners[numbers[0]]
        assert began[generation] <= when + 0.021
        assert when <= over.get(generation, when) + 1e-6, f"generation {generation} sounds after its end"
    spans = sorted((start, over.get(generation, start)) for generation, start in began.items())
    for (_, end), (start, _) in pairwise(spans):
        assert end <= start + 1e-6


def never_silent_for_long(told: Told, lines: tuple[Says | Presses, ...]) -> None:
    """Neither side sounds, and no timer ends it: that is what must not be."""
    spans = [*told.agent_sound, *((line.at, line.end) for line in lines if isinstance(line, Says))]
    spans += [(line.at, line.at + 0.3 * len(line.keys)) for line in lines if isinstance(line, Presses)]
    quiet_since = 0.0
    end = told.events[-1].at - told.zero
    for start, stop in sorted([*spans, (end, end)]):
        assert start - quiet_since < LONGEST_SILENCE, f"silent from {quiet_since:.2f} to {start:.2f}"
        quiet_since = max(quiet_since, stop)


def every_row_is_whole_or_says_why_not(told: Told) -> None:
    rows = told.result.record["ledger"]["rows"]
    assert {row["turn"] for row in rows} == {e.turn for e in told.events if isinstance(e, TurnEnded)}
    for row in rows:
        if row["incomplete"]:
            continue
        assert row["audible"] is not None
        assert row["audible"] >= row["turn_ended"] >= row["speech_end"]
        for stage in ("sip_ms", "end_of_turn_ms", "total_ms"):
            assert row[stage] >= 0


def turns_end_once(told: Told) -> None:
    over: set[int] = set()
    for event in told.events:
        if isinstance(event, TurnResumed):
            over.discard(event.turn)
        elif isinstance(event, TurnEnded):
            assert event.turn not in over
            over.add(event.turn)


def replayed_the_same(told: Told) -> None:
    events = [parse_line(as_line(event)) for event in told.events]
    assert replay_turns(events).difference is None
    assert replay_scenario(events, SmallTalk(asks=told.play.asks)).difference is None
