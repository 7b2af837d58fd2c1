"""Counting clauses: how many were opened, and how many have got their verb.

"If it is not too much trouble" opens two (its own, and the one it is a condition of) and has one verb: more
is to come. No parser: closed classes of words, the table's verbs, and what stands before a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trunkline.turn.endings import ENDINGS
from trunkline.turn.wordclasses import (
    ADVERBS,
    ARTICLES,
    AUXILIARIES,
    CONJUNCTIONS,
    DETERMINERS,
    INTERJECTIONS,
    OBJECTS,
    OPENERS,
    PREPOSITIONS,
    PRONOUNS,
    SAYING,
    SUBORDINATORS,
    TIMES,
    WH_WORDS,
)
from trunkline.turn.wording import FILLERS, NO, NUMBERS, TENS, YES

_CLOSED = AUXILIARIES | PRONOUNS | PREPOSITIONS | CONJUNCTIONS | DETERMINERS | FILLERS | YES | NO
_NO_VERBS = _CLOSED | ADVERBS | TIMES | OBJECTS | frozenset(NUMBERS) | frozenset(TENS)
_ALSO_PREPOSITIONS = frozenset(("until", "since", "before", "after", "once", "while", "as", "than"))
_THINGS = frozenset(("it", "this", "that"))
"""What is said, as well as who does: "say it again"."""
_BEFORE_A_VERB = frozenset(("and", "or"))


@dataclass(frozen=True, slots=True)
class Clauses:
    """`opened`: clauses that need a verb; `verbs`: groups of finite verbs."""

    opened: int
    verbs: int

    @property
    def lacking(self) -> int:
        """Clauses that were opened and have no verb yet."""
        return max(0, self.opened - self.verbs)


def without_opening(words: Sequence[str]) -> list[str]:
    """The words after "well", "yes but", "to be honest" and their like; none where that is all."""
    rest = list(words)
    while rest:
        opener = next((phrase for phrase in OPENERS if tuple(rest[: len(phrase)]) == phrase), None)
        if opener is not None:
            del rest[: len(opener)]
        elif rest[0] in INTERJECTIONS or rest[0] in FILLERS or rest[0] in YES or rest[0] in NO:
            del rest[0]
        else:
            break
    return rest


def verb_sureness(word: str) -> int:
    """2: a verb; 1: perhaps one, its neighbours decide; 0: none."""
    if word in _NO_VERBS or word.endswith("ly"):
        return 0
    return 2 if ENDINGS.is_verb(word) else int(ENDINGS.may_be_verb(word))


def count_clauses(words: Sequence[str], *, after_answer: bool = False) -> Clauses:
    """Count over `words` as `without_opening` gives them. `after_answer`: a "yes" or "no" stood before them,
    so that a condition ("yes, if it is quick") needs no clause besides itself."""
    opened = 0 if after_answer and words and words[0] in SUBORDINATORS else 1
    verbs = 0
    in_group, infinitive, last = False, False, -9
    for place, word in enumerate(words):
        before = words[place - 1] if place else ""
        if before == "to" and in_group and (verb_sureness(word) or word in AUXILIARIES):
            infinitive, last = True, place
            continue
        if word in AUXILIARIES or _is_verb_here(words, place):
            again = place > 1 and before in PRONOUNS and words[place - 2] not in AUXILIARIES
            if not in_group or before in ("and", "but") or _holds_subject(word) or again:
                verbs += 1
            in_group, infinitive, last = True, False, place
            continue
        if in_group and place - last == 1 and _stays_in_group(word, before, infinitive=infinitive):
            last = place
            continue
        in_group = False
        opened += _opens(words, place, verbs)
    return Clauses(opened, verbs)


def _is_verb_here(words: Sequence[str], place: int) -> bool:
    before = words[place - 1] if place else ""
    if words[place] == "like":
        return before in PRONOUNS
    sureness = verb_sureness(words[place])
    if not sureness:
        return False
    if before in ("please", "then"):
        return True
    if not before or before in PRONOUNS:
        return True
    if before in ADVERBS and place > 1 and words[place - 2] in PRONOUNS:
        return True
    return sureness == 2 and (
        before in _BEFORE_A_VERB or (before not in DETERMINERS and before not in PREPOSITIONS)
    )


def _stays_in_group(word: str, before: str, *, infinitive: bool) -> bool:
    if word in ADVERBS or word.endswith("ly") or word == "to":
        return True
    # "Do you have", "is it": the subject stands within its verbs.
    return word in PRONOUNS and before in AUXILIARIES and not infinitive


def _holds_subject(word: str) -> bool:
    head, mark, _ = word.partition("'")
    return bool(mark) and (head in PRONOUNS or head in WH_WORDS)


def _is_subject(word: str) -> bool:
    return word in PRONOUNS or _holds_subject(word)


def _opens(words: Sequence[str], place: int, verbs: int) -> int:
    """Whether a clause begins with this word that is no verb: 1 or 0."""
    word = words[place]
    before = words[place - 1] if place else ""
    after = words[place + 1] if place + 1 < len(words) else ""
    if word in _ALSO_PREPOSITIONS:
        return int(_is_subject(after) and after not in _THINGS)
    if word in SUBORDINATORS or word in ("whoever", "whatever"):
        # "When are you open" asks, and opens nothing.
        return int(place > 0 or after not in AUXILIARIES or _holds_subject(after))
    if not place:
        return 0
    if word == "who":
        return 1
    if word == "that":
        follows = (
            _is_subject(after) or after in DETERMINERS or after in AUXILIARIES or verb_sureness(after) == 2
        )
        return int(follows and before not in PREPOSITIONS and before not in AUXILIARIES)
    if word in WH_WORDS:
        return int(bool(after) and before not in PREPOSITIONS)
    if before in SAYING and (word in ARTICLES or (_is_subject(word) and word not in _THINGS)):
        return 1
    # "The time we tried this": a clause within the subject.
    bare = word in PRONOUNS and word not in _THINGS
    return int(place > 1 and bare and not verbs and words[0] in ARTICLES)
