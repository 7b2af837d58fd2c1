"""The linter's look at conditions: which can never hold, which are never reached, which overlap.

Conditions only compare, so what they say changes nowhere but at the values they name. Trying each of those,
what lies between and beyond them, "nothing known", and every choice tells all that can happen.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise, product
from math import prod

from trunkline.scenario.expression import Expression, Scalar, compile_expression
from trunkline.scenario.findings import Finding, Path, warning
from trunkline.scenario.model import Scenario, Step

MOST_TRIED = 4000
"""Combinations tried for one step; conditions over more are left to people."""
_OTHER = "\u2014"
"""A text that no condition names."""


def condition_findings(scenario: Scenario) -> Iterator[Finding]:
    """All of them. What the conditions name must exist."""
    for name, step in scenario.steps.items():
        conditions = [(n, compile_expression(edge.when)) for n, edge in enumerate(step.edges) if edge.when]
        if conditions:
            yield from _of_step(scenario, ("steps", name, "edges"), step, conditions)


def _of_step(
    scenario: Scenario, path: Path, step: Step, conditions: list[tuple[int, Expression]]
) -> Iterator[Finding]:
    names = sorted(set().union(*(condition.names for _, condition in conditions)))
    constants = set().union(*(condition.constants for _, condition in conditions))
    tried = [_values(scenario, step, name, constants) for name in names]
    if prod(len(values) for values in tried) > MOST_TRIED:
        return
    # For each condition, in which of the combinations it holds.
    holds: list[set[int]] = [set() for _ in conditions]
    samples = [dict(zip(names, values, strict=True)) for values in product(*tried)]
    for at, sample in enumerate(samples):
        for number, (_, condition) in enumerate(conditions):
            if condition.holds(sample):
                holds[number].add(at)
    covered: set[int] = set()
    for number, (n, condition) in enumerate(conditions):
        if not holds[number]:
            hint = "Compare with a value that there can be."
            yield warning((*path, n, "when"), f"{condition.text!r} can never be true", hint)
        elif holds[number] <= covered:
            hint = "Move it before them, or remove it."
            what = "this edge can never be taken: those before it hold wherever it does"
            yield warning((*path, n, "when"), what, hint)
        covered |= holds[number]
    for one, other in combinations(range(len(conditions)), 2):
        yield from _overlap(
            path, step, (conditions[one], conditions[other]), (holds[one], holds[other]), samples
        )


def _overlap(
    path: Path,
    step: Step,
    conditions: tuple[tuple[int, Expression], tuple[int, Expression]],
    holds: tuple[set[int], set[int]],
    samples: list[dict[str, object]],
) -> Iterator[Finding]:
    """Two conditions on the same things that hold together for some values, and each alone for others."""
    (first, one), (second, other) = conditions
    both = holds[0] & holds[1]
    if one.names != other.names or not both or both in holds:
        return
    if step.edges[first].to == step.edges[second].to:
        return
    example = ", ".join(f"{name} is {_shown(value)}" for name, value in samples[min(both)].items())
    what = f"this overlaps with {one.text!r}: both hold where {example}, and the first is taken"
    yield warning((*path, second, "when"), what, "Draw the line between them, or say which goes first.")


def _shown(value: object) -> str:
    return (
        f"{value:g}" if isinstance(value, float) else str(value).lower() if value is not None else "unknown"
    )


def _values(scenario: Scenario, step: Step, name: str, constants: set[Scalar]) -> list[object]:
    spec = scenario.fields.get(name)
    numbers = sorted(float(c) for c in constants if isinstance(c, int | float) and not isinstance(c, bool))
    between = [(low + high) / 2 for low, high in pairwise(numbers)]
    beyond = [numbers[0] - 1, *numbers, *between, numbers[-1] + 1] if numbers else [1.0]
    texts = sorted(c for c in constants if isinstance(c, str))
    # Texts can be compared by size too: just before the first, between, just after each.
    around: list[object] = [*texts, *(text + " " for text in texts), "", _OTHER]
    nothing: list[object] = [None]
    if spec is None:
        own: list[object] = [scenario.facts[name]] if name in scenario.facts else []
        return [*own, *around, *beyond, True, False, None]
    if step.field == name and spec.required:
        nothing = []  # the step is left once it is known
    match spec.type:
        case "number" | "money":
            low = [spec.min] if spec.min is not None else []
            high = [spec.max] if spec.max is not None else []
            near = [*beyond, *low, *high]
            fits = [n for n in near if (not low or n >= float(low[0])) and (not high or n <= float(high[0]))]
            return [*fits, *nothing]
        case "choice":
            return [*spec.choices, *nothing]
        case "yes_no":
            return [True, False, *nothing]
    return [*around, *nothing]
