"""The linter: what no schema sees, found before a cent is spent.

`check(scenario)` gives findings with a path into the file; `load.examine` turns paths into lines.
Errors keep a scenario from running; warnings are for people.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trunkline.scenario.check_conditions import condition_findings
from trunkline.scenario.check_graph import graph_findings
from trunkline.scenario.edge_cases import EdgeCases
from trunkline.scenario.expression import compile_expression
from trunkline.scenario.findings import VARIABLE, Finding, Path, error, warning
from trunkline.scenario.model import Edge, Scenario, Step

KEY_EVENTS = frozenset({*(f"key_{digit}" for digit in range(10)), "key_star", "key_hash"})
EVENTS = KEY_EVENTS | {"unanswered", "silence", "time", "tool_result", "tool_failed", "transfer_failed"}
"""The events that an edge may wait for."""
BUILT_IN_NAMES = frozenset({"agent", "company", "value", "caller", "callee"})
"""Variables that every text may use besides fields and facts."""
CONTACT_FACTS = frozenset({"first_name", "last_name", "full_name", "contact_company", "target"})
"""Facts that campaigns and trunks bring with a call; with a fallback, as {first_name|there}, any may."""
DISCLOSES = re.compile(r"\b(AI|A\.I\.|artificial|automated|robot|digital assistant)\b")
LONGEST_SENTENCE = 30
"""Words in one sentence that a listener can still follow."""


def check(scenario: Scenario) -> list[Finding]:
    """All findings, errors first."""
    found = [*_references(scenario)]
    if not found:
        found += [*graph_findings(scenario), *condition_findings(scenario)]
    found += [*_variables(scenario), *_words(scenario), *_disclosure(scenario), *_zone(scenario)]
    return sorted(found, key=lambda finding: finding.severity != "error")


def _edges(scenario: Scenario) -> Iterator[tuple[str, int, Edge]]:
    for name, step in scenario.steps.items():
        for n, edge in enumerate(step.edges):
            yield name, n, edge


def _references(scenario: Scenario) -> Iterator[Finding]:
    from trunkline.scenario.intents import BUILT_IN

    steps = ", ".join(scenario.steps)
    intents = BUILT_IN.keys() | scenario.objections.keys()
    if scenario.start not in scenario.steps:
        yield error(("start",), f"no step is called {scenario.start!r}", f"Write one of: {steps}.")
    for name, n, edge in _edges(scenario):
        at = ("steps", name, "edges", n)
        if edge.to not in scenario.steps:
            yield error((*at, "to"), f"no step is called {edge.to!r}", f"Write one of: {steps}.")
        if edge.event is not None and edge.event not in EVENTS:
            hint = f"Write one of: {', '.join(sorted(EVENTS))}."
            yield error((*at, "event"), f"no event is called {edge.event!r}", hint)
        if edge.intent is not None and edge.intent not in intents:
            hint = f"Name an objection, or one of: {', '.join(sorted(BUILT_IN))}."
            yield error((*at, "intent"), f"no intent is called {edge.intent!r}", hint)
        if edge.when is not None:
            yield from _unknown_names(scenario, (*at, "when"), edge.when)
    for name, step in scenario.steps.items():
        path = ("steps", name, "field")
        if step.field and step.field not in scenario.fields:
            known = ", ".join(scenario.fields) or "none yet"
            yield error(path, f"no field is called {step.field!r}", f"Write one of: {known}.")
        elif step.field and step.kind == "callback" and scenario.fields[step.field].type != "datetime":
            yield error(path, "a callback needs a field of type datetime", "Add one under fields.")
        elif step.field and not scenario.fields[step.field].ask:
            yield error(("fields", step.field), "it is asked for, but has no `ask`", "Write the question.")
        yield from _tool(scenario, name, step)
    for n, escalation in enumerate(scenario.escalation):
        place: Path = ("escalation", n)
        if escalation.to not in scenario.steps:
            yield error((*place, "to"), f"no step is called {escalation.to!r}", f"Write one of: {steps}.")
        if escalation.when is not None:
            yield from _unknown_names(scenario, (*place, "when"), escalation.when)
        if escalation.intent is not None and escalation.intent not in intents:
            what = f"no intent is called {escalation.intent!r}"
            yield error(
                (*place, "intent"), what, f"Name an objection, or one of: {', '.join(sorted(BUILT_IN))}."
            )
    for name, objection in scenario.objections.items():
        if objection.after and objection.after not in scenario.steps:
            path = ("objections", name, "after")
            yield error(path, f"no step is called {objection.after!r}", f"Write one of: {steps}.")
    for name in EdgeCases.model_fields:
        go = scenario.case(name).go
        if go and go not in scenario.steps:
            path = ("edge_cases", name, "go")
            yield error(path, f"no step is called {go!r}", f"Write one of: {steps}.")


def _tool(scenario: Scenario, name: str, step: Step) -> Iterator[Finding]:
    if step.tool and step.tool not in scenario.tools:
        known = ", ".join(scenario.tools) or "none yet"
        hint = f"Add it under tools, or write one of: {known}."
        yield error(("steps", name, "tool"), f"no tool is called {step.tool!r}", hint)
    for result in step.results.keys() & scenario.fields.keys():
        path = ("steps", name, "results", result)
        yield error(path, f"{result!r} is a field already", "Give the result a name of its own.")


def result_names(scenario: Scenario) -> set[str]:
    """What steps of kind call learn from their tools."""
    return {name for step in scenario.steps.values() for name in step.results}


def _unknown_names(scenario: Scenario, path: Path, when: str) -> Iterator[Finding]:
    known = scenario.fields.keys() | scenario.facts.keys() | CONTACT_FACTS | result_names(scenario)
    for name in sorted(compile_expression(when).names - known):
        hint = "Add it under fields or facts, or to the results of a step of kind call."
        yield error(path, f"{name!r} is no field and no fact", hint)


def _texts(scenario: Scenario) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for name, spec in scenario.fields.items():
        yield ("fields", name, "ask"), spec.ask
        yield ("fields", name, "read_back"), spec.read_back
        for n, line in enumerate(spec.reask):
            yield ("fields", name, "reask", n), line
    for name, step in scenario.steps.items():
        yield ("steps", name, "say"), step.say
        yield ("steps", name, "target"), step.target
        for argument, text in step.arguments.items():
            yield ("steps", name, "arguments", argument), text
    for name, objection in scenario.objections.items():
        for n, line in enumerate(objection.answers):
            yield ("objections", name, "answers", n), line
    for name in EdgeCases.model_fields:
        for n, line in enumerate(scenario.case(name).words):
            yield ("edge_cases", name, "words", n), line


def _variables(scenario: Scenario) -> Iterator[Finding]:
    known = scenario.fields.keys() | scenario.facts.keys() | BUILT_IN_NAMES | CONTACT_FACTS
    known |= result_names(scenario)
    for path, text in _texts(scenario):
        for match in VARIABLE.finditer(text):
            if match[1] not in known and match[2] is None:
                hint = f"Add it under fields or facts, or write a fallback: {{{match[1]}|…}}."
                yield error(path, f"{{{match[1]}}} has no source", hint)
        if "{" in VARIABLE.sub("", text):
            yield error(path, "a { that is no variable", "Write {name} or {name|fallback}.")


def _words(scenario: Scenario) -> Iterator[Finding]:
    for path, text in _texts(scenario):
        for sentence in re.split(r"(?<=[.!?])\s+", text):
            if len(sentence.split()) > LONGEST_SENTENCE:
                hint = f"Listeners lose the thread after about {LONGEST_SENTENCE} words; make two of it."
                yield warning(path, f"a sentence of {len(sentence.split())} words", hint)


def _disclosure(scenario: Scenario) -> Iterator[Finding]:
    step = scenario.steps.get(scenario.start)
    if step is None or not scenario.persona.discloses_ai:
        return
    hint = "Say so in its `say`, or set persona.discloses_ai: false where the law allows it."
    if not DISCLOSES.search(step.say):
        yield warning(("steps", scenario.start), "the first words do not say that this is an AI", hint)
    for n, words in enumerate(scenario.case("voicemail").words):
        if not DISCLOSES.search(words):
            path = ("edge_cases", "voicemail", "words", n)
            yield warning(path, "the message does not say that it is from an AI", hint)
    for name, step in scenario.steps.items():
        if step.kind == "voicemail" and name != scenario.start and not DISCLOSES.search(step.say):
            yield warning(("steps", name), "the message does not say that it is from an AI", hint)


def _zone(scenario: Scenario) -> Iterator[Finding]:
    try:
        ZoneInfo(scenario.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = "Write one like Europe/London."
        yield error(("time_zone",), f"no time zone is called {scenario.time_zone!r}", hint)
