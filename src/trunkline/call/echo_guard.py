"""The agent's own sound coming back (a speakerphone, a bad hybrid): told by what it is, not how loud.

The guard keeps the last half second of what was played. Where the caller's side sounds too, it looks for
the delay at which the two are most alike, fits a short filter there (the room, the telephone's band) and
asks how much of the sound the filter explains. An echo is explained nearly whole, another voice is not.
A call's echo has one delay: once that is known it is looked at first, and where the agent has long been
heard without an echo, more is asked for.

Pure: no clock, no waiting. A look costs 0.1 to 0.2 ms and is taken only while both sides sound; otherwise a
frame costs a microsecond.
"""

from __future__ import annotations

from audioop import rms
from collections import deque
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_RATE = 4000
"""Samples a second at which sounds are compared: voices keep what tells them apart below 2 kHz."""
_EMPHASIS = 0.9
"""Of each sample so much is taken off the next: a voice's lows, which a telephone drops, weigh less."""
_WINDOW = 480
"""0.12 s of the caller: long enough that two voices on one vowel are not taken for one."""
_PAST = 2480
"""0.62 s of the agent: echoes of 20 to 300 ms, and the network's own delay."""
_TAPS = 24
"""6 ms of filter, a quarter of it before the delay."""
_DIAGONAL = np.diag_indices(_TAPS)
_SIZE = 2560
"""Points of the transforms: as many as were played, and a little more, since only delays at which all that is
heard lies within that count."""
_AUDIBLE = 120.0
"""Root mean square (of 32,768) from which a frame of the agent's can come back as an echo."""

_UNKNOWN, _KNOWN, _NONE = 0.8, 0.7, 0.95
"""How much must be explained (amplitude, 0 to 1): while nothing is known, at the known delay, and where
no echo came. Measured with flite's voices: nineteen in twenty looks at an echo give more than 0.8, at
another voice less than 0.7."""
_SURELY_NOT = 0.5
"""Of 555 looks at an echo none gave less, of 923 at another voice 57 in a hundred. The frame after such a
look is not looked at: five sixths of its window are the same."""
_DOUBTFUL = 4
"""Frames after an echo for which what is half explained is one too: a sound's end, a change of vowel."""
_CONFIRM = 5
"""Frames at one delay after which it is the call's."""
_MOST_VOTES = 100
_NEAR = 4
"""Delays this near each other are one, samples: 1 ms."""
_FORGET = 500
"""Frames of the agent (10 s) without an echo after which a known delay is forgotten."""
_PROOF = 35
"""Frames of the agent (0.7 s) that did not come back after which there is no echo in this call."""

Samples = NDArray[np.float32]


