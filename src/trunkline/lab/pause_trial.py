"""Does the agent begin to speak in a caller's pause, and how soon does it answer when they are done?

Each line of a file is one caller's turn with pauses of 300 to 900 ms in it. It is told to a whole call
in memory, in virtual time: a tone for the voice, the fake recogniser for the words, a model and a voice
with the delays of the stages. A wrong start is a pause in which the agent became audible. The same lines
are told again with plain silence thresholds, for the curve of latency against wrong starts.

Read with the figures: sound and words come on time and clean, and there is no network. What is measured
is the decision, and what overlapping the stages is worth; real speech makes both harder.
"""

from __future__ import annotations

import asyncio
import math
import re
import threading
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import pairwise

from trunkline.audio.frame import FRAME_SECONDS
from trunkline.call.call import Call, Engines
from trunkline.call.ledger import percentile
from trunkline.call.settings import CallSettings
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import VirtualClock, run_virtual
from trunkline.errors import ParseError
from trunkline.events import Answer, CallAnswered, Event, Expectation, SpeakingStarted
from trunkline.lab.memory_leg import MemoryLeg
from trunkline.prompt import Message, Prompt
from trunkline.providers.llm.fake import FakeLanguageModel
from trunkline.providers.stt.fake import FakeSpeechToText, Utterance
from trunkline.providers.tts.fake import FakeTextToSpeech
from trunkline.scenario.actions import Action, CallBegan, CallerSaid, Expect, Generate, Happening, Say
from trunkline.turn.policy import TurnPolicy

_RATE = 8000
_WORD_SECONDS = 0.28
_BEGIN = 2.0
"""When the caller begins, seconds after the answer: the greeting is over by then."""
_AFTERWARDS = 4.0
_SHORTEST, _LONGEST = 0.3, 0.9
EAGER = TurnPolicy(probable=0.4, doubtful=0.59)
PATIENT = TurnPolicy(complete=0.5, doubtful=1.0)
"""Two more points of the same curve: what a scenario can choose."""
_REPLY = "All right, I have written that down. What else can I do for you?"
_LINE = re.compile(r"\s*([a-z-]+)\s*:\s*(\S.*)")


@dataclass(frozen=True, slots=True)
class Stages:
    """What the engines take, milliseconds. The defaults are the article's."""

    stt: float = 100.0
    partial: float = 100.0
    llm: float = 200.0
    tokens_per_s: float = 100.0
    tts: float = 150.0


