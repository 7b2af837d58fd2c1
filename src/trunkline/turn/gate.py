"""The cheap gate: WebRTC's voice activity detector, 10 ms at a time, about 2 µs each."""

from __future__ import annotations

import webrtcvad

GATE_RATES = frozenset({8000, 16000})
_MOST_SELECTIVE = 3


class Gate:
    """One stream's gate, for 16-bit mono PCM at 8 or 16 kHz. It adapts to the line's noise."""

    __slots__ = ("_bytes", "_rate", "_vad")

    def __init__(self, rate: int) -> None:
        assert rate in GATE_RATES
        self._vad = webrtcvad.Vad(_MOST_SELECTIVE)
        self._rate = rate
        self._bytes = rate // 100 * 2

    def opens(self, pcm: bytes) -> tuple[bool, ...]:
        """One decision for each whole 10 ms of `pcm`."""
        step, rate, is_speech = self._bytes, self._rate, self._vad.is_speech
        return tuple(
            [is_speech(pcm[start : start + step], rate) for start in range(0, len(pcm) - step + 1, step)]
        )
