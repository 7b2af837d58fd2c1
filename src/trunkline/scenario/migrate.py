"""Scenario files of older format versions, brought up to the present one, with a note for their owner.

There is one version so far. When the format changes, the old number gets a function in `MIGRATIONS` that
gives the data as the next version has it, and says what it did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trunkline.scenario.findings import Finding
from trunkline.scenario.model import VERSION

Migration = Callable[[dict[str, Any]], tuple[dict[str, Any], str]]

MIGRATIONS: Mapping[int, Migration] = {}
"""From a version to the next: the data, and what was changed, in words."""


def migrated(
    data: dict[str, Any], migrations: Mapping[int, Migration] = MIGRATIONS, newest: int = VERSION
) -> tuple[dict[str, Any], list[Finding]]:
    """The data as the newest version has it, with a note for each step. A version that is unknown, or newer
    than this program, comes back as it is."""
    notes: list[Finding] = []
    version = data.get("trunkline")
    while isinstance(version, int) and not isinstance(version, bool) and version < newest:
        migration = migrations.get(version)
        if migration is None:
            break
        changed, what = migration(dict(data))
        data = {**changed, "trunkline": version + 1}
        what = f"format version {version} is read as {version + 1}: {what}"
        hint = f"Change it in the file and write trunkline: {version + 1}."
        notes.append(Finding("note", ("trunkline",), what, hint))
        version += 1
    return data, notes
