"""The scenario as a call sees it: a first state, a step, a check of sentences, a name.

`Play` is the protocol, so that tests and other ways of leading a conversation can stand in for a
scenario; `ScenarioPlay`, from the scenario's own room, is the real one.
"""

from __future__ import annotations

from typing import Any, Protocol

from trunkline.scenario.actions import Action, Happening
from trunkline.scenario.play import ScenarioPlay

__all__ = ["Play", "ScenarioPlay"]


class Play(Protocol):
    """What leads a conversation. States are immutable values that only the play understands."""

    name: str

    def initial(self) -> Any:
        """The state before anything has happened."""

    def step(self, state: Any, happening: Happening) -> tuple[Any, list[Action]]:
        """Pure: what happens next."""
        ...

    def check_sentence(self, state: Any, sentence: str) -> tuple[str, str]:
        """(rule, replacement) where the sentence may not be said; ("", "") where it may."""
        ...
