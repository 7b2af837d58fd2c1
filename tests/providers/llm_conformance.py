"""What every language model must do, whoever made it. Each engine's tests call these."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from trunkline.prompt import Delta, Message, Prompt, Token, ToolCall, Usage
from trunkline.providers.protocols import LanguageModel

PROMPT = Prompt((Message("system", "You are Anna."), Message("user", "Hello?")))


async def answer(model: LanguageModel, prompt: Prompt = PROMPT) -> list[Delta]:
    """Everything that the model gives for the prompt."""
    async with aclosing(model.stream(prompt)) as stream:
        return [delta async for delta in stream]


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Token))


def assert_in_order(deltas: list[Delta]) -> None:
    """Tokens and calls, then exactly one usage, which is the last."""
    assert [isinstance(delta, Usage) for delta in deltas] == [False] * (len(deltas) - 1) + [True]
    assert all(isinstance(delta, Token | ToolCall | Usage) for delta in deltas)
    assert all(delta.text for delta in deltas if isinstance(delta, Token))


async def assert_closing_early_leaves_nothing(model: LanguageModel) -> None:
    """After the first delta the stream is closed: no task of it goes on (a local server's may)."""
    before = asyncio.all_tasks()
    stream = model.stream(PROMPT)
    await anext(stream)
    await stream.aclose()
    await asyncio.sleep(0)
    left = [task.get_coro() for task in asyncio.all_tasks() - before]
    assert [coro for coro in left if "Server." not in getattr(coro, "__qualname__", "")] == []


async def assert_closes_twice(model: LanguageModel) -> None:
    await model.close()
    await model.close()
