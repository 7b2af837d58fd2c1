"""What is heard while a call of ours rings: early media (RFC 3261 section 13.2.1, a 183 with SDP).

Ringing tones are nobody. Announcements ("the number you have dialled ...") and mailboxes that speak before
they answer are recognised and told as `EarlyWords`: evidence of who takes the call, should it be answered.
They are no caller's turn, and no voice activity is told of them. A recogniser is opened only where more
than the network's tones is heard, and closed at the answer: what is said from then on is heard by the
call's own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from types import TracebackType
from typing import Self

import structlog

from trunkline.audio.frame import Frame
from trunkline.call.engines import Engines
from trunkline.call.listen import Listener
from trunkline.call.settings import CallSettings
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import Clock
from trunkline.errors import EngineError, MediaError
from trunkline.events import (
    CallAnswered,
    CallRinging,
    EarlyWords,
    EngineAsked,
    Event,
    Final,
    HungUp,
    Partial,
    Trouble,
)
from trunkline.legs.leg import Leg, LegEvent
from trunkline.providers.protocols import ListenOptions
from trunkline.turn.call_progress import MoreThanTones

FRAMES_KEPT = 150
"""Three seconds of sound that the recogniser is given when it opens; the oldest goes first."""
EVENTS_KEPT = 256
"""Events that wait for the answer, as many as a leg keeps itself; the oldest goes first."""

logger = structlog.get_logger(__name__)


class EarlyMedia:
    """Of one call: `async with` around the wait for its answer, `events()` after it, `close()` in the end.
    Does nothing where the call is not ours, or nobody asks who answers (`turn.machines = "never"`)."""

    def __init__(
        self,
        leg: Leg,
        engines: Engines,
        settings: CallSettings,
        clock: Clock,
        batch: VoiceBatch,
        emit: Callable[[Event], None],
    ) -> None:
        self._leg = leg
        self._engines = engines
        self._settings = settings
        self._clock = clock
        self._batch = batch
        self._emit = emit
        self._held: deque[LegEvent] = deque(maxlen=EVENTS_KEPT)
        """What happened and is for the call to hear of, once it has begun."""
        self._tasks: list[asyncio.Task[None]] = []
        self._sound: deque[Frame] = deque(maxlen=FRAMES_KEPT)
        self._gate: MoreThanTones | None = None
        self._wanted = asyncio.Event()
        self._listener: Listener | None = None
        self._open = False
        self._engine = engines.stt[0].name if engines.stt else ""
        """Who listens now."""
        self._given = 0.0
        """Seconds of sound that it was given."""
        self._unfinished = ""
        self._farewell: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._leg.info.direction == "outbound" and self._settings.turn.machines != "never":
            self._spawn(self._follow(), "ringing")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await self._ended(self._tasks)
        self._gate = None
        self._open = False
        self._say(self._unfinished)
        self._tell_given()
        if self._listener is not None:
            # A hosted recogniser says goodbye over the network: whoever answered is not to wait for that.
            self._farewell = asyncio.create_task(self._listener.close(), name="early media closes")

    async def close(self) -> None:
        """Leave nothing behind."""
        if self._farewell is not None:
            await self._ended([self._farewell])
        # Each holds what it was begun by.
        self._tasks.clear()
        self._farewell = self._listener = None

    async def events(self) -> AsyncIterator[LegEvent]:
        """The leg's events from the answer on."""
        while self._held:
            yield self._held.popleft()
        async for event in self._leg.events():
            yield event

    # --- while it rings ---------------------------------------------------------------------------

    async def _follow(self) -> None:
        async for event in self._leg.events():
            if not isinstance(event, CallRinging):
                self._held.append(event)
                if isinstance(event, CallAnswered | HungUp):
                    return
                continue
            self._emit(event)
            if event.early_media and self._gate is None and self._engines.stt:
                self._begin()

    def _begin(self) -> None:
        self._gate = MoreThanTones(self._leg.rate)
        self._spawn(self._listen(ListenOptions(self._leg.rate, self._settings.language)), "early media")
        try:
            # The silence that goes out opens whatever stands between us and the other end's sound.
            self._leg.start(self._hear, lambda _: None)
        except MediaError as error:
            # It ended in this instant, or has no sound before its answer: `answer` says what becomes of it.
            logger.info("early media not heard", call_id=self._leg.info.call_id, error=error.for_log())

    def _hear(self, frame: Frame) -> None:
        if self._open and self._listener is not None:
            self._give(self._listener, frame)
        elif self._gate is not None:
            self._sound.append(frame)
            if not self._wanted.is_set() and self._gate.push(frame.pcm):
                self._wanted.set()

    async def _listen(self, options: ListenOptions) -> None:
        await self._wanted.wait()
        self._listener = listener = Listener(self._engines.stt, options, self._clock, self._heard)
        try:
            await listener.open(self._batch, self._settings.vad)
            while self._sound:
                self._give(listener, self._sound.popleft())
            self._open = True
            await listener.run()
        except EngineError as error:
            # Each failure is in the log already. Whoever answers is greeted as without early media.
            self._open = False
            logger.info("early media not understood", call_id=self._leg.info.call_id, error=error.for_log())

    def _heard(self, event: Event) -> None:
        """Of all that the listener tells, the words."""
        match event:
            case Partial():
                self._unfinished = event.text
            case Final():
                self._unfinished = ""
                self._say(event.text)
            case EngineAsked():
                self._tell_given()
                self._engine, self._given = event.engine, event.seconds
            case Trouble():
                self._emit(event)

    def _give(self, listener: Listener, frame: Frame) -> None:
        self._given += len(frame.pcm) / (2 * self._leg.rate)
        listener.hear(frame)

    def _tell_given(self) -> None:
        if self._given:
            self._emit(EngineAsked(self._clock.now(), "early", self._engine, seconds=self._given))
            self._given = 0.0

    def _say(self, text: str) -> None:
        if text.strip():
            self._emit(EarlyWords(self._clock.now(), text.strip()))

    async def _ended(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):  # a fault here is not to cost the call
                logger.error("early media failed", call_id=self._leg.info.call_id, exc_info=outcome)

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        self._tasks.append(
            asyncio.get_running_loop().create_task(work, name=f"{name} {self._leg.info.call_id}")
        )
