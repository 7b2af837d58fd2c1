"""How a value is said aloud, in words: numbers, money, moments, and the variables in a text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from trunkline.scenario import number_words as english
from trunkline.scenario.dates import MONTHS, WEEKDAYS
from trunkline.scenario.findings import VARIABLE
from trunkline.scenario.model import FieldSpec, Scenario
from trunkline.scenario.state import State


@lru_cache(maxsize=2048)
def number_words(value: float) -> str:
    """12 gives "twelve", 12.5 "twelve point five"."""
    words = english.cardinal_words(int(value)) if abs(value) <= english.LARGEST else "a very large number"
    fraction = f"{value:.6f}".partition(".")[2].rstrip("0")
    if fraction and value != int(value):
        sign = "minus " if -1 < value < 0 else ""
        words = f"{sign}{words} point {' '.join(english.cardinal_words(int(digit)) for digit in fraction)}"
    return words.replace("-", " ")


@lru_cache(maxsize=2048)
def ordinal_words(value: int) -> str:
    """12 gives "twelfth"."""
    return english.ordinal_words(value).replace("-", " ")


def time_words(moment: datetime) -> str:
    """Sixteen thirty gives "four thirty in the afternoon"."""
    if (moment.hour, moment.minute) == (12, 0):
        return "noon"
    hour = number_words(moment.hour % 12 or 12)
    minute = ""
    if moment.minute:
        minute = (" oh " if moment.minute < 10 else " ") + number_words(moment.minute)
    part = "morning" if moment.hour < 12 else "afternoon" if moment.hour < 18 else "evening"
    return f"{hour}{minute} in the {part}"


def moment_words(moment: datetime, now: datetime) -> str:
    """ "tomorrow at ten in the morning", "on Thursday at four in the afternoon", with the date when it
    is a week away or more."""
    ahead = (moment.date() - now.date()).days
    weekday = WEEKDAYS[moment.weekday()].capitalize()
    if ahead == 0:
        day = "today"
    elif ahead == 1:
        day = "tomorrow"
    elif ahead < 7:
        day = f"on {weekday}"
    else:
        day = f"on {weekday} the {ordinal_words(moment.day)} of {MONTHS[moment.month - 1].capitalize()}"
    return f"{day} at {time_words(moment)}"


def value_words(spec: FieldSpec, value: Any, scenario: Scenario, now: datetime) -> str:
    """A field's value as the agent says it."""
    if value is None:
        return "not known"
    match spec.type:
        case "number":
            return number_words(float(value))
        case "money":
            return f"{number_words(float(value))} {scenario.currency}"
        case "datetime":
            return moment_words(datetime.fromisoformat(str(value)).astimezone(now.tzinfo), now)
        case "yes_no":
            return "yes" if value else "no"
        case "choice":
            return str(value).replace("_", " ")
        case "phone":
            return ", ".join(
                number_words(float(digit)) if digit.isdecimal() else "plus" for digit in str(value)
            )
        case "email":
            return str(value).replace("@", " at ").replace(".", " dot ")
        case _:
            return str(value)


def result_words(value: str | float | bool, now: datetime) -> str:
    """What a tool answered, as the agent says it: numbers and moments in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number_words(float(value))
    try:
        moment = datetime.fromisoformat(value) if "T" in value else None
    except ValueError:
        moment = None
    if moment is None:
        return value
    return moment_words(moment.astimezone(now.tzinfo) if moment.tzinfo else moment, now)


def fill(text: str, scenario: Scenario, state: State, extra: Mapping[str, str] | None = None) -> str:
    """The text with its variables said aloud. `{name|fallback}` gives the fallback where `name` is not
    known; without one an unknown name is left out."""
    return _filled(text, scenario, state, {**(extra or {})}, 0)


def _filled(text: str, scenario: Scenario, state: State, extra: dict[str, str], depth: int) -> str:
    if "{" not in text:
        return text

    def put(match: Any) -> str:
        name, fallback = match[1], match[2]
        if name in extra:
            return extra[name]
        held = state.fields.get(name)
        if held is not None and held.value is not None and name in scenario.fields:
            return value_words(scenario.fields[name], held.value, scenario, state.now)
        if name in state.results:
            return result_words(state.results[name], state.now)
        fact = state.facts.get(name, scenario.facts.get(name))
        if fact:
            # Facts of the scenario may name others; those that come with a call are people's data.
            own = name not in state.facts and depth < 3
            return _filled(fact, scenario, state, extra, depth + 1) if own else fact
        built_in = {"agent": scenario.persona.name, "company": scenario.persona.company}.get(name)
        return built_in or (fallback[1:] if fallback else "")

    return " ".join(VARIABLE.sub(put, text).split())
