"""Lets a person listen in: both sides of the call through the machine's sound device."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from trunkline.audio.frame import frame_bytes
from trunkline.errors import MediaError

HELD_FRAMES = 25
"""Half a second: more than this waiting for the device is thrown away, oldest first."""


class Speakers:
    """An open sound device. `play` is called every 20 ms on the loop and never waits."""

    def __init__(self, rate: int = 8000) -> None:
        """Raises `MediaError`, with what to do, where there is no device or no way to reach it."""
        self._size = frame_bytes(rate)
        self._waiting: deque[bytes] = deque(maxlen=HELD_FRAMES)
        hint = "The call can be heard afterwards in the report"
        try:
            import sounddevice
        except (ImportError, OSError) as error:
            raise MediaError(
                f"sound cannot be played here: {error}",
                where="--listen",
                hint=f"Type: pip install sounddevice (and on Debian: apt install libportaudio2). {hint}",
            ) from error
        try:
            self._stream: Any = sounddevice.RawOutputStream(
                samplerate=rate,
                channels=1,
                dtype="int16",
                blocksize=rate // 50,
                callback=self._fill,
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError, OSError) as error:
            raise MediaError(
                f"this machine has no sound device that works: {error}", where="--listen", hint=hint
            ) from error

    def play(self, *sides: bytes | None) -> None:
        """20 ms of each side, mixed."""
        heard = [np.frombuffer(pcm, "<i2").astype(np.int32) for pcm in sides if pcm]
        heard = [side for side in heard if len(side) * 2 == self._size]
        if heard:
            mixed = np.clip(sum(heard[1:], heard[0]), -32768, 32767)
            self._waiting.append(mixed.astype("<i2").tobytes())

    def close(self) -> None:
        self._stream.stop()
        self._stream.close()

    def _fill(self, out: Any, frames: int, _time: Any, _status: Any) -> None:
        piece = self._waiting.popleft() if self._waiting else b""
        out[:] = piece[: 2 * frames].ljust(2 * frames, b"\0")
