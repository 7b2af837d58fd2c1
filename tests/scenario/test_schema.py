"""The published schemas: what they name is what the models read."""

import json

from trunkline.scenario.model import Scenario, Step
from trunkline.scenario.rehearsal import Rehearsal
from trunkline.scenario.schema import rehearsal_schema, scenario_schema


def test_the_schema_of_scenarios() -> None:
    found = scenario_schema()
    assert json.loads(json.dumps(found)) == found
    assert found["properties"].keys() == Scenario.model_fields.keys()
    assert found["$defs"]["Step"]["properties"].keys() == Step.model_fields.keys()
    assert found["additionalProperties"] is False
    assert found["properties"]["trunkline"]["const"] == 1


def test_the_schema_of_tests() -> None:
    found = rehearsal_schema()
    assert found["properties"].keys() == Rehearsal.model_fields.keys()
    assert {"type": "string"} in found["$defs"]["CallerLine"]["anyOf"]
