"""What the local brain reads from `Prompt.situation`: the scenario, where the call is, what was said."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.scenario.model import Scenario
from trunkline.scenario.state import State


@dataclass(frozen=True, slots=True)
class Situation:
    """One moment of a call. `text`: the caller's latest turn. `state`: as `step` left it with that turn
    counted, before anything was decided about it."""

    scenario: Scenario
    state: State
    text: str
