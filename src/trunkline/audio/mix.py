"""Gain without clicks (ducking, cutting, fading) and mixing.

A jump of the gain is heard as a click, so gain moves along a ramp. `Gain` is the stateful one, for a
stream of frames; the functions work on one piece.
"""

from __future__ import annotations

import audioop

import numpy as np


def scaled(pcm: bytes, gain: float) -> bytes:
    """The piece at another level; too loud samples are clipped."""
    return audioop.mul(pcm, 2, gain)


def ramped(pcm: bytes, start: float, end: float) -> bytes:
    """The piece with the gain moving in a straight line; its last sample has `end` exactly."""
    samples = np.frombuffer(pcm, "<i2")
    count = len(samples)
    if not count:
        return pcm
    gain = start + (end - start) * (np.arange(1, count + 1) / count)
    return np.clip(np.rint(samples * gain), -32768, 32767).astype("<i2").tobytes()


def faded_in(pcm: bytes, rate: int, seconds: float = 0.005) -> bytes:
    """The piece beginning from silence, at full level after `seconds`."""
    size = min(len(pcm), int(rate * seconds) * 2)
    return ramped(pcm[:size], 0.0, 1.0) + pcm[size:]


def faded_out(pcm: bytes, rate: int, seconds: float = 0.005) -> bytes:
    """The piece ending in silence, from full level `seconds` before its end."""
    size = min(len(pcm), int(rate * seconds) * 2)
    return pcm[: len(pcm) - size] + ramped(pcm[len(pcm) - size :], 1.0, 0.0)


def cut_off(pcm: bytes, rate: int, seconds: float = 0.005) -> bytes:
    """The piece fading from its first sample to silence within `seconds`, silent from there on.

    This is how speech is stopped at once: one last frame, most of it silent.
    """
    size = min(len(pcm), int(rate * seconds) * 2)
    return ramped(pcm[:size], 1.0, 0.0) + bytes(len(pcm) - size)


def mixed(one: bytes, other: bytes) -> bytes:
    """Both at once, as long as the longer; sums beyond full scale are clipped."""
    if len(one) < len(other):
        one, other = other, one
    return audioop.add(one, other.ljust(len(one), b"\0"), 2)


class Gain:
    """The gain of one stream of PCM, which moves to where it is told without a click.

    `ramp_seconds`: how long a change from silence to full level takes; smaller ones take their part.
    """

    __slots__ = ("_step", "_target", "_value")

    def __init__(self, rate: int, *, gain: float = 1.0, ramp_seconds: float = 0.02) -> None:
        self._value = gain
        self._target = gain
        self._step = 1 / (rate * ramp_seconds)

    @property
    def value(self) -> float:
        """The gain that the last sample had."""
        return self._value

    def to(self, gain: float) -> None:
        """Move to this gain from the next sample on."""
        self._target = gain

    def apply(self, pcm: bytes) -> bytes:
        """The next piece of the stream, at its level."""
        if self._value == self._target:
            return pcm if self._value == 1.0 else audioop.mul(pcm, 2, self._value)
        samples = len(pcm) // 2
        needed = max(1, round(abs(self._target - self._value) / self._step))
        if needed > samples:
            reached = self._value + (self._target - self._value) * samples / needed
            moved = ramped(pcm, self._value, reached)
            self._value = reached
            return moved
        head = ramped(pcm[: needed * 2], self._value, self._target)
        self._value = self._target
        return head + self.apply(pcm[needed * 2 :])
