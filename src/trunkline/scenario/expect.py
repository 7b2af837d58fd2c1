"""What the caller is likely to say next, for the recogniser and for turn-taking.

Built from the step's field (its type's sentences, its own `hear`), the step's edges, and what may be
said at any step: objections, questions, and the built-in intents. All in plain words with slots.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from trunkline.events import Answer, Expectation
from trunkline.scenario.intents import BUILT_IN
from trunkline.scenario.model import FieldSpec, Scenario
from trunkline.scenario.numbers import contracted, plain
from trunkline.scenario.state import State

MOST = 400
"""Phrases in one expectation; a recogniser with a grammar slows down beyond."""

_KIND = {
    "text": Answer.TEXT, "name": Answer.NAME, "company": Answer.COMPANY, "phone": Answer.PHONE,
    "email": Answer.EMAIL, "address": Answer.ADDRESS, "number": Answer.NUMBER, "money": Answer.MONEY,
    "datetime": Answer.DATE,
    "choice": Answer.CHOICE, "yes_no": Answer.YES_NO,
}  # fmt: skip

YES_NO = (
    "yes", "yes please", "yes sure", "yes of course", "sure", "okay", "of course", "yes go ahead", "go ahead",
    "that is fine", "yes that is fine", "yes i do", "yes i am", "yes we do", "no", "no thank you",
    "no i do not",
    "no not really", "not really", "no we do not", "i do not think so", "i think so", "absolutely", "alright",
)  # fmt: skip
CONFIRMING = (
    "yes", "yes that is right", "that is right", "yes that is correct", "correct", "yes it is", "exactly",
    "yes exactly", "that works", "yes that works", "sounds good", "perfect", "yes please", "okay", "right",
    "no", "no that is wrong", "no that is not right", "that is not right", "no it is not", "not quite",
)  # fmt: skip
BY_TYPE: dict[str, tuple[str, ...]] = {
    "yes_no": YES_NO,
    "number": (
        "<number>", "about <number>", "around <number>", "<number> i think", "maybe <number>",
        "roughly <number>",
        "it is <number>", "we are <number>", "we have <number>", "just <number>", "i would say <number>",
        "<number> or so", "there are <number>", "probably <number>", "i do not know", "i am not sure",
    ),
    "money": (
        "<money>", "about <money>", "around <money>", "roughly <money>", "it is <money>", "we pay <money>",
        "about <money> a month", "<money> a month", "maybe <money>", "it is about <money>",
        "we pay about <money>",
        "i think <money>", "nothing", "i do not know", "i am not sure", "i would rather not say",
        "we pay about <money> a month", "probably <money>",
    ),
    "datetime": (
        "<day> at <time>", "<day>", "at <time>", "<time>", "how about <day> at <time>",
        "<day> at <time> please",
        "maybe <day> at <time>", "<day> at <time> would be good", "let us say <day> at <time>",
        "<day> at <time> works", "call me <day> at <time>", "<day> would be good", "how about <day>",
        "can we do <day> at <time>", "tomorrow at <time>", "tomorrow morning", "tomorrow afternoon",
        "<day> morning", "<day> afternoon", "in an hour", "in half an hour", "next week", "around <time>",
        "tomorrow", "today at <time>",
    ),
    "name": ("<name>", "my name is <name>", "this is <name>", "i am <name>", "it is <name>"),
}  # fmt: skip
MOMENT_AGAIN = (
    "no <day> at <time>", "no at <time>", "no <day>", "actually <day> at <time>", "can we do <time> instead",
    "make it <time>", "no make it <day> at <time>", "<time> would be better",
)  # fmt: skip
NUMBER_AGAIN = (
    "no <number>", "no it is <number>", "no we are <number>", "actually <number>", "sorry <number>",
    "no i said <number>", "no i meant <number>", "make that <number>", "it is <number>",
    "actually it is <number>",
)  # fmt: skip
MONEY_AGAIN = ("no <money>", "no it is <money>", "actually <money>", "sorry <money>", "no i said <money>")
AGAIN = {"number": NUMBER_AGAIN, "money": MONEY_AGAIN, "datetime": MOMENT_AGAIN}


_ANYWHERE = (
    "human", "opt_out", "robot", "repeat", "callback", "wrong_person", "goodbye", "hold", "who", "greeting",
    "backchannel",
)  # fmt: skip


@lru_cache(maxsize=64)
def _anywhere(lines: tuple[str, ...]) -> tuple[str, ...]:
    built_in = (line for name in _ANYWHERE for line in BUILT_IN[name].hear)
    return _both_ways((*lines, *built_in))


def _both_ways(lines: Iterable[str]) -> tuple[str, ...]:
    """Each phrase as written and as mostly said, once."""
    found: dict[str, None] = {}
    for line in lines:
        for form in (_phrase(line), contracted(_phrase(line))):
            if form:
                found[form] = None
    return tuple(found)


@lru_cache(maxsize=4096)
def _phrase(line: str) -> str:
    """Plain words; slots stay as they are."""
    return " ".join(part if part.startswith("<") else plain(part) for part in line.split()).strip()


def expectation(scenario: Scenario, state: State) -> Expectation:
    """What the agent's latest words ask for, in this state."""
    step = scenario.steps[state.step]
    objections = tuple(line for objection in scenario.objections.values() for line in objection.hear)
    lines: list[str] = []
    kind, digits = Answer.FREE, 0
    if step.asks and step.field:
        spec = scenario.fields[step.field]
        if state.unconfirmed:
            kind = Answer.YES_NO
            lines += [*CONFIRMING, *AGAIN.get(spec.type, ()), *spec.hear]
        else:
            kind = _KIND[spec.type]
            lines += _sentences(spec)
            digits = -1 if spec.keypad and spec.type in ("number", "money", "phone") else 0
    keys = any((edge.event or "").startswith("key_") for edge in step.edges)
    if keys and kind not in (Answer.NUMBER, Answer.MONEY, Answer.PHONE):
        digits = 1
    if step.kind == "talk":
        lines += YES_NO
    for edge in step.edges:
        lines += edge.hear
        if edge.intent is not None and edge.intent in BUILT_IN:
            lines += BUILT_IN[edge.intent].hear
    phrases = dict.fromkeys((*_both_ways(lines), *_anywhere(objections)))
    return Expectation(kind, tuple(phrases)[:MOST], _keyterms(scenario, state), digits)


def _sentences(spec: FieldSpec) -> tuple[str, ...]:
    said = tuple(phrase for phrases in spec.choices.values() for phrase in phrases)
    return (*spec.hear, *BY_TYPE.get(spec.type, ()), *said)


def _keyterms(scenario: Scenario, state: State) -> tuple[str, ...]:
    people = (state.facts.get(name, "") for name in ("first_name", "last_name", "contact_company"))
    terms = (scenario.persona.company, scenario.persona.name, *people)
    return tuple(dict.fromkeys(term for term in terms if term))
