"""The linter: what no schema sees, found before a cent is spent.

`check(scenario)` gives findings with a path into the file; `load.examine` turns paths into lines.
Errors keep a scenario from running; warnings are for people.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trunkline.scenario.edge_cases import EdgeCases
from trunkline.scenario.expression import compile_expression
from trunkline.scenario.model import Edge, Scenario, Step

EVENTS = frozenset({"unanswered", "silence", "transfer_failed"})
"""The events that an edge may wait for."""
BUILT_IN_NAMES = frozenset({"agent", "company", "value", "caller", "callee"})
"""Variables that every text may use besides fields and facts."""
CONTACT_FACTS = frozenset({"first_name", "last_name", "full_name", "contact_company", "target"})
"""Facts that campaigns and trunks bring with a call; with a fallback, as {first_name|there}, any may."""
VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(\|[^{}]*)?\}")
LONGEST_SENTENCE = 30
"""Words in one sentence that a listener can still follow."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found in a scenario. `path`: where, as keys from the top of the file."""

    severity: Literal["error", "warning"]
    path: tuple[str | int, ...]
    what: str
    hint: str
    where: str = ""

    def at(self, where: str) -> Finding:
        return replace(self, where=where)

    def __str__(self) -> str:
        return f"{self.where}: {self.severity}: {self.what}. {self.hint}".removeprefix(": ")


def check(scenario: Scenario) -> list[Finding]:
    """All findings, errors first."""
    found = [*_references(scenario)]
    if not found:
        found += [*_reachable(scenario), *_ways_out(scenario), *_defaults(scenario)]
        found += [*_known_in_time(scenario)]
    found += [*_variables(scenario), *_words(scenario), *_disclosure(scenario), *_zone(scenario)]
    return sorted(found, key=lambda finding: finding.severity != "error")


def _error(path: tuple[str | int, ...], what: str, hint: str) -> Finding:
    return Finding("error", path, what, hint)


def _warning(path: tuple[str | int, ...], what: str, hint: str) -> Finding:
    return Finding("warning", path, what, hint)


def _edges(scenario: Scenario) -> Iterator[tuple[str, int, Edge]]:
    for name, step in scenario.steps.items():
        for n, edge in enumerate(step.edges):
            yield name, n, edge


def _references(scenario: Scenario) -> Iterator[Finding]:
    from trunkline.scenario.intents import BUILT_IN

    steps = ", ".join(scenario.steps)
    if scenario.start not in scenario.steps:
        yield _error(("start",), f"no step is called {scenario.start!r}", f"Write one of: {steps}.")
    for name, n, edge in _edges(scenario):
        at = ("steps", name, "edges", n)
        if edge.to not in scenario.steps:
            yield _error((*at, "to"), f"no step is called {edge.to!r}", f"Write one of: {steps}.")
        if edge.event is not None and edge.event not in EVENTS:
            hint = f"Write one of: {', '.join(sorted(EVENTS))}."
            yield _error((*at, "event"), f"no event is called {edge.event!r}", hint)
        if edge.intent is not None and edge.intent not in BUILT_IN.keys() | scenario.objections.keys():
            hint = f"Name an objection, or one of: {', '.join(sorted(BUILT_IN))}."
            yield _error((*at, "intent"), f"no intent is called {edge.intent!r}", hint)
        if edge.when is not None:
            yield from _unknown_names(scenario, (*at, "when"), compile_expression(edge.when).names)
    for name, step in scenario.steps.items():
        path = ("steps", name, "field")
        if step.field and step.field not in scenario.fields:
            known = ", ".join(scenario.fields) or "none yet"
            yield _error(path, f"no field is called {step.field!r}", f"Write one of: {known}.")
        elif step.field and step.kind == "callback" and scenario.fields[step.field].type != "datetime":
            yield _error(path, "a callback needs a field of type datetime", "Add one under fields.")
        elif step.field and not scenario.fields[step.field].ask:
            yield _error(("fields", step.field), "it is asked for, but has no `ask`", "Write the question.")
    for name, objection in scenario.objections.items():
        if objection.after and objection.after not in scenario.steps:
            path = ("objections", name, "after")
            yield _error(path, f"no step is called {objection.after!r}", f"Write one of: {steps}.")
    for name in EdgeCases.model_fields:
        go = scenario.case(name).go
        if go and go not in scenario.steps:
            path = ("edge_cases", name, "go")
            yield _error(path, f"no step is called {go!r}", f"Write one of: {steps}.")


def _unknown_names(
    scenario: Scenario, path: tuple[str | int, ...], names: frozenset[str]
) -> Iterator[Finding]:
    for name in sorted(names - scenario.fields.keys() - scenario.facts.keys() - CONTACT_FACTS):
        yield _error(path, f"{name!r} is no field and no fact", "Add it under fields or facts.")


def _neighbours(step: Step) -> set[str]:
    return {edge.to for edge in step.edges}


def _from_anywhere(scenario: Scenario) -> set[str]:
    found = {scenario.case(name).go for name in EdgeCases.model_fields}
    found |= {objection.after or "" for objection in scenario.objections.values()}
    return found - {""}


def _reachable(scenario: Scenario) -> Iterator[Finding]:
    seen: set[str] = set()
    ahead = {scenario.start} | _from_anywhere(scenario)
    while ahead:
        seen |= ahead
        ahead = set().union(*(_neighbours(scenario.steps[name]) for name in ahead)) - seen
    for name in scenario.steps.keys() - seen:
        yield _warning(("steps", name), f"step {name!r} is never reached", "Lead an edge to it or remove it.")


