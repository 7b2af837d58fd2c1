"""Changing the sample rate of a stream, with about a millisecond of delay.

A polyphase FIR: the input is thought of as stuffed with zeros up to the least common multiple of both
rates and low-passed there, but only the products that are not zero and are asked for are computed.
The filter is a Kaiser-windowed sinc that reaches `HALF_WIDTH` samples of the slower rate to each side,
which is also its delay: 1.25 ms with 8 kHz at one end, less with faster rates. Everything that would
alias, and every image, is at least 40 dB down; -6 dB is at 0.87 of the slower rate's half.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from trunkline.errors import MediaError

RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
HALF_WIDTH = 10
"""Samples of the slower rate on each side of the filter's centre."""
_CUTOFF = 0.87
"""Of the slower rate's half: where the filter is 6 dB down."""
_KAISER_BETA = 3.9
"""About 45 dB in the stop band."""

Floats = npt.NDArray[np.float64]


@lru_cache(maxsize=64)
def _phases(up: int, down: int) -> Floats:
    """The filter as a table: row p holds the taps, latest input last, for outputs of phase p."""
    slower = max(up, down)  # one sample of the slower rate, in steps of the common rate
    reach = HALF_WIDTH * slower
    taps = 2 * math.ceil(reach / up)
    row = np.arange(up)[:, None]
    back = np.arange(taps - 1, -1, -1)[None, :]
    # An output of phase p lies p steps after the latest input; input `back` is that much older.
    distance = row + back * up - reach
    inside = np.clip(1 - (distance / reach) ** 2, 0, None)
    window = np.where(np.abs(distance) <= reach, np.i0(_KAISER_BETA * np.sqrt(inside)), 0.0)
    table = np.sinc(distance * _CUTOFF / slower) * window
    # Each phase on its own gives a constant back exactly, so no whistle at the difference of rates.
    return np.asarray(table / table.sum(axis=1, keepdims=True), np.float64)


class Resampler:
    """One stream from `source` to `target` samples a second.

    `push` takes 16-bit PCM in pieces of any number of bytes and gives what can be said so far; how
    the stream was cut into pieces changes nothing. Outputs lag by `delay` seconds; `flush` ends
    the stream and gives the rest. Raises `MediaError` for rates that are not sensible.
    """

    __slots__ = ("_down", "_history", "_next", "_odd", "_table", "_up", "delay", "source", "target")

    def __init__(self, source: int, target: int) -> None:
        if not (source in RATES and target in RATES):
            raise MediaError(f"cannot bring {source} Hz to {target} Hz", hint=f"Rates are {RATES}")
        self.source = source
        self.target = target
        common = math.gcd(source, target)
        self._up = target // common
        self._down = source // common
        self.delay = 0.0 if source == target else HALF_WIDTH / min(source, target)
        self._table = _phases(self._up, self._down)
        self._history: Floats = np.zeros(self._table.shape[1] - 1)
        self._odd = b""
        """Half a sample, where a piece ended within one."""
        self._next = 0
        """Where the next output lies, in steps of the common rate from the next input sample."""

    def push(self, pcm: bytes) -> bytes:
        """The next piece of the stream, at the other rate."""
        if self.source == self.target:
            return pcm
        if self._odd or len(pcm) % 2:
            pcm = self._odd + pcm
            whole = len(pcm) & ~1
            pcm, self._odd = pcm[:whole], pcm[whole:]
        fresh = np.frombuffer(pcm, "<i2")
        if not len(fresh):
            return b""
        known = np.concatenate((self._history, fresh))
        up, down, taps = self._up, self._down, self._table.shape[1]
        steps = len(fresh) * up
        count = -(-(steps - self._next) // down) if self._next < steps else 0
        windows = np.lib.stride_tricks.sliding_window_view(known, taps)
        if up == 1:
            out = windows[self._next : self._next + count * down : down] @ self._table[0]
        elif down == 1:
            out = (windows @ self._table.T).reshape(-1)
        else:
            places = self._next + down * np.arange(count)
            out = np.einsum("ij,ij->i", windows[places // up], self._table[places % up])
        self._next += count * down - steps
        self._history = known[len(fresh) :]
        return bytes(np.clip(np.rint(out), -32768, 32767).astype("<i2").data)

    def flush(self) -> bytes:
        """The end of the stream: what the delay still holds back. The resampler starts anew."""
        self._odd = b""
        tail = self.push(bytes(2 * math.ceil(self.delay * self.source)))
        self._history = np.zeros(self._table.shape[1] - 1)
        self._next = 0
        return tail


def resampled(pcm: bytes, source: int, target: int) -> bytes:
    """A whole piece at another rate, without the delay: sample n stays at n / rate seconds."""
    if source == target:
        return pcm
    resampler = Resampler(source, target)
    out = resampler.push(pcm) + resampler.flush()
    skip = round(resampler.delay * target)
    wanted = round(len(pcm) // 2 * target / source)
    return out[2 * skip : 2 * (skip + wanted)].ljust(2 * wanted, b"\0")
