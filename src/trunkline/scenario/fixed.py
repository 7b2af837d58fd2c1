"""What a scenario will say word for word, as far as it can be told before it is said.

A line that names a field is known only once the field is; those are left out. What a call says first comes
first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trunkline.scenario.findings import VARIABLE
from trunkline.scenario.model import Scenario
from trunkline.scenario.plan import ACKNOWLEDGEMENTS
from trunkline.scenario.spoken import fill
from trunkline.scenario.state import State


def fixed_lines(scenario: Scenario, facts: Mapping[str, str]) -> tuple[str, ...]:
    """The texts, filled in with the scenario's facts and with these, which are the contact's."""
    state = State(facts=dict(facts))
    known = {*scenario.facts, *facts, "agent", "company"}
    found = (fill(text, scenario, state) for text in _templates(scenario) if _names(text) <= known)
    return tuple(dict.fromkeys(line for line in found if line))


def _templates(scenario: Scenario) -> Iterator[str]:
    first = scenario.steps[scenario.start]
    yield first.say
    if first.field:
        yield scenario.fields[first.field].ask
    yield from ACKNOWLEDGEMENTS
    yield from scenario.spoken_words


def _names(text: str) -> set[str]:
    return {match[1] for match in VARIABLE.finditer(text) if match[2] is None}
