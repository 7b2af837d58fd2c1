"""The layers that settings come from, each as a list of `Given`: a key, a value and the place it stands."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trunkline.config.names import CONFIG_VARIABLE, DEBUG_VARIABLE
from trunkline.config.settings import Key, keys, tables
from trunkline.errors import ConfigError

FILE_LIMIT = 1_000_000
"""Bytes; a configuration file that is larger is surely not one."""

LISTS = {"trunks": "sip.trunks", "tools": "integrations.tools", "routes": "service.routes"}
"""`[[trunks]]` in the file, a table for each, is a list in `[sip]` everywhere else; so with the others."""

OTHER_VARIABLES = (CONFIG_VARIABLE, DEBUG_VARIABLE)
"""Variables with our prefix that are not settings."""


@dataclass(frozen=True, slots=True)
class Given:
    """One setting as a person wrote it. `place`: "trunkline.toml:3", "TRUNKLINE_SIP_BIND", "--sip"."""

    path: str
    value: Any
    layer: str  # "file", "environment" or "flag"
    place: str


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names the known word most like this one, or the words there are."""
    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return f"Did you mean {close[0]}?" if close else f"There are: {', '.join(words)}."


# --- the file -------------------------------------------------------------------------------------


def from_file(file: Path) -> list[Given]:
    """What the file sets. Raises `ConfigError` with the line where it is wrong."""
    text = _read(file)
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"(.*?) \(at (?:line (\d+), column \d+|end of document)\)", str(error))
        what, line = (
            (found.group(1), found.group(2) or str(text.count("\n") + 1)) if found else (str(error), "1")
        )
        raise ConfigError(f"this is not TOML: {what}", where=f"{file}:{line}") from error
    lines = _lines(text)
    given: list[Given] = []
    for table, content in tree.items():
        if table in LISTS and isinstance(content, list):
            place = f"{file}:{lines.get((table, ''), 1)}"
            given.append(Given(LISTS[table], content, "file", place))
            continue
        where = f"{file}:{lines.get((table, ''), lines.get(('', table), 1))}"
        if table in LISTS:
            hint = f"Write [[{table}]], with two brackets, once for each"
            raise ConfigError(f"there may be several {table}", where=where, hint=hint)
        if table not in tables():
            raise ConfigError(
                f"there is no table [{table}]"
                if isinstance(content, dict)
                else f"{table!r} stands in no table",
                where=where,
                hint=_hint_for_key(table) if not isinstance(content, dict) else nearest(table, tables()),
            )
        if not isinstance(content, dict):
            raise ConfigError(
                f"{table!r} is a table, not a value", where=where, hint=f"Write [{table}] and its keys below."
            )
        for name, value in content.items():
            place = f"{file}:{lines.get((table, name), lines.get((table, ''), 1))}"
            given.append(Given(_known(table, name, place), value, "file", place))
    return given


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            raw = opened.read(FILE_LIMIT + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(file)) from error
    if len(raw) > FILE_LIMIT:
        raise ConfigError(f"is larger than {FILE_LIMIT} bytes; is it a configuration file?", where=str(file))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError("is not UTF-8 text", where=f"{file}:{line}") from error


def _known(table: str, name: str, place: str) -> str:
    path = f"{table}.{name}"
    if path in keys():
        return path
    names = [key.name for key in keys().values() if key.table == table]
    raise ConfigError(f"[{table}] has no key {name!r}", where=place, hint=nearest(name, names))


def _hint_for_key(name: str) -> str:
    owners = [key.table for key in keys().values() if key.name == name]
    return f"It belongs in [{owners[0]}]." if owners else nearest(name, tables())


_HEADER = re.compile(r"\s*\[{1,2}\s*\"?([\w-]+)\"?\s*\]")
_ASSIGNMENT = re.compile(r"\s*\"?([\w-]+)\"?\s*(?:\.\s*\"?([\w-]+)\"?\s*)?=")


def _lines(text: str) -> dict[tuple[str, str], int]:
    """Where each table, (table, ""), and each key, (table, key), first stands, which `tomllib` does not
    tell. A line within a many-line string that looks like a key misleads this: then a message names the
    wrong line, and nothing else is wrong."""
    found: dict[tuple[str, str], int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = header.group(1)
            found.setdefault((table, ""), number)
        elif assignment := _ASSIGNMENT.match(line):
            first, second = assignment.groups()
            place = (first, second) if second and not table else (table, first)
            found.setdefault(place, number)
    return found


# --- the environment ------------------------------------------------------------------------------


def from_environment(environment: Mapping[str, str]) -> list[Given]:
    """What `TRUNKLINE_…` variables set. A variable with our prefix that means nothing is an error: it was
    meant to do something. Raises `ConfigError`."""
    by_variable = {key.variable: key for key in keys().values()}
    given: list[Given] = []
    for name in sorted(environment):
        if not name.startswith("TRUNKLINE_") or name in OTHER_VARIABLES:
            continue
        key = by_variable.get(name)
        if key is None:
            close = difflib.get_close_matches(name, [*by_variable, *OTHER_VARIABLES], n=1)
            hint = f"Did you mean {close[0]}?" if close else "`trunkline config` lists what can be set."
            raise ConfigError("no setting has this variable", where=name, hint=hint)
        given.append(Given(key.path, _from_text(key, environment[name], name), "environment", name))
    return given


# --- flags ----------------------------------------------------------------------------------------


def from_flags(flags: Mapping[str, tuple[str, Any]]) -> list[Given]:
    """Flags with a name of their own: path -> (the flag, its value); None means that it was not given."""
    return [
        Given(path, value, "flag", flag)
        for path, (flag, value) in flags.items()
        if value is not None and value != ()
    ]


def from_assignments(assignments: Iterable[str]) -> list[Given]:
    """`--set TABLE.KEY=VALUE`, for every setting without a flag of its own. Raises `ConfigError`."""
    given: list[Given] = []
    for assignment in assignments:
        place = f"--set {assignment}"
        path, equals, text = assignment.partition("=")
        path = path.strip()
        if not equals:
            raise ConfigError(
                "is not of the form TABLE.KEY=VALUE", where=place, hint="Such as turn.silence=0.4."
            )
        if path not in keys():
            raise ConfigError(f"there is no setting {path!r}", where=place, hint=_nearest_path(path))
        given.append(Given(path, _from_text(keys()[path], text.strip(), place), "flag", place))
    return given


def _nearest_path(path: str) -> str:
    close = difflib.get_close_matches(path, keys(), n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else "`trunkline config` lists what can be set."


def _from_text(key: Key, text: str, place: str) -> Any:
    """A value written as plain text. Lists: JSON, or words with commas between, but for engines, whose
    specs hold commas themselves: there plain text is one engine."""
    if not key.is_list:
        return text
    if text.startswith("["):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"is not a JSON list: {error.msg}", where=place) from error
    return text if key.table == "engines" else [word.strip() for word in text.split(",") if word.strip()]
