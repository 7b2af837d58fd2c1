"""scripts/venv where there is nothing to install with: it says what to type, and leaves nothing half-made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("bash", "env", "dirname", "grep", "cat", "mkdir", "rm")

OLD = """#!/bin/sh
[ "$1" = --version ] && { echo "Python 3.9.2"; exit 0; }
case "$2" in *version_info*) exit 1;; esac
exit 0
"""
WITHOUT_ENSUREPIP = f"""#!/bin/sh
case "$2" in *ensurepip*) exit 1;; esac
exec {sys.executable} "$@"
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder like a fresh clone, as far as the script looks at it, with a blank in its name."""
    folder = tmp_path / "a clone"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "venv", folder / "scripts" / "venv")
    shutil.copy(ROOT / "pyproject.toml", folder / "pyproject.toml")
    return folder


def run(clone: Path, pythons: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the script on a machine that has only these Pythons (name -> script)."""
    programs = clone.parent / "bin"
    programs.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        (programs / tool).symlink_to(found)
    for name, script in pythons.items():
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    return subprocess.run(
        [str(clone / "scripts" / "venv")],
        capture_output=True,
        text=True,
        env={"PATH": str(programs), "HOME": os.environ.get("HOME", "/")},
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("pythons", "words"),
    [
        ({}, "Trunkline needs Python 3.11 or later, and found none"),
        ({"python3": OLD}, "found Python 3.9.2, which is too old"),
        (
            {"python3": WITHOUT_ENSUREPIP},
            f"sudo apt-get install python{sys.version_info.major}.{sys.version_info.minor}-venv",
        ),
    ],
    ids=["none", "old", "without ensurepip"],
)
def test_without_a_python_that_will_do(clone: Path, pythons: dict[str, str], words: str) -> None:
    done = run(clone, pythons)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert not (clone / ".venv").exists()


def test_a_half_made_environment_is_not_taken_for_a_whole_one(clone: Path) -> None:
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / ".ready").write_text("whatever stood here before")
    done = run(clone, {})
    assert done.returncode == 1
    assert "found none" in done.stderr
