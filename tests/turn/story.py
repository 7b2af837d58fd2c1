"""Tells turn-taking a story and gives its timers their time, as the call does."""

from __future__ import annotations

from collections.abc import Iterable

from trunkline.events import Event, TimePassed, to_json
from trunkline.turn.policy import TurnPolicy
from trunkline.turn.taking import TurnTaking


def play(
    events: Iterable[Event], policy: TurnPolicy | None = None, *, until: float | None = None
) -> list[Event]:
    """Everything that turn-taking decides on these events, in their order, with all timers kept up
    to `until` (by default the last event's time)."""
    taking = TurnTaking(policy)
    decided: list[Event] = []
    story = list(events)

    def wait(limit: float) -> None:
        for _ in range(1000):
            due = taking.deadline()
            if due is None or due > limit:
                return
            decided.extend(taking.handle(TimePassed(due)))
        raise AssertionError(f"timers never come to rest before {limit}: next {taking.deadline()}")

    for event in story:
        wait(event.at)
        decided.extend(taking.handle(event))
    wait(until if until is not None else story[-1].at)
    return decided


def told(decided: Iterable[Event]) -> list[str]:
    """One short line a decision: `1.25 TurnEnded 1 'yes' (complete)`."""
    return [_line(event) for event in decided]


def _line(event: Event) -> str:
    data = to_json(event)
    words = [f"{event.at:.2f}", data["type"]]
    words += [str(data[name]) for name in ("turn", "count") if name in data]
    if data.get("text"):
        words.append(repr(data["text"]))
    if data.get("keys"):
        words.append(f"keys={data['keys']}")
    if data.get("garbled"):
        words.append("garbled")
    if data.get("why"):
        words.append(f"({data['why']})")
    return " ".join(words)
