"""Scripted calls that read like stories, told in virtual time.

    told = tell(
        Says(2.0, "I would like to know the price"),
        agent_says=["Hello, this is Maya.", "It is twenty dollars."],
    )
    assert told.answer_after(told.lines[0]) == pytest.approx(0.4, abs=0.05)

The caller's lines make sound (a tone) on an in-memory leg and words in the fake recogniser; the
agent's model and voice are the fakes that ship, with their delays set. Times are seconds from the
moment the call is answered. What the caller heard is measured from the frames it received.
"""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from trunkline.audio.frame import Frame
from trunkline.call.call import Call, CallResult, Engines
from trunkline.call.play import Play
from trunkline.call.settings import CallSettings
from trunkline.call.sounded_end import SoundedEnds
from trunkline.call.tool_work import RunsTools
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import VirtualClock, run_virtual
from trunkline.events import Answer as Asked
from trunkline.events import Event, Expectation, MediaLost, SpeakingStopped, TurnEnded
from trunkline.lab.memory_leg import MemoryLeg
from trunkline.legs.leg import LegEvent, OnFrame
from trunkline.prompt import Message, Prompt
from trunkline.providers.llm.fake import FakeLanguageModel
from trunkline.providers.protocols import LanguageModel, SpeechToText, TextToSpeech
from trunkline.providers.s2s.protocol import SpeechToSpeech
from trunkline.providers.stt.fake import FakeSpeechToText, Utterance
from trunkline.providers.tts.fake import FakeTextToSpeech
from trunkline.providers.voice_cache import VoiceCache
from trunkline.scenario.actions import (
    Action,
    AgentHeard,
    AudioLost,
    CallBegan,
    CallerQuiet,
    CallerSaid,
    End,
    Expect,
    Generate,
    Happening,
    ModelDone,
    ModelFailed,
    MustEnd,
    Say,
)
from trunkline.turn.policy import TurnPolicy

RATE = 8000
WORD_SECONDS = 0.3
PLAIN_SETTINGS = CallSettings(vad="energy", turn=TurnPolicy(silence=0.2, adaptive=False), speculate=False)
"""200 ms of silence end a turn, and nothing is prepared ahead: figures that can be told beforehand."""


@dataclass(frozen=True)
class Says:
    """The caller says `words` from `at`, a word every 0.3 s, after which it makes no sound."""

    at: float
    words: str
    heard_as: str | None = None
    """What the recogniser makes of it; "" for a sound that is no word."""
    loudness: float = 0.3
    lasts: float | None = None
    pcm: bytes = b""
    """Its sound, 16 bits at 8 kHz; a tone where none is given."""

    @property
    def end(self) -> float:
        return self.at + (self.lasts or WORD_SECONDS * max(1, len(self.words.split())))


@dataclass(frozen=True)
class Presses:
    """The caller presses keys, 0.3 s apart."""

    at: float
    keys: str


@dataclass(frozen=True)
class Beeps:
    """A steady tone of `hertz` from `at`, on the caller's side."""

    at: float
    lasts: float = 0.4
    hertz: float = 1000.0
    loudness: float = 0.2

    @property
    def end(self) -> float:
        return self.at + self.lasts


@dataclass
class SmallTalk:
    """A play without a graph: greets, asks the model for each turn, ends when told to."""

    greeting: str = "Hello, this is Maya."
    ends_after: int = 99
    asks: Asked = Asked.FREE
    interruptible: bool = True
    happenings: list[Happening] = field(default_factory=list)
    name: str = "small talk"

    def initial(self) -> tuple[Message, ...]:
        return ()

    def step(
        self, state: tuple[Message, ...], happening: Happening
    ) -> tuple[tuple[Message, ...], list[Action]]:
        self.happenings.append(happening)
        expect = Expect(Expectation(self.asks))
        match happening:
            case CallBegan():
                return state, [Say(self.greeting, self.interruptible), expect]
            case CallerSaid(text=text):
                state = (*state, Message("user", text))
                if len(state) >= self.ends_after:
                    return state, [Say("Goodbye."), End("done", "enough said")]
                return state, [Generate(Prompt(state)), expect]
            case AudioLost():
                return state, [Say("Can you hear me?"), expect]
            case CallerQuiet():
                return state, [Say("Are you still there?"), expect]
            case ModelFailed():
                return state, [Say("Sorry, say that again?"), expect]
            case MustEnd():
                return state, [Say("I have to go. Goodbye."), End("ended", "must end")]
            case AgentHeard() | ModelDone():
                return state, []
            case _:
                return state, []

    def check_sentence(self, state: object, sentence: str) -> tuple[str, str]:
        return ("forbidden", "Let me check that.") if "forbidden" in sentence else ("", "")


