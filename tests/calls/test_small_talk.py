"""Whole calls, scripted, in virtual time: the loop, its interruptions, and its bad days."""

from dataclasses import replace

import pytest

from calls.story import Presses, Says, SmallTalk, tell
from trunkline.call.call import Call, CallResult, Engines
from trunkline.call.settings import CallSettings
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import VirtualClock, run_virtual
from trunkline.events import (
    Backchannel,
    CallerSilent,
    GenerationDropped,
    GuardrailBlocked,
    Interrupted,
    SpeakingStopped,
    Trouble,
    TurnEnded,
)
from trunkline.lab.memory_leg import MemoryLeg
from trunkline.prompt import Message
from trunkline.providers.llm.fake import FakeLanguageModel
from trunkline.providers.stt.fake import FakeSpeechToText
from trunkline.providers.tts.fake import FakeTextToSpeech
from trunkline.scenario.actions import Action, CallerSaid, Happening
from trunkline.turn.policy import TurnPolicy

PLAIN = CallSettings(vad="energy", turn=TurnPolicy(silence=0.2, adaptive=False), speculate=False)
LONG = "Our plans start at twenty dollars a month for each person, and you may leave whenever you like."


def test_the_agent_greets_listens_and_answers() -> None:
    line = Says(3.0, "I would like to know the price")
    told = tell(line, replies=["It is twenty dollars."], settings=PLAIN, stt={"delay_ms": 0})
    assert told.said() == ["Hello, this is Maya.", "It is twenty dollars."]
    assert told.caller_words() == ["I would like to know the price"]
    # 200 ms of silence are asked for; the rest is the next tick of the wire.
    assert 0.2 <= told.answer_after(line) <= 0.245


def test_the_stages_of_the_article_one_after_another() -> None:
    line = Says(3.0, "I would like to know the price")
    told = tell(
        line,
        settings=PLAIN,
        stt={"delay_ms": 100, "partial_ms": 100},
        llm={"delay_ms": 200, "tokens_per_s": 100},
        tts={"delay_ms": 150, "speed": 10},
    )
    (row,) = told.result.record["ledger"]["rows"]
    assert row["llm_ms"] == pytest.approx(200, abs=5)
    assert row["tts_ms"] == pytest.approx(150, abs=15)
    # The ledger says what the caller's ear says.
    assert row["total_ms"] == pytest.approx(1000 * told.answer_after(line), abs=25)


def test_an_interruption_stops_the_agent_and_is_taken_up() -> None:
    first, second = Says(3.0, "what does it cost"), Says(6.0, "wait is there a contract")
    told = tell(first, second, replies=[LONG, "No contract at all."], settings=PLAIN)
    # A tone is no voice: only the words show that it is an interruption, the first after 0.4 s.
    assert told.silent_after(second.at) <= 0.45
    cut = [stop for stop in told.of(SpeakingStopped) if not stop.complete]  # type: ignore[attr-defined]
    assert len(cut) == 1
    assert f"{cut[0].heard} {cut[0].unheard}" == LONG  # type: ignore[attr-defined]
    assert told.said()[-1] == "No contract at all."
    assert told.caller_words() == ["what does it cost", "wait is there a contract"]


def test_mm_hm_does_not_stop_the_agent() -> None:
    told = tell(
        Says(3.0, "what does it cost"),
        Says(5.5, "mm-hm", lasts=0.3),
        replies=[LONG],
        settings=PLAIN,
        lasts=14,
    )
    assert told.names(Interrupted) == []
    assert told.names(Backchannel) == ["Backchannel"]
    assert told.said()[-1] == LONG


def test_a_cough_does_not_stop_the_agent() -> None:
    told = tell(
        Says(3.0, "what does it cost"),
        Says(5.5, "cough", heard_as="", lasts=0.15),
        replies=[LONG],
        settings=PLAIN,
        lasts=14,
    )
    assert told.names(Interrupted) == []
    assert told.said()[-1] == LONG


def test_who_says_nothing_is_asked_again() -> None:
    told = tell(settings=PLAIN, lasts=25)
    assert [event.count for event in told.of(CallerSilent)][:2] == [1, 2]  # type: ignore[attr-defined]
    assert told.said()[1] == "Are you still there?"


def test_a_pause_within_a_sentence_gets_one_answer_to_all_of_it() -> None:
    patient = CallSettings(vad="energy", turn=TurnPolicy(silence=0.8, adaptive=False))
    told = tell(Says(3.0, "I think we are"), Says(4.7, "about forty people"), settings=patient)
    assert told.caller_words() == ["I think we are about forty people"]


def test_keys_answer_too() -> None:
    told = tell(Presses(3.0, "42#"), settings=PLAIN)
    assert [event.keys for event in told.of(TurnEnded)] == ["42"]  # type: ignore[attr-defined]


def test_a_line_that_may_not_be_interrupted_is_said_to_its_end() -> None:
    talk = SmallTalk(greeting=f"This call is recorded. {LONG}", interruptible=False)
    told = tell(Says(2.0, "hello who is this please"), play=talk, settings=PLAIN, lasts=14)
    assert told.names(Interrupted) == []
    assert told.said()[0] == talk.greeting
    assert told.caller_words() == ["hello who is this please"]


