"""Openers: a short word ("Got it.") that is said at once when the model is slow, before its answer. Pure.

Off unless the settings name some. Never in two answers running, nor the same one twice in a row, and never
where what follows may be bad news: "Sure." before "we can not do that" is worse than a pause. That is judged
by what the caller said, since the answer is not known yet: after a question that can be answered with no, a
refusal, a complaint or bad news of their own, none is said.
"""

from __future__ import annotations

from collections.abc import Sequence

from trunkline.turn.wording import FILLERS, GREETINGS, YES, plain_words, words_of

_ASKS_YES_OR_NO = words_of(
    "can could do does did is are am was were will would should shall may might have has had"
)
_BEFORE = FILLERS | GREETINGS | YES | words_of("and so but then now right please maybe actually")
"""What may stand before the word that asks: "and can you"."""
_TROUBLE = words_of(
    "no not never none nothing nobody nope cannot without why cancel cancelled canceled refund discount "
    "cheaper complaint complain problem problems broken wrong sorry sad died dead death sick ill hospital "
    "lost angry upset unhappy disappointed terrible awful horrible worst bad late expensive stop remove "
    "unsubscribe lawyer sue manager supervisor human person somebody someone robot busy hate unacceptable "
    "scam fraud refuse impossible unfortunately afraid worried mistake error overcharged"
)
_FEW_WORDS = 3
"""A shorter turn ("yes", "twelve") is answered so soon that an opener would only delay it."""


def fits(said: str) -> bool:
    """Whether an opener may follow these words of the caller's."""
    words = plain_words(said)
    if len(words) < _FEW_WORDS or any(word in _TROUBLE or word.endswith("n't") for word in words):
        return False
    first = next((word for word in words if word not in _BEFORE), "")
    return first not in _ASKS_YES_OR_NO


class Openers:
    """Those of one call."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = tuple(word for word in words if word.strip())
        self._next = 0
        self._turn = -2
        """The caller's turn that was last answered with one."""

    def choose(self, said: str, turn: int) -> str:
        """The opener for the answer to this turn of the caller's, or empty. What is given counts as said."""
        if not self._words or turn <= self._turn + 1 or not fits(said):
            return ""
        self._turn = turn
        word = self._words[self._next % len(self._words)]
        self._next += 1
        return word
