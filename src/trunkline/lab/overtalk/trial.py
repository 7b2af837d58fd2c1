"""Runs cases: each a whole call in which the agent says one sentence, ten calls at once in one virtual time.

Whether a sentence was lost is told twice: by turn-taking's own `Interrupted`, and by how long the agent
sounded at the caller's ear, beside the same sentence without anything over it. Either counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from trunkline.audio.frame import FRAME_SECONDS
from trunkline.call.call import Call, Engines
from trunkline.call.settings import CallSettings
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import VirtualClock, run_virtual
from trunkline.events import Ducked, Event, Expectation, Interrupted, TurnEnded
from trunkline.lab.memory_leg import MemoryLeg
from trunkline.lab.overtalk.cases import Case
from trunkline.lab.overtalk.far_end import FarEnd
from trunkline.lab.overtalk.recorded_voice import RecordedVoice, word_ends
from trunkline.lab.overtalk.sounds import Samples, background, overlay, spoken
from trunkline.lab.recordings import RATE
from trunkline.providers.llm.fake import FakeLanguageModel
from trunkline.providers.stt.fake import FakeSpeechToText, Utterance
from trunkline.scenario.actions import Action, CallBegan, Expect, Happening, Say
from trunkline.turn.policy import TurnPolicy

AT_ONCE = 10
_TTS_DELAY = 0.15
_STT_MS = {"in time": 100.0, "late": 500.0, "none": 0.0}
_AFTERWARDS = 4.0
"""Seconds that a call goes on after the sentence would have ended: it may have been held for as long."""
_SHORTER, _LONGER = 0.3, 0.6
"""A sentence that sounded this many seconds less or more than it lasts was not said once, as a whole."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one sentence. `lost`: why it counts as lost; empty where it was said to its end."""

    case: Case
    lost: str
    ducked: bool
    held: bool
    turns: int
    """Turns of the caller's that came of it."""
    stop_ms: float | None
    """From the caller's first sound to the agent's last, where the agent gave way."""


def run(cases: Sequence[Case], done: Callable[[int], None] = lambda _: None) -> list[Outcome]:
    """Every case, ten at a time; `done` is told how many are through. Raises `EngineMissing` where there is
    no flite."""
    outcomes: list[Outcome] = []
    for start in range(0, len(cases), AT_ONCE):
        outcomes += run_virtual(partial(_together, cases=cases[start : start + AT_ONCE]))
        done(len(outcomes))
    return outcomes


async def _together(clock: VirtualClock, cases: Sequence[Case]) -> list[Outcome]:
    batch = VoiceBatch(clock, inline=True)
    try:
        calls = [_Trial(case, spoken(case.sentence, case.agent)) for case in cases]
        return list(await asyncio.gather(*(trial.run(clock, batch) for trial in calls)))
    finally:
        await batch.close()


@dataclass(slots=True)
class _OneSentence:
    """Says one sentence, and nothing to whatever the caller says."""

    sentence: str
    name: str = "overtalk"

    def initial(self) -> None:
        return None

    def step(self, state: None, happening: Happening) -> tuple[None, list[Action]]:
        if isinstance(happening, CallBegan):
            return state, [Say(self.sentence), Expect(Expectation(), silence=60.0)]
        return state, []

    def check_sentence(self, state: None, sentence: str) -> tuple[str, str]:
        del state, sentence
        return "", ""

    def fixed_lines(self, facts: Mapping[str, str]) -> tuple[str, ...]:
        del facts
        return ()


@dataclass(slots=True)
class _Told:
    """What the call's events say."""

    interrupted: str = ""
    ducked: bool = False
    held: bool = False
    turns: int = 0

    def add(self, event: Event) -> None:
        if isinstance(event, Interrupted):
            self.interrupted = event.why
        elif isinstance(event, Ducked):
            self.ducked, self.held = True, self.held or event.hold
        elif isinstance(event, TurnEnded):
            self.turns += 1


@dataclass(slots=True)
class _Trial:
    case: Case
    sentence: Samples
    told: _Told = field(default_factory=_Told)

    async def run(self, clock: VirtualClock, batch: VoiceBatch) -> Outcome:
        case = self.case
        alone = await _call(clock, batch, case, self.sentence, _Told(), None)
        assert alone.began is not None
        far = await _call(clock, batch, case, self.sentence, self.told, alone.began)
        more = (far.sounding - alone.sounding) * FRAME_SECONDS
        lost = self.told.interrupted
        if not lost and not -_SHORTER <= more <= _LONGER:
            lost = f"sounded {more:+.1f} s"
        found = far.ear.judge().interruptions
        stop = found[0].ms if found else None
        return Outcome(case, lost, self.told.ducked, self.told.held, self.told.turns, stop)


async def _call(
    clock: VirtualClock,
    batch: VoiceBatch,
    case: Case,
    sentence: Samples,
    told: _Told,
    began: float | None,
) -> FarEnd:
    """One call. `began`: when the agent is first heard, known from a call without anything over it."""
    near, leg = MemoryLeg.pair(clock)
    zero = clock.now()
    lasts = (began or 0.5) + len(sentence) / RATE + _AFTERWARDS
    if began is None:
        quiet = np.zeros(0)
        far, script = FarEnd(zero, quiet, quiet, 0.0, None, ""), []
    else:
        sound, at = overlay(case), began + case.begin
        meant = "interrupt" if case.kind == "interruptions" else "backchannel"
        far = FarEnd(zero, background(case, lasts), sound, at, case.echo, meant)
        script = list(_heard(case, zero, at, len(sound) / RATE, began, len(sentence) / RATE))
    delay = _STT_MS[case.words]
    engines = Engines(
        [FakeSpeechToText(clock=clock, script=script, delay_ms=delay, partial_ms=delay)],
        FakeLanguageModel(clock=clock),
        RecordedVoice(clock, {case.sentence: sentence}, _TTS_DELAY),
    )
    settings = CallSettings(turn=TurnPolicy(machines="never"), record_audio=False, line_cache="")
    call = Call(leg, _OneSentence(case.sentence), engines, settings, clock, batch, listeners=[told.add])
    near.start(far.hear, far.next_frame)
    ending = asyncio.create_task(_hang_up(clock, near, lasts), name="far end")
    try:
        await call.run()
    finally:
        ending.cancel()
    await near.hang_up()
    return far


def _heard(
    case: Case, zero: float, at: float, lasts: float, began: float, sentence: float
) -> Iterator[Utterance]:
    """What the recogniser makes of it: the caller's words, or the agent's own that come back."""
    if case.words == "none":
        return
    words, start, seconds = case.sound, zero + at, lasts
    if case.kind == "echo":
        assert case.echo is not None
        words, start, seconds = case.sentence.rstrip("."), zero + began + case.echo.delay, sentence
    ends = word_ends(words, seconds)
    said = zip(words.split(), (start + end for _, end in ends), strict=True)
    yield Utterance(start, tuple(said))


async def _hang_up(clock: VirtualClock, leg: MemoryLeg, after: float) -> None:
    await clock.sleep(after)
    await leg.hang_up("hung up")