class EchoGuard:
    """One for each call. `rate`: samples a second of both sides' sound, a multiple of 4000."""

    def __init__(self, rate: int) -> None:
        self._factor = rate // _RATE
        # Kept as they came: most frames are never looked at.
        self._silence = bytes(rate // 50 * 2)
        self._played: deque[bytes] = deque([self._silence] * (_PAST * 50 // _RATE), _PAST * 50 // _RATE)
        self._heard: deque[bytes] = deque([self._silence] * (_WINDOW * 50 // _RATE), _WINDOW * 50 // _RATE)
        self._within_reach = 0
        self._delay: int | None = None
        self._votes: dict[int, int] = {}
        self._without = 0
        self._doubtful = 0
        self._rests = False
        """Whether the next frame is not looked at."""

    @property
    def listening(self) -> bool:
        """Whether the agent sounded so lately that it may come back."""
        return self._within_reach > 0

    @property
    def delay(self) -> float | None:
        """From playing to hearing, in seconds, once this call is known to have an echo."""
        return None if self._delay is None else self._delay / _RATE

    def played(self, pcm: bytes | None) -> None:
        """The agent's next 20 ms; None for silence. Call it for every frame that leaves."""
        self._within_reach = max(0, self._within_reach - 1)
        if pcm is not None and rms(pcm, 2) >= _AUDIBLE:
            self._within_reach = _PAST * 50 // _RATE
        self._played.append(self._silence if pcm is None else pcm)

    def echoes(self, pcm: bytes, *, sounds: bool) -> bool:
        """Whether the caller's next 20 ms are the agent's own sound. `sounds`: they may be speech.
        Asked for every frame while `listening`."""
        self._heard.append(pcm)
        rests, self._rests = self._rests, False
        if not sounds or not self._within_reach:
            self._missed()
            return False
        if rests:
            self._found_none()
            return False
        past, heard = self._shaped(self._played, _PAST), self._shaped(self._heard, _WINDOW)
        known = _explained(past, heard, self._delay) if self._delay is not None else 0.0
        if known >= _KNOWN:
            self._without = 0
            self._doubtful = _DOUBTFUL
            return True
        delay = _likeliest(past, heard)
        wanted = _NONE if self._delay is None and self._without >= _PROOF else _UNKNOWN
        explained = _explained(past, heard, delay)
        if explained >= wanted:
            self._found(delay)
            self._doubtful = _DOUBTFUL
            return True
        self._rests = max(explained, known) < _SURELY_NOT
        self._found_none()
        return self._doubtful > 0 and not self._rests

    def _found_none(self) -> None:
        """This frame sounds, and is no echo for sure."""
        self._missed()
        self._doubtful = max(0, self._doubtful - 1)

    # --- the delay --------------------------------------------------------------------------------

    def _found(self, delay: int) -> None:
        """One voice is much like itself one period later: the delay found most often is the call's."""
        self._without = 0
        place = delay // _NEAR
        votes = self._votes
        votes[place] = votes.get(place, 0) + 1
        if votes[place] >= _CONFIRM and votes[place] >= max(votes.values()):
            self._delay = delay
        if len(votes) > _MOST_VOTES:
            self._votes = {place: count for place, count in votes.items() if count >= _CONFIRM}

    def _missed(self) -> None:
        self._without += 1
        if self._without >= _FORGET:
            self._delay = None
            self._votes.clear()

    def _shaped(self, frames: Iterable[bytes], count: int) -> Samples:
        """The latest `count` samples of these frames, narrowed to what is compared and emphasised."""
        samples = np.frombuffer(b"".join(frames), dtype="<i2").astype(np.float32)
        wanted = (count + 1) * self._factor
        if len(samples) < wanted:
            samples = np.concatenate((np.zeros(wanted - len(samples), dtype=np.float32), samples))
        samples = samples[-wanted:]
        if self._factor == 2:  # every call at 8 kHz: the same as below for a fifth of the time
            narrowed = (samples[::2] + samples[1::2]) / np.float32(2)
        else:
            narrowed = samples.reshape(-1, self._factor).mean(axis=1, dtype=np.float32)
        shaped: Samples = narrowed[1:] - np.float32(_EMPHASIS) * narrowed[:-1]
        return shaped


def _likeliest(past: Samples, heard: Samples) -> int:
    """The delay, in samples, at which what was played is most like what is heard."""
    spectrum = np.fft.rfft(past, _SIZE) * np.conj(np.fft.rfft(heard, _SIZE))
    products = np.abs(np.fft.irfft(spectrum, _SIZE)[: _PAST - _WINDOW + 1])
    sums = np.empty(_PAST + 1)
    sums[0] = 0.0
    np.cumsum(past * past, dtype=np.float64, out=sums[1:])
    energies = sums[_WINDOW:] - sums[:-_WINDOW]
    # A stretch that is nearly silent is like anything: it cannot be what came back.
    least = 0.02 * sums[-1] * _WINDOW / _PAST + 1.0
    return _PAST - _WINDOW - int(np.argmax(products * products / np.maximum(energies, least)))


def _explained(past: Samples, heard: Samples, delay: int) -> float:
    """The share of what is heard, in amplitude, that a short filter makes of what was played."""
    start = min(max(0, _PAST - _WINDOW - delay - 3 * _TAPS // 4), _PAST - _WINDOW - _TAPS + 1)
    # What `sliding_window_view` gives, for a tenth of its time.
    step = past.itemsize
    rows: Samples = np.ndarray((_TAPS, _WINDOW), past.dtype, past, start * step, (step, step))
    energy = float(heard @ heard)
    if energy <= 0:
        return 0.0
    alike = rows @ rows.T
    alike[_DIAGONAL] += 0.01 * alike.trace() / _TAPS + 1.0
    both = rows @ heard
    fitted = np.linalg.solve(alike, both)
    # What a slightly damped fit leaves over: |y|^2 - 2 f.b + f.A.f
    left = energy - 2 * float(fitted @ both) + float(fitted @ alike @ fitted)
    return float(np.sqrt(max(0.0, 1.0 - left / energy)))
