"""Checked on each sentence of a model before it is spoken; well under a millisecond.

What counts as known: the scenario's own words, knowledge and facts, and the fields' values. A caller's
words are never a source of prices, links or promises, so fishing for them catches nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from trunkline.scenario.model import ByIdentity, Scenario
from trunkline.scenario.numbers import Found, find_numbers, plain
from trunkline.scenario.spoken import fill, value_words
from trunkline.scenario.state import State

SMALL = 3
"""Numbers up to this are part of speech ("two quick questions") unless money, percent or time is meant."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a sentence may be spoken; if not, which rule speaks against it and what to say instead."""

    ok: bool
    rule: str = ""
    replacement: str = ""


_FINE = Verdict(ok=True)
_PROFANE = re.compile(
    r"\b(fuck\w*|shit\w*|bullshit|bitch\w*|asshole\w*|arsehole\w*|bastard\w*|cunt\w*|wank\w*|motherfuck\w*|"
    r"idiot\w*|moron\w*|retard\w*|slut\w*|whore\w*|nigg\w*|faggot\w*|damn you|shut up)\b"
)
_PROMISES = re.compile(
    r"\b(guarantee[ds]?|guaranteed|discounts?|refunds?|reimburse\w*|money back|free of charge|"
    r"for free|at no cost|"
    r"no cost|free (month|trial|phone|upgrade|year|week)s?|half price|special (offer|price|deal)|best price|"
    r"i promise|we promise|you have my word|i swear|waive[ds]?|voucher|gift card|cash ?back|compensat\w+|"
    r"price match|lifetime|unlimited|hundred percent|per ?cent off|% off)\b|%"
)
_DENIES = re.compile(r"\b(can not|can t|could not|will not|not able to|am not allowed|never|do not|no)\b")
_HUMAN = re.compile(
    r"\bi am (really |actually |in fact |of course )?(not (an? )?(ai|a i|robot|machine|bot|computer|"
    r"artificial\w*)|"
    r"(an? )?(real |actual |living )?(human|person|man|woman|guy))\b(?! assistant)"
)
_LINK = re.compile(
    r"(?:https?://|www\.)\S+|\b[\w.+-]+@[\w-]+\.[\w.]+|\b[\w-]+\.(?:com|net|org|io|co|uk|de|ai|app|"
    r"info|biz|example)\b"
    r"|\b\w+ dot (?:com|net|org|io|co|uk|de|ai|app)\b",
    re.IGNORECASE,
)
_LEAKS = re.compile(
    r"\b(system prompt|my (instructions|prompt|programming|rules (are|say))|answer objection|"
    r"set field|confirm field|"
    r"go to step|schedule callback|end call|json|language model by|openai|anthropic|chatgpt)\b|"
    r"set_field|go_to_step"
)
_OTHERS = re.compile(
    r"\b(another|other|different) (customer|client|caller|person)s? (is|was|are|pays?|paid|named|"
    r"called|said|has|lives?)\b|"
    r"\b(his|her|their) (phone number|address|e ?mail|account|card|password|date of birth) (is|are)\b|"
    r"\b(credit card|social security|card number|password|passport number)\b"
)
_MONEY_WORDS = frozenset(
    [
        "dollar",
        "dollars",
        "euro",
        "euros",
        "pound",
        "pounds",
        "cent",
        "cents",
        "bucks",
        "percent",
        "%",
        "$",
        "£",
        "€",
        "month",
        "monthly",
        "year",
        "yearly",
    ]
)


def check_sentence(scenario: Scenario, state: State, sentence: str) -> Verdict:
    """Whether this sentence may be spoken now. Pure."""
    words = plain(sentence)
    known = _known(ByIdentity(scenario))
    if words and words in known.sentences:
        return _FINE
    rule = _broken(scenario, state, sentence, words, known)
    return _FINE if not rule else Verdict(False, rule, _instead(scenario, state, rule))


@dataclass(frozen=True, slots=True)
class _Known:
    text: str
    sentences: frozenset[str]
    numbers: frozenset[float]
    prices: frozenset[float]
    links: str


