"""Text that people and the network send, as plain data with the line of each part of it.

So: a bound on size and nesting, no aliases (a few lines of them expand to gigabytes), no tags, no key
twice, and only plain YAML 1.2 scalars, so that `no` is the word that somebody says and `16:30` a time.
JSON is read by the same door, being YAML.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from trunkline.errors import ScenarioError

LARGEST = 1_000_000
"""Bytes in one file."""
DEEPEST = 12
"""Levels of nesting."""

Place = tuple[str | int, ...]
"""A part of the data, as keys from the top."""


if TYPE_CHECKING or not yaml.__with_libyaml__:  # noqa: SIM108 - so that types are checked against one
    _Loader = yaml.SafeLoader
else:
    _Loader = yaml.CSafeLoader  # in C, several times as fast; the registry's wheels carry it


class _PlainLoader(_Loader):
    """YAML 1.2's core scalars only: true, false, null, whole numbers and decimals."""


def _plain_scalars() -> None:
    _PlainLoader.yaml_implicit_resolvers = {}
    for tag, pattern, first in (
        ("tag:yaml.org,2002:bool", r"^(?:true|True|false|False)$", "tTfF"),
        ("tag:yaml.org,2002:null", r"^(?:~|null|Null|)$", "~nN\0"),
        ("tag:yaml.org,2002:int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
        ("tag:yaml.org,2002:float", r"^[-+]?[0-9]+\.[0-9]+$", "-+0123456789"),
    ):
        for character in first:
            key = "" if character == "\0" else character
            _PlainLoader.yaml_implicit_resolvers.setdefault(key, []).append((tag, re.compile(pattern)))


_plain_scalars()


def read_text(path: Path, hint: str) -> str:
    """What is in this file. Raises `ScenarioError` with this hint where it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise ScenarioError(f"cannot be read: {error.strerror}", where=str(path), hint=hint) from error
    if len(data) > LARGEST:
        raise ScenarioError(f"is larger than {LARGEST:,} bytes", where=str(path), hint="Split it.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ScenarioError("is not UTF-8 text", where=str(path), hint="Save it as UTF-8.") from error


def compose(text: str, where: str, first: str) -> tuple[Any, dict[Place, int]]:
    """Plain data and the line of each place in it; `first` is what such a file begins with. Raises
    `ScenarioError`, with the line, for what is not read."""
    if len(text) > LARGEST:
        raise ScenarioError(f"is larger than {LARGEST:,} characters", where=where, hint="Split it.")
    lines: dict[Place, int] = {}
    try:
        text.encode()
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        hint = "Remove odd characters."
        raise ScenarioError("is not Unicode text", where=f"{where}:{line}", hint=hint) from error
    try:
        _refuse_bombs(text, where)
        loader = _PlainLoader(text)
        node = loader.get_single_node()
        if node is None:
            raise ScenarioError("is empty", where=where, hint=f"Begin with {first}")
        if not isinstance(node, yaml.MappingNode):
            shape = "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
            hint = f"Write name: value lines, beginning with {first}"
            raise ScenarioError(f"holds {shape} instead of named parts", where=f"{where}:1", hint=hint)
        return _build(loader, node, (), lines, where), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{where}:{mark.line + 1}" if mark else where
        if mark and _is_tab(text, mark.line, mark.column):
            hint = "Write spaces, two for each level, where the tab is."
            raise ScenarioError("is indented with a tab", where=place, hint=hint) from error
        hint = "Check the indentation, and put quotes around text that holds a colon or a brace."
        raise ScenarioError(f"is not YAML: {error.problem}", where=place, hint=hint) from error
    except yaml.YAMLError as error:
        raise ScenarioError(f"is not YAML: {error}", where=where, hint="Remove odd characters.") from error
    except RecursionError as error:
        raise ScenarioError("is nested too deeply", where=where, hint="Flatten it.") from error


def _is_tab(text: str, line: int, column: int) -> bool:
    """YAML's own words for it never say "tab"."""
    lines = text.splitlines()
    return line < len(lines) and lines[line][column : column + 1] == "\t"


def _refuse_bombs(text: str, where: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_PlainLoader):
        line = f"{where}:{event.start_mark.line + 1 if event.start_mark else 1}"
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ScenarioError("anchors and aliases are not read", where=line, hint="Write it out.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                hint = "Flatten it."
                raise ScenarioError(f"more than {DEEPEST} levels of nesting", where=line, hint=hint)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _build(loader: _PlainLoader, node: yaml.Node, path: Place, lines: dict[Place, int], where: str) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_build(loader, item, (*path, n), lines, where) for n, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        built: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise ScenarioError(
                    "a key must be a word", where=f"{where}:{line}", hint="Write name: value."
                )
            key = str(key_node.value)
            if key in built:
                hint = f"It stands first on line {lines[(*path, key)]}; keep one."
                raise ScenarioError(f"{key!r} stands twice", where=f"{where}:{line}", hint=hint)
            lines[(*path, key)] = line
            built[key] = _build(loader, value_node, (*path, key), lines, where)
        return built
    if node.tag.removeprefix("tag:yaml.org,2002:") in ("str", "bool", "null", "int", "float"):
        return loader.construct_object(node)
    place = f"{where}:{node.start_mark.line + 1}"
    raise ScenarioError(f"the tag {node.tag!r} is not read", where=place, hint="Write plain text.")
