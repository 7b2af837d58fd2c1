"""Whether the words fill what was asked: a whole number where a number was asked, an hour where a time was.

"We are twelve people" is not much of a sentence to a model of sentences, but it is all that was asked for.
There are small patterns for each kind of answer (`amounts.py`, `moments.py`; yes, no and choices here); what
none of them knows is left to completeness. What may still grow fills nothing: "twenty" (five), "five hundred"
(and six), "the fifth" (of March), digits one after another. Pure, and English.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from trunkline.events import Answer
from trunkline.turn.amounts import CLOSING, Filling, amount
from trunkline.turn.clauses import without_opening
from trunkline.turn.moments import is_moment
from trunkline.turn.wording import NO, YES, one_of

FILLED, NEARLY = 0.92, 0.85
"""All that was asked for; the same with a small way to go on ("about fifty", "I don't know")."""
_MOST_WORDS = 14

_AFTER_ANSWER = "(?:(?:yes|yeah|no|well|oh) )*"
_DECIDED = re.compile(
    _AFTER_ANSWER
    + one_of(
        "of course, of course not, not really, not yet, not at all, not quite, not now, that's right, "
        "that is right, that's correct, that is correct, that's true, that is true, that's fine, "
        "that is fine, that's wrong, that is wrong, that's not right, that is not right, i don't think so, "
        "i do not think so, i think so, probably not, definitely not, certainly not, absolutely not, "
        "maybe not, perhaps not, i am not, i was not, not that i know, not that i know of, "
        "not as far as i know"
    )
)
_UNDECIDED = re.compile(
    _AFTER_ANSWER
    + one_of(
        "i don't know, i do not know, i don't really know, i'm not sure, i am not sure, not sure, no idea, "
        "i have no idea, probably, "
        "(?:it|he|she|they) (?:isn't|aren't|wasn't|weren't|doesn't|didn't|hasn't|haven't)"
    )
)
_CHOOSING = one_of(
    "maybe, probably, perhaps, rather, then, i think, i guess, i'd say, i'd like, i would like, i'd take, "
    "i'll take, i'd prefer, i want, we want, we'd like, we'll take, we'd take, let's take, make it"
)
_NAMED = re.compile(f"(?:{_CHOOSING} )*the [a-z]+ one{CLOSING}?")
"""The names of the choices are not known here."""


def filled(said: Sequence[str], kind: Answer) -> float:
    """How surely `said`, plain words without fillers, hold just what a question of this kind asks for; 0
    where that is not known."""
    look = _LOOKS.get(kind)
    if look is None or not said or len(said) > _MOST_WORDS:
        return 0.0
    found = look(" ".join(said))
    if not found and (said[0] in YES or said[0] in NO):
        found = look(" ".join(without_opening(said)))
    return found


def _amount(text: str) -> float:
    match amount(text):
        case Filling.WHOLE:
            return FILLED
        case Filling.NEARLY:
            return NEARLY
        case Filling.OPEN:
            return 0.0


def _moment(text: str) -> float:
    return FILLED if is_moment(text) else 0.0


def _yes_no(text: str) -> float:
    if _DECIDED.fullmatch(text):
        return FILLED
    return NEARLY if _UNDECIDED.fullmatch(text) else 0.0


def _choice(text: str) -> float:
    return NEARLY if _NAMED.fullmatch(text) else 0.0


_LOOKS: dict[Answer, Callable[[str], float]] = {
    Answer.NUMBER: _amount,
    Answer.MONEY: _amount,
    Answer.DATE: _moment,
    Answer.YES_NO: _yes_no,
    Answer.CHOICE: _choice,
}
