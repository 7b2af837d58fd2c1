"""Several recognisers as one: the next one goes on where one fails, and hears again what was not final yet.

What the caller said since the last final words is kept, `KEPT` seconds at most, and given to whoever listens
next, so that a call loses none of it; what was final is not heard a second time. An engine whose connection
merely broke is tried again once before the next one is. One that says nothing after a second and more of
speech is left for the next, where there is one.

Each engine has a circuit breaker that all calls share, and every failure is told, with its reason, to
whoever listens: `reporting_to`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace

from trunkline.audio.frame import Frame
from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineError, EngineTimeout, Verdict
from trunkline.events import Expectation, Final
from trunkline.providers.failover import Asked, EngineRow, Guarded, Tell, nobody, row_of, uncounted
from trunkline.providers.protocols import Heard, ListenOptions, Recognition, SpeechToText

KEPT = 8.0
"""Seconds of sound that are given to the next engine; engines drop what waits longer than ten."""
MOST_FAILURES = 4
"""So many in a row, with no final words between them, and the call gives up."""
RETRY_AFTER = 0.5
"""Seconds before every engine is tried once more; half a second more each time."""
_SPEECH = 1.0
"""Seconds of speech that any recogniser has something to say about."""
_REACH = 0.3
"""A final without words reaches to this long before it was given, seconds."""


class FailoverSpeechToText:
    """`patience`: seconds after speech in which an engine that is not the last must have said something."""

    def __init__(
        self,
        engines: Sequence[SpeechToText],
        clock: Clock,
        *,
        patience: float = 3.0,
        tell: Tell = nobody,
        started: bool = False,
        _shared: EngineRow[SpeechToText] | None = None,
    ) -> None:
        self._row = _shared or row_of(engines, clock, patience, tell)
        self.name = self._row.engines[0].engine.name
        if started:
            self._row.started.extend(self._row.engines)

    def reporting_to(self, tell: Tell, asked: Asked = uncounted) -> FailoverSpeechToText:
        """The same engines and breakers for one call, which is told what failed, and who listens where that
        is not the first engine from the call's beginning."""
        return FailoverSpeechToText((), self._row.clock, _shared=replace(self._row, tell=tell, asked=asked))

    async def start(self) -> None:
        await self._row.start()

    async def close(self) -> None:
        await self._row.close()

    async def open(self, options: ListenOptions) -> FailoverRecognition:
        """The first engine that opens listens. Raises the last `EngineError` where none does."""
        recognition = FailoverRecognition(self._row, options)
        await recognition.open_first()
        return recognition


def recognisers_reporting_to(
    engines: Sequence[SpeechToText], clock: Clock, tell: Tell, asked: Asked = uncounted
) -> FailoverSpeechToText:
    """Started engines as one call uses them; a list keeps the breakers that all calls share."""
    if len(engines) == 1 and isinstance(engines[0], FailoverSpeechToText):
        return engines[0].reporting_to(tell, asked)
    return FailoverSpeechToText(engines, clock, started=True).reporting_to(tell, asked)


