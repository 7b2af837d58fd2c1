"""When a line was audible: sound in, spans of time out. Pure, and cheap enough for hundreds of lines.

Written apart from `trunkline.audio` on purpose: the judge shares no code with what it judges.

A sample counts as audible where the level over 3 ms around it reaches `FLOOR_DBFS`. A single click
shorter than that is not heard as speech. Steady faint noise (comfort noise, hum) raises the bar to
`ABOVE_NOISE_DB` above itself, so that a noisy line is not taken for a talking one; loud steady sound
(a tone) never counts as noise.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from trunkline.audio.frame import FRAME_SECONDS

FLOOR_DBFS = -45.0
"""Root mean square over 3 ms, relative to a full-scale square wave."""
WINDOW_SECONDS = 0.003
HOP_SECONDS = 0.001
ABOVE_NOISE_DB = 8.0
LOUDEST_NOISE_DBFS = -38.0
STEADY_FRAMES = 25
STEADY_RANGE_DB = 6.0
GAP_SECONDS = 0.2
"""Silence shorter than this is inside one span: stops and short pauses of speech."""


@dataclass(slots=True)
class Span:
    """A stretch of sound, in seconds on the clock of the frames. `end` is the last audible sample."""

    start: float
    end: float


def amplitude(dbfs: float) -> float:
    """The 16-bit amplitude of this level."""
    return float(32768.0 * 10 ** (dbfs / 20))


def audible_samples(samples: np.ndarray, rate: int, floor_dbfs: float = FLOOR_DBFS) -> tuple[int, int] | None:
    """The first and last audible sample of a piece (indices), or None where there is none."""
    width = max(1, round(WINDOW_SECONDS * rate))
    hop = max(1, round(HOP_SECONDS * rate))
    if len(samples) < width:
        return None
    wave = samples.astype(np.float64)
    sums = np.concatenate(([0.0], np.cumsum(wave * wave)))
    starts = np.arange(0, len(samples) - width + 1, hop)
    if starts[-1] != len(samples) - width:
        starts = np.append(starts, len(samples) - width)
    bar = amplitude(floor_dbfs)
    loud = np.flatnonzero(sums[starts + width] - sums[starts] >= bar * bar * width)
    if not len(loud):
        return None
    first, last = int(starts[loud[0]]), int(starts[loud[-1]])
    # Inside the first and last window, the first and last sample that carries the level.
    heard = np.flatnonzero(np.abs(wave[first : first + width]) >= bar)
    ended = np.flatnonzero(np.abs(wave[last : last + width]) >= bar)
    return first + int(heard[0]), last + int(ended[-1])


class AudibleSpans:
    """Folds a line's frames into spans of sound.

    Feed it every frame in order. `spans` holds the spans so far, the last one possibly still open.
    Only a frame in which sound begins or may have ended is looked at sample by sample.
    """

    __slots__ = ("_floor", "_gap", "_held", "_levels", "_noise", "spans")

    def __init__(self, *, floor_dbfs: float = FLOOR_DBFS, gap: float = GAP_SECONDS) -> None:
        self.spans: list[Span] = []
        self._floor = floor_dbfs
        self._gap = gap
        self._levels: deque[float] = deque(maxlen=STEADY_FRAMES)
        self._noise = -math.inf
        self._held: tuple[np.ndarray, int, float] | None = None

    def feed(self, pcm: bytes, rate: int, start: float) -> None:
        """`pcm`: 16-bit mono; `start`: the time of its first sample."""
        samples = np.frombuffer(pcm, dtype=np.int16)
        bar = self._bar()
        peak = max(int(samples.max(initial=0)), -int(samples.min(initial=0)))
        if peak < amplitude(bar):
            self._levels.append(-math.inf if peak == 0 else 20 * math.log10(peak / 32768) - 9)
            self._settle()
            return
        wave = samples.astype(np.float32)
        level = 10 * math.log10(max(float(np.dot(wave, wave)) / len(wave), 1e-9)) - 90.309
        self._levels.append(level)
        self._learn_noise()
        bar = self._bar()
        open_span = self.spans and start - self.spans[-1].end < self._gap
        if open_span and level >= bar:
            # Surely audible: where exactly it ends matters only if nothing follows.
            self._held = (samples, rate, start)
            self.spans[-1].end = start
            return
        self._settle()
        found = audible_samples(samples, rate, bar)
        if found is None:
            return
        first, last = (start + index / rate for index in found)
        if self.spans and first - self.spans[-1].end < self._gap:
            self.spans[-1].end = max(self.spans[-1].end, last)
        else:
            self.spans.append(Span(first, last))

    def finish(self) -> list[Span]:
        """The spans, the last end exact."""
        self._settle()
        return self.spans

    def sounds_at(self, now: float, within: float) -> bool:
        """Whether a sound was heard in the `within` seconds before `now` (to a frame, not a sample)."""
        return bool(self.spans) and now - self.spans[-1].end <= within + FRAME_SECONDS

    def _settle(self) -> None:
        if self._held is None:
            return
        samples, rate, start = self._held
        self._held = None
        found = audible_samples(samples, rate, self._bar())
        if found is not None:
            self.spans[-1].end = max(self.spans[-1].end, start + found[1] / rate)

    def _bar(self) -> float:
        return max(self._floor, self._noise + ABOVE_NOISE_DB)

    def _learn_noise(self) -> None:
        newest = self._levels[-1]
        if newest < self._noise - STEADY_RANGE_DB:
            self._noise = newest
        if len(self._levels) < STEADY_FRAMES:
            return
        low, high = min(self._levels), max(self._levels)
        if high <= LOUDEST_NOISE_DBFS and high - low <= STEADY_RANGE_DB:
            self._noise = sum(self._levels) / len(self._levels)
