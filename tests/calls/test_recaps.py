"""Older turns are summarised while nobody waits for it, and a call goes on without that."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from calls.story import Says, Told, tell
from scenario.talks import small
from trunkline.call.play import ScenarioPlay
from trunkline.call.settings import CallSettings
from trunkline.errors import EngineDown
from trunkline.events import ModelUsed, ScenarioStepped, Trouble
from trunkline.prompt import Delta, Prompt, Token, Usage
from trunkline.scenario.actions import Recap

SETTINGS = CallSettings(vad="energy", simple_turns="model")
LINES = [Says(4.0 + 6 * n, f"well that is hard to say number {word}") for n, word in enumerate(
    ["alpha", "bravo", "charlie", "delta"]
)]  # fmt: skip


class Leads:
    """A model that asks again and again, and writes notes when asked for them."""

    name = "leads"

    def __init__(self, notes: str = "They are not sure.", *, fails: bool = False) -> None:
        self.prompts: list[Prompt] = []
        self._notes = notes
        self._fails = fails

    async def start(self) -> None:
        """Nothing to load."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        self.prompts.append(prompt)
        if "Write the notes alone" in prompt.messages[0].content:
            if self._fails:
                raise EngineDown("no notes today", where=self.name)
            yield Token(self._notes)
            yield Usage(input_tokens=70, output_tokens=9)
            return
        yield Token("I see. How many are you?")
        yield Usage()

    async def close(self) -> None:
        """Nothing is held."""


def told(model: Leads) -> Told:
    scenario = small()
    limits = scenario.limits.model_copy(update={"prompt_lines": 4})
    steps = {
        name: step.model_copy(update={"max_turns": 20, "reasks": 20}) for name, step in scenario.steps.items()
    }
    play = ScenarioPlay(scenario.model_copy(update={"limits": limits, "steps": steps}))
    return tell(*LINES, play=play, model=model, settings=SETTINGS, lasts=30.0)


def test_a_summary_comes_between_turns_and_stands_in_the_next_prompt() -> None:
    model = Leads()
    story = told(model)
    answers = [prompt for prompt in model.prompts if prompt.tools]
    contents = [message.content for message in answers[-1].messages]
    assert "Earlier in this call: They are not sure." in contents
    used = [event for event in story.events if isinstance(event, ModelUsed)]
    assert used
    assert (used[0].model, used[0].purpose, used[0].input_tokens) == ("leads", "recap", 70)
    spent = [row for row in story.result.record["costs"]["engines"] if row["name"] == "leads"]
    assert spent[0]["used"]["output"] == 9 * len(used)
    steps = [event for event in story.events if isinstance(event, ScenarioStepped)]
    assert any(action["type"] == Recap.__name__ for step in steps for action in step.actions)


@pytest.mark.parametrize("notes", ["", "no"])
def test_a_call_goes_on_where_nobody_writes_notes(notes: str) -> None:
    model = Leads(notes, fails=notes == "no")
    story = told(model)
    assert len(story.caller_words()) == len(LINES)
    assert story.said()[-1] == "I see. How many are you?"
    troubles = [event.where for event in story.events if isinstance(event, Trouble)]
    assert set(troubles) == ({"recap"} if notes else set())
