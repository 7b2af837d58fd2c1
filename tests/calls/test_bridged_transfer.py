"""A person is asked, and takes the caller over or does not: every outcome, in virtual time."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest

from calls.story import PLAIN_SETTINGS, SmallTalk
from trunkline.audio.frame import Frame
from trunkline.call.call import Call, CallResult, Engines
from trunkline.call.joined import _AtOneRate
from trunkline.call.settings import CallSettings
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import Clock, VirtualClock, run_virtual
from trunkline.errors import EngineDown
from trunkline.events import (
    CallerSilent,
    Dtmf,
    Event,
    Expectation,
    GuardrailBlocked,
    HoldEnded,
    HoldStarted,
    MediaBack,
    MediaLost,
    SpeakingStopped,
    TransferDone,
    TransferStarted,
    Trouble,
)
from trunkline.lab.memory_leg import MemoryLeg
from trunkline.legs.leg import Leg, LegEvent, TransferResult
from trunkline.prompt import Message, Prompt
from trunkline.providers.llm.fake import FakeLanguageModel
from trunkline.providers.protocols import ListenOptions, Recognition, Spoken, Voice, VoiceOptions
from trunkline.providers.stt.fake import FakeSpeechToText, Utterance
from trunkline.providers.tts.fake import FakeTextToSpeech
from trunkline.scenario.actions import (
    Action,
    CallBegan,
    CallerQuiet,
    End,
    Expect,
    Generate,
    Happening,
    Say,
    Transfer,
    TransferEnded,
)
from trunkline.sip.not_taken import CallNotTaken, Why

RATE = 8000
BACK = "I am sorry, nobody is free."


@dataclass
class HandsOver(SmallTalk):
    """Hands the call over at once, and comes back to the caller where that fails."""

    how: str = "bridged"
    by_model: bool = False
    """Whether a model says so."""

    def judge_prompt(self, sentence: str) -> Prompt | None:
        return Prompt((Message("user", sentence),))

    def broken_rule(self, answer: str) -> str:
        return "never promise anything" if answer.strip() else ""

    def step(
        self, state: tuple[Message, ...], happening: Happening
    ) -> tuple[tuple[Message, ...], list[Action]]:
        match happening:
            case CallBegan():
                who = Transfer("sip:sales@example.com", "name: Ann; seats: twelve", self.how)
                asks = Generate(Prompt((Message("user", "Say so."),)))
                return state, [asks if self.by_model else Say("One moment."), who]
            case TransferEnded():
                self.happenings.append(happening)
                return state, [Say(BACK), Expect(Expectation())]
            case CallerQuiet(count=3):
                return state, [End("gone", "silence")]
        return super().step(state, happening)


@dataclass
class Person:
    """Who is called: what they do once the whisper is in their ear, and what they hear."""

    answers_after: float = 1.0
    presses: str = ""
    says: str = ""
    acts_after: float = 6.0
    """Seconds from their answer."""
    leaves_after: float = 0.0
    """Seconds from their answer; 0: never."""
    refuses: CallNotTaken | None = None
    rate: int = RATE
    leg_says: tuple[LegEvent, ...] = ()
    """What happens on our leg to them; its times are seconds from the caller's call."""
    frames: list[Frame] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    """What was pressed to them."""
    leg: MemoryLeg | None = None
    called: str = ""

    def loud(self) -> list[float]:
        """When sound reached them."""
        return [frame.at for frame in self.frames if max(array("h", frame.pcm), default=0) > 400]


class Refusing(MemoryLeg):
    """A call that comes to nothing as its person says."""

    error: CallNotTaken

    async def answer(self) -> None:
        raise self.error


class TwoEars(FakeSpeechToText):
    """One recogniser: the first stream is the caller's, the second the person's."""

    def __init__(self, clock: VirtualClock, person: Person) -> None:
        super().__init__(clock=clock, script=[])
        self._opened = 0
        self._person = person
        self._clock = clock

    async def open(self, options: ListenOptions) -> Recognition:  # type: ignore[override]
        self._opened += 1
        if self._opened == 1 or not self._person.says:
            return await super().open(options)
        begin = self._clock.now() + self._person.acts_after
        words = self._person.says.split()
        script = [Utterance(begin, tuple((word, begin + 0.3 * (n + 1)) for n, word in enumerate(words)))]
        return await FakeSpeechToText(clock=self._clock, script=script).open(options)


