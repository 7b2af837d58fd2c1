"""Turn-taking, told as stories: what happens, and what is decided when."""

from __future__ import annotations

import pytest

from trunkline.events import (
    Answer,
    CallAnswered,
    Dtmf,
    EngineEndOfTurn,
    Event,
    Expectation,
    Expecting,
    Final,
    GenerationDone,
    GenerationDropped,
    GenerationStarted,
    HungUp,
    Partial,
    SpeakingStarted,
    SpeakingStopped,
    SpeechStarted,
    SpeechStopped,
    SynthesisStarted,
    TurnEnded,
    Word,
)
from trunkline.turn.policy import TurnPolicy
from trunkline.turn.taking import TurnTaking
from turn.story import play, told

PLAIN = TurnPolicy(silence=0.2, adaptive=False)


def agent(start: float, end: float, generation: int = 1) -> list[Event]:
    """The agent speaks from `start` to `end`, all of it."""
    return [SpeakingStarted(start, generation), SpeakingStopped(end, generation, "…", complete=True)]


def sound(start: float, end: float) -> list[Event]:
    """The caller makes a sound; a detector notices 40 ms late and its end 140 ms late."""
    return [SpeechStarted(start + 0.04, start), SpeechStopped(end + 0.14, end)]


def story(*events: list[Event] | Event) -> list[Event]:
    flat = [e for piece in events for e in (piece if isinstance(piece, list) else [piece])]
    return sorted(flat, key=lambda event: event.at)


def kinds(lines: list[str]) -> list[str]:
    return [line.split()[1] for line in lines]


# --- the end of a turn ------------------------------------------------------------------------------


def test_a_fixed_silence_is_obeyed_exactly() -> None:
    events = story(agent(0, 2), sound(3, 4), Final(4.1, "I live in Boston"))
    ended = [e for e in play(events, PLAIN, until=6) if isinstance(e, TurnEnded)]
    assert [(e.at, e.text, e.speech_end) for e in ended] == [(4 + 0.2, "I live in Boston", 4.0)]


@pytest.mark.parametrize(
    ("final_at", "ended_at"),
    [(3.9, 4.9), (4.15, 4.2), (4.6, 4.6), (5.5, 4.9)],
    ids=["before the last word", "in time", "late", "too late: the partial is taken"],
)
def test_the_final_transcript_is_waited_for_within_its_grace(final_at: float, ended_at: float) -> None:
    events = story(
        agent(0, 2), sound(3, 4), Partial(3.8, "I live in Boston"), Final(final_at, "I live in Boston")
    )
    decided = play(events, PLAIN, until=8)
    ends = [e for e in decided if isinstance(e, TurnEnded)]
    assert [(round(e.at, 6), e.text) for e in ends] == [(ended_at, "I live in Boston")]


def words_told(told_at: float, text: str, end: float, *, final: bool = False) -> Event:
    """Words of which the last had been spoken at `end`."""
    words = tuple(Word(word, end - 0.1, end) for word in text.split())
    return Final(told_at, text, words) if final else Partial(told_at, text, words)


SLOW = (
    words_told(4.2, "we pay", 3.3),
    words_told(4.9, "we pay about three", 3.6),
    words_told(5.7, "we pay about three hundred", 4.2),
    words_told(6.5, "we pay about three hundred dollars", 4.9),
)


def ends(*events: list[Event] | Event) -> list[tuple[float, str]]:
    ended = [e for e in play(story(*events), PLAIN, until=14) if isinstance(e, TurnEnded)]
    return [(round(e.at, 6), e.text) for e in ended]


def test_a_recogniser_that_is_behind_is_waited_for_while_it_tells_new_words() -> None:
    talk = [*agent(0, 2), *sound(3, 5), *SLOW]
    assert ends(talk) == [(6.5, "we pay about three hundred dollars")]
    # It stops at a word in the middle: so do we, a second later.
    assert ends(talk[:-1]) == [(6.7, "we pay about three hundred")]


