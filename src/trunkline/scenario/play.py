"""A scenario as a call plays it: one object with the four things that `call/` asks of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from trunkline.prompt import Prompt
from trunkline.scenario.actions import Action, CallBegan, CallerSaid, Happening
from trunkline.scenario.fixed import fixed_lines
from trunkline.scenario.guardrail import check_sentence
from trunkline.scenario.judge import broken_rule, judge_prompt
from trunkline.scenario.model import Scenario
from trunkline.scenario.review import Review, read_review, review, review_prompt
from trunkline.scenario.state import State
from trunkline.scenario.step import step

_ANY_TIME = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def _warm(scenario: Scenario) -> None:
    """Compile and index what the first turn of a call needs: 200 ms that no call should wait for."""
    state, _ = step(scenario, State(), CallBegan(_ANY_TIME))
    for words in ("yes, about twelve, tomorrow at ten", "how much is it"):
        step(scenario, state, CallerSaid(1, words, _ANY_TIME))
    check_sentence(scenario, state, "Twelve.")


class ScenarioPlay:
    """Holds the scenario, and nothing of a call: one may serve many calls at once."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.name = scenario.name
        self.voice = scenario.persona.voice
        self.pace = scenario.persona.pace
        _warm(scenario)

    def initial(self) -> State:
        """The state before anything has happened."""
        return State()

    def fixed_lines(self, facts: Mapping[str, str]) -> tuple[str, ...]:
        """What will be said word for word, as far as it is known before the call."""
        return fixed_lines(self.scenario, facts)

    def step(self, state: State, happening: Happening) -> tuple[State, list[Action]]:
        """What happens next. Pure."""
        return step(self.scenario, state, happening)

    def check_sentence(self, state: State, sentence: str) -> tuple[str, str]:
        """(rule, replacement) where the sentence may not be said; ("", "") where it may."""
        verdict = check_sentence(self.scenario, state, sentence)
        return verdict.rule, verdict.replacement

    def judge_prompt(self, sentence: str) -> Prompt | None:
        """What a second model is asked about a sentence; None where there is nothing to ask."""
        return judge_prompt(self.scenario, sentence)

    def broken_rule(self, answer: str) -> str:
        """The rule that it says is broken, or empty."""
        return broken_rule(self.scenario, answer)

    def review(self, state: State) -> Review:
        """What the call came to, and which rules were kept, from its last state."""
        return review(self.scenario, state)

    def review_prompt(self, state: State) -> Prompt:
        """What a model is asked for the same."""
        return review_prompt(self.scenario, state)

    def read_review(self, state: State, text: str, by: str) -> Review:
        """The model's answer. Raises `ParseError`."""
        return read_review(self.scenario, state, text, by)