class WearsOut(TwoEars):
    """Hears nothing of the caller any more from `until` on, whoever is asked."""

    def __init__(self, clock: VirtualClock, person: Person, until: float) -> None:
        super().__init__(clock, person)
        self._until = until

    async def open(self, options: ListenOptions) -> Recognition:  # type: ignore[override]
        if self._clock.now() >= self._until:
            raise EngineDown("worn out", where="stt")
        first = not self._opened
        recognition = await super().open(options)
        return _Wearing(recognition, self._clock, self._until) if first else recognition


class _Wearing:
    def __init__(self, recognition: Recognition, clock: Clock, until: float) -> None:
        self._recognition = recognition
        self._clock = clock
        self._until = until

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recognition, name)

    def __aiter__(self) -> _Wearing:
        return self

    async def __anext__(self) -> Any:
        await self._clock.sleep(self._until - self._clock.now())
        raise EngineDown("worn out", where="stt")


class Deaf(FakeSpeechToText):
    """Works for the caller, and not a second time."""

    opened = 0

    async def open(self, options: ListenOptions) -> Recognition:  # type: ignore[override]
        self.opened += 1
        if self.opened > 1:
            raise EngineDown("no more", where="stt")
        return await super().open(options)


class Noted(FakeTextToSpeech):
    """Keeps what it is given to say."""

    def __init__(self, words: list[str], **options: Any) -> None:
        super().__init__(**options)
        self._noted = words

    async def open(self, options: VoiceOptions) -> Voice:  # type: ignore[override]
        return _Noting(await super().open(options), self._noted)


class _Noting:
    def __init__(self, voice: Voice, words: list[str]) -> None:
        self.rate = voice.rate
        self._voice = voice
        self._noted = words

    def say(self, text: str) -> AsyncGenerator[Spoken, None]:
        self._noted.append(text)
        return self._voice.say(text)

    async def close(self) -> None:
        await self._voice.close()


@dataclass
class Told:
    result: CallResult
    events: list[Event]
    person: Person
    caller_heard: list[Frame]
    play: HandsOver
    over_at: float
    spoken: list[str]
    """Every sentence that was synthesised, for whomever."""

    def done(self) -> TransferDone:
        (done,) = [event for event in self.events if isinstance(event, TransferDone)]
        return done

    def said(self) -> list[str]:
        return [event.heard for event in self.events if isinstance(event, SpeakingStopped)]

    def caller_loud_after(self, at: float) -> bool:
        return any(
            frame.at > at and max(array("h", frame.pcm), default=0) > 400 for frame in self.caller_heard
        )


