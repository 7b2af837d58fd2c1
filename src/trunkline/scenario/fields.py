"""Typed fields: from a caller's words, or a model's argument, to a value that is worth keeping.

`parse(spec, text, context)` gives a `Parsed` or None; `sure` says whether it had to guess. `coerce`
checks a value that a model gives for a tool's argument. Values are plain JSON: numbers are floats,
moments ISO 8601 with zone, phones E.164, choices the choice's name, yes and no booleans.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from rapidfuzz import fuzz

from trunkline.scenario.assent import yes_or_no
from trunkline.scenario.contact_details import (
    parse_address,
    parse_company,
    parse_email,
    parse_name,
    parse_phone,
    parse_text,
)
from trunkline.scenario.dates import When, parse_when
from trunkline.scenario.model import FieldSpec
from trunkline.scenario.numbers import Found, find_numbers, plain
from trunkline.scenario.parsed import Context, Parsed

_CURRENCIES = ("dollars", "dollar", "euros", "pounds", "$", "£", "€", "bucks")


def parse(spec: FieldSpec, text: str, context: Context) -> Parsed | None:
    """The value of this field in these words, or None. Never raises for what callers say."""
    parsed = _PARSERS[spec.type](spec, text, context)
    return parsed if parsed is None or _within(spec, parsed.value) else None


def coerce(spec: FieldSpec, value: object, context: Context) -> Any:
    """A model's argument as the field's value. Raises `ValueError` with what is expected instead."""
    match spec.type:
        case "number" | "money" if isinstance(value, int | float) and not isinstance(value, bool):
            result: Any = float(value)
        case "yes_no" if isinstance(value, bool):
            result = value
        case "choice" if isinstance(value, str) and value in spec.choices:
            result = value
        case "datetime" if isinstance(value, str):
            result = _moment(value, context)
        case "text" | "name" | "company" if isinstance(value, str) and value.strip():
            result = value.strip()[:500]
        case _ if isinstance(value, str):
            parsed = parse(spec, value, context)
            if parsed is None or parsed.partial:
                raise ValueError(f"{value!r} is no {spec.type}; {expected_form(spec)}")
            result = parsed.value
        case _:
            raise ValueError(f"{value!r} is no {spec.type}; {expected_form(spec)}")
    if not _within(spec, result):
        raise ValueError(f"{value!r} is out of range; {expected_form(spec)}")
    return result


def expected_form(spec: FieldSpec) -> str:
    """What a model should give for this field."""
    match spec.type:
        case "number" | "money":
            low = "" if spec.min is None else f" from {spec.min:g}"
            return f"give a number{low}" + ("" if spec.max is None else f" up to {spec.max:g}")
        case "choice":
            return f"give one of {', '.join(spec.choices)}"
        case "datetime":
            return "give an ISO 8601 date and time in the future"
        case "yes_no":
            return "give true or false"
        case "phone":
            return "give the number with country code"
        case _:
            return "give the caller's words"


def json_schema(spec: FieldSpec) -> dict[str, Any]:
    """The field's value as JSON Schema, for a model's tool."""
    match spec.type:
        case "number" | "money":
            return {"type": "number"}
        case "yes_no":
            return {"type": "boolean"}
        case "choice":
            return {"type": "string", "enum": list(spec.choices)}
        case _:
            return {"type": "string"}


def _within(spec: FieldSpec, value: Any) -> bool:
    if spec.type not in ("number", "money"):
        return True
    return (spec.min is None or value >= spec.min) and (spec.max is None or value <= spec.max)


def _moment(value: str, context: Context) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        when = parse_when(value, context.now, day=context.day, expected=True)
        if when is None or when.time is None:
            raise ValueError(f"{value!r} is no moment; give an ISO 8601 date and time") from None
        moment = when.at(context.now)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=context.now.tzinfo)
    if moment <= context.now:
        raise ValueError(f"{value!r} is in the past; give a moment in the future")
    return moment.isoformat()


def _best_number(words: list[str], spec: FieldSpec, context: Context) -> Found | None:
    """The number that is meant: beside its unit where there is one, the last one after a correction."""
    numbers = [n for n in find_numbers(words) if not _beside(words, n, context.foreign)]
    near = [n for n in numbers if _cued(words, n, spec)]
    if near:
        return near[-1]
    if not context.expected:
        return None
    if not numbers and len(words) <= 4:
        numbers = find_numbers(words, guess=True)
    if len(numbers) > 1 and {n.value for n in numbers} != {numbers[0].value}:
        last = numbers[-1]  # "twelve, no, fifteen": the last is meant; "ten or twelve": we are not sure
        between = words[numbers[-2].end : last.start]
        corrected = bool({"no", "sorry", "actually", "mean", "meant", "rather", "not"} & set(between))
        return Found(last.value, last.start, last.end, sure=corrected)
    return numbers[-1] if numbers else None


def _cued(words: list[str], number: Found, spec: FieldSpec) -> bool:
    return _beside(words, number, cues_of(spec))


def cues_of(spec: FieldSpec) -> tuple[str, ...]:
    """The plain words that show a number to be this field's."""
    own = (*spec.cues, spec.unit)
    return tuple(cue for cue in map(plain, own) if cue) + (_CURRENCIES if spec.type == "money" else ())


