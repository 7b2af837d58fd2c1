"""Google Cloud Speech v2 by the vendor's client, against a local server of the vendor's own messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest

pytest.importorskip("google.cloud.speech_v2", reason="google-cloud-speech is not installed here")

import grpc
import pytest_asyncio

from providers.hosted_stt_conformance import (
    CLOCK,
    LINE,
    assert_conforms,
    assert_hears_again,
    assert_words_have_times,
    failure_of,
)
from providers.servers.google_ears import GoogleEars
from providers.stt_conformance import LIMIT, assert_bounded_under_a_flood, listening, recording, speak
from trunkline.errors import (
    ConfigError,
    EngineDown,
    EngineError,
    EngineKeyWrong,
    EngineNetwork,
    EngineRate,
    EngineRequest,
)
from trunkline.events import Expectation
from trunkline.providers.protocols import ListenOptions
from trunkline.providers.stt.google import GoogleSpeech

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def library() -> None:
    """What the library and the loop keep for as long as they live is there before each test."""
    grpc.aio.init_grpc_aio()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    async with running():
        pass


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[tuple[GoogleSpeech, GoogleEars]]:
    async with GoogleEars() as server:
        engine = GoogleSpeech(clock=CLOCK, endpoint=server.address, insecure=True, **options)
        await engine.start()
        try:
            yield engine, server
        finally:
            await engine.close()


async def test_it_conforms() -> None:
    async with running() as (engine, _):
        await assert_conforms(engine)
        await assert_words_have_times(engine)
        await asyncio.gather(*(assert_hears_again(engine) for _ in range(3)))


async def test_a_flood_is_bounded() -> None:
    async with running() as (engine, _):
        await assert_bounded_under_a_flood(engine, recording(LINE), CLOCK, 600)


async def test_what_it_is_asked() -> None:
    async with running(keyterms="Clearline", project="p", location="eu") as (engine, server):
        assert engine.name == "google/telephony"
        async with listening(engine) as (recognition, ear):
            recognition.expect(Expectation(keyterms=("Dana",)))
            await speak(recognition, recording(LINE), CLOCK, CLOCK.now(), paced=False)
            await ear.until_finals(1)
        assert server.recognizers[0] == "projects/p/locations/eu/recognizers/_"
        config = server.configs[0]
        assert config.config.model == "telephony"
        assert list(config.config.language_codes) == ["en-US"]
        assert config.config.explicit_decoding_config.sample_rate_hertz == 8000
        assert config.streaming_features.interim_results
        assert config.streaming_features.endpointing_sensitivity.name.endswith("_SHORT")
        (phrases,) = config.config.adaptation.phrase_sets
        assert [phrase.value for phrase in phrases.inline_phrase_set.phrases] == ["Clearline", "Dana"]


async def test_a_long_call_has_several_streams_and_loses_nothing() -> None:
    async with running(stream_s=0.001) as (engine, server):
        async with listening(engine) as (recognition, ear):
            at = CLOCK.now() - 60
            for count in (1, 2, 3):
                at = await speak(recognition, recording(LINE), CLOCK, at, paced=False)
                await ear.until_finals(count)
        assert len(server.configs) >= 3
        assert not ear.errors
        spoken = 3 * (len(recording(LINE)) / 2 / 8000 + 1.0)
        assert sum(server.received) == pytest.approx(spoken, abs=1.0)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("cut", EngineNetwork),
        ("expired", EngineNetwork),
        ("error", EngineDown),
        ("garbage", EngineDown),
        ("quota", EngineRate),
        ("key", EngineKeyWrong),
    ],
)
async def test_failures_fall_in_our_tree_and_the_next_call_is_heard(
    fault: str, kind: type[EngineError]
) -> None:
    async with running() as (engine, server):
        server.faults.append(fault)
        # A service that refuses does so at the first sound; what is written after that is a race.
        assert type(await failure_of(engine, seconds=0.0 if fault == "garbage" else 0.1)) is kind
        await assert_hears_again(engine)


async def test_a_service_that_begins_slowly_is_waited_for() -> None:
    async with running() as (engine, server):
        server.faults.append("late")
        await assert_hears_again(engine)


async def test_closing_tells_the_service() -> None:
    async with running() as (engine, server):
        recognition = await engine.open(ListenOptions())
        await speak(recognition, recording(LINE), CLOCK, CLOCK.now(), paced=False)
        async with asyncio.timeout(LIMIT):
            await server.first_sound.wait()
            await recognition.close()
            await server.ended.wait()


async def test_what_is_wrong_is_told_at_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(EngineKeyWrong, match="GOOGLE_APPLICATION_CREDENTIALS"):
        await GoogleSpeech(clock=CLOCK).start()
    with pytest.raises(EngineKeyWrong):
        await GoogleSpeech(clock=CLOCK, credentials=str(tmp_path / "none.json")).start()
    with pytest.raises(ConfigError, match="endpointing"):
        GoogleSpeech(clock=CLOCK, endpointing="long")
    with pytest.raises(EngineDown, match="not started"):
        await GoogleSpeech(clock=CLOCK).open(ListenOptions())
    async with running() as (engine, _):
        with pytest.raises(EngineRequest, match="12345"):
            await engine.open(ListenOptions(rate=12345))
