"""What the linter finds: where, what is wrong, what to write. And how a variable looks in a text."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(\|[^{}]*)?\}")
"""`{name}` or `{name|fallback}` in a text."""
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found in a scenario. `path`: where, as keys from the top of the file."""

    severity: Literal["error", "warning", "note"]
    path: Path
    what: str
    hint: str
    where: str = ""

    def at(self, where: str) -> Finding:
        return replace(self, where=where)

    def __str__(self) -> str:
        return f"{self.where}: {self.severity}: {self.what}. {self.hint}".removeprefix(": ")


def error(path: Path, what: str, hint: str) -> Finding:
    return Finding("error", path, what, hint)


def warning(path: Path, what: str, hint: str) -> Finding:
    return Finding("warning", path, what, hint)
