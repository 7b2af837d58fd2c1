"""What the agent says in a benchmark: a greeting, then the model's answer to everything. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from trunkline.events import Expectation
from trunkline.prompt import Message, Prompt
from trunkline.scenario.actions import (
    Action,
    CallBegan,
    CallerQuiet,
    CallerSaid,
    End,
    Expect,
    Generate,
    Happening,
    ModelFailed,
    MustEnd,
    Say,
)

GREETING = "Hello, this is the benchmark. What can I do for you?"
FIXED_ANSWER = "Thank you, that is good to know. I have written it down for you, and we can go on now."
HISTORY = 20
"""Messages kept, as a scenario would."""

State = tuple[Message, ...]


class BenchPlay:
    """A `Play` without a scenario, so that what is measured is the call and not its conversation."""

    name = "bench"

    def __init__(self, *, fixed: bool = False) -> None:
        self._fixed = fixed
        """Answer with the scenario's own line instead of asking the model."""

    def fixed_lines(self, _facts: Mapping[str, str]) -> tuple[str, ...]:
        """What is made before the call, where lines are fixed."""
        return (GREETING, FIXED_ANSWER) if self._fixed else ()

    def initial(self) -> State:
        return (Message("system", "Answer in two short sentences."),)

    def step(self, state: State, happening: Happening) -> tuple[State, list[Action]]:
        ask = Expect(Expectation(), silence=30.0)
        match happening:
            case CallBegan():
                return state, [Say(GREETING), ask]
            case CallerSaid():
                said = Message("user", happening.text or "(unclear)")
                state = (state[0], *state[1:][-HISTORY:], said)
                if self._fixed:
                    return state, [Say(FIXED_ANSWER), ask]
                return state, [Generate(Prompt(state)), ask]
            case CallerQuiet():
                return state, [Say("Are you still there?"), ask]
            case ModelFailed():
                return state, [Say("Please say that again."), ask]
            case MustEnd():
                return state, [Say("Goodbye."), End("ended", happening.why)]
        return state, []

    def check_sentence(self, _state: State, _sentence: str) -> tuple[str, str]:
        return "", ""