def test_the_final_of_an_earlier_sound_does_not_end_the_later_one() -> None:
    early = [words_told(4.0, "wait", 3.1), words_told(5.4, "wait", 3.1, final=True)]
    late = [words_told(6.0, "how much", 4.6), words_told(6.6, "how much does it cost", 4.99, final=True)]
    talk = [*agent(0, 2), *sound(3, 3.2), *sound(3.5, 5)]
    assert ends(talk, early, late) == [(6.6, "wait how much does it cost")]


def test_what_never_ends_is_not_waited_for() -> None:
    babble = [words_told(4.0 + 0.3 * n, " ".join(["so"] * (n + 1)), 3.1 + 0.01 * n) for n in range(30)]
    assert ends([*agent(0, 2), *sound(3, 5)], babble)[0][0] == 5 + TurnPolicy().behind_limit


@pytest.mark.parametrize("lag", [0.3, 60.0], ids=["it keeps up", "its times mean something else"])
def test_noise_behind_the_words_is_not_waited_for(lag: float) -> None:
    said = words_told(3.5 + lag if lag < 1 else 3.8, "yes", 3.5 if lag < 1 else 3.8 - lag)
    final = words_told(5.1, "yes", 3.5 if lag < 1 else 3.8 - lag, final=True)
    assert ends([*agent(0, 2), *sound(3, 5)], said, final) == [(5.2, "yes")]


def test_an_unfinished_sentence_is_waited_for_and_ends_whole() -> None:
    events = story(
        agent(0, 2),
        sound(3, 4),
        Final(4.2, "I would like to"),
        sound(4.9, 5.6),
        Final(5.7, "book a table please"),
    )
    assert (
        told(play(events, until=7))[-1] == "5.80 TurnEnded 1 'I would like to book a table please' (complete)"
    )
    assert kinds(told(play(events, until=7))).count("TurnEnded") == 1


def test_a_caller_who_goes_on_before_the_agent_is_audible_keeps_the_turn() -> None:
    events = story(
        agent(0, 2),
        sound(3, 4),
        Final(4.1, "It is blue."),
        sound(4.45, 5.2),
        Final(5.3, "and a little green."),
    )
    lines = told(play(events, PLAIN, until=8))
    assert lines == [
        "3.40 TurnStarted 1",
        "4.10 TurnLikely 1 'It is blue.'",
        "4.20 TurnEnded 1 'It is blue.' (silence)",
        "4.60 TurnResumed 1",
        "5.30 TurnLikely 1 'It is blue. and a little green.'",
        "5.40 TurnEnded 1 'It is blue. and a little green.' (silence)",
    ]
    assert lines[-1] == "5.40 TurnEnded 1 'It is blue. and a little green.' (silence)"


def test_a_click_after_the_end_resumes_nothing() -> None:
    events = story(
        agent(0, 2), sound(3, 4), Final(4.1, "yes"), SpeechStarted(4.5, 4.47), SpeechStopped(4.56, 4.47)
    )
    assert kinds(told(play(events, PLAIN, until=8))) == ["TurnStarted", "TurnLikely", "TurnEnded"]


def test_a_final_that_changes_the_words_reopens_a_turn_nobody_answered_yet() -> None:
    events = story(agent(0, 2), sound(3, 4), Partial(3.9, "on tuesday"), Final(5.2, "on Thursday"))
    lines = told(play(events, PLAIN, until=6))
    assert lines[-3:] == [
        "5.20 TurnResumed 1",
        "5.20 TurnLikely 1 'on Thursday'",
        "5.20 TurnEnded 1 'on Thursday' (silence)",
    ]


def test_a_final_that_says_the_same_changes_nothing() -> None:
    events = story(agent(0, 2), sound(3, 4), Partial(3.9, "on tuesday"), Final(5.2, "On Tuesday."))
    assert kinds(told(play(events, PLAIN, until=6))).count("TurnEnded") == 1