@dataclass
class Told:
    """A call that was told: what happened, and what the caller's ear received."""

    result: CallResult
    events: list[Event]
    agent_sound: list[tuple[float, float]]
    """Spans of agent sound at the caller's ear, seconds from the answer, 10 ms exact."""
    play: Any
    zero: float

    def of(self, *kinds: type[Event]) -> list[Event]:
        """The events of these kinds, with times from the answer."""
        return [replace(event, at=event.at - self.zero) for event in self.events if isinstance(event, kinds)]

    def names(self, *kinds: type[Event]) -> list[str]:
        return [type(event).__name__ for event in self.of(*kinds)]

    def answer_after(self, line: Says) -> float:
        """Seconds from the end of the caller's line to the agent's next sound."""
        return min(start for start, _ in self.agent_sound if start >= line.end - 0.005) - line.end

    def silent_after(self, at: float) -> float:
        """Seconds from `at` until the agent's sound, going on then, stopped."""
        return next(end for start, end in self.agent_sound if start <= at < end) - at

    def said(self) -> list[str]:
        """The agent's words as heard, utterance by utterance."""
        return [event.heard for event in self.events if isinstance(event, SpeakingStopped)]

    def caller_words(self) -> list[str]:
        """The caller's turns as they ended; a turn that went on counts once, whole."""
        turns = {e.turn: e.text for e in self.events if isinstance(e, TurnEnded)}
        return list(turns.values())


def tell(
    *lines: Says | Presses | Beeps,
    replies: Sequence[str] = ("I see.",),
    play: Play | None = None,
    settings: CallSettings | None = None,
    lasts: float = 10.0,
    stt: dict[str, Any] | None = None,
    llm: dict[str, Any] | None = None,
    tts: dict[str, Any] | None = None,
    lost: Any = None,
    loses_audio_at: float | None = None,
    voice: TextToSpeech | None = None,
    also_hears: OnFrame | None = None,
    fast: LanguageModel | None = None,
    ends: Callable[[VirtualClock], SoundedEnds] | None = None,
    outbound: bool = False,
    line_cache: VoiceCache | None = None,
    beginnings: VoiceCache | None = None,
    model: LanguageModel | None = None,
    tools: RunsTools | None = None,
    leg_says: Sequence[LegEvent] = (),
    judge: LanguageModel | None = None,
    rings_for: float = 0.0,
    s2s: Callable[[VirtualClock, FakeSpeechToText], SpeechToSpeech] | None = None,
    must_end_at: Sequence[float] = (),
) -> Told:
    """Play the caller's `lines` against an agent of fakes; hang up at `lasts` if nobody did before.
    `voice`, `model` stand in for the fake ones; `also_hears` gets each frame of the agent's. `outbound`:
    the agent called, and "the caller" is who, or what, answers. `leg_says` happens on the agent's
    leg, at its times from the answer. `rings_for`: an outbound call has early media for so long before it
    is answered; then times are from where that begins. `s2s` makes what hears and speaks by
    itself, from a recogniser that hears the caller's lines; the others are then behind it. `must_end_at`:
    times at which somebody wants the call to end."""

    async def story(clock: VirtualClock) -> Told:
        leading = play or SmallTalk()
        events: list[Event] = []
        ear = _Ear()
        near, far = MemoryLeg.pair(clock, lost=lost)
        if outbound:
            near, far = far, near
        zero = clock.now()
        spoken = [line for line in lines if isinstance(line, Says)]
        mouth = _Mouth([line for line in lines if not isinstance(line, Presses)], zero)
        engines = Engines(
            [FakeSpeechToText(script=_script(spoken, zero), clock=clock, **(stt or {}))],
            model
            or FakeLanguageModel(
                **{"delay_ms": 0, "tokens_per_s": 0, "reply": "|".join(replies), **(llm or {})}, clock=clock
            ),
            voice
            or FakeTextToSpeech(**{"delay_ms": 0, "rate": RATE, "speed": 0, **(tts or {})}, clock=clock),
            lines=line_cache,
            beginnings=beginnings,
            tools=tools,
            judge=judge,
            fast=fast,
            ends=ends(clock) if ends is not None else None,
            s2s=s2s(clock, FakeSpeechToText(script=_script(spoken, zero), clock=clock)) if s2s else None,
        )
        everything: list[SpeechToText | LanguageModel | TextToSpeech | SpeechToSpeech] = [
            *engines.stt,
            engines.llm,
            engines.tts,
        ]
        if engines.s2s is not None:
            everything.append(engines.s2s)
        for engine in everything:
            await engine.start()
        if engines.ends is not None:
            await engines.ends.start()
        batch = VoiceBatch(clock, inline=True)
        call = Call(
            far,
            leading,
            engines,
            settings or CallSettings(vad="energy"),
            clock,
            batch,
            listeners=[events.append],
        )

        def hear(frame: Frame) -> None:
            ear.hear(frame)
            if also_hears is not None:
                also_hears(frame)

        near.start(hear, mouth.next_frame)
        hands = asyncio.create_task(
            _caller_acts(clock, near, zero, lines, lasts, answers=outbound, rings_for=rings_for)
        )
        if loses_audio_at is not None:
            # The leg says so after a second without a packet.
            clock.call_at(
                zero + loses_audio_at + 1.0,
                lambda: far.deliver(MediaLost(clock.now(), 1.0)),
            )
        for at in must_end_at:
            clock.call_at(zero + at, partial(call.must_end, "the service stops"))
        for said in leg_says:
            event = replace(said, at=zero + said.at)
            clock.call_at(event.at, partial(far.deliver, event))
        result = await call.run()
        hands.cancel()
        await near.hang_up()
        for engine in everything:
            await engine.close()
        await batch.close()
        return Told(result, events, ear.spans(zero), leading, zero)

    return run_virtual(story)


