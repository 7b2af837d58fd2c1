"""From a file to a `Scenario`. Every error names the file, the line, what is wrong, what to write.

What may stand in a file at all is in `plain_yaml.py`; what it means in `model.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ValidationError
from rapidfuzz import process

from trunkline.errors import ScenarioError
from trunkline.scenario.check import check
from trunkline.scenario.edge_cases import EdgeCase, EdgeCases
from trunkline.scenario.findings import Finding
from trunkline.scenario.migrate import migrated
from trunkline.scenario.model import (
    VERSION,
    Edge,
    Escalation,
    FieldSpec,
    Guardrails,
    Limits,
    Objection,
    Persona,
    Scenario,
    Step,
    ToolSpec,
)
from trunkline.scenario.plain_yaml import Place, compose, read_text

MOST_FINDINGS = 20
"""Findings shown in one error."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What a file holds: the scenario, where it can be used, and everything found in it."""

    scenario: Scenario | None
    findings: tuple[Finding, ...]


def library() -> dict[str, Path]:
    """The shipped scenarios by name."""
    folder = Path(str(files("trunkline.scenario"))) / "library"
    return {path.stem: path for path in sorted(folder.glob("*.yaml")) if "." not in path.stem}


def load_scenario(source: str | Path) -> Scenario:
    """The scenario in this file, or the shipped one of this name. Raises `ScenarioError`."""
    shipped = library()
    path = shipped.get(str(source), Path(source))
    named = str(path if str(source) not in shipped else source)
    return parse_scenario(_read(path), named, path.parent)


def parse_scenario(text: str, where: str = "scenario", folder: Path | None = None) -> Scenario:
    """The scenario in this text (YAML or JSON). Raises `ScenarioError` for anything that keeps it from
    running; mere warnings pass. `folder`: where its knowledge files are."""
    examined = examine(text, where, folder)
    errors = [finding for finding in examined.findings if finding.severity == "error"]
    if errors or examined.scenario is None:
        first, *others = errors
        more = "".join(f"\n{other}" for other in others[: MOST_FINDINGS - 1])
        raise ScenarioError(first.what, where=first.where, hint=first.hint + more)
    return examined.scenario


def examine_file(path: str | Path) -> Examined:
    """Everything that can be found about a file (or a shipped name), without raising for what is in
    it; raises `ScenarioError` where it cannot be read."""
    found = library().get(str(path), Path(path))
    return examine(_read(found), str(path), found.parent)


def examine(text: str, where: str = "scenario", folder: Path | None = None) -> Examined:
    """Read, validate and check. Findings carry `where:line`."""
    try:
        data, lines = compose(text, where, f"trunkline: {VERSION}")
    except ScenarioError as error:
        return Examined(None, (Finding("error", (), error.what, error.hint, where=error.where),))
    notes: list[Finding] = []
    if isinstance(data, dict):
        data, notes = migrated(data)
        wrong = _wrong_version(data, where, lines)
        if wrong is not None:
            return Examined(None, (wrong,))
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as error:
        return Examined(None, placed([*notes, *explained(error, _known_keys)], where, lines))
    documents, unread = _documents(scenario, folder)
    found = [*notes, *unread, *check(scenario.with_documents(documents) if documents else scenario)]
    return Examined(scenario.with_documents(documents), placed(found, where, lines))


def _documents(scenario: Scenario, folder: Path | None) -> tuple[dict[str, str], list[Finding]]:
    """The knowledge files' texts, and what is wrong with the files."""
    texts: dict[str, str] = {}
    found: list[Finding] = []
    for n, name in enumerate(scenario.knowledge_files):
        path = ("knowledge_files", n)
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or name.startswith(("/", "\\", "~")) or ":" in name:
            hint = "Name a file beside the scenario, or in a folder below it."
            found.append(Finding("error", path, f"{name!r} is outside the scenario's folder", hint))
        elif PurePosixPath(name).suffix not in (".md", ".txt"):
            found.append(Finding("error", path, f"{name!r} is no text", "Give .md or .txt files."))
        elif folder is None:
            hint = "Write the text under knowledge."
            found.append(Finding("error", path, "there is no folder to read files from here", hint))
        else:
            try:
                file = (folder / name).resolve()
                if not file.is_relative_to(folder.resolve()):
                    raise ScenarioError("leads outside the scenario's folder", hint="Copy it there.")
                texts[name] = read_text(file, "Check its name.")
            except ScenarioError as error:
                found.append(Finding("error", path, f"{name!r} {error.what}", error.hint))
    return texts, found


