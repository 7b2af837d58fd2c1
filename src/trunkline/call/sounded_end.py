"""How each pause sounded, for all calls of the process: one worker thread asks the acoustic model.

A call opens an `Ear` and pushes every frame; it keeps the last 8 s. When voice activity says that speech has
stopped, the sound goes to the worker, once; its answer comes back as `SoundedEnd` on the loop. At most
`MOST_WAITING` pauses wait: more are not judged at all, since an answer that comes late is worth nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from trunkline.audio.frame import FRAME_SECONDS, Frame
from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineDown, TrunklineError
from trunkline.events import SoundedEnd
from trunkline.turn.smart_turn import SmartTurn, installed_model
from trunkline.turn.whisper_features import SECONDS

MOST_WAITING = 4
"""Pauses of all calls: with 55 ms each, the last one still learns of its end before plain silence is over."""
_LEAST_SPEECH = 0.2
"""Seconds of speech without which there is nothing to judge."""


class Judge(Protocol):
    """What says how likely the speaker has finished. Runs in the worker thread."""

    def probability(self, pcm: bytes, rate: int) -> float: ...


class SoundedEnds:
    """One for the process. `close` leaves no thread."""

    def __init__(
        self,
        load: Callable[[], Judge],
        clock: Clock,
        on_trouble: Callable[[TrunklineError], None] = lambda _: None,
        *,
        inline: bool = False,
    ) -> None:
        """`load` makes the judge, in the worker thread. `inline`: on the loop itself, for virtual time."""
        self._load = load
        self.clock = clock
        self._on_trouble = on_trouble
        self._judge: Judge | None = None
        self._executor = None if inline else ThreadPoolExecutor(1, thread_name_prefix="end-of-turn")
        self._waiting: set[asyncio.Future[float]] = set()
        self._failed = False

    async def start(self) -> None:
        """Load the model. Raises its `EngineMissing`."""
        if self._executor is None:
            self._judge = self._load()
        else:
            self._judge = await asyncio.get_running_loop().run_in_executor(self._executor, self._load)

    def ear(self, rate: int, emit: Callable[[SoundedEnd], None]) -> Ear:
        """One for a call whose frames have `rate` samples a second."""
        return Ear(self, rate, emit)

    def ask(self, pcm: bytes, rate: int, tell: Callable[[float], None]) -> None:
        """Judge this sound, or do not: `tell` is called on the loop, perhaps never. For `Ear` alone."""
        judge = self._judge
        if judge is None or self._failed or len(self._waiting) >= MOST_WAITING:
            return
        if self._executor is None:
            tell(judge.probability(pcm, rate))
            return
        asked = asyncio.get_running_loop().run_in_executor(self._executor, judge.probability, pcm, rate)
        self._waiting.add(asked)
        asked.add_done_callback(lambda done: self._answered(done, tell))

    def _answered(self, done: asyncio.Future[float], tell: Callable[[float], None]) -> None:
        self._waiting.discard(done)
        if done.cancelled() or self._judge is None:
            return
        error = done.exception()
        if error is None:
            tell(done.result())
        elif isinstance(error, EngineDown):
            self._failed = True  # the words decide alone from here on
            self._on_trouble(error)
        else:
            raise error

    async def close(self) -> None:
        """No answer comes after this; may be called more than once."""
        self._judge = None
        if self._waiting:
            await asyncio.wait(self._waiting)
        if self._executor is not None:
            self._executor.shutdown(wait=True)


class Ear:
    """The last 8 s of one call, and the question at each pause."""

    def __init__(self, ends: SoundedEnds, rate: int, emit: Callable[[SoundedEnd], None]) -> None:
        self._ends = ends
        self._rate = rate
        self._emit = emit
        self._frames: deque[bytes] = deque(maxlen=round(SECONDS / FRAME_SECONDS))
        self._closed = False

    def push(self, frame: Frame) -> None:
        """20 ms of the caller."""
        self._frames.append(frame.pcm)

    def paused(self, since: float, until: float) -> None:
        """Speech that began at `since` was last heard at `until`."""
        if until - since >= _LEAST_SPEECH:
            self._ends.ask(b"".join(self._frames), self._rate, lambda answer: self._tell(until, answer))

    def _tell(self, until: float, probability: float) -> None:
        if not self._closed:
            self._emit(SoundedEnd(self._ends.clock.now(), round(probability, 3), until))

    def close(self) -> None:
        self._closed = True
        self._frames.clear()


def ends_for(setting: str, clock: Clock, on_trouble: Callable[[TrunklineError], None]) -> SoundedEnds | None:
    """As `[call] smart_turn` says: "auto" (where the package is installed), "off", or a file. Raises
    `ConfigError` for a file that is not there."""
    if setting == "off":
        return None
    if setting == "auto":
        return SoundedEnds(SmartTurn, clock, on_trouble) if installed_model() is not None else None
    path = Path(setting).expanduser()
    if not path.is_file():
        raise ConfigError(
            f"{setting!r} is no file", where="call.smart_turn", hint='Write "auto", "off", or an ONNX file'
        )
    return SoundedEnds(lambda: SmartTurn(path), clock, on_trouble)
