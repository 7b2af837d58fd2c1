"""The caller makes a sound while the agent speaks, told as stories."""

from __future__ import annotations

import pytest

from trunkline.events import (
    Answer,
    Ducked,
    Event,
    Expectation,
    Expecting,
    Final,
    Interrupted,
    Partial,
    SpeakingStarted,
    SpeakingStopped,
    SpeechStarted,
    SpeechStopped,
    SpeechWeighed,
    SynthesisStarted,
    TurnEnded,
)
from trunkline.turn.policy import TurnPolicy
from turn.story import play, told

ON = [SpeakingStarted(0, 7)]
OFF = [SpeakingStopped(4, 7, "…", complete=True)]


def voice(start: float, end: float, *, clear: float) -> list[Event]:
    """A sound that voice activity weighs: `clear` of it is open and loud."""
    steps = [start + 0.06 + 0.04 * n for n in range(int((end - start) / 0.04))]
    weights: list[Event] = [
        SpeechWeighed(at, start, at - start - 0.02, (at - start - 0.02) * clear)
        for at in steps
        if at < start + 1.0
    ]
    return sorted(
        [SpeechStarted(start + 0.04, start), *weights, SpeechStopped(end + 0.12, end)], key=lambda e: e.at
    )


def test_a_cough_costs_nothing_but_a_moment_of_quiet() -> None:
    events = [*ON, SpeechStarted(1.04, 1), SpeechStopped(1.16, 1.05), *OFF]
    assert told(play(events)) == ["1.04 Ducked", "1.16 Resumed"]


@pytest.mark.parametrize("length", [0.15, 0.2, 0.25, 0.3, 0.45])
@pytest.mark.parametrize("clear", [0.0, 0.5, 0.9])
def test_a_sign_of_listening_never_costs_the_sentence(length: float, clear: float) -> None:
    said = Final(1 + length + 0.35, "mm-hm")
    events = sorted(
        [*ON, *voice(1, 1 + length, clear=clear * (length < 0.4)), said, *OFF], key=lambda e: e.at
    )
    decided = play(events)
    assert not [e for e in decided if isinstance(e, Interrupted)]
    assert [e.split()[1] for e in told(decided)][-2:] in (
        ["Resumed", "Backchannel"],
        ["Backchannel", "Resumed"],
    )


def test_clear_speech_silences_the_agent_within_160_ms_and_cuts_when_it_goes_on() -> None:
    decided = play([*ON, *voice(1, 2.5, clear=1.0)])
    held = next(e for e in decided if isinstance(e, Ducked) and e.hold)
    cut = next(e for e in decided if isinstance(e, Interrupted))
    assert held.at - 1 <= 0.16
    assert cut.at - 1 <= 0.8
    assert (cut.generation, cut.since, cut.why) == (7, 1, "clear speech")


def test_words_cut_at_once_even_after_the_sound_is_over() -> None:
    during = [*ON, SpeechStarted(1.04, 1), Partial(1.25, "wait")]
    assert told(play(during))[2:] == ["1.25 Interrupted (words)", "1.25 TurnStarted 1"]
    after = [*ON, SpeechStarted(1.04, 1), SpeechStopped(1.35, 1.19), Final(1.6, "no"), *OFF]
    lines = told(play(after, until=4))
    assert "1.60 Interrupted (words)" in lines
    assert any("TurnEnded 1 'no'" in line for line in lines)


def test_a_backchannel_that_grows_into_an_objection_interrupts() -> None:
    events = [*ON, SpeechStarted(1.04, 1), Partial(1.3, "okay"), Partial(1.5, "okay but"), *OFF]
    lines = told(play(events))
    assert "1.30 Backchannel 'okay'" in lines
    assert "1.50 Interrupted (words)" in lines


def test_many_backchannels_in_one_long_answer_stay_backchannels() -> None:
    events: list[Event] = [SpeakingStarted(0, 1)]
    for n in range(6):
        events += [SpeechStarted(2 * n + 1.04, 2 * n + 1), SpeechStopped(2 * n + 1.4, 2 * n + 1.25)]
        events += [Final(2 * n + 1.6, "yeah")]
    lines = [line.split()[1] for line in told(play(events))]
    assert "Interrupted" not in lines
    assert lines.count("Backchannel") == 6


def test_two_short_sounds_of_one_interruption_are_one_doubt() -> None:
    events = [
        *ON,
        SpeechStarted(1.04, 1),
        SpeechStopped(1.42, 1.3),
        SpeechStarted(1.5, 1.45),
        SpeechStopped(2.6, 2.5),
    ]
    assert told(play(events))[:3] == ["1.04 Ducked", "1.20 Ducked", "2.20 Interrupted (long sound)"]


