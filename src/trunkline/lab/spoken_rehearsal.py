"""The conversations of a test file held by voice: a whole call in memory, the caller's lines spoken aloud.

The caller speaks with a voice of its own, into the recogniser of choice, when the agent has finished; what
it expects is compared with the same code as in text (`scenario/rehearse.py`). In real time, or with fakes in
virtual time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random
from typing import Any

from trunkline.audio.frame import frame_bytes
from trunkline.audio.resample import Resampler
from trunkline.call.call import Call, Engines
from trunkline.call.settings import CallSettings
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import Clock
from trunkline.errors import EngineError, ToolError
from trunkline.events import (
    CallEnded,
    Event,
    GenerationStarted,
    SpeakingStarted,
    SpeakingStopped,
    StepEntered,
    TransferStarted,
)
from trunkline.lab.memory_leg import MemoryLeg
from trunkline.legs.leg import TransferResult
from trunkline.providers.protocols import TextToSpeech, VoiceOptions
from trunkline.scenario.actions import Action, Happening
from trunkline.scenario.conversation import Streams
from trunkline.scenario.model import Scenario
from trunkline.scenario.play import ScenarioPlay
from trunkline.scenario.rehearsal import NOISE, SILENCE, CallerLine, Rehearsal, Talk
from trunkline.scenario.rehearse import (
    MOST_TURNS,
    Outcome,
    at_the_end,
    differences,
    line_of_answers,
    line_of_model,
    shown,
)
from trunkline.scenario.state import State

RATE = 8000
QUIET = 0.8
"""Seconds of the agent's silence after which it has finished."""
LOOK_EVERY = 0.1
ANSWER_LIMIT = 30.0
"""Seconds that the agent may take to answer; a silence is met after 6 by default."""
NOISE_SECONDS = 1.2


@dataclass(frozen=True, slots=True)
class Studio:
    """What conversations by voice share: the agent's engines, the caller's voice, and the clock."""

    engines: Engines
    mouth: TextToSpeech
    batch: VoiceBatch
    clock: Clock
    settings: CallSettings = field(default_factory=CallSettings)


async def rehearse_by_voice(
    studio: Studio,
    scenario: Scenario,
    rehearsal: Rehearsal,
    talk: Talk,
    caller: Streams | None = None,
) -> Outcome:
    """Hold this conversation. Raises nothing for what is said; a recogniser that mishears makes it fail."""
    clock = _ClockAt(studio.clock, rehearsal.now)
    near, far = _PatientLeg.pair(clock, rate=RATE)
    assert isinstance(far, _PatientLeg)
    held = SpokenTalk(scenario, _WatchedPlay(ScenarioPlay(scenario)), clock, far)
    # Prepared answers would step the scenario for turns that never end.
    settings = replace(studio.settings, speculate=False, record_audio=False)
    facts = {**rehearsal.facts, **talk.facts}
    engines = replace(studio.engines, tools=_Answers(scenario, {**rehearsal.tools, **talk.tools}))
    call = Call(far, held.play, engines, settings, clock, studio.batch, facts=facts, listeners=[held.event])
    voice = await studio.mouth.open(VoiceOptions(rate=RATE))
    mouth = _Mouth(voice.rate)
    near.start(lambda _: None, mouth.next_frame)
    calling = asyncio.create_task(call.run(), name="spoken call")
    try:
        # The near end calls, and the agent's takes it.
        await near.answer()
        wrong = await _Caller(held, mouth, voice.say, near, caller).talk(talk)
    finally:
        await near.hang_up("the conversation is over")
        await asyncio.wait((calling,), timeout=ANSWER_LIMIT)
        await voice.close()
    wrong += at_the_end(held, rehearsal, talk)
    asked = sum(isinstance(event, GenerationStarted) and event.model != "scenario" for event in held.log)
    turns = held.state.turn
    return Outcome(
        talk.name,
        tuple(wrong),
        tuple(held.transcript),
        turns,
        held.state.outcome,
        max(0, turns - asked),
        asked,
    )


class SpokenTalk:
    """One conversation by voice, as the comparison sees it (`scenario.rehearse.Held`)."""

    def __init__(self, scenario: Scenario, play: _WatchedPlay, clock: Clock, leg: _PatientLeg) -> None:
        self.scenario = scenario
        self.play = play
        self.clock = clock
        self.leg = leg
        self.said: list[str] = []
        self.notes: list[Event] = []
        self.log: list[Event] = []
        self.transcript: list[str] = []
        self.over = False
        self.speaking = False
        self.quiet_since = clock.now()

    @property
    def state(self) -> State:
        return self.play.state

    @property
    def transferred_to(self) -> str:
        return self.leg.transfers[-1] if self.leg.transfers else ""

    def event(self, event: Event) -> None:
        """Every event of the call."""
        self.log.append(event)
        match event:
            case StepEntered():
                self.notes.append(event)
            case SpeakingStarted():
                self.speaking = True
            case SpeakingStopped():
                self.speaking = False
                self.quiet_since = self.clock.now()
                self.said.append(event.heard)
                self.transcript.append(f"agent: {event.heard}")
            case TransferStarted():
                self.quiet_since = self.clock.now()
            case CallEnded():
                self.over = True


