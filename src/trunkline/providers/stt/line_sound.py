"""The sound of a call as a hosted recogniser takes it. Pure.

Telephone sound goes out as it came in, in mu-law at 8 kHz, where a service takes that: nothing is
resampled, and half the bytes are sent.
"""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.audio.codecs.pcmu import encode as encode_mulaw
from trunkline.audio.resample import RATES, Resampler
from trunkline.errors import EngineRequest


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """`mulaw`: G.711 mu-law, one byte a sample; else 16-bit little-endian PCM."""

    rate: int
    mulaw: bool

    @property
    def bytes_a_second(self) -> int:
        return self.rate * (1 if self.mulaw else 2)


def line_format(rate: int, where: str, *, mulaw: bool = True, wide: int = 0) -> SoundFormat:
    """What to send for a leg of this rate. `mulaw`: the service takes it. `wide`: the one rate at which it
    takes PCM; 0 where it takes any. Raises `EngineRequest` for a rate that no leg has."""
    if rate not in RATES:
        raise EngineRequest(f"it cannot take {rate} Hz", where=where, hint=f"Rates are {RATES}")
    if mulaw and rate == 8000:
        return SoundFormat(8000, mulaw=True)
    return SoundFormat(wide or rate, mulaw=False)


class SoundEncoder:
    """One call's sound: 16-bit samples at the leg's rate in, the format's bytes out."""

    __slots__ = ("_format", "_resampler")

    def __init__(self, rate: int, wanted: SoundFormat) -> None:
        self._format = wanted
        self._resampler = Resampler(rate, wanted.rate) if rate != wanted.rate else None

    def push(self, pcm: bytes) -> bytes:
        if self._resampler is not None:
            pcm = self._resampler.push(pcm)
        return encode_mulaw(pcm) if self._format.mulaw else pcm

    def silence(self, seconds: float) -> bytes:
        """So much silence, as it goes out."""
        count = round(seconds * self._format.rate)
        return b"\xff" * count if self._format.mulaw else bytes(2 * count)
