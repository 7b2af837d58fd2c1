"""Checked on each sentence of a model before it is spoken; well under a millisecond.

What counts as known: the scenario's own words, knowledge and facts, and the fields' values. A caller's
words are never a source of prices, links or promises, so fishing for them catches nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from trunkline.scenario import guardrail_words as words_of
from trunkline.scenario.model import ByIdentity, Scenario
from trunkline.scenario.numbers import Found, find_numbers, plain
from trunkline.scenario.spoken import fill, result_words, value_words
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


def check_sentence(scenario: Scenario, state: State, sentence: str) -> Verdict:
    """Whether this sentence may be spoken now. Pure."""
    words = plain(sentence)
    known = _known(ByIdentity(scenario))
    step = scenario.steps.get(state.step)
    if step is not None and _holds(words, step.forbidden):
        return Verdict(False, "forbidden in this step", _instead(scenario, state, ""))
    if words and words in known.sentences:
        return _FINE
    # What came with the call, what tools answered, and what this step allows may be said like one's own.
    told = (*state.facts.values(), *(result_words(value, state.now) for value in state.results.values()))
    here = _sources((*told, *(step.allowed if step is not None else ())))
    rule = _broken(scenario, state, sentence, words, known, here)
    return _FINE if not rule else Verdict(False, rule, _instead(scenario, state, rule))


@dataclass(frozen=True, slots=True)
class _Sources:
    """Texts whose numbers, prices and links may be spoken."""

    text: str
    numbers: frozenset[float]
    prices: frozenset[float]
    links: str


@dataclass(frozen=True, slots=True)
class _Known(_Sources):
    sentences: frozenset[str]


@lru_cache(maxsize=32)
def _known(ref: ByIdentity) -> _Known:
    scenario = ref.scenario
    filled = tuple(fill(text, scenario, State()) for text in scenario.own_words)
    sentences = {plain(part) for text in filled for part in re.split(r"(?<=[.!?])\s+", text)}
    own = _sources(filled)
    return _Known(own.text, own.numbers, own.prices, own.links, frozenset(sentences - {""}))


@lru_cache(maxsize=512)
def _sources(texts: tuple[str, ...]) -> _Sources:
    numbers: set[float] = set()
    prices: set[float] = set()
    for text in texts:
        parts = plain(text).split()
        for found in find_numbers(parts):
            (prices if _is_price(parts, found) else numbers).add(found.value)
    joined = " | ".join(plain(text) for text in texts)
    return _Sources(joined, frozenset(numbers | prices), frozenset(prices), " ".join(texts).lower())


def _is_price(words: list[str], number: Found) -> bool:
    before = words[max(0, number.start - 1) : number.start]
    after = words[number.end : number.end + 3]
    joined = f" {' '.join(after)} "
    return bool(set(before + after) & words_of.MONEY_WORDS) or any(
        f" {each} month " in joined for each in ("a", "per")
    )


def _holds(words: str, phrases: tuple[str, ...]) -> bool:
    return any(f" {plain(phrase)} " in f" {words} " for phrase in phrases)


def _broken(
    scenario: Scenario, state: State, sentence: str, words: str, known: _Known, here: _Sources
) -> str:
    if words_of.PROFANE.search(words):
        return "profanity"
    if words_of.HUMAN.search(words):
        return "claims to be a person"
    if words_of.LEAKS.search(words) or words_of.LEAKS.search(sentence.lower()):
        return "speaks of its instructions"
    if words_of.OTHERS.search(words):
        return "other people's data"
    if _foreign(sentence):
        return "another language"
    if _holds(words, scenario.guardrails.forbidden):
        return "forbidden words"
    for topic in scenario.guardrails.topics:
        # To say that one does not speak about it is no word on it.
        found = words_of.TOPICS[topic].search(words)
        if found and not words_of.DENIES.search(words[: found.start()]):
            return f"forbidden topic: {topic}"
    links = f"{known.links} {here.links}"
    for link in words_of.LINK.findall(sentence):
        if link.lower().strip(".,") not in links and not _in_fields(scenario, state, link):
            return "invented link"
    promise = words_of.PROMISES.search(words)
    if promise and promise[0] not in known.text and promise[0] not in here.text:
        # "I can not promise a discount" is no promise; "a discount that never ends" is one.
        before = " ".join(words[: promise.start()].split()[-6:])
        if not words_of.DENIES.search(before):
            return "promise"
    return _invented(scenario, state, words, known, here)


def _foreign(sentence: str) -> bool:
    """Whether it is in a language that the agent does not speak: nobody could check it."""
    if len(words_of.OTHER_SCRIPT.findall(sentence)) >= 3:
        return True
    words = re.findall(r"[^\W\d_]+", sentence.lower())
    strange = [word for word in words if word in words_of.FOREIGN]
    return len(set(strange)) >= 2 and len(strange) * 4 >= len(words)


def _in_fields(scenario: Scenario, state: State, link: str) -> bool:
    return any(
        link.lower()
        in f"{held.value} {value_words(scenario.fields[name], held.value, scenario, state.now)}".lower()
        for name, held in state.fields.items()
        if held.value is not None and name in scenario.fields
    )


def _invented(scenario: Scenario, state: State, words: str, known: _Known, here: _Sources) -> str:
    parts = words.split()
    found = find_numbers(parts)
    if not found:
        return ""
    numbers = known.numbers | here.numbers | _field_numbers(scenario, state)
    # What a tool answers as a number is its price too: who asks for it says so in the step's words.
    figures = {float(value) for value in state.results.values() if isinstance(value, int | float)}
    prices = known.prices | here.prices | figures | _paid(scenario, state)
    for number in found:
        if _is_price(parts, number):
            if number.value not in prices:
                return "invented price"
        elif number.value > SMALL and number.value not in numbers:
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
