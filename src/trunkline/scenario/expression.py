"""Conditions over fields and facts: a small language that can only compare.

    expression := or
    or         := and ("or" and)*
    and        := not ("and" not)*
    not        := "not" not | comparison
    comparison := value (("==" | "!=" | "<" | "<=" | ">" | ">=" | "in") value)?
    value      := number | 'text' | true | false | none | name | known(name) | [value, …] | (or)

A name is a field or a fact; one that is not known yet is `none`. Comparing sizes with `none`, or
things of different kinds, is false and never an error: a call must not die of a condition. There are
no calls, no attributes and no arithmetic, so nothing in a file can run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from trunkline.errors import ScenarioError

Scalar = str | float | bool | None
Value = Scalar | tuple["Value", ...]
_Run = Callable[[Mapping[str, object]], object]

LONGEST = 500
"""Characters in one expression."""
_DEEPEST = 20
_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?)|'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\""
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>==|!=|<=|>=|<|>|\(|\)|\[|\]|,))"
)
_WORDS = {"true": True, "false": False, "none": None}
_RESERVED = {"and", "or", "not", "in", "known", *_WORDS}


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled condition. `names`: the fields and facts it reads."""

    text: str
    names: frozenset[str]
    guarded: frozenset[str]
    """Those of them that it asks about with known(…)."""
    constants: frozenset[Scalar]
    """The values it compares with."""
    _run: _Run

    def holds(self, values: Mapping[str, object]) -> bool:
        """Whether it is true of these values; a missing name counts as `none`."""
        return bool(self._run(values))


@lru_cache(maxsize=1024)
def compile_expression(text: str) -> Expression:
    """Compile once, use for every call. Raises `ScenarioError` that says what was expected where."""
    if len(text) > LONGEST:
        raise ScenarioError(f"a condition of {len(text)} characters", hint=f"Use at most {LONGEST}.")
    parser = _Parser(text)
    run = parser.parse()
    return Expression(
        text, frozenset(parser.names), frozenset(parser.guarded), frozenset(parser.constants), run
    )


class _Parser:
    """Recursive descent, one method a rule of the grammar above."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.place = 0
        self.depth = 0
        self.names: set[str] = set()
        self.guarded: set[str] = set()
        self.constants: set[Scalar] = set()

    def parse(self) -> _Run:
        run = self._any()
        if self.place < len(self.tokens):
            raise self._wrong(f"{self.tokens[self.place][1]!r} was not expected")
        return run

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.place] if self.place < len(self.tokens) else ("end", "")

    def _take(self, *texts: str) -> str | None:
        kind, text = self._peek()
        if kind in ("name", "sign") and text in texts:
            self.place += 1
            return text
        return None

    def _wrong(self, what: str) -> ScenarioError:
        return ScenarioError(
            f"{what} in the condition {self.text!r}",
            hint="Conditions look like: team_size >= 5 and not known(monthly_cost).",
        )

    def _any(self) -> _Run:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self._wrong(f"more than {_DEEPEST} nested brackets")
        parts = [self._all()]
        while self._take("or"):
            parts.append(self._all())
        self.depth -= 1
        return parts[0] if len(parts) == 1 else lambda values: any(part(values) for part in parts)

    def _all(self) -> _Run:
        parts = [self._not()]
        while self._take("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else lambda values: all(part(values) for part in parts)

    def _not(self) -> _Run:
        turns = 0
        while self._take("not"):
            turns += 1
        inner = self._comparison()
        return inner if turns == 0 else lambda values: bool(inner(values)) == (turns % 2 == 0)

    def _comparison(self) -> _Run:
        left = self._value()
        sign = self._take("==", "!=", "<", "<=", ">", ">=", "in")
        if sign is None:
            return left
        right = self._value()
        compare = _COMPARE[sign]
        return lambda values: compare(left(values), right(values))

    def _value(self) -> _Run:
        kind, text = self._peek()
        if self._take("("):
            inner = self._any()
            if not self._take(")"):
                raise self._wrong("a ) is missing")
            return inner
        if self._take("["):
            return self._list()
        if kind == "end":
            raise self._wrong("something is missing at the end")
        if kind == "sign" or (kind == "name" and text in _RESERVED - _WORDS.keys() - {"known"}):
            raise self._wrong(f"{text!r} stands where a value belongs")
        self.place += 1
        if kind == "number":
            number = float(text)
            self.constants.add(number)
            return lambda _: number
        if kind == "text":
            self.constants.add(text)
            return lambda _: text
        if text in _WORDS:
            word = _WORDS[text]
            return lambda _: word
        if text == "known":
            return self._known()
        self.names.add(text)
        return lambda values: values.get(text)

    def _list(self) -> _Run:
        items = [self._value()]
        while self._take(","):
            items.append(self._value())
        if not self._take("]"):
            raise self._wrong("a ] is missing")
        return lambda values: tuple(item(values) for item in items)

    def _known(self) -> _Run:
        if not self._take("("):
            raise self._wrong("known needs a name in brackets, as known(team_size)")
        kind, name = self._peek()
        if kind != "name" or name in _RESERVED:
            raise self._wrong("known needs the name of a field")
        self.place += 1
        if not self._take(")"):
            raise self._wrong("a ) is missing")
        self.names.add(name)
        self.guarded.add(name)
        return lambda values: values.get(name) is not None


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place = 0
    text = text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            bad = text[place:].strip()[:1]
            hint = "Write == to compare." if bad == "=" else "Only names, numbers, 'text' and comparisons."
            raise ScenarioError(f"{bad!r} is not understood in the condition {text!r}", hint=hint)
        kind = match.lastgroup or ""
        found.append(("text" if kind in ("single", "double") else kind, match.group(kind)))
        place = match.end()
    return found


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _equal(left: object, right: object) -> bool:
    one, other = _number(left), _number(right)
    if one is not None and other is not None:
        return one == other
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold() == right.casefold()
    return type(left) is type(right) and left == right


def _order(test: Callable[[float], bool]) -> Callable[[object, object], bool]:
    def compare(left: object, right: object) -> bool:
        one, other = _number(left), _number(right)
        if one is not None and other is not None:
            return test(one - other)
        if isinstance(left, str) and isinstance(right, str):
            return test((left > right) - (left < right))
        return False

    return compare


def _within(left: object, right: object) -> bool:
    return isinstance(right, tuple) and any(_equal(left, item) for item in right)


_COMPARE: dict[str, Callable[[object, object], bool]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _order(lambda gap: gap < 0),
    "<=": _order(lambda gap: gap <= 0),
    ">": _order(lambda gap: gap > 0),
    ">=": _order(lambda gap: gap >= 0),
    "in": _within,
}
