"""OpenAI's file transcription against a local server: an utterance at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from providers.hosted_stt_conformance import (
    CLOCK,
    LINE,
    assert_conforms,
    assert_hears_again,
    failure_of,
)
from providers.servers.openai_ears import OpenAIFiles
from providers.stt_conformance import assert_bounded_under_a_flood, listening, recording, speak
from trunkline.errors import (
    ConfigError,
    EngineDown,
    EngineError,
    EngineKeyWrong,
    EngineNetwork,
    EngineQuota,
    EngineRequest,
    EngineTimeout,
)
from trunkline.events import Expectation, Final
from trunkline.providers.protocols import ListenOptions
from trunkline.providers.stt.openai_file import OpenAIFile

pytest.importorskip("httpx")


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[tuple[OpenAIFile, OpenAIFiles]]:
    async with OpenAIFiles() as server:
        engine = OpenAIFile(clock=CLOCK, **{"base_url": server.address, **options})
        await engine.start()
        try:
            yield engine, server
        finally:
            await engine.close()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-1")


async def test_it_conforms() -> None:
    async with running() as (engine, server):
        await assert_conforms(engine)
        await assert_bounded_under_a_flood(engine, recording(LINE), CLOCK, 600)
        await asyncio.gather(*(assert_hears_again(engine) for _ in range(4)))
        assert {asked.headers["authorization"] for asked in server.asked} == {"Bearer secret-1"}


async def test_what_it_is_asked() -> None:
    async with running(keyterms="Clearline", prompt="A call.") as (engine, server):
        async with listening(engine) as (recognition, ear):
            recognition.expect(Expectation(keyterms=("Dana",)))
            await speak(recognition, recording(LINE), CLOCK, CLOCK.now(), paced=False)
            await ear.until_finals(1)
        assert server.forms[0] == {
            "model": ["gpt-transcribe"],
            "response_format": ["json"],
            "languages[]": ["en"],
            "keywords[]": ["Clearline", "Dana"],
            "prompt": ["A call."],
        }


async def test_whispers_word_times_are_the_calls() -> None:
    async with running(model="whisper-1", word_times=True) as (engine, server):
        async with listening(engine) as (recognition, ear):
            began = CLOCK.now() - 10
            await speak(recognition, recording(LINE), CLOCK, began, paced=False)
            await ear.until_finals(1)
        (final,) = ear.heard
        assert isinstance(final, Final)
        assert began < final.words[0].start < began + 1
        assert final.words[-1].end - final.words[0].start == pytest.approx(0.3 * len(final.words), abs=0.01)
        assert server.forms[0]["timestamp_granularities[]"] == ["word"]
        assert server.forms[0]["language"] == ["en"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("hang", EngineTimeout),
        ("cut", EngineNetwork),
        ("garbage", EngineDown),
        ("odd", EngineDown),
        ("error", EngineDown),
        ("quota", EngineQuota),
    ],
)
async def test_failures_fall_in_our_tree(fault: str, kind: type[EngineError]) -> None:
    async with running(answer_s=0.5) as (engine, server):
        server.faults.append(fault)
        error = await failure_of(engine)
        assert type(error) is kind
        assert "secret-1" not in str(error)
        await assert_hears_again(engine)


async def test_closing_drops_the_request() -> None:
    async with running() as (engine, server):
        server.faults.append("hang")
        recognition = await engine.open(ListenOptions())
        await speak(recognition, recording(LINE), CLOCK, CLOCK.now(), paced=False)
        async with asyncio.timeout(10):
            await server.got_one.wait()
            await recognition.close()
            await server.dropped.wait()


async def test_what_is_wrong_is_told_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError):
        await OpenAIFile(clock=CLOCK, answer_s=0).start()
    with pytest.raises(EngineDown, match="not started"):
        await OpenAIFile(clock=CLOCK).open(ListenOptions())
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(EngineKeyWrong, match="Set OPENAI_API_KEY"):
        await OpenAIFile(clock=CLOCK).start()
    async with running() as (engine, _):
        with pytest.raises(EngineRequest, match="12345"):
            await engine.open(ListenOptions(rate=12345))
