"""Whether words are just an amount, and one that is whole: "we are twelve people", "about forty of us"."""

from __future__ import annotations

import re
from enum import Enum, auto

from trunkline.turn.clauses import verb_sureness
from trunkline.turn.wordclasses import (
    ADVERBS,
    AUXILIARIES,
    CONJUNCTIONS,
    DETERMINERS,
    PREPOSITIONS,
    PRONOUNS,
)
from trunkline.turn.wording import FILLERS, NUMBERS, TENS, one_of, words_of


class Filling(Enum):
    """What an answer holds of what was asked."""

    WHOLE = auto()
    NEARLY = auto()
    OPEN = auto()


CLOSING = "(?: " + one_of(
    "i think, i guess, i believe, i'd say, i suppose, in total, in all, altogether, all together, "
    "at the moment, at most, at least, right now, now, please, or so, maybe, more or less, exactly"
) + ")"  # fmt: skip
"""What people put after an answer, with the space before it."""

_DIGIT = one_of(",".join(word for word, value in NUMBERS.items() if 0 < value < 10))
_ONES = one_of(",".join(word for word, value in NUMBERS.items() if value > 0))
_SMALL = f"(?:{one_of(','.join(TENS))}(?: {_DIGIT})?|{_ONES})"
_HUNDREDS = f"(?:(?:a|{_ONES}) hundred(?: (?:and )?{_SMALL})?)"
_BELOW = f"(?:{_HUNDREDS}|{_SMALL})"
_THOUSANDS = f"(?:(?:a|{_BELOW}) (?:thousand|million)(?: (?:and )?{_BELOW})?)"
_CARDINAL = rf"(?:{_THOUSANDS}|{_BELOW}|\d{{1,7}}(?: \d{{3}})?|a dozen)"
_RANGE = f"(?:between {_CARDINAL} and {_CARDINAL}|{_CARDINAL} (?:to|or) {_CARDINAL})"
_MAY_GROW = re.compile(rf"(?:{one_of(','.join(TENS))}|hundred|thousand|million|[2-9]0|00)$")
""" "Twenty" may become "twenty five", also after an engine that writes digits."""

_LEADING = one_of(
    "we are, we're, we were, there are, there're, there is, there's, there were, it is, it's, it was, "
    "it will be, it'll be, it would be, it'd be, that is, that's, that would be, i am, i'm, they are, "
    "they're, we have, we've, we have got, we've got, i have, i've got, i have got, we pay, i pay, "
    "we need, i need, we use, we spend, i spend, it costs, it cost, make it, make that, call it, i'd say, "
    "i would say, i think, i guess, let's say, let us say"
)
_ROUNDLY = one_of(
    "about, around, roughly, approximately, some, something like, nearly, almost, over, under, up to, "
    "more than, less than, at least, at most, maybe, perhaps, probably"
)
_EXACTLY = one_of("just, only, exactly, now, currently, a team of, a group of, a total of")
_NUMBER = re.compile(
    rf"(?P<leading>(?:{_LEADING} )*)(?P<degree>(?:(?:{_ROUNDLY}|{_EXACTLY}) ){{0,3}})"
    rf"(?P<number>{_RANGE}|{_CARDINAL})(?P<rest>(?: [a-z']+){{0,6}})"
)
_ROUND = re.compile(f"{_ROUNDLY} ")

_COINS = one_of("dollar, dollars, pound, pounds, euro, euros, bucks, quid, cents, pence, francs")
_EACH = f"(?: (?:a|an|per|each|every) {one_of('hour, day, week, month, year, person, head, seat, user')})"
_ENDS = f"{_EACH}?{CLOSING}{{0,2}}"
_CLOSED = re.compile(f"(?: {_COINS}(?: {_SMALL})?)?{_ENDS}")
_OF_THEM = re.compile(rf" of (?:us|them|you|those|these){_ENDS}")
_COUNTED = re.compile(rf"(?P<thing>(?: [a-z']+){{1,3}}?){_ENDS}")
_ALONE = re.compile(
    "(?:(?:it is|it's|that's|there's) )?(?:just|only) (?:me|myself|us|the (?:one|two|three|four) of us)"
)
_PLURALS = words_of("people percent children men women staff folk kids")
_NO_THINGS = (
    ADVERBS
    | AUXILIARIES
    | CONJUNCTIONS
    | DETERMINERS
    | FILLERS
    | NUMBERS.keys()
    | PREPOSITIONS
    | PRONOUNS
    | TENS.keys()
    | words_of("hundred thousand million point double triple half")
)


def amount(text: str) -> Filling:
    """What `text`, plain words with one space between them, holds of an amount and nothing else."""
    if _ALONE.fullmatch(text):
        return Filling.WHOLE
    found = _NUMBER.fullmatch(text)
    if found is None:
        return Filling.OPEN
    number, rest = found["number"], found["rest"]
    if rest:
        whole = _CLOSED.fullmatch(rest) or _OF_THEM.fullmatch(rest) or _counts_things(rest)
        return Filling.WHOLE if whole else Filling.OPEN
    roundly = _ROUND.search(found["degree"]) is not None
    if _MAY_GROW.search(number):
        return Filling.NEARLY if roundly else Filling.OPEN
    if found["leading"] or found["degree"]:
        return Filling.WHOLE
    # A digit alone may be the first of several.
    return Filling.NEARLY if " " in number else Filling.OPEN


def _counts_things(rest: str) -> bool:
    """ "People", "full time employees": what was counted, and nothing after it."""
    found = _COUNTED.fullmatch(rest)
    if found is None:
        return False
    words = found["thing"].split()
    last = words[-1]
    plural = last in _PLURALS or (last.endswith("s") and not last.endswith("ss"))
    return plural and verb_sureness(last) < 2 and not any(word in _NO_THINGS for word in words)
