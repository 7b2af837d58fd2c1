"""How complete the words so far are: could this be all that the caller wants to say now?

Two looks, and the surer of them counts: what people say every day and are done (`formulas.py`); and the
grammar, where the first that is sure wins: what is always whole ("yes", "thank you"), what no sentence ends
on (`never_last.py`), else a logistic model over what `features` sees, whose weights
`scripts/fit_completeness.py` fits on `lab/pauses/tuning.txt`. A few dozen microseconds, no dependency, and
every number can be read. English: words of which the table knows hardly any, and a last word in another
script, give 0.5, so that plain silence decides.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files

from trunkline.events import Answer
from trunkline.turn.clauses import Clauses, count_clauses, verb_sureness, without_opening
from trunkline.turn.endings import ENDINGS
from trunkline.turn.formulas import FORMULAS
from trunkline.turn.never_last import cannot_end
from trunkline.turn.wordclasses import (
    ADVERBS,
    ARTICLES,
    AUXILIARIES,
    BE,
    CLOSERS,
    DETERMINERS,
    GIVING,
    INTENSIFIERS,
    MODALS,
    OBJECTS,
    PARTICLES,
    PREPOSITIONS,
    PRONOUNS,
    QUESTIONS,
    SAYING,
    SUBORDINATORS,
    TIMES,
    WANTING,
    WH_WORDS,
    WHOLE_BY_THEMSELVES,
)
from trunkline.turn.wording import (
    FILLERS,
    GREETINGS,
    NO,
    NUMBERS,
    TENS,
    YES,
    is_in_other_script,
    plain_words,
    words_of,
)

WHOLE, ANSWERED, OFTEN_WHOLE, HALF, OPENING, FILLER, NEVER_LAST = 0.95, 0.85, 0.7, 0.2, 0.12, 0.08, 0.06
"""Where no model is asked: surely whole, "no we don't", whole or an opening ("thank you"), half a
sentence, an opening alone, a filler at the end, a word no sentence ends on."""
UNKNOWN = 0.5
"""Words of another language: nothing is known."""
_DEMONSTRATIVES = words_of("this that these those")
_ORDINALS = words_of("first second third last next only best worst same whole other")
_THINGS = words_of("it this that")
_ASKING_BE = words_of("is are was were")
_PARTS = words_of("one some both most all many half part each any none a")
_SCALES = words_of("hundred thousand million")
FRAGMENTS = frozenset((Answer.NAME, Answer.COMPANY, Answer.CHOICE, Answer.DATE, Answer.NUMBER, Answer.MONEY))
"""What is asked for here is answered by a word or two."""
_COUNTED = frozenset((Answer.NUMBER, Answer.MONEY))
_KNOWN_SHARE = 0.34
_LONG = 8
_HUMMED_YES = frozenset((("mm", "hm"), ("mhm",), ("uh", "huh"), ("mm", "hmm")))
"""Sounds that answer where nothing else is said: no fillers then."""

_WEIGHTS: dict[str, float] = json.loads(
    (files("trunkline.turn") / "english" / "weights.json").read_text(encoding="utf-8")
)


@lru_cache(maxsize=256)  # turn-taking asks about the same words at each event until others come
def completeness(text: str, kind: Answer = Answer.FREE) -> float:
    """The probability, 0 to 1, that these words are all the caller wants to say now, having been asked
    for `kind`."""
    words = plain_words(text)
    if not words:
        return 0.0
    stripped = text.rstrip()
    ending = stripped[-1:]
    if ending in {",", "-", "…", ":", "、", "，", "،"} or stripped.endswith("..."):
        return 0.1
    by_words = _by_words(words, kind)
    if ending in {"?", "？", "؟"}:
        return max(by_words, WHOLE)
    if ending in {".", "!"} and by_words >= 0.3 and by_words != UNKNOWN:
        # Engines that punctuate put a full stop after nearly anything: it helps, it does not decide.
        return min(1.0, by_words + 0.1)
    return by_words


def _by_words(words: list[str], kind: Answer) -> float:
    said = without_fillers(words)
    formula = FORMULAS.judged(said) if said and said[-1] == words[-1] else 0.0
    return max(formula, _by_grammar(words, said, kind))


def _by_grammar(words: list[str], said: list[str], kind: Answer) -> float:
    if not said:
        if tuple(words) in _HUMMED_YES:
            return ANSWERED if kind is Answer.YES_NO else OFTEN_WHOLE
        return 0.1
    if is_in_other_script(said):
        return UNKNOWN
    settled = settled_completeness(words, said, kind)
    if settled is not None:
        return settled
    if len(said) > 1 and sum(map(ENDINGS.knows, said)) < _KNOWN_SHARE * len(said):
        return UNKNOWN
    score = sum(_WEIGHTS.get(name, 0.0) * value for name, value in features(said, kind).items())
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))


def without_fillers(words: Sequence[str]) -> list[str]:
    """The words but for "um" and its like; "well" is one only at the beginning."""
    return [word for place, word in enumerate(words) if word not in FILLERS or (word == "well" and place)]


def settled_completeness(words: Sequence[str], said: Sequence[str], kind: Answer) -> float | None:
    """What needs no model; `said` are the words without fillers. None where it does."""
    if words[-1] in FILLERS and words[-1] != said[-1]:
        return FILLER
    if all(word in YES or word in NO or word in GREETINGS for word in said):
        return WHOLE
    if tuple(said) in WHOLE_BY_THEMSELVES:
        return OFTEN_WHOLE
    if len(said) > 1 and (said[-1] == "please" or tuple(said[-2:]) == ("thank", "you")):
        return WHOLE
    if said[-1] == "so" and len(said) > 1 and said[-2] in SAYING:
        return WHOLE
    if (
        len(said) == 3
        and (said[0] in YES or said[0] in NO)
        and said[1] in PRONOUNS
        and said[2] in AUXILIARIES
    ):
        return ANSWERED
    if cannot_end(said):
        return NEVER_LAST
    rest = without_opening(said)
    if not rest:
        return OPENING
    if _asks_all(rest):
        return WHOLE
    return HALF if kind not in FRAGMENTS and _is_half(said, rest) else None


def _is_half(said: Sequence[str], rest: Sequence[str]) -> bool:
    """A condition without what follows from it, a subject without its verb, a question without its matter."""
    clauses = _clauses(said, rest)
    if clauses.verbs and clauses.lacking:
        return True
    if not clauses.verbs:
        return len(rest) > 2 and rest[0] in _PARTS and "of" in rest[1:3] and rest[-1] not in OBJECTS
    return rest[0] in _ASKING_BE and (
        (len(rest) == 3 and rest[1] in ARTICLES) or (len(rest) == 2 and rest[1] not in CLOSERS)
    )


def _asks_all(rest: Sequence[str]) -> bool:
    """ "What does it cost", "how long would that take": nothing is left to be asked."""
    for place in range(1, min(4, len(rest) - 2)):
        if rest[place] in MODALS and rest[0] in WH_WORDS:
            return rest[place + 1] in _THINGS and place + 3 == len(rest) and verb_sureness(rest[-1]) > 0
    return False


def _clauses(said: Sequence[str], rest: Sequence[str]) -> Clauses:
    return count_clauses(rest, after_answer=said[0] in YES or said[0] in NO or said[0] == "maybe")


def features(said: Sequence[str], kind: Answer) -> dict[str, float]:
    """What the model looks at, by name; only what is not zero."""
    last = said[-1]
    before = said[-2] if len(said) > 1 else ""
    second = said[-3] if len(said) > 2 else ""
    rest = without_opening(said)
    clauses = _clauses(said, rest)
    length = min(len(said), _LONG) / _LONG
    fragment = kind in FRAGMENTS
    found: dict[str, float] = {
        "always": 1.0,
        "rarely": ENDINGS.rarely(said),
        "rarely_alone": ENDINGS.rarely_after(last),
        "length": length,
    }
    count = {1: "one_word", 2: "two_words", 3: "three_words"}.get(len(said))
    if count:
        found[count] = 1.0
    found.update(dict.fromkeys((f"last_{name}" for name, words in _LAST.items() if last in words), 1.0))
    found.update(dict.fromkeys((f"before_{name}" for name, words in _BEFORE.items() if before in words), 1.0))
    found.update(dict.fromkeys((f"first_{name}" for name, words in _FIRST.items() if rest[0] in words), 1.0))
    verbless = not clauses.verbs
    flags = {
        "last_ly": last.endswith("ly"),
        "last_number": last in NUMBERS or last.isdigit(),
        "last_tens": last in TENS or last in _SCALES,
        "last_verb": verb_sureness(last) == 2,
        "last_unknown": not ENDINGS.knows(last),
        "last_to_verb": before == "to" and verb_sureness(last) > 0,
        "opening": len(rest) < len(said),
        "adjective": before in INTENSIFIERS and second in ARTICLES,
        "gives_to": last in OBJECTS and before in GIVING,
        "last_saying": last in SAYING,
        "ordinal_time": last == "time" and before in _ORDINALS,
        "verbless": verbless and not fragment,
        "verbless_after_but": verbless and not fragment and said[0] in ("but", "and", "or"),
        "verbless_article": verbless and not fragment and rest[0] in DETERMINERS,
        "verbless_subject": verbless and not fragment and rest[0] in DETERMINERS and len(rest) > 3,
        "verbless_preposition": verbless and not fragment and rest[0] in PREPOSITIONS,
        "fragment": fragment,
        "fragment_verbless": fragment and verbless,
        "fragment_one": fragment and len(said) == 1,
        "counted_number": kind in _COUNTED and (last in NUMBERS or last.isdigit()),
        "asked_yes_no": kind is Answer.YES_NO,
        "answers_yes_no": kind is Answer.YES_NO and any(word in YES or word in NO for word in said),
        "goes_on_from_yes": kind is Answer.YES_NO and len(rest) < len(said),
    }
    found.update({name: 1.0 for name, holds in flags.items() if holds})
    return found


_LAST = {
    "particle": PARTICLES,
    "preposition": PREPOSITIONS - PARTICLES,
    "be": BE,
    "modal": MODALS,
    "object": OBJECTS,
    "time": TIMES,
    "closer": CLOSERS,
    "demonstrative": _DEMONSTRATIVES,
    "wanting": WANTING,
    "question": WH_WORDS,
    "determiner": DETERMINERS - _DEMONSTRATIVES,
    "intensifier": INTENSIFIERS,
}
_BEFORE = {
    "be": BE,
    "modal": MODALS,
    "article": ARTICLES,
    "preposition": PREPOSITIONS,
    "intensifier": INTENSIFIERS,
    "pronoun": PRONOUNS,
    "object": OBJECTS,
    "adverb": ADVERBS,
    "time": TIMES,
    "wanting": WANTING,
    "question": WH_WORDS,
}
_FIRST = {
    "question": QUESTIONS - WH_WORDS,
    "wh": WH_WORDS,
    "article": ARTICLES,
    "preposition": PREPOSITIONS,
    "pronoun": PRONOUNS,
    "subordinator": SUBORDINATORS,
    "auxiliary": AUXILIARIES,
}
