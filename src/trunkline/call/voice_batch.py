"""Voice activity for all calls of the process: one network run serves the windows of many.

A call opens a `Track` and pushes every frame. The gate decides at once, on the loop. Where it fires,
32 ms windows go to the network: those of all calls that come within `GATHER` run as one batch, in a
worker thread (`inline`: on the loop itself, for virtual time). Each track holds at most
`MOST_WINDOWS`; when they are full the oldest is dropped, and the gate decides meanwhile. Where the
network fails, it is told once (`on_trouble`), and the gate goes on alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import numpy as np

from trunkline.audio.frame import Frame
from trunkline.call.echo_guard import EchoGuard
from trunkline.clock import Clock
from trunkline.errors import ConfigError, TrunklineError
from trunkline.turn.activity import Vad, VoiceActivity, VoiceEvent
from trunkline.turn.gate import GATE_RATES, Gate
from trunkline.turn.loudness import loudness
from trunkline.turn.silero import WINDOW, Silero, SileroStream
from trunkline.turn.voicing import Voicing

GATHER = 0.008
"""How long windows of other calls are waited for, seconds: the gate has decided already."""
MOST_WINDOWS = 12
_PREROLL_FRAMES = 4
_HUSH = 30
"""Below this level (root mean square of 32,768) not even the gate is asked."""
_SHUT = (False, False)
_BASE_RATE = 8000

OnSpeech = Callable[[VoiceEvent], None]
_Job = tuple["Track", float, float, bytes]


class Track:
    """One call's voice activity. Made by `VoiceBatch.open`."""

    def __init__(
        self,
        batch: VoiceBatch,
        rate: int,
        on_event: OnSpeech,
        vad: Vad,
    ) -> None:
        self._batch = batch
        self._on_event = on_event
        self._given_rate = rate
        self.rate = rate if rate in GATE_RATES else _BASE_RATE
        self._activity = VoiceActivity(vad)
        self._gate = Gate(self.rate)
        self._voicing = Voicing(self.rate)
        self._was_voicing = False
        self._recent: deque[bytes] = deque(maxlen=_PREROLL_FRAMES)
        self._fill = bytearray()
        self._filling = False
        self._closed = False
        # Tones and synthetic callers are alike by their making: only voices are compared.
        self._guard = EchoGuard(self.rate) if vad != "energy" else None
        self.stream = SileroStream(self.rate)
        self.windows: deque[_Job] = deque()

    def push(self, frame: Frame) -> None:
        """Take the next frame, 20 ms of the caller at the track's rate. Events come from within."""
        if self._closed:
            return
        pcm, at = frame.pcm, frame.at
        if self._given_rate != self.rate:
            pcm = _narrowed(pcm, self._given_rate // self.rate)
        activity = self._activity
        levels = loudness(pcm, self.rate)
        if not levels:
            return
        loudest = max(levels)
        hushed = loudest < _HUSH and not activity.speaking
        own = False
        if self._guard is not None and self._guard.listening:
            own = self._guard.echoes(pcm, sounds=loudest >= max(_HUSH, 2 * activity.quiet))
            hushed = hushed or own or activity.faint(levels)
        if own:
            # A voice that begins over an echo is dated to itself, not back through the echo.
            levels = tuple(min(level, activity.quiet) for level in levels)
        gate = _SHUT if hushed else self._gate.opens(pcm)
        sound = None
        if activity.wants_voicing(at):
            if not self._was_voicing:
                self._voicing.reset()
            sound = self._voicing.look(pcm)
        self._was_voicing = sound is not None
        for event in activity.frame(at, levels, gate, sound, frame.concealed):
            self._on_event(event)
        if own:
            # The network would call it what it is: speech.
            self._filling = False
            self._recent.clear()
            self.windows.clear()
        else:
            self._follow(pcm, at)

    def played(self, pcm: bytes | None) -> None:
        """20 ms of the agent left (None: silence), at the rate the track was opened with. What of it comes
        back is no speech of the caller's."""
        if self._guard is None:
            return
        if pcm is not None and self._given_rate != self.rate:
            pcm = _narrowed(pcm, self._given_rate // self.rate)
        self._guard.played(pcm)

    def close(self) -> None:
        """No event comes after this."""
        self._closed = True
        self.windows.clear()

    def answer(self, at: float, job: _Job, probability: float) -> None:
        """The network's answer for one window, on the loop."""
        if not self._closed:
            self._tell(self._activity.window(at, job[1], job[2], probability))

    def _tell(self, events: list[VoiceEvent]) -> None:
        for event in events:
            self._on_event(event)

    def _follow(self, pcm: bytes, at: float) -> None:
        """Cut windows for the network while it is wanted, beginning a little before the gate fired."""
        if not self._batch.alive or not self._activity.wants_network(at):
            self._filling = False
            self._recent.append(pcm)
            return
        if not self._filling:
            self._filling = True
            self._fill = bytearray(b"".join(self._recent))
            self._recent.clear()
            # What the network remembers is of another time.
            self.stream = SileroStream(self.rate)
            self.windows.clear()
        self._fill += pcm
        size = WINDOW[self.rate] * 2
        while len(self._fill) >= size:
            window = bytes(self._fill[:size])
            del self._fill[:size]
            end = at - len(self._fill) / (2 * self.rate)
            if len(self.windows) >= MOST_WINDOWS:
                self.windows.popleft()
            self.windows.append((self, end - WINDOW[self.rate] / self.rate, end, window))
        if self.windows:
            self._batch.submit(self)


class VoiceBatch:
    """One for the process. `close` leaves no thread and no timer."""

    def __init__(
        self,
        clock: Clock,
        *,
        inline: bool = False,
        on_trouble: Callable[[TrunklineError], None] | None = None,
    ) -> None:
        self._clock = clock
        self._inline = inline
        self._on_trouble = on_trouble
        self._model: Silero | None = None
        self._waiting: dict[Track, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._running: asyncio.Future[list[float]] | None = None
        self._loading: asyncio.Future[Silero] | None = None
        self._executor: ThreadPoolExecutor | None = None
        self.alive = True
        """Whether the network can be asked."""

    async def start(self) -> None:
        """Load the network now, in its thread, rather than when the first call opens. Not needed, but
        importing its library holds the interpreter for moments that no call should feel."""
        if self._model is None and self.alive:
            await asyncio.wait([self._loading or self._load()])

    def open(
        self,
        rate: int,
        on_event: OnSpeech,
        vad: str = "silero",
    ) -> Track:
        """A track for a call whose frames have `rate` samples a second (8000, 16000, or another
        multiple of 8000 up to 48000). `on_event` is called on the loop, from within `push` or
        when the network answers. Raises `ConfigError` for an unknown `vad` or rate."""
        if rate % _BASE_RATE or not _BASE_RATE <= rate <= 48000:
            raise ConfigError(f"voice activity cannot work at {rate} samples a second", where="vad")
        for known in get_args(Vad):
            if vad == known:
                if known == "silero" and not self._inline and self._model is None and self._loading is None:
                    self._load()
                return Track(self, rate, on_event, known)
        raise ConfigError(
            f"no voice activity detector is called {vad!r}", where="vad", hint="Use silero, gate or energy"
        )

    def _load(self) -> asyncio.Future[Silero]:
        self._loading = asyncio.get_running_loop().run_in_executor(self._thread(), Silero)
        self._loading.add_done_callback(self._loaded)
        return self._loading

    def _loaded(self, done: asyncio.Future[Silero]) -> None:
        if done.cancelled():
            return
        error = done.exception()
        if isinstance(error, TrunklineError):
            self._fail(error)
        elif error is not None:
            raise error
        else:
            self._model = done.result()
            if self._waiting:
                self._schedule(0.0)

    def _thread(self) -> ThreadPoolExecutor:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="voice-activity")
        return self._executor

    def submit(self, track: Track) -> None:
        """The track has windows. For `Track` alone."""
        self._waiting[track] = None
        self._schedule(GATHER)

    async def close(self) -> None:
        """Stop; may be called more than once. Tracks that are still open go on with the gate alone."""
        self.alive = False
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if under_way := [future for future in (self._loading, self._running) if future is not None]:
            await asyncio.wait(under_way)
        self._running = None
        if self._executor is not None:
            self._executor.shutdown(wait=True)
            self._executor = None

    def _schedule(self, after: float) -> None:
        loading = self._loading is not None and not self._loading.done()
        if self._timer is None and self._running is None and self.alive and not loading:
            self._timer = self._clock.call_at(self._clock.now() + after, self._flush)

    def _flush(self) -> None:
        """Run the first waiting window of each track; those of one rate make one batch."""
        self._timer = None
        jobs: list[_Job] = []
        rate = next(iter(self._waiting)).rate if self._waiting else 0
        for track in list(self._waiting):
            if track.windows and track.rate != rate:
                continue
            del self._waiting[track]
            if track.windows:
                jobs.append(track.windows.popleft())
            if track.windows:
                self._waiting[track] = None
        if not jobs:
            if self._waiting:
                self._schedule(0.0)
            return
        streams = [job[0].stream for job in jobs]
        windows = [job[3] for job in jobs]
        if self._inline:
            try:
                answers = self._run(streams, windows)
            except TrunklineError as error:
                self._fail(error)
                return
            self._deliver(jobs, answers)
            return
        self._running = asyncio.get_running_loop().run_in_executor(
            self._thread(), self._run, streams, windows
        )
        self._running.add_done_callback(lambda done: self._finished(jobs, done))

    def _run(self, streams: list[SileroStream], windows: list[bytes]) -> list[float]:
        """In the worker thread, which alone touches the model and the streams' memory."""
        if self._model is None:
            self._model = Silero()
        return self._model.run(streams, windows)

    def _finished(self, jobs: list[_Job], done: asyncio.Future[list[float]]) -> None:
        self._running = None
        if done.cancelled() or not self.alive:
            return
        error = done.exception()
        if isinstance(error, TrunklineError):
            self._fail(error)
        elif error is not None:
            raise error
        else:
            self._deliver(jobs, done.result())

    def _deliver(self, jobs: list[_Job], answers: list[float]) -> None:
        now = self._clock.now()
        for job, probability in zip(jobs, answers, strict=True):
            job[0].answer(now, job, probability)
        if self._waiting:
            self._schedule(0.0)

    def _fail(self, error: TrunklineError) -> None:
        """The gate goes on alone, for all calls."""
        self.alive = False
        self._waiting.clear()
        if self._on_trouble is not None:
            self._on_trouble(error)


def _narrowed(pcm: bytes, factor: int) -> bytes:
    """The mean of each `factor` samples: coarse, and enough to tell speech."""
    samples = np.frombuffer(pcm, dtype="<i2")
    whole = samples[: len(samples) // factor * factor].reshape(-1, factor)
    return bytes(whole.mean(axis=1).astype("<i2"))
