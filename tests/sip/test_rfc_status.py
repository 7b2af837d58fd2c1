"""The tests that docs/rfc-status.md names are there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "rfc-status.md"
_NAMED = re.compile(r"`((?:[a-z_]+/)?test_[a-z0-9_]+\.py)(?:::(test_[a-z0-9_]+))?`")


def place(name: str) -> Path:
    return TESTS / name if "/" in name else TESTS / "sip" / name


@cache
def functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


@pytest.mark.parametrize(
    ("file", "function"), sorted({(found[1], found[2] or "") for found in _NAMED.finditer(PAGE.read_text())})
)
def test_what_is_named_is_there(file: str, function: str) -> None:
    assert place(file).is_file()
    assert not function or function in functions(place(file))
