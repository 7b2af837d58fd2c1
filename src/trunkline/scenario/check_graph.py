"""The linter's look at the graph: what is never reached, never left, asked twice, or used too early."""

from __future__ import annotations

from collections.abc import Iterator

from trunkline.scenario.edge_cases import EdgeCases
from trunkline.scenario.expression import compile_expression
from trunkline.scenario.findings import VARIABLE, Finding, Path, error, warning
from trunkline.scenario.model import Edge, Scenario, Step


def graph_findings(scenario: Scenario) -> Iterator[Finding]:
    """All of them. What the steps name must exist."""
    yield from _reachable(scenario)
    yield from _ways_out(scenario)
    yield from _defaults(scenario)
    yield from _fallbacks(scenario)
    known = _known_before(scenario)
    yield from _used_too_early(scenario, known)
    yield from _asked_twice(scenario)


def _neighbours(step: Step) -> set[str]:
    return {edge.to for edge in step.edges}


def from_anywhere(scenario: Scenario) -> set[str]:
    """The steps that edge cases, objections and escalations lead to from every step."""
    found = {scenario.case(name).go for name in EdgeCases.model_fields}
    found |= {objection.after or "" for objection in scenario.objections.values()}
    found |= {escalation.to for escalation in scenario.escalation}
    return found - {""}


def _reachable(scenario: Scenario) -> Iterator[Finding]:
    seen: set[str] = set()
    ahead = {scenario.start} | from_anywhere(scenario)
    while ahead:
        seen |= ahead
        ahead = set().union(*(_neighbours(scenario.steps[name]) for name in ahead)) - seen
    for name in scenario.steps.keys() - seen:
        yield warning(("steps", name), f"step {name!r} is never reached", "Lead an edge to it or remove it.")


def _ways_out(scenario: Scenario) -> Iterator[Finding]:
    ends = {name for name, step in scenario.steps.items() if step.final}
    if not ends:
        yield error(("steps",), "no step ends the call", "Add a step with kind: end and an outcome.")
    leads_out = set(ends)
    while True:
        more = {
            name
            for name, step in scenario.steps.items()
            if name not in leads_out and _neighbours(step) & leads_out
        }
        if not more:
            break
        leads_out |= more
    for name in scenario.steps.keys() - leads_out:
        hint = "Lead an edge from one of them to a step of kind end."
        yield error(("steps", name), f"from step {name!r} no way leads to an end", hint)
    # Steps in which the caller has no turn must not run in a circle among themselves.
    for name in scenario.steps:
        if _silent_circle(scenario, name):
            hint = "Put a step that asks into the circle."
            yield error(("steps", name), f"step {name!r} can go round for ever without asking", hint)


def _silent_circle(scenario: Scenario, start: str) -> bool:
    silent = {name for name, step in scenario.steps.items() if step.kind in ("say", "decide", "call")}
    if start not in silent:
        return False
    seen: set[str] = set()
    ahead = _neighbours(scenario.steps[start]) & silent
    while ahead:
        if start in ahead:
            return True
        seen |= ahead
        ahead = set().union(*(_neighbours(scenario.steps[name]) for name in ahead))
        ahead = (ahead & silent) - seen
    return False


# --- edges -------------------------------------------------------------------------------------------


def _defaults(scenario: Scenario) -> Iterator[Finding]:
    for name, step in scenario.steps.items():
        path: Path = ("steps", name, "edges")
        defaults = [n for n, edge in enumerate(step.edges) if edge.default]
        answered = step.kind == "call" and any(edge.event == "tool_result" for edge in step.edges)
        if step.edges and not defaults and step.kind != "talk" and not answered:
            hint = "Add a last edge with only `to:`."
            yield error(path, f"step {name!r} has no default edge", hint)
        for n in range(defaults[0] + 1 if defaults else len(step.edges), len(step.edges)):
            if step.edges[n].when is not None or step.edges[n].default:
                hint = "Move it before the default."
                yield warning((*path, n), "this edge can never be taken: a default stands before it", hint)
        seen: set[str] = set()
        for n, edge in enumerate(step.edges):
            reason = edge.intent or edge.event
            if reason is not None and reason in seen:
                yield warning((*path, n), f"two edges wait for {reason!r}", "The second is never taken.")
            seen |= {reason} if reason is not None else set()
            if why := _never(step, edge):
                yield warning((*path, n), f"this edge can never be taken: {why}", "Remove it, or move it.")


