"""Prompts begin as the one before did, byte for byte, so that providers' prompt caches hit.

A provider caches from the first byte on, and in this order: the tools, then the system's words, then the
talk. Whole calls are held, in virtual time, and what each hosted model would be sent is compared from turn
to turn.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from itertools import pairwise
from typing import Any

import pytest

from calls.story import Says, tell
from trunkline.call.settings import CallSettings
from trunkline.clock import SystemClock
from trunkline.prompt import Delta, Prompt
from trunkline.providers.llm import anthropic_wire, gemini_wire, openai_wire
from trunkline.providers.llm.local_brain import LocalBrain
from trunkline.scenario.load import load_scenario
from trunkline.scenario.play import ScenarioPlay

SAID = [
    "yes go ahead",
    "how much does it cost",
    "we are about twelve people",
    "no wait we are twenty people",
    "that is right",
    "we already have a provider you know",
    "what is the contract like",
    "about three hundred dollars a month",
    "probably this year",
    "are you a robot",
    "tomorrow at ten",
    "yes that is right",
]


class Listening(LocalBrain):
    """The local brain, which keeps the prompts that it was given."""

    def __init__(self) -> None:
        super().__init__(clock=SystemClock())
        self.prompts: list[Prompt] = []

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        self.prompts.append(prompt)
        async for delta in super().stream(prompt):
            yield delta


@pytest.fixture(scope="module", name="prompts")
def _prompts() -> list[Prompt]:
    """Those of a call in which much happens: interruptions, corrections, objections, dropped drafts."""
    model = Listening()
    # Some lines come while the agent still speaks.
    lines = [Says(7.0 + 7.5 * number - 2.5 * (number % 3 == 2), words) for number, words in enumerate(SAID)]
    scenario = load_scenario("lead_qualification")
    told = tell(
        *lines, play=ScenarioPlay(scenario), settings=CallSettings(vad="energy"), model=model, lasts=110
    )
    assert len(told.caller_words()) >= 9
    assert len(model.prompts) >= 8
    return model.prompts


def as_bytes(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def same_at_first(one: list[str], other: list[str]) -> int:
    """How many messages are the same, from the first on."""
    return next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def openai(prompt: Prompt) -> tuple[str, list[str]]:
    request = openai_wire.request_of(prompt, "m", "max_tokens")
    return as_bytes(request.get("tools")), [as_bytes(message) for message in request["messages"]]


def test_each_prompt_is_the_one_before_and_more(prompts: list[Prompt]) -> None:
    shared = []
    for before, after in pairwise(prompts):
        tools, messages = openai(before)
        tools_after, messages_after = openai(after)
        assert tools_after == tools
        same = same_at_first(messages, messages_after)
        # All but the last system message, which says how things stand now, and the tools' results behind it.
        talk = next(n for n in range(len(messages) - 1, -1, -1) if messages[n].startswith('{"role":"system"'))
        # Where an answer was dropped, the line it answered is said again as another one.
        said_again = len(messages_after) == len(messages)
        shared.append(same >= talk - said_again)
    assert all(shared), shared
    assert all(same_at_first(openai(a)[1], openai(b)[1]) >= 1 for a, b in pairwise(prompts))


def test_what_is_marked_for_the_cache_never_changes_and_holds_nothing_of_the_call(
    prompts: list[Prompt],
) -> None:
    marked = set()
    for prompt in prompts:
        request = anthropic_wire.request_of(prompt, "m")
        place = next(n for n, block in enumerate(request["system"]) if "cache_control" in block)
        marked.add(as_bytes([request["tools"], request["system"][: place + 1]]))
        assert sum("cache_control" in block for block in request["system"]) == 1
    assert len(marked) == 1
    assert "twelve" not in next(iter(marked))


def test_the_instruction_and_the_tools_begin_alike(prompts: list[Prompt]) -> None:
    requests = [gemini_wire.request_of(prompt, "m", gemini_wire.Signatures()) for prompt in prompts]
    assert len({as_bytes([each["tools"], each["systemInstruction"]["parts"][0]]) for each in requests}) == 1
    settings = {as_bytes(each["generationConfig"]) for each in requests}
    assert len(settings) == 1


@pytest.mark.parametrize("wire", ["openai", "anthropic", "gemini"])
def test_the_same_prompt_gives_the_same_bytes(prompts: list[Prompt], wire: str) -> None:
    def request(prompt: Prompt) -> Any:
        match wire:
            case "openai":
                return openai_wire.request_of(prompt, "m", "max_tokens")
            case "anthropic":
                return anthropic_wire.request_of(prompt, "m")
            case _:
                return gemini_wire.request_of(prompt, "m", gemini_wire.Signatures())

    for prompt in prompts:
        assert as_bytes(request(prompt)) == as_bytes(request(prompt))


def test_a_talk_beyond_its_limit_is_cut_by_halves_and_keeps_its_beginning_meanwhile() -> None:
    model = Listening()
    scenario = load_scenario("lead_qualification")
    limits = scenario.limits.model_copy(update={"prompt_lines": 8})
    lines = [Says(7.0 + 6.0 * number, "how much does it cost then") for number in range(12)]
    tell(
        *lines,
        play=ScenarioPlay(scenario.model_copy(update={"limits": limits})),
        settings=CallSettings(vad="energy", speculate=False),
        model=model,
        lasts=90,
    )
    kept = []
    for before, after in pairwise(model.prompts):
        messages, messages_after = openai(before)[1], openai(after)[1]
        kept.append(same_at_first(messages, messages_after) > 1)
        assert sum('"role":"user"' in text or '"role":"assistant"' in text for text in messages) <= 8
    # A cut costs one turn its cache; between cuts each prompt begins as the last one.
    assert len(kept) >= 5
    assert sum(kept) >= len(kept) // 2
