"""Recognisers that stream on this machine, their models in worker processes that calls share.

Each call has a stream in one of the processes. Sound goes there in pieces of a tenth of a second; words come
back with the second of the stream at which they were said.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from importlib.util import find_spec
from typing import Any

from trunkline.audio.frame import Frame
from trunkline.audio.resample import RATES
from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineDown, EngineError, EngineMissing, EngineRequest, EngineTimeout
from trunkline.events import Expectation, Word
from trunkline.providers.protocols import Heard, ListenOptions
from trunkline.providers.stt.hearing import final, keyterms_of, partial, seconds, trust
from trunkline.providers.stt.outbox import Outbox
from trunkline.providers.stt.timeline import Timeline
from trunkline.providers.stt.worker_process import WorkerProcess
from trunkline.providers.stt.worker_wire import Kind

_PIECE = 0.1
"""Seconds of sound in a message."""
_MOST_UNFINISHED = 200
"""Messages that a process may have before it: ten seconds of one call's sound, two messages a piece."""
_STUCK = 20.0
"""Seconds after which a process that has worked nothing off is given up."""


class LocalStreams:
    """`package`: what has to be installed, by our extra of the same name as the engine. `workers`: processes,
    each with the model."""

    def __init__(
        self, clock: Clock, name: str, package: str, worker: str, arguments: tuple[str, ...], workers: int
    ) -> None:
        if not 1 <= workers <= 64:
            raise ConfigError("workers is 1 to 64", where=f"stt {name}")
        self.name = name
        self.where = f"stt {name}"
        self._clock = clock
        self._package = package
        self._worker = worker
        self._arguments = arguments
        self._workers = workers
        self._processes: list[WorkerProcess] = []
        self._open: dict[int, LocalRecognition] = {}
        self._ids = itertools.count(1)

    async def start(self) -> None:
        """Load the model. Raises `EngineMissing` where it or its package is not there."""
        if find_spec(self._package) is None:
            raise EngineMissing(
                f"{self._package} is not installed",
                where=self.where,
                hint=f"Install it: pip install 'trunkline[{self.name}]'",
            )
        try:
            while len(self._processes) < self._workers:
                self._processes.append(await self._process())
        except EngineError:
            await self.close()
            raise

    async def open(self, options: ListenOptions) -> LocalRecognition:
        """A stream in the least busy process. One that died is replaced first."""
        if options.rate not in RATES:
            raise EngineRequest(
                f"it cannot take {options.rate} Hz", where=self.where, hint=f"Rates are {RATES}"
            )
        if not self._processes:
            raise EngineDown("it was not started, or was closed", where=self.where)
        for place, process in enumerate(self._processes):
            if process.failure is not None:
                await process.kill()
                self._processes[place] = await self._process()
        taken = [each.process for each in self._open.values()]
        process = min(self._processes, key=taken.count)
        recognition = LocalRecognition(self, process, options, self._clock, next(self._ids))
        self._open[recognition.id] = recognition
        return recognition

    async def close(self) -> None:
        for recognition in tuple(self._open.values()):
            await recognition.close()
        while self._processes:
            await self._processes.pop().kill()

    async def _process(self) -> WorkerProcess:
        process = await WorkerProcess.start(self._worker, *self._arguments, where=self.where)

        def on_message(kind: Kind, body: dict[str, Any]) -> None:
            recognition = self._open.get(body.get("id", 0))
            if kind is Kind.DONE:
                for each in tuple(self._open.values()):
                    each.worked_off(process)
            elif recognition is not None and recognition.process is process:
                recognition.told(kind, body)

        def on_death(error: EngineError) -> None:
            for recognition in tuple(self._open.values()):
                if recognition.process is process:
                    recognition.died(error)

        process.attach(on_message, on_death)
        return process

    def forget(self, recognition: LocalRecognition) -> None:
        """A recognition is over."""
        self._open.pop(recognition.id, None)


class LocalRecognition:
    """One call's stream. `speech_stopped` and `finalise` ask for a `Final`."""

    def __init__(
        self, engine: LocalStreams, process: WorkerProcess, options: ListenOptions, clock: Clock, number: int
    ) -> None:
        self.id = number
        self.process = process
        self._engine = engine
        self._options = options
        self._clock = clock
        self._outbox = Outbox()
        self._timeline = Timeline()
        self._piece = bytearray()
        self._at = 0.0
        self._unfinished = False
        """There is sound that no `FINISH` has followed."""
        self._progress = clock.now()
        """When the process last worked something off."""
        keyterms = list(keyterms_of(options.keyterms))
        process.send(Kind.OPEN, {"id": number, "rate": options.rate, "keyterms": keyterms})

    def push(self, frame: Frame) -> None:
        if self._outbox.ended:
            return
        if frame.rate != self._options.rate or len(frame.pcm) % 2:
            error = EngineRequest(f"a frame is not {self._options.rate} Hz", where=self._engine.where)
            self._outbox.complain(error)
            return
        if self.process.unfinished > _MOST_UNFINISHED:
            self._behind()
            return
        self._piece += frame.pcm
        self._at = frame.at
        if len(self._piece) / 2 / self._options.rate >= _PIECE:
            self._send()

    def _behind(self) -> None:
        if self._clock.now() - self._progress > _STUCK:
            self.process.fail(EngineTimeout(f"nothing came for {_STUCK:g} s", where=self._engine.where))
        else:
            self._outbox.complain(
                EngineDown("it cannot keep up; sound was dropped", where=self._engine.where)
            )

    def _send(self) -> None:
        if self._piece:
            self._timeline.sent(len(self._piece) / 2 / self._options.rate, self._at)
            self._unfinished = True
            self.process.send(Kind.HEAR, {"id": self.id})
            self.process.send(Kind.SOUND, bytes(self._piece))
            self._piece.clear()

    def speech_started(self, since: float) -> None:
        """It hears for itself."""

    def speech_stopped(self, until: float) -> None:  # noqa: ARG002 - all sound up to now belongs to it
        self.finalise()

    def finalise(self) -> None:
        if self._outbox.ended:
            return
        self._send()
        if self._unfinished and self.process.unfinished <= _MOST_UNFINISHED:
            self._unfinished = False
            self.process.send(Kind.FINISH, {"id": self.id})

    def expect(self, expectation: Expectation) -> None:
        """Its models take no words while they run."""

    def __aiter__(self) -> AsyncIterator[Heard]:
        return self._outbox

    async def close(self) -> None:
        if self.id in self._engine._open:
            self._engine.forget(self)
            self.process.send(Kind.CLOSE, {"id": self.id})
        self._outbox.close()

    def died(self, error: EngineError) -> None:
        """The process died."""
        self._outbox.fail(error)

    def worked_off(self, process: WorkerProcess) -> None:
        """The process has done something, for one call or another."""
        if process is self.process:
            self._progress = self._clock.now()

    def told(self, kind: Kind, body: dict[str, Any]) -> None:
        """Words came back."""
        now = self._clock.now()
        try:
            words = [
                Word(str(text), self._time(start, now), self._time(end, now), trust(sure))
                for text, start, end, sure in body["words"]
            ]
        except (KeyError, TypeError, ValueError) as error:
            self.process.fail(EngineDown(f"its worker spoke nonsense ({error!r})", where=self._engine.where))
            return
        if kind is Kind.FINAL:
            sure = sum(word.confidence for word in words) / len(words) if words else 1.0
            self._outbox.put(final(now, words, sure))
        elif words:
            self._outbox.put(partial(now, words))

    def _time(self, second: object, now: float) -> float:
        return min(now, self._timeline.at(seconds(second)))