def test_a_sound_that_has_just_begun_again_does_not_end_the_doubt() -> None:
    """ "Okay, sure" over a second, and somebody behind the caller: that is taken back a moment later."""
    events = [
        *ON,
        *voice(1, 2.05, clear=0.4),
        SpeechStarted(2.18, 2.1),
        SpeechStopped(2.3, 2.1),
        *OFF,
    ]
    assert "Interrupted" not in " ".join(told(play(events)))
    # Where it goes on, it counts with the rest.
    lasting = [*events[:-3], SpeechStarted(2.18, 2.1), SpeechStopped(2.9, 2.8), *OFF]
    assert "2.38 Interrupted (long sound)" in told(play(lasting))


def test_an_interruption_without_words_ends_in_pardon() -> None:
    events = [*ON, *voice(1, 2, clear=1.0), SpeakingStopped(2.2, 7, "…", complete=False)]
    events.sort(key=lambda e: e.at)
    assert told(play(events, TurnPolicy(silence=0.3, adaptive=False), until=5))[-1] == (
        "3.00 TurnEnded 1 garbled (silence)"
    )


def test_what_may_not_be_interrupted_is_not_and_the_words_count_afterwards() -> None:
    events = [
        SpeakingStarted(0, 1, interruptible=False),
        *voice(1, 2, clear=1.0),
        Final(2.3, "I agree to that"),
        SpeakingStopped(4, 1, "…", complete=True),
    ]
    lines = told(play(events, TurnPolicy(silence=0.3, adaptive=False), until=6))
    assert lines == [
        "4.00 TurnStarted 1",
        "4.00 TurnLikely 1 'I agree to that'",
        "4.00 TurnEnded 1 'I agree to that' (silence)",
    ]


def test_both_start_at_once_and_the_agent_yields() -> None:
    """The caller already has the turn when a re-prompt becomes audible; both stop; the call goes on."""
    events = [
        *ON,
        SpeakingStopped(2, 7, "…", complete=True),
        SpeechStarted(7.94, 7.9),
        SpeakingStarted(8.4, 8),
        SpeechStopped(8.6, 8.45),
        SpeakingStopped(8.45, 8, "", complete=False),
    ]
    lines = told(play(sorted(events, key=lambda e: e.at), until=12))
    assert lines[:2] == ["8.30 TurnStarted 1", "8.40 Interrupted (the caller has the turn)"]
    assert "garbled" in lines[-1]


def test_a_yes_over_the_last_word_of_the_question_answers_it() -> None:
    ask = Expecting(0, Expectation(Answer.YES_NO))
    late = [ask, *ON, SpeechStarted(3.24, 3.2), SpeechStopped(3.6, 3.45), Final(3.7, "yes"), *OFF]
    assert told(play(late, until=5))[-1] == "4.00 TurnEnded 1 'yes' (complete)"
    early = [ask, *ON, SpeechStarted(0.54, 0.5), SpeechStopped(0.9, 0.75), Final(1.0, "yes"), *OFF]
    assert not any("TurnEnded" in line for line in told(play(early, until=9)))


def test_the_agents_own_words_coming_back_are_not_the_callers() -> None:
    events = [
        SynthesisStarted(0, 7, 0, "Would you like to come in on Tuesday at nine?"),
        *ON,
        SpeechStarted(1.04, 1),
        Partial(1.3, "would you like to"),
        SpeechStopped(1.5, 1.4),
        Final(1.9, "would you like to come"),
        *OFF,
        Final(4.2, "on tuesday at nine"),
    ]
    lines = told(play(events, until=9))
    assert not any("Interrupted" in line or "Turn" in line for line in lines)
    stop = [*events[:3], Partial(1.3, "no stop please")]
    assert "1.30 Interrupted (words)" in told(play(stop))


def test_much_clear_speech_is_not_talked_over_while_its_words_are_on_their_way() -> None:
    """A recogniser that gives words only at the end: "wait, stop" is over before it is known."""
    events = [*ON, *voice(1, 1.6, clear=1.0), Final(2.2, "wait, stop"), *OFF]
    lines = told(play(sorted(events, key=lambda e: e.at), until=3))
    assert not any("Resumed" in line for line in lines)
    assert "2.20 Interrupted (words)" in lines


def test_words_that_follow_their_sound_are_dated_to_it() -> None:
    """The ledger counts from when the caller was silent, not from when the recogniser was done."""
    over = [*ON, SpeechStarted(1.04, 1), SpeechStopped(1.35, 1.19), Final(1.6, "no")]
    at_its_end = [*ON, *OFF, SpeechStarted(4.09, 4.05), SpeechStopped(4.42, 4.3), Final(4.7, "yes")]
    for events, speech_end in ((over, 1.19), (at_its_end, 4.3)):
        ends = [event for event in play(events, until=6) if isinstance(event, TurnEnded)]
        assert [event.speech_end for event in ends] == [speech_end]
