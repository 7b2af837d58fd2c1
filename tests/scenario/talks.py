"""What the tests of this room share: a Monday morning, and calls in text with the local brain."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from trunkline.clock import SystemClock
from trunkline.providers.llm.local_brain import LocalBrain
from trunkline.scenario.conversation import Conversation, Streams
from trunkline.scenario.load import load_scenario, parse_scenario
from trunkline.scenario.model import Scenario

MONDAY = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
QUIET = "(silence)"
NOISE = "(noise)"

SMALL = """
trunkline: 1
name: small
start: hello
persona: {name: Ann, company: Acme, role: an AI assistant}
fields:
  size:
    type: number
    ask: How many are you?
    reask: ["What number is it?"]
    unit: people
    confirm: true
    keypad: true
steps:
  hello:
    kind: ask
    field: size
    say: Hello, this is Ann, an AI assistant.
    edges:
      - when: size > 10
        to: big
      - to: little
  big: {kind: end, outcome: big, say: Goodbye to many.}
  little: {kind: end, outcome: little, say: Goodbye to few.}
"""


def small() -> Scenario:
    """The least scenario that asks, reads back and branches."""
    return parse_scenario(SMALL)


def conversation(scenario: Scenario | str, model: Streams | None = None) -> Conversation:
    loaded = load_scenario(scenario) if isinstance(scenario, str) else scenario
    return Conversation(loaded, model or LocalBrain(clock=SystemClock()), MONDAY)


async def played(talk: Conversation, *lines: str, facts: dict[str, str] | None = None) -> Conversation:
    """The whole call: what the caller says, line by line, until it ends or the lines do."""
    await talk.begin(facts)
    silences = 0
    for line in lines:
        if talk.ended:
            break
        silences = silences + 1 if line == QUIET else 0
        if line == QUIET:
            await talk.silence(silences)
        elif line == NOISE:
            await talk.hear("", garbled=True)
        else:
            await talk.hear(line)
    return talk


def call(scenario: Scenario | str, *lines: str, facts: dict[str, str] | None = None) -> Conversation:
    """The same, from a test without a loop."""
    return asyncio.run(played(conversation(scenario), *lines, facts=facts))
