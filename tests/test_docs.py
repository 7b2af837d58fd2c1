"""What the docs point at is there, and the commands they show are commands."""

from __future__ import annotations

import ast
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from trunkline.cli.app import app
from trunkline.cli.engines_compare import specs_in
from trunkline.config.settings import keys
from trunkline.errors import EngineMissing
from trunkline.providers.registry import engines, options_of, parse_spec

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PACKAGE = ROOT / "src" / "trunkline"

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SYMBOL = re.compile(r"`trunkline((?:\.[A-Za-z_]\w*)+)`")
FLAG = re.compile(r"--[a-z][a-z-]*")


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The headings' anchors, as forges make them."""
    heads = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(prose(page)):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_paths_in_the_text_are_there(page: Path) -> None:
    """`src/…`, `tests/…`, `docs/…`, and `room/file.py` in the package or its tests."""
    rooms = "|".join(sorted(folder.name for folder in PACKAGE.iterdir() if folder.is_dir()))
    written = re.findall(rf"`((?:src|tests|docs|benchmarks|scripts|{rooms})/[\w./-]+)`", prose(page))
    missing = [
        path
        for path in written
        if not any((root / path).exists() for root in (ROOT, PACKAGE, ROOT / "tests"))
    ]
    assert not missing


@cache
def _names_in(module: Path) -> frozenset[str]:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    return frozenset(found)


def _is_there(parts: list[str]) -> bool:
    """Whether `trunkline.` + parts names a module, or something within one."""
    place = PACKAGE
    while parts and (place / parts[0]).is_dir():
        place, parts = place / parts[0], parts[1:]
    module = place / "__init__.py"
    if parts and (place / f"{parts[0]}.py").exists():
        module, parts = place / f"{parts[0]}.py", parts[1:]
    return all(part in _names_in(module) for part in parts)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_symbols_in_the_text_are_there(page: Path) -> None:
    entry_points = {".stt", ".llm", ".tts", ".s2s", ".toml"}
    missing = [
        name
        for name in SYMBOL.findall(prose(page))
        if name not in entry_points and not _is_there(name[1:].split("."))
    ]
    assert not missing


def shown_commands(page: Path) -> list[str]:
    """The lines of the page's shell blocks and the inline code that begin with a command of ours."""
    text = page.read_text(encoding="utf-8")
    blocks = [body for language, body in FENCE.findall(text) if language in ("sh", "bash", "console")]
    lines = [line.removeprefix("$ ") for body in blocks for line in body.replace("\\\n", " ").splitlines()]
    inline = re.findall(r"`((?:trunkline|make) [^`\n]+)`", prose(page))
    return [line.strip() for line in [*lines, *inline] if re.match(r"\s*(\S+/bin/)?(trunkline|make)\b", line)]


def _command(words: list[str]) -> tuple[Any, list[str]]:
    """The command that these words name, and the rest of them."""
    command: Any = typer.main.get_command(app)
    while words and (sub := getattr(command, "commands", {}).get(words[0])):
        command, words = sub, words[1:]
    return command, words


def _wrong_with_engine(kind: str, text: str) -> str:
    """What keeps this text from naming an engine and options that it has; empty where nothing does."""
    spec = parse_spec(text)
    if spec.name == "NAME":
        return ""
    name, _, plugin = spec.name.partition(":")
    if name not in engines(kind):
        return f"{text} is no engine"
    if plugin:  # its options are somebody else's
        return "" if engines(kind)[name].plugins else f"{name} has no plugins"
    try:
        known = {option.name for option in options_of(kind, spec.name)}
    except EngineMissing:  # an extra that is not installed here cannot be asked
        return ""
    unknown = spec.options.keys() - known
    return f"{spec.name} has no option {', '.join(sorted(unknown))}" if unknown else ""


def _wrong_with(line: str, *, whole: bool = True) -> str:
    """What keeps this line from being a real command; empty where nothing does. `whole`: it is there to be
    typed, where the changes only name a flag and whose it is."""
    line = re.sub(r"\s+#.*", "", line).replace("…", "x")
    words = shlex.split(line)
    if words[0] == "make":
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        wrong = {word for word in words[1:] if re.fullmatch(r"[a-z-]+", word)} - targets
        return f"make has no target {', '.join(sorted(wrong))}" if wrong else ""
    command, rest = _command(words[1:])
    if rest and hasattr(command, "commands") and not rest[0].startswith("-"):
        return f"there is no command {rest[0]}"
    known = {name for parameter in command.params for name in parameter.opts} | {"--help", "-h"}
    for word, value in zip(rest, [*rest[1:], ""], strict=False):
        flag = FLAG.fullmatch(word)
        if flag and word not in known:
            return f"{word} is not a flag of {command.name}"
        if word in ("--stt", "--llm", "--tts"):
            for spec in specs_in(value) if command.name == "compare" else [value]:
                if what := _wrong_with_engine(word[2:], spec):
                    return what
        if word == "--set" and value.split("=")[0] not in {*keys(), "TABLE.KEY"}:
            return f"{value} is no setting"
    # `--scenario` is required by its own callback, which says where scenarios are to be had.
    required = [
        each for each in command.params if each.required or "Required." in (getattr(each, "help", "") or "")
    ]
    asked = [each.opts[0] for each in required if each.opts[0].startswith("--")]
    left_out = [name for name in asked if name not in rest]
    # A command alone is its name.
    needed = whole and rest and left_out and "--help" not in rest
    return f"{command.name} needs {', '.join(left_out)}" if needed else ""


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_in_the_docs_are_commands(page: Path) -> None:
    whole = page.name != "CHANGELOG.md"
    found = {line: _wrong_with(line, whole=whole) for line in shown_commands(page)}
    assert not any(found.values()), "\n".join(f"{line!r}: {what}" for line, what in found.items() if what)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("trunkline srve --scenario x", "no command srve"),
        ("trunkline serve --scenaro x", "--scenaro is not a flag"),
        ("trunkline serve --browser 127.0.0.1:8090", "serve needs --scenario"),
        ("trunkline serve --scenario x --stt nonesuch,a=1", "no engine"),
        ("trunkline serve --scenario x --tts flite,vioce=slt", "flite has no option vioce"),
        ("trunkline config --set turn.slence=1", "no setting"),
        ("make dmeo", "no target dmeo"),
    ],
)
def test_wrong_commands_would_be_noticed(line: str, part: str) -> None:
    assert part in _wrong_with(line)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_toml_in_the_docs_is_configuration(page: Path, tmp_path: Path) -> None:
    from trunkline.config.load import load

    for language, body in FENCE.findall(page.read_text(encoding="utf-8")):
        if language == "toml":
            file = tmp_path / "trunkline.toml"
            file.write_text(body, encoding="utf-8")
            chosen = load(file=file, environment={}).settings.engines
            specs = [(kind, spec) for kind in ("stt", "llm", "tts") for spec in getattr(chosen, kind)]
            assert [wrong for kind, spec in specs if (wrong := _wrong_with_engine(kind, spec))] == []


def test_the_table_of_rooms_is_the_one_that_is_tested() -> None:
    """docs/architecture.md and test_architecture.py name the same rooms."""
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
    packages = {folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").exists()}
    assert set(rows) == packages - {"events"}, "the vocabulary stands beside the rooms"


def test_the_readme_activates_its_environment_once_and_then_types_plain_commands() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    before, activated, after = text.partition("\n. .venv/bin/activate")
    assert activated
    assert ".venv/bin/" not in before + after
    assert not re.search(r"^(trunkline|pip) ", before, re.MULTILINE)