async def _caller_acts(
    clock: VirtualClock,
    leg: MemoryLeg,
    zero: float,
    lines: Sequence[Says | Presses | Beeps],
    lasts: float,
    *,
    answers: bool,
    rings_for: float = 0.0,
) -> None:
    """Take the call where it is ours to take, press the keys at their times, hang up in the end."""
    if answers:
        if rings_for:
            leg.early_media()
            await clock.sleep(min(rings_for, lasts))
        if rings_for < lasts:
            await leg.answer()
    presses = [
        (line.at + 0.3 * n, key)
        for line in lines
        if isinstance(line, Presses)
        for n, key in enumerate(line.keys)
    ]
    for at, key in sorted(presses):
        await clock.sleep(zero + at - clock.now())
        await leg.send_dtmf(key)
    await clock.sleep(zero + lasts - clock.now())
    await leg.hang_up("hung up")


def _script(lines: Sequence[Says], zero: float) -> list[Utterance]:
    script = []
    for line in lines:
        words = (line.words if line.heard_as is None else line.heard_as).split()
        if words:
            each = (line.end - line.at) / len(words)
            script.append(
                Utterance(
                    zero + line.at,
                    tuple((word, zero + line.at + each * (n + 1)) for n, word in enumerate(words)),
                )
            )
    return script


class _Mouth:
    """The caller's sound: a 300 Hz tone while a line lasts, and its beeps."""

    def __init__(self, lines: Sequence[Says | Beeps], zero: float) -> None:
        self._lines = lines
        self._zero = zero

    def next_frame(self, at: float) -> bytes | None:
        # A frame that leaves at `at` holds the 20 ms before it, as a microphone's does.
        start = at - self._zero - 0.02
        samples = array("h", bytes(320))
        audible = False
        for line in self._lines:
            hertz = line.hertz if isinstance(line, Beeps) else 300
            first = max(0, round((line.at - start) * RATE))
            last = min(160, round((line.end - start) * RATE))
            voice = memoryview(line.pcm).cast("h") if isinstance(line, Says) and line.pcm else None
            for n in range(first, last):
                audible = True
                if voice is not None:
                    place = n - round((line.at - start) * RATE)
                    samples[n] = voice[place] if place < len(voice) else 0
                    continue
                samples[n] = int(
                    32767 * line.loudness * math.sin(2 * math.pi * hertz * (n + round(start * RATE)) / RATE)
                )
        return samples.tobytes() if audible else None


class _Ear:
    """Where sound above -45 dBFS came to the caller, in pieces of 10 ms."""

    def __init__(self) -> None:
        self._loud: list[float] = []

    def hear(self, frame: Frame) -> None:
        samples = array("h", frame.pcm)
        for half in (0, 1):
            part = samples[half * 80 : half * 80 + 80]
            if part and max(part) - min(part) > 400:
                self._loud.append(frame.at + half * 0.01)

    def spans(self, zero: float) -> list[tuple[float, float]]:
        spans: list[tuple[float, float]] = []
        for at in self._loud:
            begin = at - zero
            if spans and begin - spans[-1][1] < 0.1:
                spans[-1] = (spans[-1][0], begin + 0.01)
            else:
                spans.append((begin, begin + 0.01))
        return spans
