"""What the caller really heard: words against playout position.

Each sentence of an utterance is a `Piece`: its text, and how much sound of it has been made and
played. Where the voice gives marks they are followed; otherwise words are taken to be spread evenly
over the sound, which for a sentence of known length is right within a word or so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Piece:
    """One sentence being spoken. Samples count at the leg's rate."""

    index: int
    text: str
    """The words as they were written, before numbers and the like were written out."""
    spoken: str
    """The words as they were given to the voice."""
    to_written: Callable[[int], int] = lambda position: position
    """Where a position in `spoken` stands in `text`."""
    made: int = 0
    played: int = 0
    complete: bool = False
    """All of its sound has been made."""
    marks: list[tuple[int, int]] = field(default_factory=list)
    """(samples from its start, characters of `spoken` said by then), rising."""

    def expected_samples(self, samples_per_character: float) -> int:
        """How long the whole sentence will be, as far as known."""
        return self.made if self.complete else max(self.made, round(len(self.spoken) * samples_per_character))

    def heard_characters(self, samples_per_character: float) -> int:
        """How many characters of `text` have been heard, cut back to whole words."""
        if self.complete and self.played >= self.made > 0:
            return len(self.text)
        if not self.played:
            return 0
        position = self.to_written(self._spoken_position(samples_per_character))
        return _whole_words(self.text, position)

    def _spoken_position(self, samples_per_character: float) -> int:
        if self.marks:
            return max((said for at, said in self.marks if at <= self.played), default=0)
        total = self.expected_samples(samples_per_character)
        return int(len(self.spoken) * self.played / total) if total else 0


def _whole_words(text: str, position: int) -> int:
    """`position` moved back to the end of the last whole word before it."""
    if position >= len(text):
        return len(text)
    if text[position].isspace():
        return position
    cut = text.rfind(" ", 0, position + 1)
    return max(cut, 0)


def heard_and_unheard(pieces: list[Piece], samples_per_character: float) -> tuple[str, str]:
    """The words heard and the words not heard, over the sentences of one utterance in order."""
    heard: list[str] = []
    unheard: list[str] = []
    for piece in pieces:
        count = piece.heard_characters(samples_per_character)
        if first := piece.text[:count].strip():
            heard.append(first)
        if rest := piece.text[count:].strip():
            unheard.append(rest)
    return " ".join(heard), " ".join(unheard)