@lru_cache(maxsize=32)
def _known(ref: ByIdentity) -> _Known:
    scenario = ref.scenario
    filled = [fill(text, scenario, State()) for text in scenario.own_words]
    sentences = {plain(part) for text in filled for part in re.split(r"(?<=[.!?])\s+", text)}
    text = " | ".join(plain(part) for part in filled)
    numbers: set[float] = set()
    prices: set[float] = set()
    for part in filled:
        parts = plain(part).split()
        for found in find_numbers(parts):
            (prices if _is_price(parts, found) else numbers).add(found.value)
    links = " ".join(filled).lower()
    return _Known(text, frozenset(sentences - {""}), frozenset(numbers | prices), frozenset(prices), links)


def _is_price(words: list[str], number: Found) -> bool:
    before = words[max(0, number.start - 1) : number.start]
    after = words[number.end : number.end + 3]
    joined = f" {' '.join(after)} "
    return bool(set(before + after) & _MONEY_WORDS) or any(
        f" {each} month " in joined for each in ("a", "per")
    )


def _broken(scenario: Scenario, state: State, sentence: str, words: str, known: _Known) -> str:
    if _PROFANE.search(words):
        return "profanity"
    if _HUMAN.search(words):
        return "claims to be a person"
    if _LEAKS.search(words) or _LEAKS.search(sentence.lower()):
        return "speaks of its instructions"
    if _OTHERS.search(words):
        return "other people's data"
    for phrase in scenario.guardrails.forbidden:
        if re.search(rf"\b{re.escape(plain(phrase))}\b", words):
            return "forbidden words"
    for link in _LINK.findall(sentence):
        if link.lower().strip(".,") not in known.links and not _in_fields(scenario, state, link):
            return "invented link"
    promise = _PROMISES.search(words)
    if promise and promise[0] not in known.text:
        # "I can not promise a discount" is no promise; "a discount that never ends" is one.
        before = " ".join(words[: promise.start()].split()[-6:])
        if not _DENIES.search(before):
            return "promise"
    return _invented(scenario, state, words, known)


def _in_fields(scenario: Scenario, state: State, link: str) -> bool:
    return any(
        link.lower()
        in f"{held.value} {value_words(scenario.fields[name], held.value, scenario, state.now)}".lower()
        for name, held in state.fields.items()
        if held.value is not None and name in scenario.fields
    )


def _invented(scenario: Scenario, state: State, words: str, known: _Known) -> str:
    parts = words.split()
    found = find_numbers(parts)
    if not found:
        return ""
    own = _field_numbers(scenario, state)
    paid = _paid(scenario, state)
    for number in found:
        if _is_price(parts, number):
            if number.value not in known.prices and number.value not in paid:
                return "invented price"
        elif number.value > SMALL and number.value not in own and number.value not in known.numbers:
            return "invented number"
    return ""


def _paid(scenario: Scenario, state: State) -> set[float]:
    return {
        float(held.value)
        for name, held in state.fields.items()
        if scenario.fields[name].type == "money" and held.value is not None
    }


def _field_numbers(scenario: Scenario, state: State) -> set[float]:
    numbers: set[float] = set()
    for name, held in state.fields.items():
        if held.value is None:
            continue
        spec = scenario.fields[name]
        said = value_words(spec, held.value, scenario, state.now)
        numbers |= {found.value for found in find_numbers(plain(said).split())}
        if isinstance(held.value, int | float):
            numbers.add(float(held.value))
        elif spec.type == "datetime":
            written = re.findall(r"\d+", str(held.value))
            hours = [float(part) for part in written[2:5]]
            numbers |= {*hours, *(hour - 12 for hour in hours[1:2] if hour > 12)}
    if state.day:
        numbers.add(float(state.day[-2:]))
    return numbers


def _instead(scenario: Scenario, state: State, rule: str) -> str:
    if rule == "claims to be a person":
        return fill(scenario.case("robot").words[0], scenario, state)
    if rule in ("invented price", "invented number", "invented link"):
        return fill(scenario.case("not_known").words[0], scenario, state)
    return fill(scenario.guardrails.instead, scenario, state)
