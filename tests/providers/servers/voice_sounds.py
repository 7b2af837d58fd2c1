"""What the local servers' voices sound like: a tone for each word between silences, cut into pieces."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.audio.codecs.pcmu import encode as encode_mulaw
from trunkline.providers.tts.fake import sound_of_one_second

WORD_SECONDS = 0.3
SILENCE = 0.2
"""Seconds of silence before and after a sentence, as real services give."""
PIECE_SECONDS = 0.25


@dataclass(frozen=True)
class SpokenWord:
    text: str
    place: int
    """Where it begins in the sentence."""
    start: float
    end: float


def words_of(text: str) -> list[SpokenWord]:
    """The words, with seconds from the start of the sound."""
    found, at, place = [], SILENCE, 0
    for word in text.split():
        place = text.index(word, place)
        found.append(SpokenWord(word, place, at, at + WORD_SECONDS))
        at, place = at + WORD_SECONDS, place + len(word)
    return found


def sound_of(text: str, rate: int) -> bytes:
    """16-bit PCM of the whole sentence."""
    seconds = len(text.split()) * WORD_SECONDS
    tone = sound_of_one_second("tone", rate)
    silence = bytes(round(SILENCE * rate) * 2)
    return silence + (tone * (int(seconds) + 1))[: round(seconds * rate) * 2] + silence


def pieces_of(text: str, rate: int, *, mulaw: bool) -> list[bytes]:
    """The same, encoded, in pieces as a service would send them."""
    pcm = sound_of(text, rate)
    whole = encode_mulaw(pcm) if mulaw else pcm
    size = round(PIECE_SECONDS * rate) * (1 if mulaw else 2)
    return [whole[at : at + size] for at in range(0, len(whole), size)]
