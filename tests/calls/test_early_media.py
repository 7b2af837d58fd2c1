"""What is heard while a call of the agent's rings: tones, announcements, mailboxes.

Whole calls, in virtual time.

docs/turn-taking.md, "Who took the call", says what is decided.
"""

from __future__ import annotations

import asyncio
from array import array
from functools import cache

import numpy as np
import pytest

from calls.story import PLAIN_SETTINGS, RATE, Beeps, Says, SmallTalk, Told
from calls.test_answering_machine import GREETING, MESSAGE, answerers, call, ended
from legs.far_ends import until
from legs.test_sip_calls import address, next_call
from legs.test_sip_in_call import named, phones
from trunkline.call.call import Call, Engines
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import Clock, SystemClock, VirtualClock, run_virtual
from trunkline.events import (
    AnsweredBy,
    CallAnswered,
    CallEnded,
    CallRinging,
    EarlyWords,
    EngineAsked,
    Event,
    Final,
    Partial,
    SpeakingStarted,
    SpeechStarted,
    TurnStarted,
)
from trunkline.lab.memory_leg import MemoryLeg
from trunkline.providers.llm.fake import FakeLanguageModel
from trunkline.providers.protocols import ListenOptions
from trunkline.providers.stt.fake import FakeRecognition, FakeSpeechToText
from trunkline.providers.tts.fake import FakeTextToSpeech
from trunkline.turn.policy import TurnPolicy

ANNOUNCED = "the number you have dialed is not in service"


@cache
def voice(seconds: float) -> bytes:
    """Noise, which is no more a network's tone than a voice is."""
    samples = np.random.default_rng(7).normal(0, 4000, round(seconds * RATE))
    return samples.clip(-32768, 32767).astype("<i2").tobytes()


def spoken(at: float, words: str) -> Says:
    line = Says(at, words)
    return Says(at, words, pcm=voice(round(line.end - at, 3)))


def ringing(at: float, *, lasts: float = 1.0, tones: tuple[float, ...] = (425.0,)) -> list[Beeps]:
    return [Beeps(at, lasts, hertz) for hertz in tones]


def early_words(told: Told) -> list[str]:
    return [event.text for event in told.events if isinstance(event, EarlyWords)]


def given_early(told: Told) -> float:
    """Seconds of sound that a recogniser was given before the answer."""
    return sum(event.seconds for event in told.events if isinstance(event, EngineAsked))


def recognised(told: Told) -> float:
    """Seconds of recognition, of the call's costs."""
    engines = told.result.record["costs"]["engines"]
    return float(sum(row["used"]["seconds"] for row in engines if row["kind"] == "stt"))


def answered_at(told: Told) -> float:
    (answered,) = told.of(CallAnswered)
    return answered.at


def test_a_mailbox_that_speaks_before_the_answer_is_known_at_the_answer() -> None:
    greeting = spoken(1.0, GREETING)
    beep = Beeps(greeting.end + 0.9)
    told = call(greeting, beep, rings_for=greeting.end + 0.3)
    assert early_words(told) == [GREETING]
    assert answerers(told) == [("machine", "words")]
    (known,) = told.of(AnsweredBy)
    assert known.at - answered_at(told) < 0.1
    # Not a word of the greeting, which is for people, was said to it.
    assert [start for start, _ in told.agent_sound if start < beep.end] == []
    assert told.said() == [MESSAGE]
    assert ended(told) == ("agent", "voicemail_left")
    assert told.result.record["early_words"] == GREETING
    (ended_at,) = told.of(CallEnded)
    after = ended_at.at - answered_at(told)
    assert recognised(told) == pytest.approx(given_early(told) + after, abs=0.2)


def test_a_mailbox_that_is_answered_in_the_middle_of_its_sentence_is_known_by_all_of_it() -> None:
    before = spoken(1.0, "hi this is dana i will be back soon so speak after the")
    after = spoken(before.end, "tone please")
    told = call(
        before,
        after,
        Beeps(after.end + 0.9),
        rings_for=before.end + 0.02,
        stt={"delay_ms": 0, "partial_ms": 0},
    )
    assert early_words(told) == [before.words]
    assert answerers(told) == [("machine", "words")]
    assert told.said()[-1] == MESSAGE