def explained(error: ValidationError, known_keys: Callable[[Place], list[str]]) -> list[Finding]:
    """Pydantic's errors in plain words. `known_keys`: what may stand where the last key of a place does."""
    return [_explain(item["loc"], item["type"], item["msg"], known_keys) for item in error.errors()]


def _read(path: Path) -> str:
    return read_text(path, f"Give a file, or one of the shipped: {', '.join(library())}.")


def _wrong_version(data: dict[Any, Any], where: str, lines: dict[Place, int]) -> Finding | None:
    version = data.get("trunkline")
    if version == VERSION and not isinstance(version, bool):
        return None
    place = f"{where}:{lines.get(('trunkline',), 1)}"
    if version is None:
        return Finding("error", (), "the version is missing", f"Write trunkline: {VERSION}", where=place)
    if isinstance(version, int) and version > VERSION:
        what = f"format version {version} is newer than this program knows ({VERSION})"
        return Finding("error", (), what, "Update trunkline, or export an older version.", where=place)
    return Finding("error", (), f"{version!r} is no format version", f"Write {VERSION}.", where=place)


def placed(findings: Iterable[Finding], where: str, lines: dict[Place, int]) -> tuple[Finding, ...]:
    """Findings with the line of the nearest part of their path that the file holds."""
    found = []
    for finding in findings:
        path = finding.path
        while path and path not in lines:
            path = path[:-1]
        found.append(finding.at(f"{where}:{lines.get(path, 1)}"))
    return tuple(found)


_CHILDREN: dict[str, type[BaseModel]] = {
    "persona": Persona,
    "fields": FieldSpec,
    "steps": Step,
    "edges": Edge,
    "objections": Objection,
    "escalation": Escalation,
    "tools": ToolSpec,
    "guardrails": Guardrails,
    "limits": Limits,
}


def _explain(loc: Place, kind: str, message: str, known_keys: Callable[[Place], list[str]]) -> Finding:
    """A finding in plain words for one of Pydantic's errors."""
    path = tuple(part for part in loc if part != "[key]")
    name = str(path[-1]) if path else "the file"
    named = ".".join(str(part) for part in path)
    match kind:
        case "extra_forbidden":
            known = known_keys(path)
            near = process.extractOne(name, known, score_cutoff=60)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(sorted(known))}."
            return Finding("error", path, f"`{named}` is not known", hint)
        case "missing":
            return Finding("error", path, f"`{named}` is missing", f"Add `{name}:`.")
        case "string_type":
            hint = "Put quotes around it if it is meant as words."
            return Finding("error", path, f"`{named}` should be text", hint)
        case "string_pattern_mismatch":
            hint = "Use small letters, digits and _, beginning with a letter."
            return Finding("error", path, f"`{named}` is no usable name", hint)
        case "literal_error":
            choices = message.removeprefix("Input should be ")
            return Finding("error", path, f"`{named}` has no such kind", f"Write one of {choices}.")
        case "model_type" | "dict_type" | "tuple_type":
            shape = "a list (lines beginning with -)" if kind == "tuple_type" else "name: value lines"
            return Finding("error", path, f"`{named}` has another shape", f"Write {shape} here.")
    text = message.removeprefix("Value error, ")
    return Finding("error", path, f"`{named}`: {text}" if path else text, "See docs/scenarios.md.")


def _known_keys(path: Place) -> list[str]:
    """The keys that are known beside the one at the end of this path."""
    parents = [part for part in path[:-1] if isinstance(part, str)]
    if parents and parents[0] == "edge_cases":
        return list((EdgeCase if len(parents) > 1 else EdgeCases).model_fields)
    for parent in reversed(parents):
        if parent in _CHILDREN:
            return list(_CHILDREN[parent].model_fields)
    return list(Scenario.model_fields)
