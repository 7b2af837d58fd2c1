"""The embedded recogniser: pocketsphinx with its own English model, in worker processes.

It is for demonstrations and tests. It understands what the agent's question expects (a grammar made
of the scenario's phrases), tells by the sound when something else was said, and gives a rough guess at
that from its free language model. `docs/engines.md` has the measurements.

Each call has a worker process of its own (decoding holds the GIL, and one decoder hears one caller):
about 190 MB, 100 with `free=false`. They are kept for the next call, up to `workers`.
"""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from trunkline.audio.frame import Frame
from trunkline.audio.resample import RATES
from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineDown, EngineRate, EngineRequest, EngineTimeout
from trunkline.events import Expectation, Final, Partial, Word
from trunkline.providers.protocols import Heard, ListenOptions
from trunkline.providers.stt.outbox import Outbox
from trunkline.providers.stt.segmenting import Begin, Segmenter, Sound, Step
from trunkline.providers.stt.worker_process import WorkerProcess
from trunkline.providers.stt.worker_wire import Kind

MOST_UNFINISHED = 32
"""Messages a worker may have before it; each is at most 60 ms of sound."""
MOST_WAITING = 500
"""Messages that may wait here for a worker that is behind: half a minute of sound."""
BATCH = 0.06
"""Seconds of sound in one message."""
STUCK = 10.0
"""Seconds without a sign of life from a worker that has something to do."""
_WHERE = "stt embedded"
_WORKER = "trunkline.providers.stt.sphinx_worker"
_log = logging.getLogger(__name__)


class PocketSphinx:
    """`workers`: the most processes, and so the most calls at once. `free=false`: grammars alone, no
    language model; what is not expected is then always rejected. `ready`: processes that `start`
    loads at once."""

    name = "embedded"

    def __init__(self, *, clock: Clock, workers: int = 8, free: bool = True, ready: int = 1) -> None:
        if not 1 <= workers <= 256 or not 0 <= ready <= workers:
            raise ConfigError("workers is 1 to 256, and ready at most as many", where=_WHERE)
        self._clock = clock
        self._most = workers
        self._free = free
        self._ready = ready
        self._idle: list[WorkerProcess] = []
        self._open: set[SphinxRecognition] = set()
        self._starting = 0
        self._closed = False
        self._ids = itertools.count(1)

    async def start(self) -> None:
        """Load the first processes, which also proves that it works here."""
        self._closed = False
        while len(self._idle) < self._ready:
            self._keep(await self._process())

    async def open(self, options: ListenOptions) -> SphinxRecognition:
        """A recognition with a worker process of its own. Raises `EngineRate` where all are taken."""
        if options.rate not in RATES:
            raise EngineRequest(f"it cannot take {options.rate} Hz", where=_WHERE, hint=f"Rates are {RATES}")
        if options.language.split("-")[0].lower() != "en":
            raise EngineRequest(
                f"it knows no {options.language!r}", where=_WHERE, hint="It knows English only"
            )
        process = await self._process()
        if self._closed:
            await process.kill()
            raise EngineDown("the engine was closed", where=_WHERE)
        recognition = SphinxRecognition(self, process, options, self._clock, self._ids)
        self._open.add(recognition)
        return recognition

    async def close(self) -> None:
        self._closed = True
        for recognition in tuple(self._open):
            await recognition.close()
        while self._idle:
            await self._idle.pop().kill()

    async def _process(self) -> WorkerProcess:
        while self._idle:
            process = self._idle.pop()
            if process.failure is None:
                return process
            await process.kill()
        if len(self._open) + self._starting >= self._most:
            raise EngineRate(
                f"all {self._most} of its workers have a call",
                where=_WHERE,
                hint="Set workers= higher where there are processors and memory for it",
            )
        self._starting += 1
        try:
            arguments = () if self._free else ("--grammar-only",)
            return await WorkerProcess.start(_WORKER, *arguments, where=_WHERE)
        finally:
            self._starting -= 1

    def _keep(self, process: WorkerProcess) -> None:
        self._idle.append(process)

    async def give_back(self, recognition: SphinxRecognition, process: WorkerProcess) -> None:
        """A recognition is over. Its process is kept, unless it is dead or has work before it."""
        self._open.discard(recognition)
        process.detach()
        if self._closed or process.failure is not None or process.unfinished > 4:
            await process.kill()
        else:
            self._keep(process)


