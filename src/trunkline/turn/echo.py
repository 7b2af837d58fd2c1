"""Words of the agent's own that come back through a speakerphone and the recogniser."""

from __future__ import annotations

from collections import deque

from trunkline.turn.backchannel import is_backchannel
from trunkline.turn.wording import NO, YES, plain_words

_MEMORY = 80
_LONGEST = 10
"""Of a transcript, the latest words that are compared: the work stays far below a millisecond."""
_FRESH = 40
"""Of the agent's latest words, those among which a single word is looked for."""
_SHARE = 0.7


class OwnWords:
    """The agent's latest words, and whether a transcript is an echo of them."""

    __slots__ = ("_words",)

    def __init__(self) -> None:
        self._words: deque[str] = deque(maxlen=_MEMORY)

    def said(self, text: str) -> None:
        """The agent is about to speak this."""
        self._words.extend(plain_words(text))

    def echoes(self, text: str) -> bool:
        """Whether most of `text` stands, in its order, in what the agent just said.

        A single word is an echo only where it could not be an answer: the agent's "yes or no?" must
        not make the caller's "no" disappear.
        """
        heard = plain_words(text)[-_LONGEST:]
        if not heard or not self._words:
            return False
        own = list(self._words)
        if len(heard) == 1:
            word = heard[0]
            return word in own[-_FRESH:] and word not in YES | NO and not is_backchannel(text)
        return _longest_in_order(heard, own) >= _SHARE * len(heard) and len(heard) >= 2


def _longest_in_order(heard: list[str], own: list[str]) -> int:
    """The most words of `heard` that stand in this order in any stretch of `own` not much longer."""
    stretch = len(heard) + 3
    best = 0
    starts = [place for place, word in enumerate(own) if word in heard]
    for start in starts:
        best = max(best, _common(heard, own[start : start + stretch]))
        if best == len(heard):
            break
    return best


def _common(one: list[str], other: list[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for place, rival in enumerate(other, start=1):
            kept = row[place]
            row[place] = before + 1 if word == rival else max(row[place], row[place - 1])
            before = kept
    return row[-1]
