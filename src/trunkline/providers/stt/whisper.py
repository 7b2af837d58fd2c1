"""Whisper on this machine, by `faster-whisper`: any model folder or name, streamed by decoding the
growing utterance again and again. A word that two decodings in a row agree on is stable.

The model lives in worker processes, `workers` of them, which calls share.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from trunkline.audio.frame import Frame
from trunkline.audio.resample import RATES, Resampler
from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineDown, EngineError, EngineMissing, EngineRequest, EngineTimeout
from trunkline.events import Expectation, Final, Partial, Word
from trunkline.providers.protocols import Heard, ListenOptions
from trunkline.providers.stt.outbox import Outbox
from trunkline.providers.stt.segmenting import Begin, Segmenter, Sound, Step
from trunkline.providers.stt.worker_process import WorkerProcess
from trunkline.providers.stt.worker_wire import Kind

MODEL_RATE = 16000
MOST_WAITING = 8
"""Utterances of one call that may wait for their last decoding."""
STUCK = 30.0
"""Seconds after which a decoding that has not come back is given up."""
_WHERE = "stt whisper"
_WORKER = "trunkline.providers.stt.whisper_worker"


def agreed(before: list[str], now: list[str]) -> int:
    """How many leading words two decodings share, case and punctuation aside."""
    same = 0
    for one, other in zip(before, now, strict=False):
        if one.strip(".,!?;:").casefold() != other.strip(".,!?;:").casefold():
            break
        same += 1
    return same


class Whisper:
    """`model`: a folder with a model converted for CTranslate2, or a name ("small.en") that was
    fetched before. `device`: "cpu", "cuda" or "auto". `compute_type`: "int8", "float16", … `threads`:
    processors for one decoding, 0 for all. `step_ms`: new sound between two decodings of an utterance.
    """

    name = "whisper"

    def __init__(
        self,
        *,
        clock: Clock,
        model: str = "small.en",
        device: str = "cpu",
        compute_type: str = "int8",
        beam: int = 1,
        threads: int = 0,
        workers: int = 1,
        step_ms: float = 400.0,
    ) -> None:
        if not 1 <= workers <= 64 or not 1 <= beam <= 10 or threads < 0 or step_ms < 50:
            raise ConfigError(
                "workers is 1 to 64, beam 1 to 10, threads 0 or more, step_ms 50 or more", where=_WHERE
            )
        if not model.strip() or model.startswith("-"):
            raise ConfigError(f"{model!r} is no model", where=_WHERE, hint="Write model=FOLDER or a name")
        self._clock = clock
        self._arguments = (model, device, compute_type, str(threads), str(beam))
        self._workers = workers
        self.step = step_ms / 1000
        self._processes: list[WorkerProcess] = []
        self._open: set[WhisperRecognition] = set()
        self._ids = itertools.count(1)

    async def start(self) -> None:
        """Load the model. Raises `EngineMissing` where it or its package is not there."""
        if find_spec("faster_whisper") is None:
            raise EngineMissing(
                "faster-whisper is not installed",
                where=_WHERE,
                hint="Install it: pip install 'trunkline[whisper]'",
            )
        try:
            while len(self._processes) < self._workers:
                self._processes.append(await self._process())
        except EngineError:
            await self.close()
            raise

    async def open(self, options: ListenOptions) -> WhisperRecognition:
        """A recognition that shares the least busy process. One that died is replaced first."""
        if options.rate not in RATES:
            raise EngineRequest(f"it cannot take {options.rate} Hz", where=_WHERE, hint=f"Rates are {RATES}")
        if not self._processes:
            raise EngineDown("it was not started, or was closed", where=_WHERE)
        for place, process in enumerate(self._processes):
            if process.failure is not None:
                await process.kill()
                self._processes[place] = await self._process()
        taken = [each.process for each in self._open]
        process = min(self._processes, key=taken.count)
        recognition = WhisperRecognition(self, process, options, self._clock, self._ids)
        self._open.add(recognition)
        return recognition

    async def close(self) -> None:
        for recognition in tuple(self._open):
            await recognition.close()
        while self._processes:
            await self._processes.pop().kill()

    async def _process(self) -> WorkerProcess:
        process = await WorkerProcess.start(_WORKER, *self._arguments, where=_WHERE)

        def on_message(kind: Kind, body: dict[str, Any]) -> None:
            if kind is Kind.FINAL:
                for recognition in tuple(self._open):
                    recognition.decoded(body)

        def on_death(error: EngineError) -> None:
            for recognition in tuple(self._open):
                if recognition.process is process:
                    recognition.died(error)

        process.attach(on_message, on_death)
        return process

    def forget(self, recognition: WhisperRecognition) -> None:
        """A recognition is over."""
        self._open.discard(recognition)


@dataclass
class _Utterance:
    """One utterance while it is not final. `pcm` at the model's rate."""

    at: float
    own: bool
    pcm: bytearray = field(default_factory=bytearray)
    ended: bool = False
    decoded: int = 0
    """Bytes that the newest decoding was given."""
    words: list[str] = field(default_factory=list)


