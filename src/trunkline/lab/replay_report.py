"""A replay in words, and the scenario that a log is of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from trunkline.events import CallStarted, Event
from trunkline.lab.replay import Difference, Replayed
from trunkline.scenario.load import library, load_scenario
from trunkline.scenario.model import Scenario

_LONGEST = 400


def scenario_of(events: Sequence[Event], named: str | None) -> Scenario | None:
    """The scenario `named` (a file or a shipped one), else the shipped one whose name the log holds; None
    where that is none. Raises `ScenarioError` where it cannot be used."""
    if named is not None:
        return load_scenario(named)
    name = next((event.scenario for event in events if isinstance(event, CallStarted)), "")
    for shipped in library():
        scenario = load_scenario(shipped)
        if name in (shipped, scenario.name):
            return scenario
    return None


def describe(run: Path, turns: Replayed, scenario: Replayed | None, events: Sequence[Event]) -> Iterator[str]:
    """What was found, line by line, for a person."""
    yield f"{run}: {len(events)} events"
    if turns.difference is None:
        yield f"Turn-taking: {turns.decisions} decisions, all the same"
    else:
        yield f"Turn-taking: {turns.decisions} decisions the same; then, at line {turns.difference.line}:"
        yield from _parted(turns.difference)
    if scenario is None:
        yield "The scenario: not shipped under that name; give its file with --scenario"
    elif scenario.difference is None:
        yield f"The scenario: {scenario.steps} steps, all the same"
    else:
        yield f"The scenario: {scenario.steps} steps the same; then, at line {scenario.difference.line}:"
        yield from _parted(scenario.difference)


def _parted(difference: Difference) -> Iterator[str]:
    yield f"  recorded  {_short(difference.recorded)}"
    yield f"  replayed  {_short(difference.replayed)}"


def _short(text: str | None) -> str:
    if text is None:
        return "(nothing)"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
