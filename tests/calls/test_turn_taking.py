"""What callers complain of elsewhere, each as a scripted call that cannot come back.

docs/turn-taking.md says what is decided in each case; here whole calls show it, in virtual time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from calls.marked_voice import MarkedEar, MarkedTextToSpeech
from calls.story import Presses, Says, SmallTalk, Told, tell
from trunkline.call.settings import CallSettings
from trunkline.events import (
    Answer,
    Backchannel,
    CallerSilent,
    Interrupted,
    SpeakingStarted,
    SpeakingStopped,
    SynthesisStarted,
    TurnEnded,
    TurnResumed,
    TurnStarted,
)
from trunkline.scenario.actions import Action, CallerQuiet, End, Happening, Say
from trunkline.turn.policy import TurnPolicy

ADAPTIVE = CallSettings(vad="energy")
PLAIN = CallSettings(vad="energy", turn=TurnPolicy(silence=0.2, adaptive=False), speculate=False)
LONG = "Our plans start at twenty dollars a month for each person, and you may leave whenever you like."


def turns(told: Told) -> list[TurnEnded]:
    return [event for event in told.of(TurnEnded) if isinstance(event, TurnEnded)]


def longest_wait(told: Told, until: float) -> float:
    """The longest stretch of the call without any sound of the agent's."""
    moments = [0.0, *(edge for span in told.agent_sound for edge in span), until]
    return max(after - before for before, after in zip(moments[::2], moments[1::2], strict=True))


def test_a_short_yes_that_voice_activity_missed_is_answered() -> None:
    yes = Says(3.0, "yes", loudness=0.002)
    told = tell(yes, replies=["Very good."], play=SmallTalk(asks=Answer.YES_NO), settings=ADAPTIVE)
    assert told.caller_words() == ["yes"]
    assert told.said()[-1] == "Very good."
    assert told.answer_after(yes) < 1.2


@pytest.mark.parametrize("late", [600, 1000, 1500, 2500])
def test_a_final_that_comes_late_is_answered_once(late: int) -> None:
    line = Says(3.0, "I would like to know the price")
    told = tell(line, replies=[LONG, "Twice."], settings=ADAPTIVE, stt={"delay_ms": late}, lasts=14)
    assert told.caller_words() == ["I would like to know the price"]
    assert told.said().count(LONG) == 1
    assert "Twice." not in told.said()
    assert told.names(Interrupted) == []


@pytest.mark.parametrize("after", [0.1, 0.2, 0.24, 0.3, 0.4])
def test_both_begin_at_once_and_the_caller_is_heard_out_and_answered(after: float) -> None:
    first = Says(3.0, "what does it cost")
    # The answer begins 0.22 s after the first line: about when the second does.
    second = Says(first.end + after, "and is there a contract")
    told = tell(first, second, replies=[LONG, "No contract at all."], settings=PLAIN, lasts=13.5)
    assert " ".join(told.caller_words()) == "what does it cost and is there a contract"
    # The agent gives way within the first words, and what was said last is answered at once.
    assert [span for span in told.agent_sound if second.at + 0.3 < span[0] < second.end] == []
    assert told.answer_after(second) < 0.5
    assert told.said()[-1] in {LONG, "No contract at all."}


def test_both_speak_for_long_and_neither_is_lost() -> None:
    first = Says(3.0, "what does it cost")
    second = Says(4.6, "no wait I meant the price for forty people in two offices please")
    told = tell(first, second, replies=[LONG, "For forty people it is eight hundred."], lasts=14)
    assert told.said()[-1] == "For forty people it is eight hundred."
    assert told.caller_words()[-1] == second.words
    assert told.answer_after(second) < 0.5


def test_a_caller_who_never_pauses_is_answered() -> None:
    endless = Says(3.0, " ".join(f"and then thing {n} happened" for n in range(40)))
    told = tell(endless, settings=ADAPTIVE, lasts=70)
    assert turns(told)[0].why == "limit"
    assert turns(told)[0].at - endless.at == pytest.approx(45.0, abs=0.5)
    assert [start for start, _ in told.agent_sound if 45 < start - endless.at < 48]


@dataclass
class Asking(SmallTalk):
    """Asks again in other words, offers a way on, ends: what a scenario does about silence."""

    def step(self, state: tuple, happening: Happening) -> tuple[tuple, list[Action]]:  # type: ignore[type-arg]
        if isinstance(happening, CallerQuiet):
            words = ["Are you still there?", "You can also press one."]
            if happening.count > len(words):
                return state, [Say("I will try another time. Goodbye."), End("no answer", "silence")]
            return state, [Say(words[happening.count - 1])]
        return super().step(state, happening)


def test_silence_after_a_question_is_asked_again_offered_a_way_and_ended() -> None:
    told = tell(play=Asking(), settings=ADAPTIVE, lasts=60)
    assert told.said() == [
        "Hello, this is Maya.",
        "Are you still there?",
        "You can also press one.",
        "I will try another time. Goodbye.",
    ]
    assert (told.result.by, told.result.outcome) == ("agent", "no answer")
    silences = [event.seconds for event in told.of(CallerSilent) if isinstance(event, CallerSilent)]
    assert silences == pytest.approx([6.0, 6.0, 6.0], abs=0.2)


