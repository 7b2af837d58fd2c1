"""A call whose engines are too slow moves to cheaper choices, and says so. Whole calls, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

from calls.story import PLAIN_SETTINGS, Says, Told, tell
from trunkline.call.budget import BudgetSettings
from trunkline.events import Economised, GenerationStarted
from trunkline.lab.replay import as_line, parse_line, replay_scenario, replay_turns
from trunkline.prompt import Delta, Prompt, Token
from trunkline.providers.protocols import LanguageModel
from trunkline.scenario.load import load_scenario
from trunkline.scenario.play import ScenarioPlay

LINES = [Says(8.0 + 8.0 * n, "how much does it cost then") for n in range(9)]
SLOW = {"delay_ms": 900, "reply": "It is twenty dollars a month."}


class Quick(LanguageModel):
    """Answers at once, and counts."""

    name = "quick"

    def __init__(self) -> None:
        self.asked = 0

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        self.asked += 1
        yield Token("Twenty dollars.")


def call(budget: BudgetSettings, fast: LanguageModel | None = None, **more: object) -> Told:
    scenario = load_scenario("lead_qualification")
    told = tell(
        *LINES,
        play=ScenarioPlay(scenario),
        settings=replace(PLAIN_SETTINGS, budget=budget),
        llm=SLOW,
        fast=fast,
        lasts=85,
        **more,  # type: ignore[arg-type]
    )
    events = [parse_line(as_line(event)) for event in told.events]
    assert replay_turns(events).difference is None
    assert replay_scenario(events, ScenarioPlay(scenario)).difference is None
    return told


def moves(told: Told) -> list[tuple[str, str]]:
    return [(event.stage, event.choice) for event in told.of(Economised) if isinstance(event, Economised)]


def models(told: Told) -> list[str]:
    return [e.model for e in told.of(GenerationStarted) if isinstance(e, GenerationStarted) and e.turn]


def test_a_slow_model_is_given_less_to_read_then_replaced_then_spared() -> None:
    quick = Quick()
    everything = BudgetSettings(turns=2, choices=("short-context", "fast-model", "cached-lines"), llm="quick")
    told = call(everything, quick)
    assert moves(told)[:2] == [("llm", "short-context"), ("llm", "fast-model")]
    # Two slow turns, two with less to read, and then the other model, which is quick enough to stay.
    assert models(told)[:4] == ["fake"] * 4
    assert models(told)[4] == "quick"
    assert "fake" not in models(told)[4:]
    rows = told.result.record["ledger"]["rows"]
    assert rows[4]["total_ms"] < rows[0]["total_ms"] - 800


def test_the_scenarios_own_words_are_the_last_resort() -> None:
    told = call(BudgetSettings(turns=2, choices=("cached-lines",)))
    assert moves(told) == [("llm", "cached-lines")]
    assert models(told)[:2] == ["fake", "fake"]
    assert models(told)[2] == "brain"
    assert "twenty dollars a month" in told.said()[3]


def test_engines_within_their_budget_are_left_alone() -> None:
    quick = Quick()
    told = call(BudgetSettings(turns=1, llm="quick"), quick, model=Quick())
    assert moves(told) == []
    assert quick.asked == 0


def test_a_prompt_is_shorter_once_the_context_is() -> None:
    lengths: list[int] = []

    class Slow(Quick):
        async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
            lengths.append(sum(message.role in ("user", "assistant") for message in prompt.messages))
            await asyncio.sleep(0.9)
            yield Token("Twenty dollars.")

    told = call(BudgetSettings(turns=3, choices=("short-context",), context_lines=4), model=Slow())
    assert moves(told) == [("llm", "short-context")]
    assert max(lengths) > 4
    assert max(lengths[4:]) <= 4
