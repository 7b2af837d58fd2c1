"""What every engine must do that hears and speaks, whoever made it. Each engine's tests call these."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from trunkline.errors import EngineError
from trunkline.prompt import Delta, Message, Prompt, Token, ToolCall, Usage
from trunkline.providers.protocols import ListenOptions, VoiceOptions
from trunkline.providers.s2s.protocol import Session, SpeechToSpeech

LIMIT = 30.0
"""Seconds that any of it may take; nothing is measured."""
PROMPT = Prompt((Message("system", "You are Anna."), Message("user", "Hello?")))
LINE = "This call is recorded for training purposes."


@dataclass
class Sounds:
    """An `Ear` that keeps what it is given."""

    pcm: bytes = b""
    ends: int = 0
    first: asyncio.Event = field(default_factory=asyncio.Event)

    def sound(self, pcm: bytes) -> None:
        assert pcm, "an empty piece is none"
        assert len(pcm) % 2 == 0
        assert not self.ends, "nothing comes after the end"
        self.pcm += pcm
        self.first.set()

    def end(self) -> None:
        self.ends += 1


class Ears:
    """Its sessions as recognisers, for the suites that recognisers pass."""

    def __init__(self, engine: SpeechToSpeech) -> None:
        self.name = engine.name
        self._engine = engine

    async def start(self) -> None:
        await self._engine.start()

    async def open(self, options: ListenOptions) -> Session:
        return await self._engine.open(options, VoiceOptions(rate=options.rate), lambda _: None)

    async def close(self) -> None:
        await self._engine.close()


@asynccontextmanager
async def session_of(
    engine: SpeechToSpeech, late: list[Usage] | None = None, rate: int = 8000
) -> AsyncIterator[Session]:
    """A session of a started engine; closed at the end."""
    used: list[Usage] = [] if late is None else late
    session = await engine.open(ListenOptions(rate), VoiceOptions(rate=rate), used.append)
    try:
        yield session
    finally:
        await session.close()


async def all_of(stream: AsyncGenerator[Delta, None]) -> list[Delta]:
    async with asyncio.timeout(LIMIT), aclosing(stream) as deltas:
        return [delta async for delta in deltas]


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Token)).strip()


def assert_in_order(deltas: list[Delta], ear: Sounds) -> None:
    """Tokens and calls, then exactly one usage, which is the last; the sound had ended by then."""
    assert [isinstance(delta, Usage) for delta in deltas] == [False] * (len(deltas) - 1) + [True]
    tokens = [delta.text for delta in deltas if isinstance(delta, Token)]
    if tokens:
        assert tokens[0], "the first delta says something"
        texts = [token for token in tokens if token]
        assert texts[-1].endswith("\n"), "the end of the text is told"
    assert ear.ends == 1


async def assert_answers(engine: SpeechToSpeech, text: str) -> None:
    async with session_of(engine) as session:
        assert session.rate >= 8000
        ear = Sounds()
        deltas = await all_of(session.respond(PROMPT, ear))
        assert_in_order(deltas, ear)
        assert text_of(deltas) == text
        assert len(ear.pcm) / 2 / session.rate > 0.5
        usage = deltas[-1]
        assert isinstance(usage, Usage)
        assert 0 < usage.audio_output_tokens <= usage.output_tokens


async def assert_reads(engine: SpeechToSpeech) -> None:
    async with session_of(engine) as session:
        ear = Sounds()
        deltas = await all_of(session.read(LINE, ear))
        assert_in_order(deltas, ear)
        assert text_of(deltas) == LINE
        assert len(ear.pcm) / 2 / session.rate > 1.0
        assert not any(isinstance(delta, ToolCall) for delta in deltas)


async def assert_answers_at_once(engine: SpeechToSpeech, text: str) -> None:
    """Two answers and a line in one session, each with its own words and its own sound."""
    async with session_of(engine) as session:
        ears = [Sounds() for _ in range(3)]
        one, two, line = await asyncio.gather(
            all_of(session.respond(PROMPT, ears[0])),
            all_of(session.respond(PROMPT, ears[1])),
            all_of(session.read(LINE, ears[2])),
        )
        for deltas, ear in zip((one, two, line), ears, strict=True):
            assert_in_order(deltas, ear)
        assert (text_of(one), text_of(two), text_of(line)) == (text, text, LINE)
        assert len(ears[0].pcm) == len(ears[1].pcm)


async def assert_closing_early_stops(engine: SpeechToSpeech, text: str) -> None:
    """After the first delta: nothing more goes to the ear, no task is left, and the session is good."""
    late: list[Usage] = []
    async with session_of(engine, late) as session:
        before = asyncio.all_tasks()
        for _ in range(3):
            ear = Sounds()
            stream = session.respond(PROMPT, ear)
            async with asyncio.timeout(LIMIT):
                await anext(stream)
                await stream.aclose()
            had = len(ear.pcm)
            again = Sounds()
            assert text_of(await all_of(session.respond(PROMPT, again))) == text
            assert len(ear.pcm) == had
            assert ear.ends == 0
        async with asyncio.timeout(LIMIT):  # a connection of an answer's own takes a moment to go
            ours = {task for task in asyncio.all_tasks() - before if "erver" not in _name_of(task)}
            await asyncio.gather(*ours, return_exceptions=True)


def _name_of(task: asyncio.Task[object]) -> str:
    return str(getattr(task.get_coro(), "__qualname__", ""))


async def assert_cancelling_stops(engine: SpeechToSpeech, text: str) -> None:
    async with session_of(engine) as session:
        ear = Sounds()
        answering = asyncio.create_task(all_of(session.respond(PROMPT, ear)))
        await asyncio.sleep(0)
        answering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answering
        assert text_of(await all_of(session.respond(PROMPT, Sounds()))) == text


async def assert_closed_is_closed(engine: SpeechToSpeech) -> None:
    """An answer in progress fails, and so does what is asked later."""
    async with session_of(engine) as session:
        ear = Sounds()
        answering = asyncio.create_task(all_of(session.respond(PROMPT, ear)))
        async with asyncio.timeout(LIMIT):
            await ear.first.wait()
        await session.close()
        await session.close()
        assert session.closed
        with pytest.raises(EngineError):
            await answering
        assert ear.ends == 1
        with pytest.raises(EngineError):
            await all_of(session.respond(PROMPT, Sounds()))
        with pytest.raises(EngineError):
            await all_of(session.read(LINE, Sounds()))


async def assert_ends_with_its_engine(engine: SpeechToSpeech) -> None:
    """Closing the engine closes what its calls have open."""
    session = await engine.open(ListenOptions(), VoiceOptions(), lambda _: None)
    await engine.close()
    await engine.close()
    assert session.closed
    with pytest.raises(EngineError):
        await all_of(session.respond(PROMPT, Sounds()))
    await session.close()


async def assert_conforms(engine: SpeechToSpeech, text: str) -> None:
    """All of it, of a started engine that answers `text`; ends with the engine closed. Answers must take a
    moment, so that there is something to close."""
    assert engine.name
    assert engine.cannot
    assert all(each == each.strip() and not each.endswith(".") for each in engine.cannot)
    await assert_answers(engine, text)
    await assert_reads(engine)
    await assert_answers_at_once(engine, text)
    await assert_closing_early_stops(engine, text)
    await assert_cancelling_stops(engine, text)
    await assert_closed_is_closed(engine)
    await assert_ends_with_its_engine(engine)


async def failure_of(session: Session, ear: Sounds) -> EngineError:
    """What an answer fails of."""
    with pytest.raises(EngineError) as caught:
        await all_of(session.respond(PROMPT, ear))
    assert ear.ends == 1
    return caught.value
