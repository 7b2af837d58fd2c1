"""Fork: go on from one turn of a recorded call, by text, with another scenario, engine or caller.

The log says how the scenario's state before that turn came about: what happened, step by step, without
what was prepared and thrown away. The same happenings are given to the (changed) scenario; from the turn
on its own words follow the caller's recorded ones, as they were understood or as another recogniser does
(`rehear.py`), or others. No timing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from trunkline.call.logged_play import happening_from
from trunkline.errors import ConfigError, ParseError
from trunkline.events import Event, ScenarioStepped, TurnEnded
from trunkline.scenario.actions import CallerSaid, Happening
from trunkline.scenario.conversation import Conversation, Streams
from trunkline.scenario.model import Scenario
from trunkline.scenario.state import State
from trunkline.scenario.step import step


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the caller said, what the agent answers in the fork, and in which step that left the talk."""

    caller: str
    agent: str
    step: str
    turn: int = 0
    """The recorded turn that the caller's words are; 0 for words of somebody else's."""


def happenings_before(events: Sequence[Event], turn: int) -> tuple[list[Happening], datetime]:
    """All that led to the state before the caller's `turn`, and the calendar time of that turn.

    Raises `ConfigError` where the call had no such turn, `ParseError` where the log is not whole."""
    came_from: dict[int, ScenarioStepped] = {}
    found: tuple[int, CallerSaid] | None = None
    for event in events:
        if not isinstance(event, ScenarioStepped):
            continue
        if event.after != event.before:
            came_from[event.after] = event
        if event.happening.get("type") == "CallerSaid" and event.happening.get("turn") == turn:
            said = happening_from(event.happening)
            assert isinstance(said, CallerSaid)
            found = event.before, said
    if found is None:
        raise ConfigError(f"the call has no turn {turn} that its scenario was told of", where="--turn")
    number, said = found
    led: list[Happening] = []
    while number != 0:
        link = came_from.pop(number, None)  # popped: a log that goes in circles ends
        if link is None:
            raise ParseError(f"the log does not say how state {number} came about")
        led.append(happening_from(link.happening))
        number = link.before
    return led[::-1], said.now


def caller_lines(events: Sequence[Event], turn: int) -> list[TurnEnded]:
    """The caller's turns from `turn` on, each as it ended last."""
    turns = {event.turn: event for event in events if isinstance(event, TurnEnded) and event.turn >= turn}
    return [turns[number] for number in sorted(turns)]


async def fork(
    events: Sequence[Event],
    turn: int,
    scenario: Scenario,
    model: Streams,
    lines: Sequence[str] = (),
    reheard: Mapping[int, str] | None = None,
) -> list[Exchange]:
    """Go on from `turn` until the scenario ends or no line is left: `lines`, else the recorded ones, with the
    words that `reheard` has for them. What came before `turn` stays as it was understood then."""
    led, now = happenings_before(events, turn)
    state = State()
    for happening in led:
        state, _ = step(scenario, state, happening)
    talk = Conversation(scenario, model, now, state)
    exchanges: list[Exchange] = []
    for number, text, garbled, keys in _said(events, turn, lines, reheard or {}):
        if talk.ended:
            break
        agent = await talk.hear(text, garbled=garbled, keys=keys)
        exchanges.append(Exchange(text or keys, agent, talk.state.step, number))
    return exchanges


def _said(
    events: Sequence[Event], turn: int, lines: Sequence[str], reheard: Mapping[int, str]
) -> Iterator[tuple[int, str, bool, str]]:
    if lines:
        for line in lines:
            yield 0, line, False, ""
        return
    for event in caller_lines(events, turn):
        if event.turn in reheard:
            text = reheard[event.turn]
            yield event.turn, text, not text, ""
        else:
            yield event.turn, event.text, event.garbled, event.keys