def test_a_mailbox_of_which_no_word_was_understood_is_known_by_its_beep_after_the_answer() -> None:
    greeting = spoken(1.0, "he had eaten like naomi and we believe")
    answered = greeting.end + 0.5
    told = call(greeting, Beeps(answered + 0.5), rings_for=answered)
    assert answerers(told) == [("machine", "beep")]
    assert told.said()[-1] == MESSAGE
    assert ended(told) == ("agent", "voicemail_left")


def test_a_beep_at_the_answer_after_ringing_alone_is_no_machine() -> None:
    told = call(*ringing(1.0), Beeps(4.5), Says(6.0, "hello this is dana"), rings_for=4.0)
    assert "machine" not in [who for who, _ in answerers(told)]


def test_what_was_not_final_at_the_answer_counts_too() -> None:
    told = call(spoken(1.0, ANNOUNCED), rings_for=1.0 + 0.3 * 5 + 0.15)
    assert early_words(told) == ["the number you have dialed"]


def test_an_announcement_of_a_call_that_is_not_answered_is_in_its_record() -> None:
    told = call(spoken(1.0, ANNOUNCED), rings_for=95)
    assert early_words(told) == [ANNOUNCED]
    assert told.result.record["early_words"] == ANNOUNCED
    assert given_early(told) == pytest.approx(recognised(told)), "what nobody answered has its costs too"
    assert given_early(told) > 1.0
    assert told.agent_sound == []
    assert told.result.by == "network"
    assert told.of(CallAnswered, AnsweredBy, TurnStarted) == []


@pytest.mark.parametrize("tones", [(425.0,), (440.0, 480.0), (400.0, 450.0)])
@pytest.mark.parametrize("answered", [9.0, 10.7])
def test_ringing_is_nobody_even_into_the_answer(tones: tuple[float, ...], answered: float) -> None:
    rings = [tone for at in (0.5, 5.5, 10.5) for tone in ringing(at, tones=tones)]
    if answered > 10:  # the last one is cut by the answer, as networks cut it
        rings = [Beeps(b.at, min(b.lasts, answered + 0.06 - b.at), b.hertz) for b in rings]
    else:
        rings = [beep for beep in rings if beep.at < answered]
    hello = Says(answered + 3.0, "yes this is dana")
    told = call(*rings, hello, rings_for=answered)
    assert early_words(told) == []
    # Before the answer nothing of it was heard as speech; after it a person is greeted, as ever.
    assert [event for event in told.of(SpeechStarted, TurnStarted) if event.at < answered] == []
    assert told.of(TurnStarted)[0].at > hello.at
    assert [who for who, _ in answerers(told)] in ([], ["human"])
    assert 0 < told.agent_sound[0][0] - answered < 0.3


def test_ringing_opens_no_recogniser() -> None:
    # Its script would be heard by whoever is open: nobody is.
    told = call(*ringing(0.5, lasts=2.0), Says(1.0, "thank you", loudness=0.0), rings_for=4.0)
    assert early_words(told) == []
    spoken_too = call(spoken(1.0, "thank you"), rings_for=4.0)
    assert early_words(spoken_too) == ["thank you"]


def test_an_announcement_before_a_person_is_not_the_person() -> None:
    announcement = spoken(0.5, "please hold press one to opt out of recording hello")
    hello = Says(announcement.end + 1.2, "hello this is dana")
    told = call(announcement, hello, rings_for=announcement.end + 0.8)
    assert told.caller_words() == ["hello this is dana"]
    assert "ivr" not in [who for who, _ in answerers(told)]
    assert "machine" not in [who for who, _ in answerers(told)]


def test_who_says_hello_after_a_mailbox_in_early_media_is_a_person() -> None:
    greeting = spoken(0.5, GREETING)
    hello = Says(greeting.end + 1.5, "hello i am here")
    told = call(greeting, hello, rings_for=greeting.end + 0.5)
    assert [who for who, _ in answerers(told)] == ["machine", "human"]
    assert told.said()[0].startswith("Hello, this is Maya.")


