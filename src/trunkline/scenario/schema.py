"""The formats as JSON Schema (draft 2020-12): for editors, and for programs that write scenarios."""

from __future__ import annotations

from typing import Any

from trunkline.scenario.model import VERSION, Scenario
from trunkline.scenario.rehearsal import VERSION as TEST_VERSION
from trunkline.scenario.rehearsal import Rehearsal

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def scenario_schema() -> dict[str, Any]:
    """The schema of a scenario. What refers to what is not in it: `check` sees that."""
    found = {"$schema": _DIALECT, **Scenario.model_json_schema(), "title": f"Trunkline scenario {VERSION}"}
    found["properties"]["trunkline"] = {"const": VERSION, "description": "the version of this format"}
    edge_cases = found["$defs"]["EdgeCases"]["properties"]
    # A file names what differs; the defaults of the whole would hide that from a reader of the schema.
    for case in edge_cases.values():
        case.pop("default", None)
    return found


def rehearsal_schema() -> dict[str, Any]:
    """The schema of a test file."""
    found = {"$schema": _DIALECT, **Rehearsal.model_json_schema()}
    found["title"] = f"Trunkline scenario test {TEST_VERSION}"
    found["properties"]["trunkline_test"] = {"const": TEST_VERSION}
    # A line of the caller may be its words alone.
    line = found["$defs"].pop("CallerLine")
    found["$defs"]["CallerLine"] = {"anyOf": [{"type": "string"}, line]}
    return found