def _beside(words: list[str], number: Found, cues: tuple[str, ...]) -> bool:
    near = words[number.end : number.end + 3]
    following = find_numbers(near)
    near = near[: following[0].start] if following else near  # "300 for 12 people": 12 are people
    after = f" {' '.join(near)} "
    return any(f" {cue} " in after for cue in cues)


def _number(spec: FieldSpec, text: str, context: Context) -> Parsed | None:
    words = plain(text).split()
    found = _best_number(words, spec, context)
    if found is None:
        alone = " ".join(words) in ("just me", "only me", "it is just me", "me alone", "i work alone")
        return Parsed(1.0, text) if alone and context.expected and (spec.unit or spec.cues) else None
    sure = found.sure and (found.value > 3 or len(words) <= 4 or _cued(words, found, spec))
    return Parsed(float(found.value), text, sure=sure)


def _money(spec: FieldSpec, text: str, context: Context) -> Parsed | None:
    words = plain(text).split()
    if context.expected and " ".join(words) in ("nothing", "nothing at all", "zero", "it is free"):
        return Parsed(0.0, text)
    if not context.expected and not set(_CURRENCIES) & set(words):
        return None
    if words and words[0] in _CURRENCIES:  # "$300" is written before its number and said after it
        words = [*words[1:], words[0]]
    found = _best_number(words, spec, context)
    return None if found is None else Parsed(float(found.value), text, sure=found.sure)


def _yes_no(_: FieldSpec, text: str, context: Context) -> Parsed | None:
    if not context.expected:
        return None
    answer = yes_or_no(text)
    return None if answer is None else Parsed(answer, text)


def _choice(spec: FieldSpec, text: str, context: Context) -> Parsed | None:
    said = plain(text)
    best: list[tuple[float, int, str]] = []
    for name, phrases in spec.choices.items():
        for phrase in (*phrases, name.replace("_", " ")):
            wanted = plain(phrase)
            if not context.expected and len(wanted.split()) < 3:
                continue  # "not sure" is said of many things
            if re.search(rf"\b{re.escape(wanted)}\b", said):
                best.append((100.0, len(wanted), name))
            elif context.expected and len(wanted) > 4:
                score = fuzz.ratio(wanted, said)
                if score >= 80:
                    best.append((score, len(wanted), name))
    if not best:
        return None
    best.sort(reverse=True)
    rivals = {name for score, size, name in best if score == best[0][0] and size == best[0][1]}
    return Parsed(best[0][2], text, sure=best[0][0] >= 90 and len(rivals) == 1)


def _datetime(_: FieldSpec, text: str, context: Context) -> Parsed | None:
    when: When | None = parse_when(text, context.now, day=context.day, expected=context.expected)
    if when is None:
        return None
    if when.time is None:
        return Parsed(when.day.isoformat(), text, partial=True) if context.expected else None
    return Parsed(when.at(context.now).isoformat(), text, sure=when.sure)


_PARSERS: dict[str, Callable[[FieldSpec, str, Context], Parsed | None]] = {
    "text": parse_text,
    "name": parse_name,
    "company": parse_company,
    "phone": parse_phone,
    "email": parse_email,
    "address": parse_address,
    "number": _number,
    "money": _money,
    "datetime": _datetime,
    "choice": _choice,
    "yes_no": _yes_no,
}
"""A new type is a parser and a line here, a form in `spoken.value_words` and phrases in `expect.py`."""