def test_a_final_that_writes_the_same_otherwise_changes_nothing() -> None:
    said, written = "I'm sure it's twenty five dollars", "I am sure it is $25."
    events = story(agent(0, 2), sound(3, 4), Partial(3.9, said), Final(5.2, written))
    assert kinds(told(play(events, PLAIN, until=6))) == ["TurnStarted", "TurnLikely", "TurnEnded"]
    late = story(
        agent(0, 2),
        sound(3, 4),
        Partial(3.9, said),
        agent(5.2, 7),
        Final(6, written),
        sound(8, 9),
        Final(9.1, "yes"),
    )
    assert told(play(late, PLAIN, until=12))[-1] == "9.20 TurnEnded 2 'yes' (silence)"


def test_a_final_that_comes_while_the_agent_answers_is_said_with_the_next_turn() -> None:
    events = story(
        agent(0, 2),
        sound(3, 4),
        Partial(3.9, "on tuesday"),
        SpeakingStarted(5.1, 2),
        Final(5.2, "On Tuesday at nine"),
        SpeakingStopped(7, 2, "…", complete=True),
        sound(8, 9),
        Final(9.1, "if you can"),
    )
    lines = told(play(events, PLAIN, until=12))
    assert [line for line in lines if "TurnEnded" in line] == [
        "4.90 TurnEnded 1 'on tuesday' (silence)",
        "9.20 TurnEnded 2 'at nine if you can' (silence)",
    ]


def test_partials_of_a_turn_that_was_answered_do_not_interrupt() -> None:
    """A recogniser that runs seconds behind goes on with the words of a turn that is long over."""
    events = story(
        agent(0, 2),
        sound(3, 4),
        Partial(3.9, "on tuesday"),
        SpeakingStarted(5.1, 2),
        Partial(5.3, "on tuesday at"),
        Partial(5.6, "on tuesday at nine if"),
        Final(6.0, "On Tuesday at nine if you can"),
        SpeakingStopped(7, 2, "…", complete=True),
    )
    lines = told(play(events, PLAIN, until=8))
    assert [line for line in lines if "TurnLikely" not in line] == [
        "3.40 TurnStarted 1",
        "4.90 TurnEnded 1 'on tuesday' (silence)",
    ]
    # With a sound of the caller's they are an interruption as ever.
    events = [*events[:-3], SpeechStarted(5.2, 5.2), *events[-3:]]
    assert "Interrupted" in kinds(told(play(events, PLAIN, until=8)))


def test_a_short_yes_that_voice_activity_missed_is_a_turn() -> None:
    events = story(agent(0, 2), Final(2.6, "Yes.", words=(Word("yes", 2.3, 2.5),)))
    assert told(play(events, PLAIN, until=5)) == [
        "2.60 TurnStarted 1",
        "2.60 TurnLikely 1 'Yes.'",
        "2.70 TurnEnded 1 'Yes.' (silence)",
    ]


def test_speech_without_words_is_garbled_and_a_noise_is_nothing() -> None:
    speech = told(play(story(agent(0, 2), sound(3, 4)), PLAIN, until=7))
    assert speech == ["3.40 TurnStarted 1", "4.90 TurnEnded 1 garbled (silence)"]
    assert told(play(story(agent(0, 2), sound(3, 3.15)), PLAIN, until=7)) == []


def test_an_empty_final_ends_the_wait_for_words() -> None:
    events = story(agent(0, 2), sound(3, 4), Final(4.3, "", rejected=True))
    assert told(play(events, PLAIN, until=7))[-1] == "4.30 TurnEnded 1 garbled (silence)"


def test_a_caller_who_never_pauses_is_answered_at_the_limit_and_not_lost() -> None:
    words: list[Event] = [Partial(3.5 + n, " ".join(["more"] * (n + 1))) for n in range(60)]
    events = story(agent(0, 2), SpeechStarted(3.04, 3), words)
    policy = TurnPolicy(max_turn=10)
    ended = [e for e in play(events, policy, until=62) if isinstance(e, TurnEnded)]
    assert (ended[0].at, ended[0].why, ended[0].turn) == (13, "limit", 1)
    assert ended[0].text.split() == ["more"] * 10


