"""The words of the turn in progress, put together from what the recogniser gives."""

from __future__ import annotations

from trunkline.events import Final, Partial
from trunkline.turn.alike import alike
from trunkline.turn.wording import plain_words

_SLACK = 0.02
"""A final given this little before the dated end of speech still holds its last word, seconds."""
_MOST_PIECES = 200


class Transcript:
    """Finals in their order, and the partial that follows them."""

    __slots__ = ("_confidences", "_final_at", "_finals", "_partial", "_spent")

    def __init__(self) -> None:
        self._finals: list[str] = []
        self._confidences: list[float] = []
        self._partial = ""
        self._final_at = float("-inf")
        self._spent: list[str] = []

    @property
    def text(self) -> str:
        """All words so far."""
        return " ".join(piece for piece in (*self._finals, self._partial) if piece)

    @property
    def pending(self) -> bool:
        """Whether the last words are only a partial."""
        return bool(self._partial)

    @property
    def confidence(self) -> float:
        """The recogniser's trust in the words: the least of its pieces', 1 where it gave none."""
        return min(self._confidences, default=1.0)

    def partial(self, event: Partial) -> None:
        """Take a partial; it replaces the one before."""
        self._partial = event.text.strip()

    def final(self, event: Final) -> None:
        """Take a final; it replaces the partial before it. An empty one says: no words there."""
        text = event.text.strip()
        self._partial = ""
        self._final_at = max(self._final_at, event.at)
        if text:
            if len(self._finals) >= _MOST_PIECES:
                self._finals[:2] = [" ".join(self._finals[:2])]
            self._finals.append(text)
            self._confidences = [*self._confidences[-_MOST_PIECES:], event.confidence]

    def covers(self, until: float) -> bool:
        """Whether a final that reaches speech ending at `until` is there."""
        return not self._partial and self._final_at >= until - _SLACK

    def spend(self) -> None:
        """The words were handed out: forget them, but know a late final for their partial."""
        self._spent = plain_words(self._partial)
        self.clear()

    def clear(self) -> None:
        """Forget the words."""
        self._finals.clear()
        self._confidences.clear()
        self._partial = ""

    @property
    def spent(self) -> bool:
        """Whether the words that were handed out last ended in a partial: its final may still come."""
        return bool(self._spent)

    def unspent(self, text: str) -> str:
        """What a late final adds to words that were handed out from their partial.

        Nothing where it says the same; the rest where it goes on; all of it where it says something
        else: words may be doubled then, but never lost.
        """
        words = plain_words(text)
        if self._spent and alike(" ".join(self._spent)) == alike(text):
            return ""
        if self._spent and words[: len(self._spent)] == self._spent:
            rest = text.split()
            return (
                " ".join(rest[len(self._spent) :])
                if len(rest) == len(words)
                else " ".join(words[len(self._spent) :])
            )
        return text
