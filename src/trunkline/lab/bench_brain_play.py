"""What the agent says where the local brain decides: it asks three simple questions, again and again.

A number, a yes and a named choice: typed understanding is sure of each answer, and the call gives such turns
to the local brain though another model leads (`CallSettings.simple_turns`). Nothing is kept from one turn to
the next, so that the talk never ends. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from trunkline.scenario.actions import (
    Action,
    CallBegan,
    CallerQuiet,
    CallerSaid,
    End,
    Happening,
    MustEnd,
    Say,
)
from trunkline.scenario.load import parse_scenario
from trunkline.scenario.play import ScenarioPlay
from trunkline.scenario.state import State

ANSWERS = {"size": "we are twelve people", "own": "yes that is right", "plan": "the large one please"}
"""What callers say in each step, in this order."""
SCENARIO = """
trunkline: 1
name: bench
start: START
persona: {name: Ann, company: Acme, role: an AI assistant}
fields:
  size: {type: number, ask: How many people are you?, unit: people}
  own: {type: yes_no, ask: Is it for your own company?}
  plan: {type: choice, ask: "Do you want the small plan, or the large one?", choices: {small: [], large: []}}
steps:
  size: {kind: ask, field: size, say: "Thank you, I have written that down.", edges: [{to: own}]}
  own: {kind: ask, field: own, say: "That is good to know, and we can go on now.", edges: [{to: plan}]}
  plan: {kind: ask, field: plan, say: "Fine, there is one thing more.", edges: [{to: size}, {to: over}]}
  over: {kind: end, outcome: done, say: Goodbye.}
"""


class BrainPlay:
    """A `Play` around a scenario's own: each turn finds a caller who has just been asked."""

    name = "bench"

    def __init__(self) -> None:
        began = CallBegan(datetime(2026, 1, 5, 9, 0, tzinfo=UTC))
        plays = {step: ScenarioPlay(parse_scenario(SCENARIO.replace("START", step))) for step in ANSWERS}
        self._asked = {step: play.step(play.initial(), began)[0] for step, play in plays.items()}
        self._play = plays[next(iter(ANSWERS))]

    def fixed_lines(self, _facts: Mapping[str, str]) -> tuple[str, ...]:
        """Nothing is made before the call: what is measured is an answer's whole way."""
        return ()

    def initial(self) -> State:
        return self._play.initial()

    def step(self, state: State, happening: Happening) -> tuple[State, list[Action]]:
        match happening:
            case CallerSaid(text=text):
                # By the words: a turn that was lost or said twice puts nothing out of step.
                step = next((step for step, words in ANSWERS.items() if words == text), state.step)
                return self._play.step(self._asked[step], happening)
            case CallerQuiet():
                return state, [Say("Are you still there?")]
            case MustEnd():
                return state, [Say("Goodbye."), End("ended", happening.why)]
        return self._play.step(state, happening)

    def check_sentence(self, state: State, sentence: str) -> tuple[str, str]:
        return self._play.check_sentence(state, sentence)
