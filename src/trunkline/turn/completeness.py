"""How complete the words so far sound: the grammar of where an English sentence can stop.

A probability from closed word classes and a few shapes, no model: a microsecond a word, explainable,
and wrong in the safe direction (unsure where a sentence may go on). Other languages give 0.5, so
that plain silence decides.
"""

from __future__ import annotations

from trunkline.turn.wording import FILLERS, GREETINGS, NO, NUMBERS, TENS, YES, plain_words, words_of

_CONJUNCTIONS = words_of("and or but because so if when while although though since unless than that")
_PREPOSITIONS = words_of(
    "to of in on at for with from by about into onto over under between near around after before until "
    "without within through during against like as per via"
)
_DETERMINERS = words_of(
    "a an the my your our their its his this these those every each some any no another which whose"
)
_AUXILIARIES = words_of(
    "is are was were am be been will would can could should shall may might must have has had do does did "
    "i'm i'll i'd i've we're we'll we've we'd you're they're he's she's it's that's there's what's who's "
    "don't doesn't didn't can't won't isn't aren't wasn't couldn't wouldn't shouldn't haven't "
    "gonna wanna gotta let's"
)
_SUBJECTS = words_of("i we he she they who")
_INTENSIFIERS = words_of("very really quite pretty too just only maybe probably also even still next last")
_WANTING = words_of(
    "want need like love prefer have get take make give book call tell ask find send bring put let try "
    "wants needs likes has gets takes makes said says mean think thought guess believe suppose wonder "
    "looking trying going calling asking hoping wondering called named buy sell rent "
    "know explain understand hear see show remember hope wish told means meant "
    "promised offered asked knows wanted needed"
)
_QUESTION = words_of("what when where who why how which whose can could would will do does did is are")
_ANSWER_ENDS = words_of(
    "please thanks thank it that them him her me us today tomorrow tonight now later soon yesterday morning "
    "afternoon evening week month year pm am o'clock bye goodbye "
    "sorry fine good great perfect okay yes no"
)
_STOPS_OF_ABILITY = words_of("can't won't don't do can am is did didn't isn't will would")
_AFTER_SUBJECT = words_of("i we you they he she it")
_SCALES = words_of("hundred thousand million")
_SUBORDINATORS = words_of("if when because although since while unless whenever once")
_OPENERS = frozenset(
    tuple(phrase.split())
    for phrase in (
        "to be honest",
        "to tell you the truth",
        "let me see",
        "let me think",
        "let me check",
        "first of all",
        "as far as i know",
        "you see",
        "you know",
        "i mean",
        "for now",
        "at the moment",
        "the thing is",
        "in fact",
        "in that case",
        "on the other hand",
        "by the way",
        "as i said",
        "like i said",
        "one more thing",
        "i guess",
        "i suppose",
        "i think",
        "i believe",
        "i don't know",
        "well",
        "actually",
        "basically",
        "honestly",
    )
)
"""What opens a sentence and is none."""


def completeness(text: str) -> float:
    """The probability, 0 to 1, that these words are all the caller wants to say now."""
    words = plain_words(text)
    if not words:
        return 0.0
    ending = text.rstrip()[-1:]
    if ending in {",", "-", "…", ":"} or text.rstrip().endswith("..."):
        return 0.1
    by_words = _by_words(words)
    if ending == "?":
        return max(by_words, 0.95)
    if ending in {".", "!"} and by_words >= 0.3:
        # Engines that punctuate put a full stop after nearly anything: it helps, it does not decide.
        return min(1.0, by_words + 0.1)
    return by_words


def _by_words(words: list[str]) -> float:
    last = words[-1]
    said = [word for word in words if word not in FILLERS]
    if not said:
        return 0.1
    if all(word in YES or word in NO or word in GREETINGS for word in said):
        return 0.95 if last not in FILLERS else 0.4
    if last in FILLERS:
        return 0.08
    if tuple(said) in _OPENERS or tuple(words) in _OPENERS:
        return 0.12
    if _is_half_a_condition(said):
        return 0.2
    if said[-2:] == ["thank", "you"] or said[-2:] == ["you", "know"]:
        return 0.95 if said[-2] == "thank" else 0.1
    if len(said) >= 2 and last in _STOPS_OF_ABILITY and said[-2] in _AFTER_SUBJECT:
        # "Yes I do", "no I can't": whole with a yes or no before, open otherwise.
        return 0.9 if said[0] in YES | NO or said[0] in _QUESTION else 0.3
    before = said[-2] if len(said) > 1 else ""
    if last == "that" and before in _WANTING:
        return 0.1
    if last == "so" and before in _WANTING:
        return 0.9
    if last == "may" and before in {"of", "in", "last", "next"}:
        return 0.88
    if last in _WANTING and last.endswith("s") and before in {"it", "he", "she"}:
        # "How long it takes": a verb of wanting that wants nothing here.
        return 0.7
    if last in {"this", "these", "those"} and (before in _PREPOSITIONS or before in _WANTING):
        return 0.75
    if last in _ANSWER_ENDS:
        return 0.88 if last != "that" or len(said) > 2 else 0.4
    if last in _CONJUNCTIONS or last in _DETERMINERS:
        return 0.05
    if last in _PREPOSITIONS or last in _AUXILIARIES or last in _SUBJECTS:
        # "What is it for?" ends on one too.
        return 0.5 if said[0] in {"what", "who", "where", "which"} and len(said) > 3 else 0.1
    if last in _INTENSIFIERS:
        return 0.15
    if last in _WANTING:
        return 0.25
    if last in TENS or last in _SCALES:
        return 0.5
    if last in NUMBERS or last.isdigit():
        return 0.6
    return _by_shape(said)


def _is_half_a_condition(said: list[str]) -> bool:
    """ "When the shop is closed": what follows from it is still to come."""
    if said[0] not in _SUBORDINATORS or len(said) < 2 or said[1] in _AUXILIARIES:
        return False
    rest = said[1:]
    clauses = sum(word in _AUXILIARIES or word in _WANTING for word in rest)
    begun = sum(word in _SUBJECTS or word in {"you", "it", "that", "there"} for word in rest)
    # "Because it is too far" answers a why.
    return max(clauses, begun) < 2 and said[0] != "because"


def _by_shape(said: list[str]) -> float:
    if said[0] in _QUESTION:
        return 0.85 if len(said) >= 4 else 0.45
    if len(said) <= 2:
        return 0.55
    has_verb = any(word in _AUXILIARIES or word in _WANTING for word in said[:-1])
    starts_clause = any(
        word in _SUBJECTS or word in {"you", "it", "that"} or "'" in word for word in said[:-1]
    )
    if has_verb and starts_clause:
        return 0.82
    if has_verb or starts_clause:
        return 0.72
    if said[0] in _DETERMINERS and said[0] not in {"this", "no", "any", "some"}:
        # A thing was named, and nothing said of it yet.
        return 0.45
    return 0.6
