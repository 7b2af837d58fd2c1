"""What holds for any order of events: no turn ends twice, no state waits for ever, all is repeatable."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.events import (
    Answer,
    Dtmf,
    EngineEndOfTurn,
    Event,
    Expectation,
    Expecting,
    Final,
    GenerationDone,
    GenerationDropped,
    GenerationStarted,
    Interrupted,
    Partial,
    SpeakingStarted,
    SpeakingStopped,
    SpeechStarted,
    SpeechStopped,
    SpeechWeighed,
    SynthesisStarted,
    TimePassed,
    TurnEnded,
    TurnResumed,
    TurnStarted,
)
from trunkline.turn.asked import answered
from trunkline.turn.backchannel import is_backchannel
from trunkline.turn.echo import OwnWords
from trunkline.turn.policy import TurnPolicy
from trunkline.turn.taking import TurnTaking
from turn.story import play

TEXTS = st.sampled_from(
    ["", "yes", "no", "mm-hm", "I would like to", "my number is five", "hello there", "yeah but wait", "…"]
)


@st.composite
def moments(draw: st.DrawFn) -> Event:
    """One event at a gap after the one before it: `at` holds the gap."""
    gap = draw(st.sampled_from([0.0, 0.02, 0.05, 0.1, 0.3, 0.7, 2.0, 7.0]))
    back = draw(st.sampled_from([0.0, 0.03, 0.12]))
    generation = draw(st.integers(1, 3))
    text = draw(TEXTS)
    return draw(
        st.sampled_from(
            [
                SpeechStarted(gap, -back),
                SpeechStopped(gap, -back),
                SpeechWeighed(gap, -back, back, back / 2),
                Partial(gap, text),
                Final(gap, text, rejected=not text),
                EngineEndOfTurn(gap, 0.9),
                Dtmf(gap, "5"),
                Dtmf(gap, "#"),
                Expecting(gap, Expectation(Answer.YES_NO, digits=2)),
                SynthesisStarted(gap, generation, 0, "hello there, is it yes or no"),
                SpeakingStarted(gap, generation, interruptible=back < 0.1),
                SpeakingStopped(gap, generation, text, complete=back < 0.1),
                GenerationStarted(gap, generation, 1, "m", speculative=back > 0.1),
                GenerationDone(gap, generation, text),
                GenerationDropped(gap, generation, "cut"),
            ]
        )
    )


def at_their_times(gaps: list[Event]) -> list[Event]:
    now = 10.0
    events: list[Event] = []
    for event in gaps:
        now += event.at
        if isinstance(event, SpeechStarted | SpeechWeighed):
            events.append(replace(event, at=now, since=now + event.since))
        elif isinstance(event, SpeechStopped):
            events.append(replace(event, at=now, until=now + event.until))
        else:
            events.append(replace(event, at=now))
    return events


STORIES = st.lists(moments(), min_size=1, max_size=60).map(at_their_times)
POLICIES = st.sampled_from([TurnPolicy(), TurnPolicy(silence=0.2, adaptive=False), TurnPolicy(max_turn=3)])


@given(STORIES, POLICIES)
@settings(max_examples=400, deadline=None)
def test_a_turn_never_ends_twice_without_being_resumed(story: list[Event], policy: TurnPolicy) -> None:
    begun: set[int] = set()
    over: set[int] = set()
    end = story[-1].at
    # The agent falls silent in the end, whatever it said last: then every turn comes to its end.
    silent: list[Event] = [SpeakingStopped(end, number, "", complete=True) for number in (1, 2, 3)]
    for event in play([*story, *silent], policy, until=end + 100):
        if isinstance(event, TurnStarted):
            assert event.turn not in begun
            begun.add(event.turn)
        elif isinstance(event, TurnResumed):
            assert event.turn in begun
            over.discard(event.turn)
        elif isinstance(event, TurnEnded):
            assert event.turn in begun - over
            assert event.garbled == (not event.text and not event.keys)
            over.add(event.turn)
    assert begun == over


@given(STORIES, POLICIES)
@settings(max_examples=300, deadline=None)
def test_outputs_carry_their_causes_time_and_replay_is_identical(
    story: list[Event], policy: TurnPolicy
) -> None:
    taking, again = TurnTaking(policy), TurnTaking(policy)
    for event in story:
        decided = taking.handle(event)
        assert all(decision.at == event.at for decision in decided)
        assert decided == again.handle(event)
        assert taking.deadline() == again.deadline()


@given(STORIES, POLICIES)
@settings(max_examples=400, deadline=None)
def test_there_is_always_a_deadline_unless_the_agent_sounds(story: list[Event], policy: TurnPolicy) -> None:
    taking = TurnTaking(policy)
    audible: int | None = None
    for event in story:
        decided = taking.handle(event)
        if isinstance(event, SpeakingStarted):
            audible = event.generation
        if isinstance(event, SpeakingStopped) and audible == event.generation:
            audible = None
        if any(isinstance(decision, Interrupted) for decision in decided):
            audible = None
        due = taking.deadline()
        if audible is None:
            assert due is not None
            assert math.isfinite(due)
            assert due <= event.at + policy.max_turn + policy.answer_limit


@given(STORIES, POLICIES)
@settings(max_examples=200, deadline=None)
def test_a_deadline_that_has_come_moves_on(story: list[Event], policy: TurnPolicy) -> None:
    taking = TurnTaking(policy)
    for event in story:
        taking.handle(event)
    for _ in range(100):
        due = taking.deadline()
        if due is None:
            return
        at = max(due, story[-1].at)
        taking.handle(TimePassed(at))
        after = taking.deadline()
        assert after is None or after > at or after > due


@given(st.text(max_size=300), st.sampled_from(list(Answer)))
def test_any_text_is_judged(text: str, kind: Answer) -> None:
    assert 0 <= answered(text, Expectation(kind)) <= 1
    is_backchannel(text)
    own = OwnWords()
    own.said(text)
    own.echoes(text)
