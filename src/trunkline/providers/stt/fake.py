"""The fake recogniser that ships: set words at set delays, the same every time, on any clock.

On the command line: `--stt fake,delay_ms=100,partial_ms=100,text='yes I am|next Tuesday'`. From
Python a whole call can be scripted: `FakeSpeechToText(clock=clock, script=[Utterance(…), …])`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from trunkline.audio.frame import Frame
from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineDown, EngineError
from trunkline.events import Expectation, Final, Partial, Word
from trunkline.providers.protocols import Heard, ListenOptions
from trunkline.providers.stt.fake_ear import Ear, EnergyEar, ScriptedEar, Utterance
from trunkline.providers.stt.outbox import Outbox

__all__ = ["FakeRecognition", "FakeSpeechToText", "Utterance"]


class FakeSpeechToText:
    """A recogniser that only pretends.

    `delay_ms`: from the end of speech to the `Final`. `partial_ms`: from a word's end to its
    `Partial`. `text`: one text for each utterance, separated by "|", used in turn. `gap_ms`: the
    pause that ends an utterance. Without a `script` speech is found by the frames' energy, so that
    voice activity detection and this do not depend on each other.

    Failures: `fail_after=N` gives N Finals and dies (`EngineDown`) when it next has something to
    give; `hang=true` gives one Partial and then nothing more; `silent=true` never gives anything;
    `garbage=true` gives what no honest engine would: control characters, times that run backwards,
    confidence out of range, Finals without words.
    """

    name = "fake"

    def __init__(
        self,
        *,
        clock: Clock,
        delay_ms: float = 100.0,
        partial_ms: float = 100.0,
        text: str = "yes",
        gap_ms: float = 100.0,
        fail_after: int = -1,
        hang: bool = False,
        garbage: bool = False,
        silent: bool = False,
        script: Sequence[Utterance] | None = None,
    ) -> None:
        if min(delay_ms, partial_ms, gap_ms) < 0:
            raise ConfigError("its times cannot be negative", where="stt fake")
        self._clock = clock
        self._delay = delay_ms / 1000
        self._partial = partial_ms / 1000
        self._gap = gap_ms / 1000
        self._texts = [part.strip() for part in text.split("|")]
        self._script = script
        self._fail_after = fail_after
        self._hang = hang
        self._garbage = garbage
        self._silent = silent
        self._open: set[FakeRecognition] = set()

    async def start(self) -> None:
        """Nothing to load."""

    async def open(self, options: ListenOptions) -> FakeRecognition:
        """One call's recognition. Each begins with the first text; a script is shared by its times."""
        del options  # it understands every language equally
        ear: Ear
        if self._script is None:
            ear = EnergyEar(self._texts, self._delay, self._partial, self._gap)
        else:
            ear = ScriptedEar(self._script, self._delay, self._partial, self._clock.now())
        recognition = FakeRecognition(
            ear, self._clock, self._fail_after, hang=self._hang, garbage=self._garbage, silent=self._silent
        )
        self._open = {each for each in self._open if not each.closed} | {recognition}
        return recognition

    async def close(self) -> None:
        for recognition in self._open:
            await recognition.close()
        self._open.clear()


class FakeRecognition:
    """One call's fake recognition. No task: one timer, and the frames."""

    def __init__(
        self, ear: Ear, clock: Clock, fail_after: int, *, hang: bool, garbage: bool, silent: bool
    ) -> None:
        self.expected: list[Expectation] = []
        """What `expect` was told, latest last (the last hundred), for tests to read."""
        self._ear = ear
        self._clock = clock
        self._fail_after = fail_after
        self._hang = hang
        self._garbage = garbage
        self._silent = silent
        self._finals = 0
        self._given = 0
        self._outbox = Outbox()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._arm()

    @property
    def closed(self) -> bool:
        return self._outbox.ended

    def push(self, frame: Frame) -> None:
        if not self.closed:
            self._ear.hear(frame)
            self._arm()

    def speech_started(self, since: float) -> None:
        """It hears for itself."""

    def speech_stopped(self, until: float) -> None:
        """It hears for itself."""

    def expect(self, expectation: Expectation) -> None:
        self.expected.append(expectation)
        del self.expected[:-100]

    def finalise(self) -> None:
        if not self.closed:
            self._give(self._ear.finalise(self._clock.now()))
            self._arm()

    def __aiter__(self) -> AsyncIterator[Heard]:
        return self._outbox

    def fail(self, error: EngineError) -> None:
        """Die of this, as a connection that breaks."""
        self._stop_timer()
        self._outbox.fail(error)

    async def close(self) -> None:
        self._stop_timer()
        self._outbox.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        """Have one timer for the ear's next moment. One that is too early is left to find out."""
        due = self._ear.due()
        if due is None or self.closed:
            self._stop_timer()
        elif self._timer is None or due < self._timer_at:
            self._stop_timer()
            self._timer_at = due
            self._timer = self._clock.call_at(due, self._wake)

    def _wake(self) -> None:
        self._timer = None
        # A timer may fire a hair before its time, as floats and loops round.
        self._give(self._ear.wake(max(self._clock.now(), self._timer_at)))
        self._arm()

    def _give(self, heard: list[Heard]) -> None:
        for one in heard:
            if self._silent or (self._hang and self._given):
                continue
            if 0 <= self._fail_after <= self._finals:
                self._outbox.fail(
                    EngineDown(f"it was told to fail after {self._finals} finals", where="fake")
                )
                return
            self._given += 1
            self._finals += isinstance(one, Final)
            if self._hang and isinstance(one, Final):
                continue
            self._outbox.put(_spoilt(one, self._given) if self._garbage else one)


def _spoilt(heard: Heard, count: int) -> Heard:
    """Something of the same kind that no honest engine gives; which one follows from `count`."""
    if isinstance(heard, Partial):
        return Partial(heard.at, "\x00" * 3 + heard.text, heard.words[::-1], stable=10_000)
    if isinstance(heard, Final):
        backwards = (Word("\ud800", heard.at + 1e9, -1.0, confidence=-7.0),)
        return [
            Final(heard.at, ""),
            Final(heard.at, "\x1b[2J\ufeff" + "ha" * 5000, backwards, confidence=float("nan")),
            Final(heard.at, heard.text, (), confidence=42.0, rejected=True),
        ][count % 3]
    return heard
