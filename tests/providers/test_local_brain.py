"""The local brain keeps the protocol of every model, is deterministic, and calls what it should."""

import asyncio
from typing import Any

import pytest

from providers import llm_conformance
from scenario.talks import MONDAY
from trunkline.clock import SystemClock, VirtualClock, run_virtual
from trunkline.errors import EngineRequest
from trunkline.prompt import Prompt, Token, ToolCall, Usage
from trunkline.providers.llm.local_brain import LocalBrain
from trunkline.providers.protocols import LanguageModel
from trunkline.scenario.actions import CallBegan, CallerSaid, Generate
from trunkline.scenario.load import load_scenario
from trunkline.scenario.step import begin, step

LEAD = load_scenario("lead_qualification")


def prompt_for(line: str) -> Prompt:
    """What a model is asked when this is the first thing that a caller says."""
    state, _ = begin(LEAD, CallBegan(MONDAY))
    _, actions = step(LEAD, state, CallerSaid(1, line, MONDAY))
    [action] = actions
    assert isinstance(action, Generate)
    return action.prompt


def brain() -> LocalBrain:
    return LocalBrain(clock=SystemClock())


def test_it_is_a_language_model() -> None:
    assert isinstance(brain(), LanguageModel)


async def test_it_keeps_the_order_of_a_stream() -> None:
    deltas = await llm_conformance.answer(brain(), prompt_for("yes"))
    llm_conformance.assert_in_order(deltas)
    assert deltas[-1] == Usage(output_tokens=len([delta for delta in deltas if isinstance(delta, Token)]))


async def test_closing_is_harmless() -> None:
    await brain().start()
    await llm_conformance.assert_closes_twice(brain())
    stream = brain().stream(prompt_for("yes"))
    await anext(stream)
    before = asyncio.all_tasks()
    await stream.aclose()
    assert asyncio.all_tasks() == before


async def test_the_same_prompt_gives_the_same_answer() -> None:
    prompt = prompt_for("we are twelve people, how much is it")
    assert await llm_conformance.answer(brain(), prompt) == await llm_conformance.answer(brain(), prompt)


@pytest.mark.parametrize(
    ("line", "calls", "words"),
    [
        ("yes", [("set_field", {"name": "good_time", "value": True})], "How many people at your company"),
        ("how much is it", [("answer_objection", {"name": "price"})], "It is twenty dollars a month"),
        (
            "no, I'm busy, call me Thursday at four",
            [("schedule_callback", {"when": "2026-01-08T16:00:00+00:00"})],
            "on Thursday at four in the afternoon. Is that right?",
        ),
        (
            "yes, what is it about",
            [
                ("set_field", {"name": "good_time", "value": True}),
                ("answer_objection", {"name": "what_is_it"}),
            ],
            "phone systems for small companies that run over the internet",
        ),
        ("what is the capital of France", [], "I do not know that, and I would rather not guess."),
        ("blue elephants", [], "Sorry, I am not sure I understood."),
    ],
)
async def test_what_it_calls_and_says(line: str, calls: list[tuple[str, dict[str, Any]]], words: str) -> None:
    deltas = await llm_conformance.answer(brain(), prompt_for(line))
    assert [(delta.name, delta.arguments) for delta in deltas if isinstance(delta, ToolCall)] == calls
    assert words in llm_conformance.text_of(deltas)


async def test_a_prompt_without_a_scenario_is_refused() -> None:
    with pytest.raises(EngineRequest, match="needs a scenario"):
        await llm_conformance.answer(brain(), llm_conformance.PROMPT)


def test_it_can_be_slowed_down() -> None:
    async def story(clock: VirtualClock) -> list[float]:
        began = clock.now()
        model = LocalBrain(clock=clock, delay_ms=300, tokens_per_s=10)
        return [
            round(clock.now() - began, 3)
            async for delta in model.stream(prompt_for("yes"))
            if isinstance(delta, Token)
        ][:3]

    assert run_virtual(story) == [0.3, 0.4, 0.5]
