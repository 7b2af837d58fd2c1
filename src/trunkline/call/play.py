"""The scenario as a call sees it: a first state, a step, a check of sentences, a name.

`Play` is the protocol, so that tests and other ways of leading a conversation can stand in for a
scenario; `ScenarioPlay`, from the scenario's own room, is the real one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from trunkline.call.settings import CallSettings
from trunkline.scenario.actions import Action, Happening
from trunkline.scenario.play import ScenarioPlay

__all__ = ["HasVoice", "Play", "ScenarioPlay"]

USUAL_PACE = 160
"""Words a minute."""


@runtime_checkable
class HasVoice(Protocol):
    """A play that says how it wants to be spoken."""

    voice: str
    pace: int


def settings_for(play: Play, settings: CallSettings) -> CallSettings:
    """The settings with the voice and the words a minute that the play wants, where they say nothing else."""
    voice, pace = (play.voice, play.pace) if isinstance(play, HasVoice) else ("", USUAL_PACE)
    return replace(
        settings, voice=settings.voice or voice, words_per_minute=settings.words_per_minute or pace
    )


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