def test_music_without_words_does_not_hold_the_agent_for_long() -> None:
    before = story(agent(0, 1), sound(2, 3), Partial(2.5, "hello"), Final(3.1, "hello"), agent(3.5, 5, 2))
    events = [*before, SpeechStarted(6.04, 6)]
    lines = told(play(events, PLAIN, until=16))
    assert "14.00 TurnEnded 2 garbled (limit)" in lines


def test_a_detector_stuck_in_noise_does_not_hold_the_turn_once_words_stop() -> None:
    events = story(
        agent(0, 2), SpeechStarted(3.04, 3), Partial(4, "I live in Boston"), Final(4.5, "I live in Boston")
    )
    assert told(play(events, until=12))[-1] == "8.00 TurnEnded 1 'I live in Boston' (limit)"


def test_an_engine_that_knows_the_end_is_believed_when_adaptive() -> None:
    events = story(agent(0, 2), sound(3, 4), Final(4.05, "it is for my"), EngineEndOfTurn(4.2, 0.9))
    assert told(play(events, until=6))[-1] == "4.20 TurnEnded 1 'it is for my' (engine)"
    patient = TurnPolicy(silence=0.8, adaptive=False)
    assert told(play(events, patient, until=6))[-1] == "4.80 TurnEnded 1 'it is for my' (silence)"


def test_the_groups_of_a_telephone_number_stay_together() -> None:
    events = story(
        Expecting(0, Expectation(Answer.PHONE)),
        agent(0, 2),
        sound(3, 4),
        Final(4.1, "six one seven"),
        sound(5.2, 6),
        Final(6.1, "five five five"),
        sound(7.2, 8.5),
        Final(8.6, "zero one four two"),
    )
    lines = [line for line in told(play(events, until=12)) if "TurnEnded" in line]
    assert lines == ["8.70 TurnEnded 1 'six one seven five five five zero one four two' (complete)"]


def test_a_slow_speaker_is_given_more_time_as_the_call_goes_on() -> None:
    events: list[Event] = agent(0, 1)
    at = 2.0
    for _ in range(4):
        events += [*sound(at, at + 1), Final(at + 1.1, "and the")]
        at += 1.9
    events += [*sound(at, at + 1), Final(at + 1.1, "old house")]
    slow = [e for e in play(story(events), until=at + 5) if isinstance(e, TurnEnded)]
    # The same words without the pauses.
    fresh = story(agent(0, 1), sound(2, 3), Final(3.1, "and the " * 4 + "old house"))
    quick = [e for e in play(fresh, until=8) if isinstance(e, TurnEnded)]
    assert len(slow) == len(quick) == 1
    assert slow[0].at - slow[0].speech_end > quick[0].at - quick[0].speech_end + 0.3


def test_a_sentence_that_the_agent_broke_is_judged_by_both_halves() -> None:
    """ "Is broken" is no sentence; after "the seal" it is the rest of one, and needs no long wait."""
    first = [*agent(0, 1), *sound(2, 3), Final(3.1, "I think the seal")]
    broken: list[Event] = [SpeakingStarted(4.5, 2), *sound(4.9, 5.6), Final(5.7, "is broken")]
    ends = [e for e in play(story(first, broken), until=9) if isinstance(e, TurnEnded)]
    assert [end.text for end in ends] == ["I think the seal", "is broken"]
    alone = story(agent(0, 1), sound(4.9, 5.6), Final(5.7, "is broken"))
    slow = [e for e in play(alone, until=9) if isinstance(e, TurnEnded)]
    assert ends[1].at - ends[1].speech_end < slow[0].at - slow[0].speech_end


# --- the keypad ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("digits", "keys", "ended"),
    [(4, "1234", 3.3), (0, "12", 5.1), (-1, "56#", 3.2)],
    ids=["the number asked for", "not asked for: a pause", "ended by #"],
)
def test_keys_make_a_turn(digits: int, keys: str, ended: float) -> None:
    pressed: list[Event] = [Dtmf(3 + 0.1 * n, key) for n, key in enumerate(keys)]
    events = story(Expecting(0, Expectation(Answer.NUMBER, digits=digits)), agent(0, 2), pressed)
    ends = [e for e in play(events, until=9) if isinstance(e, TurnEnded)]
    assert [(round(e.at, 6), e.keys, e.why, e.garbled) for e in ends] == [
        (ended, keys.rstrip("#"), "keypad", False)
    ]


