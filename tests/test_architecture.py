"""The laws of docs/architecture.md, as far as a program can check them.

The source is read, never imported, so that a broken room still gets a clear answer here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "trunkline"

SHARED = {"events", "prompt", "clock", "errors"}
"""The vocabulary at the top of the package, which every room may import."""

VOCABULARY: dict[str, set[str]] = {"events": set(), "prompt": set(), "clock": set(), "errors": set()}
"""What the shared modules themselves may import: nothing of ours."""

MAY_IMPORT: dict[str, set[str]] = {
    "audio": set(),
    "sip": set(),
    "scenario": set(),
    "rtp": {"audio"},
    "turn": {"audio"},
    "providers": {"audio"},
    "legs": {"sip", "rtp", "audio"},
    "mrcp": {"sip", "rtp", "audio"},
    "call": {"sip", "rtp", "audio", "turn", "providers", "scenario", "legs", "mrcp", "integrations"},
    "integrations": set(),
    "config": {"legs", "turn", "call", "integrations"},
}
"""What each room may import beside itself and the vocabulary. No room but those below may import `config`."""

EVERYTHING = {"cli", "lab"}
"""Rooms that may import all others. Nothing imports these, but the command line the laboratory."""

MORE_FOR_ONE_FILE = {
    ("providers/llm/local_brain.py", "scenario"): "the local brain reads a scenario's Situation",
    ("providers/stt/mrcp.py", "mrcp"): "an engine over a protocol that has a room of its own",
    ("providers/tts/mrcp.py", "mrcp"): "an engine over a protocol that has a room of its own",
}
"""Exceptions, each with its reason; an exception nobody needs any more fails the test."""

PURE = {
    "sip": {"endpoint.py", "connections.py", "datagrams.py", "learning.py", "resolver.py", "tls_door.py"},
    "rtp": {"port.py", "sockets.py", "pacer.py"},
    "turn": set(),
    "scenario": set(),
    "mrcp": {"connection.py", "client.py", "control.py", "engine_server.py", "server.py", "tls.py"},
}
"""Rooms without input and output, and the files in them that are their edge."""

NEVER_IN_PURE = {
    "asyncio", "socket", "selectors", "select", "ssl", "threading", "multiprocessing", "concurrent",
    "subprocess", "time", "uvloop", "dns",
}  # fmt: skip

CLOCK_CALLS = {
    ("time", "time"), ("time", "time_ns"), ("time", "monotonic"), ("time", "monotonic_ns"),
    ("time", "perf_counter"), ("time", "perf_counter_ns"), ("time", "sleep"), ("time", "localtime"),
    ("time", "gmtime"), ("asyncio", "sleep"), ("datetime", "now"), ("datetime", "utcnow"),
    ("datetime", "today"), ("date", "today"), ("loop", "time"), ("get_running_loop()", "time"),
    ("get_event_loop()", "time"),
}  # fmt: skip

VENDORS = re.compile(
    r"twilio|telnyx|vonage|plivo|signalwire|deepgram|assemblyai|openai|anthropic|\bclaude|gemini|groq"
    r"|eleven_?labs|cartesia|playht|azure|hubspot|salesforce|calendly",
    re.IGNORECASE,
)
VENDORS_LIVE_IN = {"providers", "legs", "integrations", "config"}
NAMED_FOR_A_REASON = {
    "scenario/guardrail_words.py": "what an agent must not say when asked what it is made of",
    "cli/serve.py": "the flag that takes one carrier's streams is called by the carrier's name",
}

VAGUE_NAMES = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}


@dataclass(frozen=True, slots=True)
class Module:
    """One source file, and the room it stands in (for a file at the top: its own name)."""

    path: str
    room: str
    tree: ast.Module

    @property
    def at_top(self) -> bool:
        """Beside the rooms: a module, or the vocabulary that fills a package."""
        return "/" not in self.path or self.room in VOCABULARY


@cache
def modules() -> tuple[Module, ...]:
    """All source files that Python can read; `test_every_file_is_python` tells of the others."""
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        inside = file.relative_to(PACKAGE)
        room = inside.parts[0] if len(inside.parts) > 1 else inside.stem
        try:
            tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
        except SyntaxError:
            continue
        found.append(Module(inside.as_posix(), room, tree))
    return tuple(found)


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """Each import, wherever it stands in the file, as (line, full dotted name)."""
    package = ["trunkline", *Path(module.path).parent.parts]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            if start == "trunkline":  # `from trunkline import clock` names a module each
                yield from ((node.lineno, f"trunkline.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, start


def rooms_imported(module: Module) -> Iterator[tuple[int, str]]:
    for line, name in imports(module):
        parts = name.split(".")
        if parts[0] == "trunkline" and len(parts) > 1 and parts[1] != "__version__":
            yield line, parts[1]


def allowed(module: Module) -> set[str] | None:
    """The rooms and top modules this one may import; None where it may import everything."""
    if module.room in EVERYTHING or (module.at_top and module.room not in VOCABULARY):
        return None
    if module.at_top:
        return VOCABULARY[module.room] | {module.room}
    return MAY_IMPORT.get(module.room, set()) | SHARED | {module.room}


def test_every_file_is_python() -> None:
    files = {file.relative_to(PACKAGE).as_posix() for file in PACKAGE.rglob("*.py")}
    assert files == {module.path for module in modules()}


def test_every_room_is_in_the_table() -> None:
    rooms = {m.room for m in modules() if not m.at_top}
    assert rooms <= MAY_IMPORT.keys() | EVERYTHING, "a new room needs a line in MAY_IMPORT and in the docs"


def test_imports_point_one_way() -> None:
    wrong, used = [], set()
    for module in modules():
        may = allowed(module)
        for line, room in rooms_imported(module):
            if (module.path, room) in MORE_FOR_ONE_FILE:
                used.add((module.path, room))
            elif may is not None and room not in may:
                wrong.append(f"src/trunkline/{module.path}:{line} imports {room}")
    assert not wrong, "\n".join(wrong)
    idle = {path for path, _ in MORE_FOR_ONE_FILE.keys() - used if (PACKAGE / path).exists()}
    assert not idle, f"exceptions that nothing needs any more: {sorted(idle)}"


def test_only_the_command_line_imports_the_laboratory_and_nothing_the_command_line() -> None:
    wrong = [
        f"src/trunkline/{module.path}:{line} imports {room}"
        for module in modules()
        for line, room in rooms_imported(module)
        if (room == "lab" and module.room not in EVERYTHING) or (room == "cli" and module.room != "cli")
        if not (module.path == "__main__.py" and room == "cli")
    ]
    assert not wrong, "\n".join(wrong)


def test_importing_the_package_imports_nothing() -> None:
    (package,) = (m for m in modules() if m.path == "__init__.py")
    assert [name for _, name in imports(package) if name != "__future__"] == []


@pytest.mark.parametrize("room", sorted(PURE))
def test_pure_rooms_do_no_input_or_output(room: str) -> None:
    wrong = [
        f"src/trunkline/{module.path}:{line} imports {name}"
        for module in modules()
        if module.room == room and not module.at_top and Path(module.path).name not in PURE[room]
        for line, name in imports(module)
        if name.split(".")[0] in NEVER_IN_PURE
    ]
    assert not wrong, "\n".join(wrong)


def _called(node: ast.Call) -> tuple[str, str] | None:
    """`(owner, name)` of a call like `time.monotonic()`, `loop.time()`, `get_running_loop().time()`."""
    if not isinstance(node.func, ast.Attribute):
        return None
    owner = node.func.value
    if isinstance(owner, ast.Call):
        inner = owner.func
        name = (
            inner.attr
            if isinstance(inner, ast.Attribute)
            else inner.id
            if isinstance(inner, ast.Name)
            else ""
        )
        return f"{name}()", node.func.attr
    name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    return name.lstrip("_"), node.func.attr


def test_only_the_clock_asks_the_time_or_waits() -> None:
    wrong = []
    by_module: dict[str, set[str]] = {}
    for owner, name in CLOCK_CALLS:
        by_module.setdefault(owner, set()).add(name)
    for module in modules():
        if module.path == "clock.py":
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and _called(node) in CLOCK_CALLS:
                wrong.append(f"src/trunkline/{module.path}:{node.lineno} {ast.unparse(node.func)}")
            elif isinstance(node, ast.ImportFrom) and node.module in ("time", "asyncio"):
                taken = {alias.name for alias in node.names} & by_module[node.module]
                wrong += [
                    f"src/trunkline/{module.path}:{node.lineno} imports {name}" for name in sorted(taken)
                ]
    assert not wrong, "\n".join(wrong)


def _docstrings(tree: ast.Module) -> set[int]:
    """The ids of the nodes that are docstrings, of attributes too: words for people, not code."""
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def _names(module: Module) -> Iterator[tuple[int, str]]:
    """Everything in the code that is a name or a text: what a vendor's name could hide in."""
    words_for_people = _docstrings(module.tree)
    for node in ast.walk(module.tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in words_for_people
        ):
            yield node.lineno, node.value
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
    yield from imports(module)


