"""A repeated request is carried out once."""

from __future__ import annotations

import asyncio

import pytest

from trunkline.call.once import Once
from trunkline.errors import CallRefused


class Dialler:
    """Counts how often it dialled; each call lasts until it is told to end."""

    def __init__(self) -> None:
        self.dialled = 0
        self.over = asyncio.Event()

    async def __call__(self) -> int:
        self.dialled += 1
        await self.over.wait()
        return self.dialled


async def test_who_asks_again_gets_the_first_ones_result_during_the_call_and_after() -> None:
    once: Once[int] = Once()
    dial = Dialler()
    first = asyncio.create_task(once.do("a", dial))
    again = asyncio.create_task(once.do("a", dial))
    await asyncio.sleep(0)
    dial.over.set()
    assert await first == await again == await once.do("a", dial) == 1
    assert dial.dialled == 1
    assert await once.do("b", dial) == 2


async def test_an_error_is_given_again_too() -> None:
    once: Once[int] = Once()
    tried = 0

    async def refused() -> int:
        nonlocal tried
        tried += 1
        raise CallRefused("no trunk")

    for _ in range(3):
        with pytest.raises(CallRefused, match="no trunk"):
            await once.do("a", refused)
    assert tried == 1


async def test_a_second_who_gives_up_does_not_end_the_call_but_the_first_does() -> None:
    once: Once[int] = Once()
    dial = Dialler()
    first = asyncio.create_task(once.do("a", dial))
    again = asyncio.create_task(once.do("a", dial))
    await asyncio.sleep(0)
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)
    assert not first.done()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    dial.over.set()
    with pytest.raises(CallRefused, match="cancelled"):
        await once.do("a", dial)
    assert dial.dialled == 1


async def test_it_remembers_a_bounded_number_and_none_in_progress_is_forgotten() -> None:
    once: Once[int] = Once(kept=3)
    waiting, quick = Dialler(), Dialler()
    quick.over.set()
    running = asyncio.create_task(once.do("running", waiting))
    await asyncio.sleep(0)
    for n in range(10):
        await once.do(str(n), quick)
    assert len(once) <= 4
    waiting.over.set()
    assert await running == await once.do("running", waiting) == 1