def test_a_recogniser_that_fails_costs_the_early_words_alone() -> None:
    told = call(spoken(1.0, ANNOUNCED), rings_for=6.0, stt={"fail_after": 0})
    assert early_words(told) == []
    assert 0 < told.agent_sound[0][0] - 6.0 < 0.3


def test_where_nobody_asks_who_answers_nothing_is_listened_to() -> None:
    told = call(spoken(1.0, GREETING), rings_for=9.0, policy=TurnPolicy(machines="never"))
    assert early_words(told) == []
    assert answerers(told) == []


async def test_early_media_of_a_real_trunk_is_heard_while_it_rings() -> None:
    """Over SIP and RTP: a 183 with SDP, an announcement, then the 200."""
    clock = SystemClock()
    async with phones(named("agent"), named("network")) as (agent, network):
        engines = Engines(
            [FakeSpeechToText(clock=clock, text="please leave a message after the tone")],
            FakeLanguageModel(clock=clock),
            FakeTextToSpeech(clock=clock, rate=RATE, speed=0, delay_ms=0),
        )
        batch = VoiceBatch(clock, inline=True)
        events: list[Event] = []
        call = Call(
            await agent.dial(address(network)),
            SmallTalk(),
            engines,
            PLAIN_SETTINGS,
            clock,
            batch,
            listeners=[events.append],
        )
        running = asyncio.create_task(call.run())
        try:
            far = await next_call(network)
            await far.early_media()
            sound = array("h", voice(1.0) + bytes(2 * RATE)).tobytes()
            frames = iter([sound[at : at + 320] for at in range(0, len(sound), 320)])
            far.start(lambda _: None, lambda _: next(frames, None))
            await until(lambda: any(isinstance(event, EarlyWords) for event in events))
            assert [e.early_media for e in events if isinstance(e, CallRinging)][-1]
            assert not [event for event in events if isinstance(event, CallAnswered)]
            await far.answer()
            await until(lambda: any(isinstance(event, AnsweredBy) for event in events))
            who = next(event.who.value for event in events if isinstance(event, AnsweredBy))
            assert who == "machine"
            early = next(event for event in events if isinstance(event, EarlyWords))
            up = next(event for event in events if isinstance(event, CallAnswered))
            assert early.at < up.at
            assert not [e for e in events if isinstance(e, Partial | Final) and e.at < up.at]
            await far.hang_up()
            await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await batch.close()


class SlowGoodbye(FakeSpeechToText):
    """Its recognition takes five seconds to close, as over a bad network."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock, text=ANNOUNCED)
        self._time = clock
        self.closed: list[float] = []

    async def open(self, options: ListenOptions) -> FakeRecognition:
        recognition = await super().open(options)
        close = recognition.close

        async def slowly() -> None:
            await self._time.sleep(5.0)
            await close()
            self.closed.append(self._time.now())

        recognition.close = slowly  # type: ignore[method-assign]
        return recognition


def test_whoever_answers_does_not_wait_for_the_early_recognisers_goodbye() -> None:
    async def story(clock: VirtualClock) -> None:
        engine = SlowGoodbye(clock)
        model, mouth = FakeLanguageModel(clock=clock), FakeTextToSpeech(clock=clock, rate=RATE, speed=0)
        ours, theirs = MemoryLeg.pair(clock)
        events: list[Event] = []
        batch = VoiceBatch(clock, inline=True)
        engines = Engines([engine], model, mouth)
        call = Call(ours, SmallTalk(), engines, PLAIN_SETTINGS, clock, batch, listeners=[events.append])
        sound = iter([voice(2.0)[at : at + 320] for at in range(0, 2 * 2 * RATE, 320)])
        theirs.start(lambda _: None, lambda _: next(sound, None))
        running = asyncio.create_task(call.run())
        await clock.sleep(0.1)
        theirs.early_media()
        await clock.sleep(3.0)
        await theirs.answer()
        answered = clock.now()
        await clock.sleep(1.0)
        assert [e for e in events if isinstance(e, EarlyWords)]
        assert [e.at - answered < 0.5 for e in events if isinstance(e, SpeakingStarted)] == [True]
        assert engine.closed == []
        await theirs.hang_up()
        await running
        # The early one's, and the call's own.
        assert len(engine.closed) == 2
        await batch.close()

    run_virtual(story)
