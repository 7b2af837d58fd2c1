"""Who took the call, event by event; and what holds whatever happens."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.errors import ConfigError
from trunkline.events import (
    AnsweredBy,
    Answerer,
    CallAnswered,
    CallRinging,
    CallStarted,
    Event,
    Final,
    MailboxReady,
    Partial,
    SpeakingStarted,
    SpeechStarted,
    SpeechStopped,
    TimePassed,
    ToneHeard,
)
from trunkline.turn.answering_machine import AnsweringMachine
from trunkline.turn.greeting_words import Sign, a_person_waits, signs_in
from trunkline.turn.policy import TurnPolicy


def started(direction: str = "outbound") -> CallStarted:
    return CallStarted(0.0, "1", direction, "a", "b", "memory", "s", "2026-01-05T09:00:00+00:00")


def play(events: list[Event], until: float, policy: TurnPolicy | None = None) -> list[Event]:
    """All that is decided, with every timer kept up to `until`."""
    machine, decided = AnsweringMachine(policy or TurnPolicy()), list[Event]()

    def wait(limit: float) -> None:
        for _ in range(100):
            due = machine.deadline()
            if due > limit:
                return
            decided.extend(machine.handle(TimePassed(due)))
        raise AssertionError(f"timers never come to rest: next {machine.deadline()}")

    for event in events:
        wait(event.at)
        decided.extend(machine.handle(event))
    wait(until)
    return decided


def spoke(since: float, until: float) -> list[Event]:
    return [SpeechStarted(since + 0.02, since), SpeechStopped(until + 0.14, until)]


def call(*events: Event, until: float = 60.0, policy: TurnPolicy | None = None) -> list[Event]:
    return play([started(), CallAnswered(10.0, "PCMU", 8000), *events], until, policy)


def short(decided: list[Event]) -> list[str]:
    return [f"{e.at:.1f} {getattr(e, 'who', 'ready')} ({getattr(e, 'why', '')})" for e in decided]


def test_a_short_hello_and_a_pause_are_a_persons() -> None:
    assert short(call(*spoke(10.5, 11.0))) == ["12.5 human (short greeting)"]


@pytest.mark.parametrize(("rang", "known"), [(5.0, []), (25.0, [Answerer.MACHINE])])
def test_long_ringing_makes_a_machine_likelier(rang: float, known: list[Answerer]) -> None:
    answered = 30.0
    decided = play(
        [
            started(),
            CallRinging(answered - rang),
            CallAnswered(answered, "PCMU", 8000),
            SpeechStarted(answered + 1.02, answered + 1.0),
            Partial(answered + 3.0, "dana is not available"),
            Partial(answered + 4.0, "dana is not available she will get back to you"),
            SpeechStopped(answered + 4.5, answered + 4.4),
        ],
        answered + 4.6,
    )
    assert [event.who for event in decided if isinstance(event, AnsweredBy)] == known


def test_who_takes_messages_for_another_is_a_person() -> None:
    decided = call(
        SpeechStarted(10.5, 10.5),
        Partial(12.0, "dana is not available"),
        Final(14.0, "dana is not available would you like to leave a message"),
        SpeechStopped(14.0, 13.9),
    )
    assert Answerer.MACHINE not in {getattr(event, "who", None) for event in decided}


def test_partial_words_that_are_taken_back_weigh_nothing() -> None:
    events = [
        SpeechStarted(10.5, 10.5),
        Partial(11.0, "press one"),
        Final(11.5, "i am impressed"),
        *spoke(10.5, 11.4),
    ]
    told = [event for event in call(*events, until=30.0) if isinstance(event, AnsweredBy)]
    assert [event.who for event in told] == [Answerer.HUMAN]


def test_a_wrong_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match="outbound, always, never"):
        TurnPolicy(machines="sometimes")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("Please leave a message after the tone.", Sign.RECORDS),
        ("Hi, you've reached Dana.", Sign.AWAY),
        ("The mailbox is full.", Sign.FULL),
        ("For sales, press 1.", Sign.MENU),
        ("Who's calling, please?", Sign.PERSON),
    ],
)
def test_phrases_are_known_across_case_and_punctuation(text: str, sign: Sign) -> None:
    assert sign in signs_in(text)


@pytest.mark.parametrize("text", ["Hello?", "Yes, hello.", "Sorry, I was in the garden.", "Who is this?"])
def test_who_waits_for_an_answer(text: str) -> None:
    assert a_person_waits(text)


@pytest.mark.parametrize(
    "text", ["", "I am Dana", "hello you have reached Dana", "yes " * 20, "press one hold on"]
)
def test_who_does_not(text: str) -> None:
    assert not a_person_waits(text)


WORDS = st.sampled_from(
    ["hello", "leave a message after the tone", "press one for sales", "not available", "who is this",
     "you have reached", "yes", "mailbox is full", ""]
)  # fmt: skip


@st.composite
def stories(draw: st.DrawFn) -> list[Event]:
    events: list[Event] = [started(), CallAnswered(0.0, "PCMU", 8000)]
    at, speaking = 0.0, 0.0
    for _ in range(draw(st.integers(0, 25))):
        at += draw(st.sampled_from([0.0, 0.1, 0.4, 1.0, 2.5, 6.0]))
        match draw(st.integers(0, 5)):
            case 0:
                events.append(SpeechStarted(at, at - 0.02))
                speaking = at - 0.02
            case 1:
                events.append(SpeechStopped(at, max(speaking, at - draw(st.sampled_from([0.1, 0.9])))))
            case 2:
                events.append(Partial(at, draw(WORDS)))
            case 3:
                events.append(Final(at, draw(WORDS)))
            case 4:
                kind = draw(st.sampled_from(["beep", "beep", "cng", "ced"]))
                events.append(ToneHeard(at, kind, 1000.0, at - 0.5, at - 0.03))
            case 5:
                events.append(SpeakingStarted(at, 1))
    return events


@given(stories())
@settings(max_examples=300, deadline=None)
def test_in_any_story(events: list[Event]) -> None:
    last = events[-1].at
    decided = play(events, last + 200.0)
    assert decided == play(events, last + 200.0)
    who: Answerer | None = None
    ready = False
    for event in decided:
        assert not ready, "nothing is told once a machine records"
        if isinstance(event, AnsweredBy):
            assert event.who is not who, "what is known is told once"
            assert 0 <= event.confidence <= 1
            who = event.who
        else:
            assert isinstance(event, MailboxReady)
            assert who is Answerer.MACHINE
            ready = True
    # No machine is waited for without end.
    assert ready == (who is Answerer.MACHINE)


@given(stories(), st.sampled_from(["inbound", "outbound"]))
@settings(max_examples=50, deadline=None)
def test_nobody_looks_where_it_is_not_asked_for(events: list[Event], direction: str) -> None:
    policy = TurnPolicy(machines="never" if direction == "outbound" else "outbound")
    assert play([started(direction), *events[1:]], events[-1].at + 100.0, policy) == []
