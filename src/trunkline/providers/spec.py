"""The text that names an engine and its options: `fake,delay_ms=100,text='yes I am|no'`.

    spec   = name *( "," key "=" value )
    value  = plain / "'" quoted "'" / '"' quoted '"'

A plain value ends at the next comma. In quotes a comma is a letter like any other, and a backslash
takes the next character as it is (also outside quotes). Blanks around names and plain values are
dropped.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from trunkline.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*\Z")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_YES = frozenset({"true", "yes", "on", "1"})
_NO = frozenset({"false", "no", "off", "0"})
_LONGEST = 10_000


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """An engine's name and its options, as texts; their types are the constructor's to say."""

    name: str
    options: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """The text that `parse_spec` reads back into this."""
        return ",".join([self.name, *(f"{key}={_quoted(value)}" for key, value in self.options.items())])


def parse_spec(text: str) -> EngineSpec:
    """Read the text that names an engine. Raises `ConfigError` that says what is wrong and where."""
    if len(text) > _LONGEST:
        raise ConfigError(f"an engine's options are at most {_LONGEST} characters long")
    reader = _Reader(text)
    name = reader.until(",").strip()
    if not _NAME.match(name):
        raise ConfigError(
            f"{name!r} is not an engine's name", where=repr(text), hint="Write NAME,key=value,…"
        )
    options: dict[str, str] = {}
    while not reader.done:
        reader.skip(",")
        key = reader.until("=,").strip()
        if not _KEY.match(key):
            raise ConfigError(f"{key!r} is not an option's name", where=repr(text), hint="Write key=value")
        if not reader.skip("="):
            raise ConfigError(f"the option {key!r} has no value", where=repr(text), hint=f"Write {key}=value")
        if key in options:
            raise ConfigError(f"the option {key!r} is given twice", where=repr(text))
        options[key] = reader.value(key)
    return EngineSpec(name, options)


class _Reader:
    """Reads a text from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    @property
    def done(self) -> bool:
        return self._place >= len(self._text)

    def until(self, ends: str) -> str:
        start = self._place
        while not self.done and self._text[self._place] not in ends:
            self._place += 1
        return self._text[start : self._place]

    def skip(self, wanted: str) -> bool:
        if self._text[self._place : self._place + 1] != wanted:
            return False
        self._place += 1
        return True

    def value(self, key: str) -> str:
        while not self.done and self._text[self._place].isspace():
            self._place += 1
        quote = self._text[self._place : self._place + 1]
        if quote not in ("'", '"') or not quote:
            return self._plain(key)
        self._place += 1
        value = self._taken(quote, key)
        if not self.skip(quote):
            raise ConfigError(f"the quote of the option {key!r} is not closed", where=repr(self._text))
        if self.until(",").strip():
            raise ConfigError(
                f"something stands after the closing quote of {key!r}",
                where=repr(self._text),
                hint=f"A quote within a text is written \\{quote}",
            )
        return value

    def _plain(self, key: str) -> str:
        start = self._place
        value = self._taken(",", key)
        # Blanks at the end are dropped, unless a backslash says that they are meant.
        return value if self._text[start : self._place].endswith("\\ ") else value.rstrip()

    def _taken(self, end: str, key: str) -> str:
        value = []
        while not self.done and self._text[self._place] != end:
            if self._text[self._place] == "\\":
                self._place += 1
                if self.done:
                    raise ConfigError(f"the option {key!r} ends in a lone backslash", where=repr(self._text))
            value.append(self._text[self._place])
            self._place += 1
        return "".join(value)


def _quoted(value: str) -> str:
    if re.fullmatch(r"[^\s,'\"\\]+", value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def convert(text: str, kind: type, where: str) -> str | int | float | bool:
    """The value of an option, as its type asks. Raises `ConfigError` naming `where`."""
    try:
        if kind is bool:
            return _truth(text)
        if kind is int:
            return int(text)
        if kind is float:
            number = float(text)
            if not math.isfinite(number):
                raise ValueError(text)
            return number
    except ValueError as error:
        wanted = {bool: "yes or no", int: "a whole number", float: "a number"}[kind]
        raise ConfigError(f"{text!r} is not {wanted}", where=where) from error
    return text


def _truth(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in _YES:
        return True
    if lowered in _NO:
        return False
    raise ValueError(text)
