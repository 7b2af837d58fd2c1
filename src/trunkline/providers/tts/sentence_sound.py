"""One sentence of a hosted voice, from what the wire carries to what is played. Pure.

Telephone formats are asked for directly where a service has them, so that nothing is resampled twice:
mu-law at 8 kHz is decoded here, once. Silence at the two ends, which the caller would hear as latency,
is cut, and the marks move with the sound.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from trunkline.audio.codecs.pcmu import decode as decode_mulaw
from trunkline.providers.protocols import Spoken
from trunkline.providers.tts.trim import SilenceTrimmer

Mark = tuple[float, int]
"""Seconds from the start of the sentence, and how many characters are spoken by then."""


class Encoding(StrEnum):
    """What the bytes of the wire are: G.711 mu-law, or 16-bit little-endian PCM."""

    MULAW = "mulaw"
    PCM = "pcm"


def telephone_format(rate: int) -> tuple[Encoding, int]:
    """What to ask for on a leg of this rate, from a service that has mu-law and PCM at 16 and 24 kHz."""
    if rate <= 8000:
        return Encoding.MULAW, 8000
    return Encoding.PCM, 16000 if rate <= 16000 else 24000


class SentenceSound:
    """Push the wire's bytes, cut anywhere, at `rate` samples a second."""

    def __init__(self, encoding: Encoding, rate: int) -> None:
        self._encoding = encoding
        self._rate = rate
        self._trimmer = SilenceTrimmer(rate)
        self._odd = b""
        self._marks: list[Mark] = []
        self.received = 0.0
        """Seconds that came so far, silence at the start included: services tell times in these."""

    def push(self, raw: bytes, marks: Iterable[Mark] = ()) -> Spoken | None:
        """The next bytes, and marks counted from the start of the service's sound. None where nothing
        can be played yet."""
        self._marks += marks
        pcm = self._decoded(raw)
        self.received += len(pcm) / 2 / self._rate
        return self._spoken(self._trimmer.push(pcm))

    def flush(self) -> Spoken | None:
        """The sentence is over."""
        return self._spoken(self._trimmer.flush())

    def _decoded(self, raw: bytes) -> bytes:
        if self._encoding is Encoding.MULAW:
            return decode_mulaw(raw)
        raw = self._odd + raw
        whole = len(raw) & ~1
        self._odd = raw[whole:]
        return raw[:whole]

    def _spoken(self, pcm: bytes) -> Spoken | None:
        if not self._trimmer.begun:
            return None
        moved = tuple((max(0.0, at - self._trimmer.cut_seconds), place) for at, place in self._marks)
        self._marks.clear()
        return Spoken(pcm, moved) if pcm or moved else None


class TextFollower:
    """Finds the place in a text of each piece that a service says it has spoken. Services change case,
    blanks and punctuation on the way, so the pieces are looked for, not counted."""

    _REACH = 40
    """Characters within which a piece must be found; what is not is skipped."""

    def __init__(self, text: str) -> None:
        self._text = text.lower()
        self.place = 0
        """How many characters are behind us."""

    @property
    def between_words(self) -> bool:
        return self.place == len(self._text) or self._text[self.place].isspace()

    def advance(self, piece: str) -> int:
        """Go behind the next occurrence of this piece; gives the new place."""
        wanted = piece.strip().lower()
        if wanted:
            found = self._text.find(wanted, self.place, self.place + self._REACH + len(wanted))
            if found >= 0:
                self.place = found + len(wanted)
        return self.place


def speakable(text: str) -> str:
    """The text with what no service takes (control letters, halves of surrogate pairs) made blanks, so
    that places stay; empty where there is nothing to pronounce, which is then not asked, nor paid for."""
    cleaned = "".join(c if c.isprintable() and not 0xD800 <= ord(c) <= 0xDFFF else " " for c in text)
    return cleaned if any(c.isalnum() for c in cleaned) else ""


def speed_of(words_per_minute: int, slowest: float, fastest: float) -> float:
    """The pace as a factor of the voice's own, which is taken for 160 words a minute."""
    return round(min(fastest, max(slowest, words_per_minute / 160)), 2)
