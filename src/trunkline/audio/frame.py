"""The frame: 20 ms of sound and the time it arrived."""

from __future__ import annotations

from dataclasses import dataclass

FRAME_SECONDS = 0.02
"""How long one frame lasts, everywhere."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A piece of mono sound, usually 20 ms.

    `pcm`: 16-bit signed little-endian samples. `rate`: samples a second. `at`: monotonic seconds
    at which the frame arrived, which is when its last sample was known here: its first sample is
    `seconds` older. `concealed`: made up by loss concealment, or silence where nothing was sent.
    """

    pcm: bytes
    rate: int
    at: float
    concealed: bool = False

    @property
    def seconds(self) -> float:
        return len(self.pcm) / (2 * self.rate)


def frame_bytes(rate: int) -> int:
    """The size of one 20 ms frame at this rate, in bytes."""
    return rate // 50 * 2
