"""What no English sentence ends on: the places of which grammar is sure. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trunkline.turn.wordclasses import (
    ARTICLES,
    AUXILIARIES,
    BARELY,
    BE,
    MODALS,
    PARTICLES,
    PREPOSITIONS,
    PRONOUNS,
    QUESTIONS,
    SUBJECTS,
    WH_WORDS,
)
from trunkline.turn.wording import NO, YES, words_of

_JOINING = words_of("and or but because if unless although than whether")
_NEGATIONS = words_of("not don't didn't doesn't won't can't wouldn't no never nothing")
_THAT_GOES_ON = BE | words_of(
    "so here such said says saying told knew sure fact mean means her him me us them"
)
_SO_ENDS = words_of("think hope guess say said suppose believe do did told not or even assume is are")
_ENDS_ON_TO = words_of("love like glad happy used supposed need have got")
_HELPING = MODALS - words_of("have has had do does did may")
"""What is never a verb of its own; "may" is also a month."""
_PHRASES_AT_BE = words_of("here there so how what who where that as where")
_ASK_FOR_A_NOUN = words_of("what which where who what's who's")


def cannot_end(words: Sequence[str]) -> bool:
    """Whether more must follow these words (lower case, without fillers)."""
    last = words[-1]
    before = words[-2] if len(words) > 1 else ""
    if len(words) == 1:
        return last in ARTICLES | _JOINING | SUBJECTS | BE or _is_contraction(last)
    if last in ARTICLES or last in _JOINING or last in BARELY:
        return True
    if _is_contraction(last):
        return True
    rule = _RULES.get(last)
    if rule is not None:
        return rule(words)
    if last in SUBJECTS:
        return before not in AUXILIARIES
    if last in BE:
        return _goes_on_after_be(words)
    if last in _HELPING:
        return before not in PRONOUNS and before not in YES and before not in NO
    if last in PREPOSITIONS:
        return _lacks_its_noun(words)
    return False


def _is_contraction(word: str) -> bool:
    """ "I'm", "we'll": but "don't" and "can't" can end a sentence."""
    head, mark, tail = word.partition("'")
    return bool(mark) and tail in ("m", "re", "ll", "ve", "d", "s") and (head in PRONOUNS or head in WH_WORDS)


def _goes_on_after_that(words: Sequence[str]) -> bool:
    before = words[-2]
    if before in BE and (words[0] in WH_WORDS or words[0] in AUXILIARIES):
        return len(words) == 2 and words[0] not in WH_WORDS  # "what is that" is whole, "is that" not
    return before in _THAT_GOES_ON


def _goes_on_after_so(words: Sequence[str]) -> bool:
    return words[-2] not in _SO_ENDS


def _goes_on_after_to(words: Sequence[str]) -> bool:
    before = words[-2]
    if before in ("love", "glad", "happy"):
        return False
    return not (before in _ENDS_ON_TO | {"want", "going"} and any(word in _NEGATIONS for word in words))


def _goes_on_after_be(words: Sequence[str]) -> bool:
    """ "Here it is" and "who they were" are whole; "the battery is" is not."""
    if words[0] == "what" and words[1] not in AUXILIARIES:
        return True  # "what I mean is", "what worries me is"
    if words[0] in WH_WORDS or any(word in _PHRASES_AT_BE for word in words[1:-2]):
        return len(words) < 4 and words[-2] not in PRONOUNS
    if words[-2] not in PRONOUNS:
        return True
    return words[0] not in YES and words[0] not in NO and words[0] not in _PHRASES_AT_BE


def _lacks_its_noun(words: Sequence[str]) -> bool:
    last = words[-1]
    if last in PARTICLES:
        return False
    if words[-2] in PREPOSITIONS:
        return words[-2] != "in"  # "in between"
    # "What is it for", "the forms you asked for": the noun came first.
    asks = words[0] in _ASK_FOR_A_NOUN and any(word in PRONOUNS for word in words[1:-1])
    relative = len(words) > 3 and words[-3] in PRONOUNS and words[0] not in PRONOUNS | QUESTIONS
    return not (asks or relative)


_RULES: dict[str, Callable[[Sequence[str]], bool]] = {
    "that": _goes_on_after_that,
    "so": _goes_on_after_so,
    "to": _goes_on_after_to,
    "says": lambda words: not any(word in WH_WORDS for word in words),
    "past": lambda words: words[-2] in ("half", "quarter"),
}