def test_vendors_are_named_only_at_the_edges() -> None:
    wrong = [
        f"src/trunkline/{module.path}:{line} {text[:60]!r}"
        for module in modules()
        if module.path.split("/")[0] not in VENDORS_LIVE_IN and module.path not in NAMED_FOR_A_REASON
        for line, text in _names(module)
        if VENDORS.search(text)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_file_has_a_name_that_says_nothing() -> None:
    vague = [m.path for m in modules() if VAGUE_NAMES & set(Path(m.path).stem.split("_"))]
    assert not vague


def test_every_package_says_what_it_is_for() -> None:
    silent = [
        module.path
        for module in modules()
        if module.path.endswith("__init__.py")
        and len((ast.get_docstring(module.tree) or "").split()) < (8 if module.path.count("/") == 1 else 1)
    ]
    assert not silent, f"say what the room is for, what it may import, where to start: {silent}"


def test_every_folder_with_source_is_a_package() -> None:
    """A folder without `__init__.py` would be left out of docs, of mypy and of these laws."""
    folders = {file.parent for file in PACKAGE.rglob("*.py")}
    assert not [str(f.relative_to(PACKAGE)) for f in folders if not (f / "__init__.py").exists()]


def test_every_test_folder_mirrors_a_room() -> None:
    rooms = MAY_IMPORT.keys() | EVERYTHING | {"calls", "wire", "peers", "browser"}
    folders = {p.name for p in (ROOT / "tests").iterdir() if p.is_dir() and not p.name.startswith(("_", "."))}
    assert folders <= rooms, f"no such room: {sorted(folders - rooms)}"


def test_log_lines_get_of_an_error_what_may_stand_in_a_log() -> None:
    """`str(error)` may repeat what people said on the phone: see `TrunklineError.for_log`."""
    wrong = [
        f"{module.path}:{call.lineno}"
        for module in modules()
        if module.path.split("/")[0] in ("call", "integrations", "legs", "providers")
        for call in ast.walk(module.tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("logger.")
        for given in call.keywords
        if ast.unparse(given.value).startswith(("str(error", "repr(error"))
        and module.path != "legs/sip_trace.py"  # the disk's words about its file
    ]
    assert wrong == []