def _never(step: Step, edge: Edge) -> str:
    """Why nothing of that kind happens in a step of this kind, or empty."""
    event = edge.event or ""
    if event == "transfer_failed" and step.kind != "transfer":
        return f"a step of kind {step.kind} transfers nothing"
    if event.startswith("tool_") and step.kind != "call":
        return f"a step of kind {step.kind} calls no tool"
    waits = edge.intent or edge.judge or event in ("silence", "unanswered", "time") or event[:4] == "key_"
    if waits and not step.asks:
        return f"in a step of kind {step.kind} the caller is not asked"
    return "the step has no `seconds`" if event == "time" and step.seconds is None else ""


def _fallbacks(scenario: Scenario) -> Iterator[Finding]:
    for name, step in scenario.steps.items():
        path: Path = ("steps", name, "edges")
        events = {edge.event for edge in step.edges}
        if step.kind == "transfer" and "transfer_failed" not in events:
            hint = "Add an edge with event: transfer_failed."
            yield warning(path, f"the transfer {name!r} has no fallback", hint)
        if step.kind == "call" and "tool_failed" not in events and not scenario.case("tool_failed").go:
            hint = "Add an edge with event: tool_failed."
            yield warning(path, f"the tool of {name!r} has no fallback: its failure ends the call", hint)


# --- fields ------------------------------------------------------------------------------------------


def _known_before(scenario: Scenario) -> dict[str, frozenset[str]]:
    """For each step, the fields and tools' results that are asked for on every way to it."""
    before: dict[str, frozenset[str]] = {scenario.start: frozenset()}
    for name in from_anywhere(scenario):
        before[name] = frozenset()
    work = list(before)
    while work:
        name = work.pop()
        step = scenario.steps[name]
        for edge in step.edges:
            after = before[name] | _learned(step, edge)
            meets = before[edge.to] & after if edge.to in before else after
            if before.get(edge.to) != meets:
                before[edge.to] = meets
                work.append(edge.to)
    return before


def _learned(step: Step, edge: Edge) -> frozenset[str]:
    """What is known after this step, where it is left by this edge."""
    found = {step.field} if step.field and edge.event is None and edge.intent is None else set()
    if edge.event != "tool_failed":
        found |= step.results.keys()
    return frozenset(found)


def _used_too_early(scenario: Scenario, before: dict[str, frozenset[str]]) -> Iterator[Finding]:
    """What some way leads to using before any step on that way asked for it."""
    asked = scenario.fields.keys() | {name for step in scenario.steps.values() for name in step.results}
    for name, step in scenario.steps.items():
        if name not in before:
            continue
        known = before[name]
        for path, text in _texts_of(scenario, name, step):
            held = known | ({step.field} if step.field and path[-1] != "say" else set())
            used = {match[1] for match in VARIABLE.finditer(text) if match[2] is None}
            for field in sorted((used & asked) - held):
                hint = f"Ask for it first, or write a fallback: {{{field}|…}}."
                yield warning(path, f"{field!r} may not be known yet here", hint)
        known |= ({step.field} if step.field else set()) | step.results.keys()
        for n, edge in enumerate(step.edges):
            if edge.when is None:
                continue
            condition = compile_expression(edge.when)
            for field in sorted((condition.names & asked) - condition.guarded - known):
                hint = f"Ask for it first, or write: known({field}) and …"
                what = f"{field!r} may not be known yet here, and then this is false"
                yield warning(("steps", name, "edges", n, "when"), what, hint)


def _texts_of(scenario: Scenario, name: str, step: Step) -> Iterator[tuple[Path, str]]:
    yield ("steps", name, "say"), step.say
    yield ("steps", name, "target"), step.target
    for argument, text in step.arguments.items():
        yield ("steps", name, "arguments", argument), text
    if step.field:
        spec = scenario.fields[step.field]
        yield ("fields", step.field, "ask"), spec.ask
        yield ("fields", step.field, "read_back"), spec.read_back


def _asked_twice(scenario: Scenario) -> Iterator[Finding]:
    """A field that one step asks for, and a later one on the same way again: it will be passed over."""
    steps: dict[str, list[str]] = {}
    for name, step in scenario.steps.items():
        if step.field:
            steps.setdefault(step.field, []).append(name)
    for field, names in steps.items():
        for first in names if len(names) > 1 else ():
            for again in sorted((_ahead(scenario, first) & set(names)) - {first}):
                what = f"{field!r} is asked already at step {first!r} on the way here"
                hint = "Remove one of the two: what is known is not asked again."
                yield warning(("steps", again, "field"), what, hint)


def _ahead(scenario: Scenario, start: str) -> set[str]:
    """Where the edges lead that are taken once the field is known."""
    seen: set[str] = set()
    ahead = {edge.to for edge in scenario.steps[start].edges if edge.event is None and edge.intent is None}
    while ahead:
        seen |= ahead
        ahead = set().union(*(_neighbours(scenario.steps[name]) for name in ahead)) - seen
    return seen
