"""The scripted model keeps its times exactly, on a virtual clock."""

import asyncio
from typing import Any

import pytest

from providers.llm_conformance import (
    PROMPT,
    answer,
    assert_closes_twice,
    assert_closing_early_leaves_nothing,
    assert_in_order,
    text_of,
)
from trunkline.clock import SystemClock, VirtualClock, run_virtual
from trunkline.errors import ConfigError, EngineDown
from trunkline.prompt import Message, Prompt, ToolCall, Usage
from trunkline.providers.llm.fake import FakeLanguageModel, FakeReply


def times(**options: Any) -> list[tuple[int, str]]:
    """(milliseconds after asking, what came) of one answer."""

    async def story(clock: VirtualClock) -> list[tuple[int, str]]:
        model = FakeLanguageModel(clock=clock, **options)
        await model.start()
        began = clock.now()
        return [
            (round((clock.now() - began) * 1000), getattr(delta, "text", type(delta).__name__))
            async for delta in model.stream(PROMPT)
        ]

    return run_virtual(story)


def test_the_first_token_and_the_rate() -> None:
    assert times(delay_ms=200, tokens_per_s=50, reply="Yes, of course.") == [
        (200, "Yes,"),
        (220, " of"),
        (240, " course."),
        (240, "Usage"),
    ]


def test_all_at_once() -> None:
    assert {at for at, _ in times(delay_ms=10, tokens_per_s=0, reply="a b c d")} == {10}


def test_an_empty_answer() -> None:
    assert times(empty=True) == [(200, "Usage")]


@pytest.mark.parametrize(("options", "text"), [({"fail": True}, ""), ({"fail_after": 2}, "a b")])
def test_failures(options: dict[str, Any], text: str) -> None:
    async def story(clock: VirtualClock) -> None:
        model = FakeLanguageModel(clock=clock, reply="a b c", **options)
        stream = model.stream(PROMPT)
        assert text_of([await anext(stream) for _ in text.split()]) == text
        with pytest.raises(EngineDown):
            await anext(stream)

    run_virtual(story)


def test_hanging() -> None:
    async def story(clock: VirtualClock) -> float:
        stream = FakeLanguageModel(clock=clock, hang=True).stream(PROMPT)
        began = clock.now()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(100_000):
                await anext(stream)
        return clock.now() - began

    assert run_virtual(story) == pytest.approx(100_000)


def test_replies_follow_the_callers_turns_not_the_asking() -> None:
    async def story(clock: VirtualClock) -> list[str]:
        model = FakeLanguageModel(clock=clock, reply="one|two|three")
        said = []
        for turns in (1, 2, 2, 3, 4):
            messages = [Message("system", "s")] + [Message("user", "u")] * turns
            said.append(text_of(await answer(model, Prompt(tuple(messages)))))
        return said

    assert run_virtual(story) == ["one", "two", "two", "three", "one"]


def test_a_script_with_tool_calls_and_a_prompt_cache() -> None:
    async def story(clock: VirtualClock) -> None:
        model = FakeLanguageModel(clock=clock, reply="later")
        call = ToolCall("1", "end_call", {})
        model.script.append(FakeReply("Goodbye now.", (call,)))
        first = await answer(model)
        assert_in_order(first)
        assert text_of(first) == "Goodbye now."
        assert first[-2:] == [call, Usage(4, 3, 0)]
        second = await answer(model)
        assert text_of(second) == "later"
        assert second[-1] == Usage(4, 1, 3)
        assert list(model.prompts) == [PROMPT, PROMPT]

    run_virtual(story)


async def test_it_conforms() -> None:
    model = FakeLanguageModel(clock=SystemClock(), delay_ms=0)
    await model.start()
    await assert_closing_early_leaves_nothing(model)
    await assert_closes_twice(model)


async def test_settings_that_cannot_be() -> None:
    with pytest.raises(ConfigError):
        await FakeLanguageModel(clock=SystemClock(), delay_ms=-1).start()