def _ways_out(scenario: Scenario) -> Iterator[Finding]:
    ends = {name for name, step in scenario.steps.items() if step.kind == "end"}
    if not ends:
        yield _error(("steps",), "no step ends the call", "Add a step with kind: end and an outcome.")
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
        yield _error(("steps", name), f"from step {name!r} no way leads to an end", hint)
    # Steps in which the caller has no turn must not run in a circle among themselves.
    for name in scenario.steps:
        if _silent_circle(scenario, name):
            hint = "Put a step that asks into the circle."
            yield _error(("steps", name), f"step {name!r} can go round for ever without asking", hint)


def _silent_circle(scenario: Scenario, start: str) -> bool:
    silent = {name for name, step in scenario.steps.items() if step.kind in ("say", "decide")}
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


def _defaults(scenario: Scenario) -> Iterator[Finding]:
    for name, step in scenario.steps.items():
        path = ("steps", name, "edges")
        defaults = [n for n, edge in enumerate(step.edges) if edge.default]
        if step.edges and not defaults and step.kind != "talk":
            hint = "Add a last edge with only `to:`."
            yield _error(path, f"step {name!r} has no default edge", hint)
        for n in range(defaults[0] + 1 if defaults else len(step.edges), len(step.edges)):
            if step.edges[n].when is not None or step.edges[n].default:
                hint = "Move it before the default."
                yield _warning((*path, n), "this edge can never be taken: a default stands before it", hint)
        conditions = [edge.when for edge in step.edges if edge.when is not None]
        for when in {when for when in conditions if conditions.count(when) > 1}:
            yield _warning(path, f"two edges have the condition {when!r}", "The second is never taken.")
        if step.kind == "transfer" and not any(edge.event == "transfer_failed" for edge in step.edges):
            hint = "Add an edge with event: transfer_failed."
            yield _warning(path, f"the transfer {name!r} has no fallback", hint)


def _known_in_time(scenario: Scenario) -> Iterator[Finding]:
    """Fields that some way leads to using before any step on that way asked for them."""
    before: dict[str, frozenset[str]] = {scenario.start: frozenset()}
    for name in _from_anywhere(scenario):
        before[name] = frozenset()
    work = list(before)
    while work:
        name = work.pop()
        step = scenario.steps[name]
        after = before[name] | ({step.field} if step.field else set())
        for target in _neighbours(step):
            meets = before[target] & after if target in before else frozenset(after)
            if before.get(target) != meets:
                before[target] = meets
                work.append(target)
    for name, step in scenario.steps.items():
        if name not in before:
            continue
        known = before[name] | ({step.field} if step.field else set())
        used = {match[1] for match in VARIABLE.finditer(step.say) if match[2] is None}
        for field in sorted((used & scenario.fields.keys()) - known):
            hint = f"Ask for it first, or write a fallback: {{{field}|…}}."
            yield _warning(("steps", name, "say"), f"{field!r} may not be known yet here", hint)


def _texts(scenario: Scenario) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for name, spec in scenario.fields.items():
        yield ("fields", name, "ask"), spec.ask
        yield ("fields", name, "read_back"), spec.read_back
        for n, line in enumerate(spec.reask):
            yield ("fields", name, "reask", n), line
    for name, step in scenario.steps.items():
        yield ("steps", name, "say"), step.say
        yield ("steps", name, "target"), step.target
    for name, objection in scenario.objections.items():
        for n, line in enumerate(objection.answers):
            yield ("objections", name, "answers", n), line


def _variables(scenario: Scenario) -> Iterator[Finding]:
    known = scenario.fields.keys() | scenario.facts.keys() | BUILT_IN_NAMES | CONTACT_FACTS
    for path, text in _texts(scenario):
        for match in VARIABLE.finditer(text):
            if match[1] not in known and match[2] is None:
                hint = f"Add it under fields or facts, or write a fallback: {{{match[1]}|…}}."
                yield _error(path, f"{{{match[1]}}} has no source", hint)
        if "{" in VARIABLE.sub("", text):
            yield _error(path, "a { that is no variable", "Write {name} or {name|fallback}.")


def _words(scenario: Scenario) -> Iterator[Finding]:
    for path, text in _texts(scenario):
        for sentence in re.split(r"(?<=[.!?])\s+", text):
            if len(sentence.split()) > LONGEST_SENTENCE:
                hint = f"Listeners lose the thread after about {LONGEST_SENTENCE} words; make two of it."
                yield _warning(path, f"a sentence of {len(sentence.split())} words", hint)


def says_it_is_an_ai(text: str) -> bool:
    """Whether these words tell a listener that no person speaks."""
    return bool(re.search(r"\b(AI|A\.I\.|artificial|automated|robot|digital assistant)\b", text))


def _disclosure(scenario: Scenario) -> Iterator[Finding]:
    step = scenario.steps.get(scenario.start)
    if step is None or not scenario.persona.discloses_ai:
        return
    if not says_it_is_an_ai(step.say):
        hint = "Say so in its `say`, or set persona.discloses_ai: false where the law allows it."
        yield _warning(("steps", scenario.start), "the first words do not say that this is an AI", hint)


def _zone(scenario: Scenario) -> Iterator[Finding]:
    try:
        ZoneInfo(scenario.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = "Write one like Europe/London."
        yield _error(("time_zone",), f"no time zone is called {scenario.time_zone!r}", hint)
