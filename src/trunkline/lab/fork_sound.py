"""What a fork sounds like: the caller's own sound where there is one, the agent in another voice, as a WAV.

Laid end to end: each turn of the caller's, a breath, the agent's answer. Not a call: nobody interrupts, and
the answers take no time.
"""

from __future__ import annotations

import wave
from collections.abc import Mapping, Sequence
from pathlib import Path

from trunkline.audio.resample import resampled
from trunkline.clock import Clock
from trunkline.errors import RecordError
from trunkline.lab.fork import Exchange
from trunkline.lab.recordings import RATE
from trunkline.providers.protocols import TextToSpeech, VoiceOptions
from trunkline.providers.trial import said

_BREATH = 0.4
"""Seconds of silence between one and the other."""


async def spoken(
    engine: TextToSpeech,
    exchanges: Sequence[Exchange],
    callers: Mapping[int, tuple[bytes, int]],
    options: VoiceOptions,
    clock: Clock,
) -> bytes:
    """16-bit stereo at 8 kHz, the caller left and the agent right, as a run's recording has them. `callers`:
    the sound of the caller's turns and its rate, by turn. Raises an `EngineError`."""
    left, right = bytearray(), bytearray()
    for exchange in exchanges:
        pcm, rate = callers.get(exchange.turn, (b"", RATE))
        left += resampled(pcm, rate, RATE)
        left += bytes(2 * round(_BREATH * RATE))
        right += bytes(len(left) - len(right))
        if exchange.agent:
            answer = await said(engine, exchange.agent, options, clock)
            right += resampled(answer.pcm, answer.rate, RATE)
        right += bytes(2 * round(_BREATH * RATE))
        left += bytes(len(right) - len(left))
    return b"".join(left[at : at + 2] + right[at : at + 2] for at in range(0, len(left), 2))


def write(path: Path, stereo: bytes) -> float:
    """Write it; gives its seconds. Raises `RecordError`."""
    try:
        with path.open("wb") as raw, wave.open(raw, "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(stereo)
    except OSError as error:
        raise RecordError(f"cannot be written: {error.strerror or error}", where=str(path)) from error
    return len(stereo) / 4 / RATE