class _Caller:
    """Says the lines of a conversation, each when the agent has finished."""

    def __init__(
        self,
        held: SpokenTalk,
        mouth: _Mouth,
        say: Callable[[str], Any],
        leg: MemoryLeg,
        model: Streams | None,
    ) -> None:
        self._held = held
        self._mouth = mouth
        self._say = say
        self._leg = leg
        self._model = model

    async def talk(self, talk: Talk) -> list[str]:
        """The whole conversation; what was not as expected on the way."""
        held = self._held
        if not await self._agent_finishes(0):
            return ["the agent does not greet"]
        try:
            if talk.persona is None:
                return await self._read_out(talk)
            raises = list(talk.persona.raises)
            while not held.over and not held.state.ended and not held.state.transferring:
                if held.state.turn >= MOST_TURNS:
                    break
                if self._model is not None and talk.persona.character:
                    words = await line_of_model(held, talk.persona, self._model)
                else:
                    words = raises.pop(0) if raises else line_of_answers(held, talk.persona)
                await self._do(CallerLine(say=words))
        except EngineError as error:
            return [f"the caller's engine failed: {error}"]
        return []

    async def _read_out(self, talk: Talk) -> list[str]:
        wrong: list[str] = []
        held = self._held
        for number, line in enumerate(talk.caller, 1):
            if held.over or held.state.ended:
                left = len(talk.caller) - number + 1
                return [
                    *wrong,
                    f"the call ended ({held.state.outcome}) with {left} of the caller's lines left",
                ]
            before = len(held.said)
            answered = await self._do(line)
            where = f"after line {number} ({shown(line)})"
            wrong += [] if answered else [f"{where}: the agent says nothing for {ANSWER_LIMIT:g} s"]
            wrong += differences(held, line.expect, where, held.said[before:])
        return wrong

    async def _do(self, line: CallerLine) -> bool:
        """Say or do this, and hear the agent out; whether it answered."""
        held = self._held
        before = len(held.said)
        held.transcript.append(f"caller: {shown(line)}")
        if line.transfer is not None:
            held.leg.transfer_ends(line.transfer)
        elif line.wait is not None:
            await held.clock.sleep(line.wait)
        elif line.keys is not None:
            await self._leg.send_dtmf(line.keys)
        elif line.say == NOISE:
            self._mouth.add(_noise(self._mouth.rate))
        elif line.say != SILENCE:
            async for piece in self._say(line.say or ""):
                self._mouth.add(piece.pcm)
        while self._mouth.sounds:
            await held.clock.sleep(LOOK_EVERY)
        return await self._agent_finishes(before)

    async def _agent_finishes(self, before: int) -> bool:
        """Until the agent has said something and is silent, or the call is over."""
        held = self._held
        until = held.clock.now() + ANSWER_LIMIT
        while held.clock.now() < until and not held.over:
            await held.clock.sleep(LOOK_EVERY)
            spoke = len(held.said) > before or held.state.transferring
            waits = held.state.calling or (held.state.ended and not held.over)
            if spoke and not held.speaking and not waits and held.clock.now() - held.quiet_since >= QUIET:
                return True
        return held.over


class _Mouth:
    """The caller's sound, 20 ms at a time. `rate`: of what it is given."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._resampler = Resampler(rate, RATE)
        self._queue = b""
        self._frame = frame_bytes(RATE)

    @property
    def sounds(self) -> bool:
        return bool(self._queue)

    def add(self, pcm: bytes) -> None:
        self._queue += self._resampler.push(pcm)

    def next_frame(self, at: float) -> bytes | None:
        del at
        frame, self._queue = self._queue[: self._frame], self._queue[self._frame :]
        return frame.ljust(self._frame, b"\0") if frame else None


def _noise(rate: int) -> bytes:
    """Hissing that is no speech, the same each time."""
    chance = Random(1)
    count = int(rate * NOISE_SECONDS)
    return b"".join(chance.randint(-9000, 9000).to_bytes(2, "little", signed=True) for _ in range(count))


class _Answers:
    """The tools, as the test has them answer."""

    def __init__(self, scenario: Scenario, answers: dict[str, Any]) -> None:
        self._answers = {name: spec.example for name, spec in scenario.tools.items()} | answers

    async def run(self, name: str, arguments: dict[str, str | float | bool]) -> Any:
        del arguments
        answer = self._answers.get(name)
        if answer is None:
            raise ToolError("the test has no answer of it", where=name)
        return answer


class _WatchedPlay:
    """A scenario whose newest state can be looked at."""

    def __init__(self, play: ScenarioPlay) -> None:
        self._play = play
        self.name, self.voice, self.pace = play.name, play.voice, play.pace
        self.state = play.initial()

    def initial(self) -> State:
        return self._play.initial()

    def step(self, state: State, happening: Happening) -> tuple[State, list[Action]]:
        self.state, actions = self._play.step(state, happening)
        return self.state, actions

    def check_sentence(self, state: State, sentence: str) -> tuple[str, str]:
        return self._play.check_sentence(state, sentence)


class _PatientLeg(MemoryLeg):
    """A leg whose transfers end when the conversation says how."""

    _result: asyncio.Future[TransferResult] | None = None

    async def transfer(self, target: str) -> TransferResult:
        self.transfers.append(target)
        self._result = asyncio.get_running_loop().create_future()
        return await self._result

    def transfer_ends(self, result: str) -> None:
        """The transfer in progress comes to this."""
        known = {one.value for one in TransferResult}
        if self._result is not None and not self._result.done():
            self._result.set_result(TransferResult(result if result in known else "failed"))


class _ClockAt:
    """The same clock, with the calendar time at which the conversation is to take place."""

    def __init__(self, clock: Clock, wall: datetime) -> None:
        self._clock = clock
        self._shift = wall - clock.wall()

    def now(self) -> float:
        return self._clock.now()

    def wall(self) -> datetime:
        return self._clock.wall() + self._shift

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        return self._clock.call_at(when, callback)
