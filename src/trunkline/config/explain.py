"""What is in force and where each value came from, with secrets masked."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trunkline.config.load import Loaded
from trunkline.config.settings import keys, tables

MASK = "********"

_SECRET_WORD = r"(?:[\w-]*[_-])?(?:key|secret|password|passwd|token|credentials?)"  # noqa: S105 - a pattern
_SECRET_NAME = re.compile(_SECRET_WORD, re.IGNORECASE)
_SECRET_OPTION = re.compile(
    rf"(?P<name>(?:^|[,;&?\s]){_SECRET_WORD}\s*=\s*)(?P<value>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^,;&\s]*)",
    re.IGNORECASE,
)
_SECRET_IN_URL = re.compile(
    r"(?P<user>(?:[a-z][a-z0-9+.-]*://|sips?:)[^/\s:@]*:)[^/\s@]+(?P<at>@)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Row:
    """One setting: its path, its value (masked), and who set it ("default" where nobody did)."""

    path: str
    value: Any
    layer: str
    place: str


def mask(name: str, value: Any) -> Any:
    """The value as it may be shown: secrets by their key's name, in engine options and in URLs."""
    if isinstance(value, tuple | list):
        return [mask(name, item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {key: mask(key, item) for key, item in plain.items()}
    if not isinstance(value, str):
        return value
    if value and _SECRET_NAME.fullmatch(name):
        return MASK
    value = _SECRET_OPTION.sub(lambda found: f"{found['name']}{MASK}", value)
    return _SECRET_IN_URL.sub(lambda found: f"{found['user']}{MASK}{found['at']}", value)


def rows(loaded: Loaded) -> Iterator[Row]:
    """Every setting, in the order of the tables."""
    for path, key in keys().items():
        value = mask(key.name, getattr(getattr(loaded.settings, key.table), key.name))
        origin = loaded.origins.get(path)
        # A `--set` repeats the value, secrets too; the flag's name is enough.
        place = origin.place.split("=")[0] if origin else ""
        yield Row(path, value, origin.layer if origin else "default", place)


def as_toml(loaded: Loaded) -> str:
    """A configuration file that sets exactly what is in force, each line ending in where it came from."""
    lines: list[str] = []
    every = list(rows(loaded))
    for table in tables():
        lines += ["", f"[{table}]"] if lines else [f"[{table}]"]
        for row in every:
            if row.path.startswith(f"{table}."):
                name = row.path.partition(".")[2]
                setting = f"# {name} =" if row.value is None else f"{name} = {toml_value(row.value)}"
                lines.append(f"{setting:<44}  # {row.place or row.layer}")
    return "\n".join(lines)


def toml_value(value: Any) -> str:
    """A setting's value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {toml_value(item)}' for key, item in value.items())} }}"
    # JSON's escapes are TOML's too, but for DEL, which TOML wants escaped.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
