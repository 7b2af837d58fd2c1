"""How often an English sentence ends after these words: a table boiled down from a trigram model.

`english/endings.txt` is made by `scripts/boil_endings.py`. It is read when this module is imported, so that
no call waits for it; afterwards each question is a look-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from trunkline.errors import ParseError

UNKNOWN = 0.9
"""What is said of a word the table does not have: names and rare nouns, mostly."""
NEVER = 4.0
"""No ending is rarer than this, in bels."""


class Endings:
    """The table. Logarithms are in bels: 1.0 is one time in ten, 2.0 one in a hundred."""

    __slots__ = ("_after", "_kinds", "_pairs")

    def __init__(self, text: str) -> None:
        self._after: dict[str, float] = {}
        self._kinds: dict[str, str] = {}
        self._pairs: dict[tuple[str, str], float] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            if not line or line.startswith("#"):
                continue
            try:
                word, rarely, kind, *pairs = line.split()
                self._after[word] = int(rarely) / 10
                self._kinds[word] = kind
                for pair in pairs:
                    first, _, ending = pair.partition(":")
                    self._pairs[first, word] = int(ending) / 10
            except ValueError as error:
                raise ParseError("is no line of endings", where=f"endings:{number}") from error

    def rarely(self, words: Sequence[str]) -> float:
        """How rarely a sentence ends here, in bels, by its last two words. No words: `NEVER`."""
        if not words:
            return NEVER
        pair = self._pairs.get((words[-2], words[-1])) if len(words) > 1 else None
        return min(NEVER, self._after.get(words[-1], UNKNOWN) if pair is None else pair)

    def rarely_after(self, word: str) -> float:
        """The same by the last word alone."""
        return min(NEVER, self._after.get(word, UNKNOWN))

    def knows(self, word: str) -> bool:
        """Whether the table has the word."""
        return word in self._after

    def is_verb(self, word: str) -> bool:
        """Whether it is a verb that can stand after a subject ("works", "ordered"), nearly always."""
        return self._kinds.get(word) == "v"

    def may_be_verb(self, word: str) -> bool:
        """Whether it is sometimes a verb ("order", "work")."""
        return self._kinds.get(word) in ("v", "m")


ENDINGS = Endings((files("trunkline.turn") / "english" / "endings.txt").read_text(encoding="utf-8"))
