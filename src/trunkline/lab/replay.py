"""Replay: a call's log fed back through turn-taking and its scenario must give the same decisions.

Pure: events in, the first difference out. `read_log` alone touches a file. What the log holds besides
decisions is what happened; it is fed in its order, and each decision is compared, byte for byte as JSON,
with the one in the log. The scenario's steps are compared the same way, each from the state that the
log names.
"""

from __future__ import annotations

import dataclasses
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trunkline.call.logged_play import happening_from, plain_action
from trunkline.call.play import Play
from trunkline.errors import ConfigError, ParseError
from trunkline.events import (
    AnsweredBy,
    Backchannel,
    CallerSilent,
    CallStarted,
    Ducked,
    Event,
    Interrupted,
    MailboxReady,
    Resumed,
    ScenarioStepped,
    Trouble,
    TurnEnded,
    TurnLikely,
    TurnResumed,
    TurnStarted,
    from_json,
    to_json,
)
from trunkline.turn.policy import TurnPolicy
from trunkline.turn.taking import TurnTaking

DECISIONS = (
    TurnStarted, TurnLikely, TurnResumed, TurnEnded, CallerSilent, Ducked, Resumed, Backchannel, Interrupted,
    AnsweredBy, MailboxReady,
)  # fmt: skip
"""What turn-taking itself puts in the log."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where replay and log part. `line` counts from 1; None: there is nothing on that side."""

    line: int
    recorded: str | None
    replayed: str | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """How a replay went: how many decisions and steps were the same, and the first that was not."""

    decisions: int
    steps: int
    difference: Difference | None = None

    @property
    def same(self) -> bool:
        return self.difference is None


_GIVE = "Give the folder of one call, such as runs/20261125-183921-…, or its events.jsonl"


def read_log(run: Path) -> list[Event]:
    """The events of a run folder, or of an `events.jsonl` itself.

    Raises `ConfigError` where it cannot be read and `ParseError` where a line is no event."""
    path = run / "events.jsonl" if run.is_dir() else run
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text", where=str(path), hint=_GIVE) from error
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror or error}", where=str(path), hint=_GIVE
        ) from error
    if not lines:
        raise ConfigError("is empty: there is no call in it", where=str(path), hint=_GIVE)
    return [parse_line(line, f"{path}:{number}") for number, line in enumerate(lines, start=1)]


def parse_line(line: str, where: str = "") -> Event:
    """One line of a log. Raises `ParseError`."""
    try:
        data = json.loads(line)
        if not isinstance(data, dict):
            raise ValueError("a line must be an object")
        return from_json(data)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ParseError(f"this is no event: {error}", where=where) from error


def as_line(event: Event) -> str:
    """The event as the log writes it."""
    return json.dumps(to_json(event), ensure_ascii=False, separators=(",", ":"))


def policy_of(events: Sequence[Event]) -> TurnPolicy:
    """The policy that the call went by. Raises `ConfigError` where the log's is none."""
    given: dict[str, Any] = next((event.policy for event in events if isinstance(event, CallStarted)), {})
    known = {field.name for field in dataclasses.fields(TurnPolicy)}
    if unknown := given.keys() - known:
        raise ConfigError(f"turn-taking has no setting {min(unknown)!r}", where="the log's policy")
    return TurnPolicy(**given)


def replay_turns(events: Sequence[Event], policy: TurnPolicy | None = None) -> Replayed:
    """Feed turn-taking all that happened, and compare its decisions."""
    taking = TurnTaking(policy or policy_of(events))
    due: deque[str] = deque()
    same = 0
    for number, event in enumerate(events, start=1):
        if isinstance(event, DECISIONS):
            replayed = due.popleft() if due else None
            recorded = as_line(event)
            if recorded != replayed:
                return Replayed(same, 0, Difference(number, recorded, replayed))
            same += 1
            continue
        if due:
            return Replayed(same, 0, Difference(number, None, due[0]))
        if not _beside(event):
            due.extend(as_line(decision) for decision in taking.handle(event))
    if due:
        return Replayed(same, 0, Difference(len(events) + 1, None, due[0]))
    return Replayed(same, 0)


def _beside(event: Event) -> bool:
    """Whether the call logged this without telling turn-taking: its own failure, at its end."""
    return isinstance(event, Trouble) and event.where == "call"


def replay_scenario(events: Sequence[Event], play: Play) -> Replayed:
    """Let the scenario take each step of the log again, and compare what it asks for."""
    states: dict[int, Any] = {0: play.initial()}
    same = 0
    for number, event in enumerate(events, start=1):
        if not isinstance(event, ScenarioStepped):
            continue
        if event.before not in states:
            raise ParseError(f"the log has no state {event.before}", where=f"line {number}")
        before = states[event.before]
        after, actions = play.step(before, happening_from(event.happening))
        recorded = [_one_line(action) for action in event.actions]
        replayed = [_one_line(plain_action(action)) for action in actions]
        changed = after is not before
        if recorded != replayed or changed != (event.after != event.before):
            return Replayed(0, same, _first(number, recorded, replayed))
        states[event.after] = after
        same += 1
    return Replayed(0, same)


def _one_line(action: dict[str, Any]) -> str:
    return json.dumps(action, ensure_ascii=False, separators=(",", ":"))


def _first(number: int, recorded: list[str], replayed: list[str]) -> Difference:
    for place in range(max(len(recorded), len(replayed))):
        one = recorded[place] if place < len(recorded) else None
        other = replayed[place] if place < len(replayed) else None
        if one != other:
            return Difference(number, one, other)
    return Difference(number, "(its state changed, or did not)", None)