def tone(rate: int = RATE, hertz: int = 400) -> bytes:
    return array(
        "h", (int(9000 * math.sin(2 * math.pi * hertz * n / rate)) for n in range(rate // 50))
    ).tobytes()


def tell(
    person: Person,
    *,
    how: str = "bridged",
    caller_leaves: float = 120.0,
    settings: CallSettings | None = None,
    deaf: bool = False,
    hears_until: float = 0.0,
    judged_after: float = 0.0,
    dial: bool = True,
    result: TransferResult = TransferResult.NOT_SUPPORTED,
    drain_at: float = 0.0,
    caller_presses: tuple[float, str] = (0.0, ""),
) -> Told:
    async def story(clock: VirtualClock) -> Told:
        begun = clock.now()
        near, far = MemoryLeg.pair(clock, caller="sip:+15551234@example.com")
        far.transfer_result = result
        events: list[Event] = []
        words: list[str] = []
        heard: list[Frame] = []
        stt: FakeSpeechToText = Deaf(clock=clock, script=[]) if deaf else TwoEars(clock, person)
        if hears_until:
            stt = WearsOut(clock, person, begun + hears_until)
        engines = Engines(
            [stt],
            FakeLanguageModel(clock=clock, reply="I see."),
            Noted(words, clock=clock, rate=RATE, speed=0, delay_ms=0),
            judge=FakeLanguageModel(clock=clock, reply="1", delay_ms=1000 * judged_after)
            if judged_after
            else None,
        )
        batch = VoiceBatch(clock, inline=True)
        acting: list[asyncio.Task[None]] = []

        async def call_person(target: str) -> Leg:
            person.called = target
            ours, theirs = MemoryLeg.pair(clock, rate=person.rate, call_id="person")
            if person.refuses is not None:
                ours.__class__ = Refusing
                ours.error = person.refuses  # type: ignore[attr-defined]
                return ours
            person.leg = theirs
            for event in person.leg_says:
                happens = replace(event, at=begun + event.at)
                clock.call_at(happens.at, partial(ours.deliver, happens))
            acting.append(asyncio.create_task(act(clock, person, theirs), name="person"))
            return ours

        play = HandsOver(how=how, by_model=bool(judged_after))
        call = Call(
            far,
            play,
            engines,
            settings or PLAIN_SETTINGS,
            clock,
            batch,
            listeners=[events.append],
            dial=call_person if dial else None,
        )
        sound = tone()

        def speaks(_: float) -> bytes | None:
            """The caller talks to the person, and waits in silence before."""
            done = any(isinstance(event, TransferDone) and event.result == "transferred" for event in events)
            return sound if done else None

        near.start(heard.append, speaks)

        async def leave() -> None:
            at, keys = caller_presses
            if keys:
                await clock.sleep(at)
                await near.send_dtmf(keys)
            await clock.sleep(caller_leaves - at)
            await near.hang_up("had enough")

        leaving = asyncio.create_task(leave())
        if drain_at:
            clock.call_at(clock.now() + drain_at, lambda: call.must_end("the service stops"))
        done = await call.run()
        over_at = clock.now()
        for task in (leaving, *acting):
            task.cancel()
        await asyncio.gather(leaving, *acting, return_exceptions=True)
        await near.hang_up()
        if person.leg is not None:
            assert person.leg.ended  # Nobody is left on the line.
        await batch.close()
        return Told(done, events, person, heard, play, over_at, words)

    return run_virtual(story)


async def act(clock: VirtualClock, person: Person, leg: MemoryLeg) -> None:
    await clock.sleep(person.answers_after)
    if leg.ended:
        return
    await leg.answer()
    async with asyncio.TaskGroup() as both:
        keys = both.create_task(note_keys(person, leg))
        await live(clock, person, leg)
        await asyncio.wait((keys,))


async def note_keys(person: Person, leg: MemoryLeg) -> None:
    async for event in leg.events():
        if isinstance(event, Dtmf):
            person.keys.append(event.digit)


async def live(clock: VirtualClock, person: Person, leg: MemoryLeg) -> None:
    sound = tone(person.rate, 700)
    leg.start(person.frames.append, lambda _: sound)
    await clock.sleep(person.acts_after)
    if person.presses and not leg.ended:
        await leg.send_dtmf(person.presses)
    if person.leaves_after:
        await clock.sleep(person.leaves_after - person.acts_after)
        await leg.hang_up("bye")


# --- taken ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [{"presses": "1"}, {"says": "yes please"}])
def test_a_person_who_takes_the_call_talks_with_the_caller(by: dict[str, str]) -> None:
    told = tell(Person(leaves_after=30.0, **by))  # type: ignore[arg-type]
    done = told.done()
    assert done.result == "transferred"
    assert told.person.called == "sip:sales@example.com"
    # Both hear each other from then on, until the person leaves.
    assert any(at > done.at + 1 for at in told.person.loud())
    assert told.caller_loud_after(done.at + 1)
    assert (told.result.by, told.result.outcome) == ("person", "transferred")
    assert told.result.record["transfer"] == {"target": "sip:sales@example.com", "result": "transferred"}


def test_the_whisper_says_who_is_calling_and_what_was_learned_and_only_to_the_person() -> None:
    told = tell(Person(presses="1", acts_after=15.0, leaves_after=20.0))
    one, *whisper = told.spoken
    assert one == "One moment."
    assert whisper[1:3] == ["name: Ann.", "seats: twelve."]
    assert "five five five" in whisper[0] or "555" in whisper[0]
    assert "Press" in whisper[3]
    started = next(event for event in told.events if isinstance(event, TransferStarted))
    whispered = [at for at in told.person.loud() if at < told.done().at]
    assert whispered[-1] - whispered[0] > 4.0
    # Nothing of it is in the call's own words.
    assert told.said() == ["One moment."]
    assert started.at < whispered[0]


def test_while_the_person_is_rung_the_caller_hears_ringing_and_is_not_asked_whether_they_are_there() -> None:
    told = tell(Person(answers_after=25.0, presses="1", leaves_after=20.0))
    started = next(event for event in told.events if isinstance(event, TransferStarted))
    ringing = [
        frame.at
        for frame in told.caller_heard
        if started.at + 1 < frame.at < started.at + 25 and max(array("h", frame.pcm), default=0) > 400
    ]
    # One second in five: five seconds of sound in 25.
    assert 4.0 <= 0.02 * len(ringing) <= 6.0
    assert not [event for event in told.events if isinstance(event, CallerSilent)]
    assert told.done().result == "transferred"


def test_a_person_with_another_rate_is_joined_all_the_same() -> None:
    told = tell(Person(presses="1", leaves_after=20.0, rate=16000))
    after = [frame for frame in told.person.frames if frame.at > told.done().at + 1 and not frame.concealed]
    assert {(frame.rate, len(frame.pcm)) for frame in after} == {(16000, 640)}
    assert told.result.by == "person"


def test_a_caller_who_leaves_ends_the_talk_with_the_person() -> None:
    told = tell(Person(presses="1"), caller_leaves=40.0)
    assert (told.result.by, told.result.outcome) == ("caller", "transferred")


def test_what_the_caller_presses_is_the_person_s_and_in_no_log() -> None:
    told = tell(Person(presses="1"), caller_leaves=40.0, caller_presses=(30.0, "4111"))
    assert told.done().result == "transferred"
    assert not [event for event in told.events if isinstance(event, Dtmf)]
    assert told.person.keys == ["4", "1", "1", "1"]


def test_a_talk_with_a_person_outlasts_the_longest_call_of_the_agent_but_not_its_own_limit() -> None:
    settings = CallSettings(
        vad="energy", turn=PLAIN_SETTINGS.turn, speculate=False, max_duration=30.0, joined_limit=60.0
    )
    told = tell(Person(presses="1"), settings=settings, caller_leaves=500.0)
    assert told.result.by == "agent"
    assert told.over_at - told.done().at == pytest.approx(60.0, abs=1.0)


def test_a_recogniser_that_fails_while_they_talk_is_nobody_s_loss() -> None:
    told = tell(Person(presses="1", leaves_after=60.0), hears_until=30.0)
    assert [event.where for event in told.events if isinstance(event, Trouble)].count("stt") > 1
    assert told.result.by == "person"
    assert told.over_at - told.done().at > 40.0


def test_a_recogniser_that_fails_while_the_person_is_rung_ends_the_call_where_they_do_not_take_it() -> None:
    told = tell(Person(answers_after=20.0, presses="2"), hears_until=8.0)
    assert told.done().result == "declined"
    assert told.result.by == "agent"
    assert told.said()[-1] == "I have to go. Goodbye."


def test_what_a_judge_says_late_does_not_part_them() -> None:
    told = tell(Person(answers_after=0.2, presses="1", acts_after=0.8, leaves_after=30.0), judged_after=4.0)
    [blocked] = [event for event in told.events if isinstance(event, GuardrailBlocked)]
    assert blocked.at > told.done().at
    assert told.result.by == "person"
    assert told.over_at - told.done().at > 20.0


def test_a_person_from_whom_no_sound_comes_any_more_is_not_waited_for() -> None:
    lost = tuple(MediaLost(25.0 + n, 5.0 + n) for n in (0.0, 5.0, 10.0, 15.0))
    told = tell(Person(presses="1", leg_says=lost))
    assert told.done().result == "transferred"
    assert (told.result.by, told.result.reason) == ("network", "no audio came from the person any more")
    started = next(event for event in told.events if isinstance(event, TransferStarted))
    assert told.over_at - started.at == pytest.approx(38.5, abs=2.0)


@pytest.mark.parametrize("back", [(MediaBack(28.0),), (HoldStarted(28.0), HoldEnded(60.0))])
def test_a_person_whose_sound_comes_back_or_who_holds_is_kept(back: tuple[LegEvent, ...]) -> None:
    told = tell(Person(presses="1", leg_says=(MediaLost(25.0, 5.0), *back), leaves_after=80.0))
    assert told.result.by == "person"
    assert told.over_at - told.done().at > 60.0


# --- not taken ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "result"),
    [
        (Person(presses="2"), "declined"),
        (Person(says="no not now"), "declined"),
        (Person(leaves_after=7.0), "declined"),
        (Person(acts_after=500.0), "no-answer"),
        (Person(answers_after=500.0), "no-answer"),
        (Person(refuses=CallNotTaken(Why.BUSY, "486")), "busy"),
        (Person(refuses=CallNotTaken(Why.DECLINED, "603")), "declined"),
        (Person(refuses=CallNotTaken(Why.NO_ANSWER, "480")), "no-answer"),
        (Person(refuses=CallNotTaken(Why.NOT_REACHABLE, "503")), "failed"),
        (Person(refuses=CallNotTaken(Why.BAD_NUMBER, "404")), "failed"),
    ],
    ids=[
        "key",
        "word",
        "hangs-up",
        "silent",
        "rings-on",
        "busy",
        "declines",
        "absent",
        "unreachable",
        "unknown",
    ],
)
def test_where_nobody_takes_it_the_agent_comes_back_with_a_sentence(person: Person, result: str) -> None:
    told = tell(person, caller_leaves=100.0)
    assert told.done().result == result
    assert TransferEnded(result) in told.play.happenings
    assert told.said()[:2] == ["One moment.", BACK]
    assert told.caller_loud_after(told.done().at)
    # Nobody was called silent for having waited.
    assert all(event.at > told.done().at + 5 for event in told.events if isinstance(event, CallerSilent))


def test_a_mailbox_that_answers_is_asked_twice_and_gets_nobody() -> None:
    told = tell(Person(acts_after=500.0))
    assert told.done().result == "no-answer"
    gaps = [later - before for before, later in zip(told.person.loud(), told.person.loud()[1:], strict=False)]
    assert sum(gap > 10 for gap in gaps) == 1


def test_whoever_answers_the_phone_with_yes_has_not_taken_the_call_yet() -> None:
    told = tell(Person(says="yes", acts_after=0.3))
    assert told.done().result == "no-answer"
    told = tell(Person(presses="1", acts_after=0.3, leaves_after=20.0))
    assert told.done().result == "transferred"


def test_where_nobody_can_be_called_it_is_said() -> None:
    told = tell(Person(), dial=False)
    assert told.done().result == "not-supported"
    assert told.said()[1] == BACK


def test_without_a_recogniser_keys_do() -> None:
    told = tell(Person(presses="1", leaves_after=20.0), deaf=True)
    assert told.done().result == "transferred"
    assert [event.where for event in told.events if isinstance(event, Trouble)][-1:] == ["transfer"]


def test_a_caller_who_leaves_while_the_person_is_asked_ends_both() -> None:
    told = tell(Person(acts_after=500.0), caller_leaves=8.0)
    assert told.result.by == "caller"
    assert not [event for event in told.events if isinstance(event, TransferDone)]


def test_a_service_that_stops_says_goodbye_to_the_caller_and_lets_the_person_go() -> None:
    told = tell(Person(presses="1"), drain_at=40.0)
    assert told.done().result == "transferred"
    assert told.result.by == "agent"
    assert told.said()[-1] == "I have to go. Goodbye."


# --- the other kinds ------------------------------------------------------------------------------


@pytest.mark.parametrize("result", list(TransferResult))
def test_a_blind_transfer_gives_what_the_leg_gives(result: TransferResult) -> None:
    told = tell(Person(), how="blind", result=result, caller_leaves=30.0)
    assert told.done().result == result
    assert told.person.called == ""
    if result is TransferResult.TRANSFERRED:
        assert (told.result.by, told.result.outcome) == ("agent", "transferred")
    else:
        assert told.said()[1] == BACK


def test_a_person_who_leaves_before_they_are_joined_leaves_the_caller_with_the_agent() -> None:
    # They press the key and hang up in the same moment.
    told = tell(Person(presses="1", leaves_after=6.0), caller_leaves=60.0)
    assert told.done().result == "declined"
    assert told.said()[1] == BACK


def test_an_attended_transfer_of_a_leg_that_cannot_joins_them_here() -> None:
    told = tell(Person(presses="1", leaves_after=20.0), how="attended")
    assert told.done().result == "transferred"
    assert told.result.by == "person"


def test_a_recording_has_one_rate_whatever_codec_comes() -> None:
    recorded: list[Frame] = []
    at_one = _AtOneRate(recorded.append, RATE)
    for number in range(100):
        rate = 16000 if number < 50 else RATE
        at_one.hear(Frame(tone(rate, 300)[: rate // 25], rate, 0.02 * (number + 1)))
    assert {frame.rate for frame in recorded} == {RATE}
    assert sum(frame.seconds for frame in recorded) == pytest.approx(2.0, abs=0.005)