def test_a_key_interrupts() -> None:
    events = [SpeakingStarted(0, 1), Dtmf(1, "1")]
    assert told(play(events, until=4)) == [
        "1.00 Interrupted (keypad)",
        "1.00 TurnStarted 1",
        "3.00 TurnEnded 1 keys=1 (keypad)",
    ]


# --- silence -----------------------------------------------------------------------------------------


def test_silence_counts_from_the_end_of_the_agents_sound_and_again_after_each_prompt() -> None:
    events = story(agent(0, 2), agent(9, 10, 2), agent(17, 18, 3))
    assert told(play(events, until=25)) == [
        "8.00 CallerSilent 1",
        "16.00 CallerSilent 2",
        "24.00 CallerSilent 3",
    ]


def test_the_question_says_how_long_is_silence_and_an_answer_resets_the_count() -> None:
    events = story(
        Expecting(0, Expectation(), silence=3),
        agent(0, 2),
        agent(5.5, 6, 2),
        sound(7, 8),
        Final(8.1, "yes"),
        agent(8.5, 9, 3),
    )
    lines = [line for line in told(play(events, until=13)) if "CallerSilent" in line]
    assert lines == ["5.00 CallerSilent 1", "12.00 CallerSilent 1"]


def test_no_silence_while_an_answer_is_prepared_but_never_for_ever() -> None:
    events = story(agent(0, 2), GenerationStarted(3, 2, 0, "m"))
    assert told(play(events, until=40))[0] == "18.00 CallerSilent 1"
    dropped = [*events, GenerationDropped(5, 2, "failed")]
    assert told(play(dropped, until=12)) == ["11.00 CallerSilent 1"]
    only_tools = [*events, GenerationDone(4, 2, "")]
    assert told(play(only_tools, until=11)) == ["10.00 CallerSilent 1"]


def test_an_agent_that_never_answers_is_noticed() -> None:
    events = story(agent(0, 2), sound(3, 4), Final(4.1, "hello"))
    assert told(play(events, PLAIN, until=20))[-1] == "19.20 CallerSilent 1"
    assert told(play([CallAnswered(0, "PCMU", 8000)], until=16)) == ["15.00 CallerSilent 1"]


def test_a_noise_does_not_count_as_an_answer_but_is_not_complained_into() -> None:
    events = story(agent(0, 2), sound(7.8, 7.95))
    assert told(play(events, until=9)) == ["8.95 CallerSilent 1"]


def test_nothing_is_due_after_the_call() -> None:
    taking = TurnTaking()
    taking.handle(SpeakingStarted(0, 1))
    taking.handle(SpeakingStopped(1, 1, "", complete=True))
    taking.handle(HungUp(2))
    assert taking.deadline() is None
    assert taking.handle(SpeechStarted(3, 3)) == []


@pytest.mark.parametrize(
    ("starts", "turns"),
    [
        # The agent's own words, 0.2 s late in the room; the recogniser takes its time over them.
        (1.9, []),
        # The caller says the same, after it.
        (3.6, ["thursday at four is free"]),
    ],
)
def test_own_words_of_a_slow_recogniser_are_known_by_when_they_sounded(
    starts: float, turns: list[str]
) -> None:
    own = "Thursday at four is free"
    words = tuple(Word(word, starts + 0.3 * n, starts + 0.3 * n + 0.3) for n, word in enumerate(own.split()))
    decided = play(
        [
            SynthesisStarted(1.5, 1, 0, own),
            *agent(1.7, 3.2),
            Final(starts + 2.4, own.lower(), words),
        ],
        until=9.0,
    )
    assert [event.text for event in decided if isinstance(event, TurnEnded)] == turns
