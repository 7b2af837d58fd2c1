"""What a hosted language model must do beside `llm_conformance`."""

from __future__ import annotations

import asyncio

from providers.llm_conformance import PROMPT
from trunkline.providers.protocols import LanguageModel

LOOP_TURNS = 10
"""In these an HTTP client's abandoned generators are closed by the loop, each in a task of a moment."""


async def assert_closing_early_stops(model: LanguageModel) -> None:
    """After the first delta the stream is closed: no task of it goes on (a local server's may)."""
    before = asyncio.all_tasks()
    stream = model.stream(PROMPT)
    await anext(stream)
    await stream.aclose()
    del stream
    for _ in range(LOOP_TURNS):
        await asyncio.sleep(0)
    left = [task.get_coro() for task in asyncio.all_tasks() - before]
    assert [coro for coro in left if "Server." not in getattr(coro, "__qualname__", "")] == []