class FailoverRecognition:
    """One call's recognition, whichever engine listens."""

    def __init__(self, row: EngineRow[SpeechToText], options: ListenOptions) -> None:
        self._row = row
        self._clock = row.clock
        self._options = options
        self._guarded: Guarded[SpeechToText] | None = None
        self._current: Recognition | None = None
        self._kept: deque[Frame] = deque()
        """What no final words have covered yet."""
        self._speaking: float | None = None
        self._paused: float | None = None
        """When speech paused, while no final words have covered it."""
        self._turn_over = False
        self._expectation: Expectation | None = None
        self._answered = False
        """Something was heard since speech began."""
        self._failures = 0
        self._limit: asyncio.Timeout | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    # --- what a call does with it -----------------------------------------------------------------

    def push(self, frame: Frame) -> None:
        if self._closed:
            return
        self._kept.append(frame)
        while self._kept and self._kept[0].at < frame.at - KEPT:
            self._kept.popleft()
        if self._current is not None:
            self._current.push(frame)

    def speech_started(self, since: float) -> None:
        self._stop_timer()
        self._speaking, self._paused, self._turn_over, self._answered = since, None, False, False
        if self._current is not None:
            self._current.speech_started(since)

    def speech_stopped(self, until: float) -> None:
        began, self._speaking = self._speaking, None
        self._paused = until
        if began is not None and until - began >= _SPEECH and not self._answered and not self._closed:
            self._stop_timer()
            self._timer = self._clock.call_at(self._clock.now() + self._row.patience, self._lose_patience)
        if self._current is not None:
            self._current.speech_stopped(until)

    def expect(self, expectation: Expectation) -> None:
        self._expectation = expectation
        if self._current is not None:
            self._current.expect(expectation)

    def finalise(self) -> None:
        self._turn_over = True
        if self._current is not None:
            self._current.finalise()

    def __aiter__(self) -> AsyncIterator[Heard]:
        return self._listen()

    async def close(self) -> None:
        self._closed = True
        self._stop_timer()
        self._kept.clear()
        if self._guarded is not None:
            self._guarded.breaker.let_go()  # a trial that nobody spoke in tells nothing
        current, self._current = self._current, None
        if current is not None:
            await current.close()

    # --- who listens ------------------------------------------------------------------------------

    async def open_first(self) -> None:
        await self._row.open_first(self._open, EngineDown("no recogniser is there", where="stt"))

    async def _open(self, guarded: Guarded[SpeechToText]) -> None:
        """This engine listens from now on, and is told what was not final yet."""
        self._row.begin(guarded)
        try:
            recognition = await guarded.engine.open(self._options)
        except asyncio.CancelledError:
            guarded.breaker.let_go()
            raise
        if self._closed:
            guarded.breaker.let_go()
            await recognition.close()
            return
        if self._expectation is not None:
            recognition.expect(self._expectation)
        if self._speaking is not None:
            recognition.speech_started(self._speaking)
        for frame in self._kept:
            recognition.push(frame)
        if self._paused is not None and self._kept:
            recognition.speech_stopped(self._paused)
        if self._turn_over and self._kept:
            recognition.finalise()
        self._guarded, self._current = guarded, recognition
        if self._failures or guarded is not self._row.engines[0]:
            again = self._clock.now() - self._kept[0].at if self._kept else 0.0
            self._row.asked(guarded.engine.name, again)

    async def _listen(self) -> AsyncIterator[Heard]:
        while not self._closed:
            try:
                async for heard in self._heard():
                    yield heard
                failure: EngineError = EngineDown("it ended by itself", where=self._name())
            except EngineError as error:
                failure = error
            if not self._closed:
                await self._replace(failure)

    async def _heard(self) -> AsyncIterator[Heard]:
        """What the present engine hears, until it ends."""
        assert self._current is not None
        stream = aiter(self._current)
        while True:
            try:
                async with asyncio.timeout(None) as self._limit:
                    heard = await anext(stream, None)
            except TimeoutError:
                raise EngineTimeout(
                    f"nothing came within {self._row.patience:g} s of speech", where=self._name()
                ) from None
            finally:
                self._limit = None
            if heard is None:
                return
            self._note(heard)
            yield heard

    def _note(self, heard: Heard) -> None:
        self._stop_timer()
        self._answered = True
        if self._guarded is not None:
            self._guarded.breaker.succeeded()
        if isinstance(heard, Final):
            self._failures = 0
            until = heard.words[-1].end if heard.words else heard.at - _REACH
            while self._kept and self._kept[0].at <= until:
                self._kept.popleft()
            if self._paused is not None and self._paused <= heard.at:
                self._paused, self._turn_over = None, False

    async def _replace(self, failure: EngineError) -> None:
        """The next engine that opens listens. Raises the last failure where the call has to give up."""
        broken = self._guarded
        await self._fail(broken, failure)
        # A connection that merely broke is worth one more try at once.
        if failure.verdict is Verdict.RETRY and self._failures == 1 and broken is not None:
            turns = [broken, *self._others(broken)]
        else:
            turns = self._others(broken) or self._row.order()
        while self._failures < MOST_FAILURES and not self._closed:
            for guarded in turns:
                try:
                    await self._open(guarded)
                except EngineError as error:
                    failure = error
                    await self._fail(guarded, error)
                else:
                    return
            await self._clock.sleep(RETRY_AFTER * self._failures)
            turns = self._row.order()
        if not self._closed:
            raise failure

    def _others(self, than: Guarded[SpeechToText] | None) -> list[Guarded[SpeechToText]]:
        return [guarded for guarded in self._row.order() if guarded is not than]

    async def _fail(self, guarded: Guarded[SpeechToText] | None, error: EngineError) -> None:
        self._failures += 1
        self._stop_timer()
        if guarded is not None:
            self._row.failed(guarded, error)
        current, self._current = self._current, None
        if current is not None:
            with suppress(EngineError):  # it is being thrown away
                await current.close()

    def _name(self) -> str:
        return self._guarded.engine.name if self._guarded is not None else "stt"

    # --- patience ---------------------------------------------------------------------------------

    def _lose_patience(self) -> None:
        self._timer = None
        if self._others(self._guarded) and self._limit is not None and self._current is not None:
            self._limit.reschedule(0.0)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