class SphinxRecognition:
    """One call's recognition. Cuts the frames into utterances and passes them to its process."""

    def __init__(
        self,
        engine: PocketSphinx,
        process: WorkerProcess,
        options: ListenOptions,
        clock: Clock,
        ids: itertools.count[int],
    ) -> None:
        self._engine = engine
        self._process: WorkerProcess | None = process
        self._options = options
        self._clock = clock
        self._ids = ids
        self._outbox = Outbox()
        self._segmenter = Segmenter()
        self._waiting: deque[tuple[Kind, bytes | dict[str, Any]]] = deque()
        self._sound = bytearray()
        self._running: dict[int, bool] = {}
        """The utterances whose Final has not come yet; True: nothing need come of it."""
        self._alive_at = clock.now()
        process.attach(self._on_message, self._outbox.fail)
        self._send(Kind.NEW_CALL, {"rate": options.rate})
        if options.keyterms:
            self.expect(Expectation())

    @property
    def pid(self) -> int:
        """The process that does the work; 0 once it is given back."""
        return self._process.pid if self._process is not None else 0

    def push(self, frame: Frame) -> None:
        if self._process is None or self._outbox.ended:
            return
        if frame.rate != self._options.rate or len(frame.pcm) % 2:
            self._outbox.complain(EngineRequest(f"a frame is not {self._options.rate} Hz", where=_WHERE))
            return
        self._follow(self._segmenter.push(frame))
        self._look_after()

    def speech_started(self, since: float) -> None:
        self._follow(self._segmenter.speech_started(since))

    def speech_stopped(self, until: float) -> None:
        self._follow(self._segmenter.speech_stopped(until))

    def finalise(self) -> None:
        self._follow(self._segmenter.finalise(self._clock.now()))

    def expect(self, expectation: Expectation) -> None:
        self._flush()
        keyterms = dict.fromkeys((*expectation.keyterms, *self._options.keyterms))
        body = {"kind": expectation.kind.value, "phrases": expectation.phrases, "keyterms": list(keyterms)}
        self._send(Kind.EXPECT, body)

    def __aiter__(self) -> AsyncIterator[Heard]:
        return self._outbox

    async def close(self) -> None:
        self._outbox.close()
        self._waiting.clear()
        process, self._process = self._process, None
        if process is not None:
            await self._engine.give_back(self, process)

    def _follow(self, steps: list[Step]) -> None:
        for step in steps:
            match step:
                case Sound(pcm):
                    self._sound += pcm
                    if len(self._sound) >= 2 * self._options.rate * BATCH:
                        self._flush()
                case Begin(at, own):
                    utterance = next(self._ids)
                    self._running[utterance] = own
                    self._send(Kind.BEGIN, {"id": utterance, "at": at})
                case _:
                    self._flush()
                    self._send(Kind.END, {})

    def _flush(self) -> None:
        if self._sound:
            self._send(Kind.SOUND, bytes(self._sound))
            self._sound.clear()

    def _send(self, kind: Kind, body: bytes | dict[str, Any]) -> None:
        if self._process is None or self._outbox.ended:
            return
        self._waiting.append((kind, body))
        if len(self._waiting) > MOST_WAITING:
            oldest = next((each for each in self._waiting if each[0] is Kind.SOUND), self._waiting[0])
            self._waiting.remove(oldest)
            self._outbox.complain(EngineDown("it cannot keep up; the oldest sound was dropped", where=_WHERE))
        self._pass_on()

    def _pass_on(self) -> None:
        if self._process is None:
            return
        if self._process.unfinished == 0:
            self._alive_at = self._clock.now()
        while self._waiting and self._process.unfinished < MOST_UNFINISHED:
            self._process.send(*self._waiting.popleft())

    def _look_after(self) -> None:
        if self._process is None or self._process.unfinished == 0:
            return
        if self._clock.now() - self._alive_at > STUCK:
            stuck = EngineTimeout(f"its worker process did nothing for {STUCK:.0f} s", where=_WHERE)
            self._process.fail(stuck)

    def _on_message(self, kind: Kind, body: dict[str, Any]) -> None:
        self._alive_at = self._clock.now()
        if kind is Kind.DONE:
            self._pass_on()
        elif kind is Kind.LOG:
            _log.info("%s: %s", _WHERE, body.get("text"))
        elif kind in (Kind.PARTIAL, Kind.FINAL):
            try:
                self._heard(kind, body)
            except (KeyError, TypeError, ValueError) as error:
                assert self._process is not None
                self._process.fail(EngineDown(f"its worker spoke nonsense ({error!r})", where=_WHERE))

    def _heard(self, kind: Kind, body: dict[str, Any]) -> None:
        utterance = int(body["id"])
        if utterance not in self._running:
            return  # of the call that had this process before
        now = self._clock.now()
        text = str(body["text"])
        words = tuple(
            Word(str(word), float(start), float(end), float(trust))
            for word, start, end, trust in body["words"]
        )
        if kind is Kind.PARTIAL:
            self._running[utterance] = False  # what was begun needs its end
            self._outbox.put(Partial(now, text, words, int(body["stable"])))
            return
        nothing_needed = self._running.pop(utterance)
        rejected = bool(body["rejected"])
        if not (rejected and nothing_needed):
            self._outbox.put(Final(now, text, words, float(body["confidence"]), rejected=rejected))
