"""The caller's telephone: what it hears of the agent, and what it sends. Pure but for numpy.

It sends the room's and the line's noise all the time, the case's sound once, and what comes back of what it
has heard, through a telephone's band; all as mu-law, both ways. An echo is made of what was really received:
where the agent goes quieter, so does it.
"""

from __future__ import annotations

import numpy as np

from trunkline.audio.frame import FRAME_SECONDS, Frame
from trunkline.lab.ear import Ear
from trunkline.lab.overtalk.cases import Echo
from trunkline.lab.overtalk.sounds import Samples
from trunkline.lab.recordings import DECODED, RATE, encode

SIZE = round(FRAME_SECONDS * RATE)
SOUNDS = 200
"""A frame with a sample above this is sound of the agent's, not rounding."""
_BAND_TAPS = 65


class FarEnd:
    """One case's. `zero`: when the call begins; `overlay_at`: seconds from there."""

    def __init__(
        self,
        zero: float,
        background: Samples,
        overlay: Samples,
        overlay_at: float,
        echo: Echo | None,
        meant: str,
    ) -> None:
        self.ear = Ear()
        self.began: float | None = None
        """When the agent was first heard, seconds from the call's beginning."""
        self.sounding = 0
        """Frames in which the agent was heard."""
        self._zero = zero
        self._background = background
        self._overlay = overlay
        self._overlay_at = overlay_at
        self._answer = None if echo is None else returning(echo)
        self._heard = np.zeros(SIZE if self._answer is None else len(self._answer) + SIZE)
        if len(overlay):
            self.ear.meant(zero + overlay_at, meant, meant)

    def hear(self, frame: Frame) -> None:
        """20 ms from the agent."""
        pcm = np.frombuffer(frame.pcm, "<i2")
        sound = DECODED[np.frombuffer(encode(pcm), np.uint8)]
        if np.abs(sound.astype(np.int32)).max() > SOUNDS:
            self.sounding += 1
            if self.began is None:
                self.began = frame.at - self._zero
        self.ear.received(Frame(sound.astype("<i2").tobytes(), RATE, frame.at))
        self._heard = np.concatenate((self._heard[SIZE:], sound.astype(np.float64)))

    def next_frame(self, at: float) -> bytes:
        """The 20 ms that end at `at`."""
        start = round((at - FRAME_SECONDS - self._zero) * RATE)
        own = _piece(self._overlay, start - round(self._overlay_at * RATE))
        if len(self._overlay):
            self.ear.sent(own.astype("<i2").tobytes(), RATE, at)
        sound = own + _piece(self._background, start)
        if self._answer is not None:
            # What was heard in the last frame is in the room now: `returning` counts from its end.
            sound = sound + np.convolve(self._heard[1:], self._answer, "valid")
        whole = np.clip(sound, -32768, 32767).astype(np.int16)
        return DECODED[np.frombuffer(encode(whole), np.uint8)].astype("<i2").tobytes()


def returning(echo: Echo) -> Samples:
    """The impulse response of what comes back: the first sound, its reflections, a telephone's band."""
    first = round(echo.delay * RATE)
    taps = np.zeros(first + round(max((late for late, _ in echo.reflections), default=0.0) * RATE) + 1)
    taps[first] = 1.0
    for late, share in echo.reflections:
        taps[first + round(late * RATE)] += share
    # Without the band's own delay, half its taps: what leads the first sound by as much is lost.
    whole = np.convolve(taps, _band())[_BAND_TAPS // 2 :]
    scaled: Samples = whole * 10 ** (-echo.down / 20)
    return scaled


def _band() -> Samples:
    """300 to 3400 Hz: a windowed sinc (Oppenheim and Schafer, Discrete-Time Signal Processing, 7.5)."""
    n = np.arange(_BAND_TAPS) - _BAND_TAPS // 2
    high, low = 2 * 3400 / RATE, 2 * 300 / RATE
    band: Samples = (high * np.sinc(high * n) - low * np.sinc(low * n)) * np.hamming(_BAND_TAPS)
    return band


def _piece(sound: Samples, start: int) -> Samples:
    """20 ms of `sound` from sample `start`, silence before and after it."""
    piece = np.zeros(SIZE)
    first, last = max(0, start), min(len(sound), start + SIZE)
    if first < last:
        piece[first - start : last - start] = sound[first:last]
    return piece