def test_a_sentence_the_guardrail_refuses_is_replaced() -> None:
    told = tell(Says(3.0, "tell me a secret"), replies=["This is forbidden."], settings=PLAIN)
    assert told.names(GuardrailBlocked) == ["GuardrailBlocked"]
    assert told.said()[-1] == "Let me check that."


def test_the_end_ends_after_the_last_word_is_heard() -> None:
    told = tell(Says(3.0, "that is all"), play=SmallTalk(ends_after=1), settings=PLAIN)
    assert (told.result.by, told.result.outcome) == ("agent", "done")
    assert told.said()[-1] == "Goodbye."


def test_who_hangs_up_in_the_middle_of_a_sentence_leaves_a_whole_record() -> None:
    told = tell(Says(3.0, "what does it cost"), replies=[LONG], settings=PLAIN, lasts=6.0)
    assert told.result.by == "caller"
    last = told.result.record["turns"][-1]
    assert (last["who"], last["interrupted"]) == ("agent", True)
    assert f"{last['text']} {last['unheard']}" == LONG


@pytest.mark.parametrize("fault", [{"fail": True}, {"hang": True}, {"empty": True}])
def test_a_model_that_fails_hangs_or_says_nothing_is_covered_by_the_scenario(
    fault: dict[str, bool],
) -> None:
    told = tell(Says(3.0, "what does it cost"), settings=PLAIN, llm=fault, lasts=13)
    assert "Sorry, say that again?" in told.said()
    assert told.names(Trouble)


@pytest.mark.parametrize("fault", [{"hang": True}, {"empty": True}, {"fail_after": 0}])
def test_a_voice_that_gives_no_sound_ends_the_call_and_says_so(fault: dict[str, bool]) -> None:
    told = tell(settings=PLAIN, tts=fault, lasts=60)
    assert told.result.by == "error"
    assert told.result.reason.startswith("the voice failed")
    assert [trouble["where"] for trouble in told.result.record["troubles"]] == ["tts", "tts"]


def test_a_voice_that_breaks_off_is_told_and_the_call_goes_on() -> None:
    told = tell(settings=PLAIN, tts={"fail_after": 1, "chunk_ms": 400}, lasts=4)
    assert told.result.by == "caller"
    assert told.result.record["troubles"][0]["where"] == "tts"
    assert told.agent_sound


def test_a_recogniser_that_dies_ends_the_call_politely() -> None:
    lines = [Says(3.0 + 4 * n, "what does it cost") for n in range(6)]
    told = tell(*lines, settings=PLAIN, stt={"fail_after": 0}, lasts=60)
    assert told.said()[-1] == "I have to go. Goodbye."
    assert told.result.by == "agent"


def test_what_is_prepared_too_early_leaves_no_trace() -> None:
    eager = replace(PLAIN, speculate=True, turn=TurnPolicy(silence=0.8, adaptive=False))
    told = tell(
        Says(3.0, "we are forty people"),
        Says(4.6, "in two offices"),
        replies=["Good."],
        settings=eager,
    )
    dropped = told.of(GenerationDropped)
    assert dropped, "nothing was prepared ahead"
    assert told.caller_words() == ["we are forty people in two offices"]
    assert told.said().count("Good.") == 1


class Faulty(SmallTalk):
    """A play with a bug."""

    def step(
        self, state: tuple[Message, ...], happening: Happening
    ) -> tuple[tuple[Message, ...], list[Action]]:
        if isinstance(happening, CallerSaid):
            raise ZeroDivisionError("a bug")
        return super().step(state, happening)


def test_a_bug_in_one_call_ends_that_call_and_is_told() -> None:
    told = tell(Says(3.0, "what does it cost"), play=Faulty(), settings=PLAIN)
    assert (told.result.by, told.result.reason) == ("error", "an internal error")
    assert told.result.record["troubles"][-1]["what"] == "a bug"


def test_no_packets_for_long_end_the_call() -> None:
    impatient = replace(PLAIN, media_lost_limit=6.0)
    told = tell(settings=impatient, lasts=30, loses_audio_at=4.0)
    assert (told.result.by, told.result.reason) == ("network", "no audio came any more")
    assert "Can you hear me?" in told.said()


def test_a_call_that_must_end_while_it_rings_is_given_up_at_once() -> None:
    async def story(clock: VirtualClock) -> tuple[CallResult, float]:
        dialling, _ = MemoryLeg.pair(clock)
        engines = Engines(
            [FakeSpeechToText(clock=clock)], FakeLanguageModel(clock=clock), FakeTextToSpeech(clock=clock)
        )
        batch = VoiceBatch(clock, inline=True)
        call = Call(dialling, SmallTalk(), engines, PLAIN, clock, batch)
        began = clock.now()
        clock.call_at(began + 2.0, lambda: call.must_end("cancelled"))
        result = await call.run()
        await batch.close()
        return result, clock.now() - began

    result, took = run_virtual(story)
    assert result.by == "network"
    assert took == pytest.approx(2.0)
    assert "while it rang" in result.reason