class WhisperRecognition:
    """One call's recognition. At most one window of it is being decoded at a time."""

    def __init__(
        self,
        engine: Whisper,
        process: WorkerProcess,
        options: ListenOptions,
        clock: Clock,
        ids: itertools.count[int],
    ) -> None:
        self.process = process
        self._engine = engine
        self._options = options
        self._clock = clock
        self._ids = ids
        self._outbox = Outbox()
        self._segmenter = Segmenter()
        self._resampler = Resampler(options.rate, MODEL_RATE)
        self._utterances: deque[_Utterance] = deque()
        self._window: tuple[int, bool] | None = None
        """The id of the window being decoded, and whether it is all of its utterance."""
        self._asked_at = 0.0
        self._keyterms: tuple[str, ...] = ()

    def push(self, frame: Frame) -> None:
        if self._outbox.ended:
            return
        if frame.rate != self._options.rate or len(frame.pcm) % 2:
            self._outbox.complain(EngineRequest(f"a frame is not {self._options.rate} Hz", where=_WHERE))
            return
        self._follow(self._segmenter.push(frame))
        if self._window is not None and self._clock.now() - self._asked_at > STUCK:
            self.process.fail(EngineTimeout(f"no decoding came back for {STUCK:.0f} s", where=_WHERE))

    def speech_started(self, since: float) -> None:
        self._follow(self._segmenter.speech_started(since))

    def speech_stopped(self, until: float) -> None:
        self._follow(self._segmenter.speech_stopped(until))

    def finalise(self) -> None:
        self._follow(self._segmenter.finalise(self._clock.now()))

    def expect(self, expectation: Expectation) -> None:
        self._keyterms = expectation.keyterms

    def __aiter__(self) -> AsyncIterator[Heard]:
        return self._outbox

    async def close(self) -> None:
        self._outbox.close()
        self._utterances.clear()
        self._engine.forget(self)

    def died(self, error: EngineError) -> None:
        """The process died."""
        self._outbox.fail(error)
        self._utterances.clear()

    def decoded(self, body: dict[str, Any]) -> None:
        """A decoding came back; perhaps ours."""
        if self._window is None or body.get("id") != self._window[0] or not self._utterances:
            return
        whole = self._window[1]
        self._window = None
        utterance = self._utterances[0]
        try:
            words = tuple(
                Word(str(text), utterance.at + float(start), utterance.at + float(end), float(trust))
                for text, start, end, trust in body["words"]
            )
        except (KeyError, TypeError, ValueError) as error:
            self.process.fail(EngineDown(f"its worker spoke nonsense ({error!r})", where=_WHERE))
            return
        if whole:
            self._utterances.popleft()
            self._final(utterance, words)
        elif words:
            texts = [word.text for word in words]
            stable = agreed(utterance.words, texts)
            utterance.words = texts
            self._outbox.put(Partial(self._clock.now(), " ".join(texts), words, stable))
        self._decode_next()

    def _final(self, utterance: _Utterance, words: tuple[Word, ...]) -> None:
        if not words and utterance.own and not utterance.words:
            return  # a noise, which nobody had taken for speech
        trust = sum(word.confidence for word in words) / len(words) if words else 0.0
        text = " ".join(word.text for word in words)
        self._outbox.put(Final(self._clock.now(), text, words, trust, rejected=not words))

    def _follow(self, steps: list[Step]) -> None:
        if self._outbox.ended:
            return
        for step in steps:
            match step:
                case Sound(pcm):
                    self._utterances[-1].pcm += self._resampler.push(pcm)
                case Begin(at, own):
                    if len(self._utterances) >= MOST_WAITING:
                        self._drop_oldest_waiting()
                    self._utterances.append(_Utterance(at, own))
                case _:
                    self._utterances[-1].ended = True
        self._decode_next()

    def _drop_oldest_waiting(self) -> None:
        # The first one may be the one that is being decoded.
        del self._utterances[1]
        self._outbox.complain(EngineDown("it cannot keep up; an utterance was dropped", where=_WHERE))

    def _decode_next(self) -> None:
        if self._window is not None or not self._utterances:
            return
        utterance = self._utterances[0]
        new = (len(utterance.pcm) - utterance.decoded) / 2 / MODEL_RATE
        if not utterance.ended and new < self._engine.step:
            return
        utterance.decoded = len(utterance.pcm)
        self._window = (next(self._ids), utterance.ended)
        self._asked_at = self._clock.now()
        keyterms = dict.fromkeys((*self._options.keyterms, *self._keyterms))
        language = self._options.language.split("-")[0].lower()
        hotwords = ", ".join(keyterms)[:500]
        self.process.send(Kind.WINDOW, {"id": self._window[0], "language": language, "hotwords": hotwords})
        self.process.send(Kind.SOUND, bytes(utterance.pcm))