@dataclass(frozen=True, slots=True)
class Broken:
    """A caller's turn in pieces, the pauses between them in seconds, and what had been asked."""

    asked: Answer
    pieces: tuple[str, ...]
    pauses: tuple[float, ...]

    def times(self) -> list[tuple[float, float]]:
        """When each piece sounds, seconds from the answer."""
        at, spans = _BEGIN, []
        for piece, pause in zip(self.pieces, (*self.pauses, 0.0), strict=True):
            end = at + _WORD_SECONDS * len(piece.split())
            spans.append((at, end))
            at = end + pause
        return spans


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one turn: in which of its pauses the agent began, and how long after its end it
    was audible (seconds; None where it began before, or never)."""

    wrong: tuple[int, ...]
    latency: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """All turns under one policy."""

    name: str
    pauses: int
    wrong: int
    latencies: tuple[float, ...]
    """Milliseconds, of the turns that were answered after their end."""

    @property
    def wrong_share(self) -> float:
        return self.wrong / self.pauses if self.pauses else 0.0

    def at(self, share: float) -> float | None:
        """This percentile of the latencies, milliseconds."""
        return percentile(self.latencies, share) if self.latencies else None


def shipped(name: str) -> str:
    """The text of `figures`, `tuning`, `unfitted`, `whole` or `everyday`."""
    return (files("trunkline.lab") / "pauses" / f"{name}.txt").read_text(encoding="utf-8")


def read_turns(text: str, where: str = "pauses") -> list[Broken]:
    """The turns of a file. Pauses are spread evenly over 300 to 900 ms, in an order that looks random and
    is always the same. Raises `ParseError` with the line."""
    found: list[tuple[Answer, tuple[str, ...]]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None or match[1] not in list(Answer):
            raise ParseError("a line is `KIND: words | words`", where=f"{where}:{number}")
        pieces = tuple(piece.strip() for piece in match[2].split("|"))
        if not all(pieces):
            raise ParseError("there are no words beside a pause", where=f"{where}:{number}")
        found.append((Answer(match[1]), pieces))
    total = sum(len(pieces) - 1 for _, pieces in found)
    lengths = _spread(total)
    return [Broken(asked, pieces, tuple(next(lengths) for _ in pieces[1:])) for asked, pieces in found]


def _spread(total: int) -> Iterator[float]:
    stride = next((step for step in (37, 41, 43, 47) if math.gcd(step, max(1, total)) == 1), 1)
    for number in range(total):
        yield _SHORTEST + (_LONGEST - _SHORTEST) * (number * stride % total) / max(1, total - 1)


def measure(
    name: str,
    turns: Sequence[Broken],
    policy: TurnPolicy,
    stages: Stages,
    begun: Callable[[str], object] = lambda _: None,
) -> Figures:
    """Tell all turns, each in a call of its own. `begun` is given the policy's name before each; what it
    raises ends all."""
    outcomes = []
    for turn in turns:
        begun(name)
        outcomes.append(run_turn(turn, policy, stages))
    return Figures(
        name,
        sum(len(turn.pauses) for turn in turns),
        sum(len(outcome.wrong) for outcome in outcomes),
        tuple(1000 * outcome.latency for outcome in outcomes if outcome.latency is not None),
    )


def policies(configured: TurnPolicy | None = None) -> list[tuple[str, TurnPolicy]]:
    """What is compared: the policy `configured`, where it is not the default; Trunkline's own; the same more
    eager and more patient; plain silence of 200 to 800 ms. Answers are prepared ahead in all."""
    own = [
        ("adaptive", TurnPolicy()),
        ("adaptive, eager", EAGER),
        ("adaptive, patient", PATIENT),
    ]
    plain = [
        (f"silence {ms} ms", TurnPolicy(silence=ms / 1000, adaptive=False)) for ms in (200, 300, 500, 800)
    ]
    yours = [] if configured is None or not configured.changed() else [("as configured", configured)]
    return [*yours, *own, *plain]


async def compare(
    turns: Sequence[Broken],
    stages: Stages,
    configured: TurnPolicy | None = None,
    begun: Callable[[str], object] = lambda _: None,
) -> list[Figures]:
    """All turns under each of the `policies`; `begun` is given the policy's name before each turn, from
    another thread. They are told beside this loop so that it can be cancelled: a call within it would only
    end in good order, and the next begin."""
    stopped = threading.Event()

    def go_on(name: str) -> None:
        if stopped.is_set():
            raise asyncio.CancelledError
        begun(name)

    def measure_all() -> list[Figures]:
        return [measure(name, turns, policy, stages, go_on) for name, policy in policies(configured)]

    with ThreadPoolExecutor(1, thread_name_prefix="pause-trial") as thread:
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, measure_all)
        finally:
            stopped.set()


def run_turn(turn: Broken, policy: TurnPolicy, stages: Stages) -> Outcome:
    """One call in which the caller says this turn."""
    spans = turn.times()
    starts = _Starts()
    hear_turn(turn, policy, stages, starts.add)
    end = spans[-1][1]
    wrong = tuple(
        place
        for place, (before, after) in enumerate(pairwise(spans))
        if any(before[1] <= start < after[0] for start in starts.found)
    )
    after = [start for start in starts.found if start >= end]
    return Outcome(wrong, after[0] - end if after else None)


def hear_turn(turn: Broken, policy: TurnPolicy, stages: Stages, listener: Callable[[Event], None]) -> None:
    """The same call, each of whose events is given to `listener`."""
    run_virtual(lambda clock: _call(clock, turn, policy, stages, listener))


@dataclass(slots=True)
class _Asking:
    """Asks once, and lets the model answer each turn."""

    asked: Answer
    name: str = "pauses"

    def initial(self) -> tuple[Message, ...]:
        return ()

    def step(
        self, state: tuple[Message, ...], happening: Happening
    ) -> tuple[tuple[Message, ...], list[Action]]:
        match happening:
            case CallBegan():
                return state, [Say("Hello there."), Expect(Expectation(self.asked))]
            case CallerSaid(text=text):
                state = (*state, Message("user", text))
                return state, [Generate(Prompt(state)), Expect(Expectation(self.asked))]
            case _:
                return state, []

    def check_sentence(self, state: object, sentence: str) -> tuple[str, str]:
        del state, sentence
        return "", ""


@dataclass(slots=True)
class _Starts:
    """When the agent became audible, seconds from the answer, after its greeting."""

    zero: float = 0.0
    found: list[float] = field(default_factory=list)

    def add(self, event: Event) -> None:
        if isinstance(event, CallAnswered):
            self.zero = event.at
        elif isinstance(event, SpeakingStarted) and event.at - self.zero >= _BEGIN:
            self.found.append(event.at - self.zero)


async def _call(
    clock: VirtualClock,
    turn: Broken,
    policy: TurnPolicy,
    stages: Stages,
    listener: Callable[[Event], None],
) -> None:
    spans = turn.times()
    near, far = MemoryLeg.pair(clock)
    zero = clock.now()
    script = [
        Utterance(
            zero + start,
            tuple((word, zero + start + _WORD_SECONDS * (n + 1)) for n, word in enumerate(piece.split())),
        )
        for piece, (start, _) in zip(turn.pieces, spans, strict=True)
    ]
    engines = Engines(
        [FakeSpeechToText(clock=clock, script=script, delay_ms=stages.stt, partial_ms=stages.partial)],
        FakeLanguageModel(clock=clock, delay_ms=stages.llm, tokens_per_s=stages.tokens_per_s, reply=_REPLY),
        FakeTextToSpeech(clock=clock, delay_ms=stages.tts, rate=_RATE),
    )
    batch = VoiceBatch(clock, inline=True)
    settings = CallSettings(vad="energy", turn=policy)
    call = Call(far, _Asking(turn.asked), engines, settings, clock, batch, listeners=[listener])
    near.start(lambda _: None, lambda at: _tone(at - zero - FRAME_SECONDS, spans))
    ending = asyncio.create_task(_hang_up(clock, near, spans[-1][1] + _AFTERWARDS), name="caller")
    try:
        await call.run()
    finally:
        ending.cancel()
    await near.hang_up()
    await batch.close()


async def _hang_up(clock: VirtualClock, leg: MemoryLeg, after: float) -> None:
    await clock.sleep(after)
    await leg.hang_up("hung up")


def _tone(start: float, spans: Sequence[tuple[float, float]]) -> bytes | None:
    """20 ms of the caller from `start` on: a tone within the pieces."""
    count = round(FRAME_SECONDS * _RATE)
    samples = array("h", bytes(2 * count))
    sounds = False
    for begin, end in spans:
        first, last = max(0, round((begin - start) * _RATE)), min(count, round((end - start) * _RATE))
        for n in range(first, last):
            sounds = True
            samples[n] = int(9000 * math.sin(2 * math.pi * 300 * n / _RATE))
    return samples.tobytes() if sounds else None