def test_music_on_hold_is_not_waited_for_and_who_comes_back_is_heard() -> None:
    told = tell(
        Says(3.0, "one moment please"),
        Says(6.0, "music", heard_as="", lasts=30.0),
        Says(40.0, "I am back what does it cost"),
        replies=["Of course.", "Twenty dollars."],
        settings=ADAPTIVE,
        lasts=50,
    )
    assert told.caller_words()[-1] == "I am back what does it cost"
    assert [start for start, _ in told.agent_sound if start > 42.1]
    assert longest_wait(told, 50.0) < 17


def test_keys_over_the_agent_stop_it_and_are_answered() -> None:
    told = tell(Presses(0.6, "42#"), replies=["Forty-two it is."], settings=ADAPTIVE, lasts=8)
    assert [turn.keys for turn in turns(told)] == ["42"]
    assert told.names(Interrupted)
    assert told.said()[-1] == "Forty-two it is."


def test_a_number_dictated_with_pauses_is_one_turn() -> None:
    told = tell(
        Says(3.0, "it is oh two oh"),
        Says(5.3, "seven nine four six"),
        Says(7.5, "one two three four"),
        play=SmallTalk(asks=Answer.PHONE),
        settings=ADAPTIVE,
        lasts=14,
    )
    assert told.caller_words() == ["it is oh two oh seven nine four six one two three four"]
    assert [start for start, _ in told.agent_sound if 3.0 < start < 8.7] == []


@pytest.mark.parametrize("sign", ["mm-hm", "yeah", "okay", "I see", "uh huh right"])
@pytest.mark.parametrize("at", [5.0, 6.3, 8.1])
def test_a_sign_of_listening_costs_no_words(sign: str, at: float) -> None:
    told = tell(
        Says(3.0, "what does it cost"),
        Says(at, sign, lasts=0.3 * len(sign.split())),
        replies=[LONG],
        settings=ADAPTIVE,
        lasts=16,
    )
    assert told.names(Interrupted) == []
    assert told.names(Backchannel)
    assert told.said()[-1] == LONG
    assert told.caller_words() == ["what does it cost"]


def test_words_before_the_silence_are_one_turn_however_often_resumed() -> None:
    told = tell(
        Says(3.0, "we have"),
        Says(4.2, "well let me see"),
        Says(6.0, "about forty people"),
        settings=replace(ADAPTIVE, turn=TurnPolicy(silence=0.3, adaptive=False)),
        llm={"delay_ms": 1500},
        lasts=14,
    )
    assert told.caller_words() == ["we have well let me see about forty people"]
    assert told.names(TurnStarted) == ["TurnStarted"]
    assert told.names(TurnResumed)
    assert told.said().count("I see.") == 1


@pytest.mark.parametrize("at", [4.7, 5.0, 5.6, 6.6, 7.9])
@pytest.mark.parametrize("speculate", [False, True])
def test_stale_sound_never_leaves_after_an_interruption(at: float, speculate: bool) -> None:
    ear, voice = MarkedEar(), MarkedTextToSpeech()
    first, second = Says(3.0, "what does it cost"), Says(at, "wait is there a contract")
    told = tell(
        first,
        second,
        replies=[LONG, "No contract at all."],
        settings=replace(ADAPTIVE, speculate=speculate),
        voice=voice,
        also_hears=ear.hear,
        lasts=14,
    )
    cuts = [event for event in told.of(SpeakingStopped) if not event.complete]  # type: ignore[attr-defined]
    assert cuts or told.names(TurnResumed)
    owner = [event.generation for event in told.of(SynthesisStarted) if isinstance(event, SynthesisStarted)]
    started = {
        event.generation: event.at for event in told.of(SpeakingStarted) if isinstance(event, SpeakingStarted)
    }
    assert ear.heard
    for when, numbers in ear.heard:
        assert len(numbers) == 1, f"two voices at {when - told.zero:.2f} s"
        generation = owner[numbers[0]]
        assert started[generation] <= when - told.zero + 0.021
        for cut in cuts:
            assert generation != cut.generation or when - told.zero <= cut.at + 0.001  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "faults",
    [
        {"llm": {"hang": True}},
        {"llm": {"empty": True}},
        {"llm": {"fail_after": 1}},
        {"stt": {"silent": True}},
        {"stt": {"hang": True}},
        {"stt": {"garbage": True}},
        {"llm": {"delay_ms": 3900, "tokens_per_s": 0.3}},
    ],
)
def test_it_never_falls_silent_for_ever(faults: dict[str, dict[str, object]]) -> None:
    told = tell(
        Says(3.0, "what does it cost"),
        Says(5.0, "hello", heard_as=""),
        Says(12.0, "is anybody there"),
        settings=ADAPTIVE,
        lasts=80,
        **faults,  # type: ignore[arg-type]
    )
    assert longest_wait(told, 80.0) < 20
