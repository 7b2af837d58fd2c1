"""Hosted recognisers against local servers of their protocols: one suite for all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from providers.hosted_stt_conformance import (
    LINE,
    assert_bounded,
    assert_closing_tells_the_service,
    assert_conforms,
    assert_hears_again,
    assert_words_have_times,
    failure_of,
)
from providers.said_in_errors import SAID, assert_is_not_for_the_log
from providers.servers.assemblyai_ears import AssemblyAIEars
from providers.servers.azure_ears import AzureEars
from providers.servers.deepgram_ears import DeepgramEars
from providers.servers.gemini_live_ears import GeminiEars
from providers.servers.hearing_sockets import HearingServer
from providers.servers.openai_ears import OpenAIEars
from providers.stt_conformance import listening, recording, speak
from trunkline.clock import SystemClock
from trunkline.errors import (
    ConfigError,
    EngineDown,
    EngineError,
    EngineKeyWrong,
    EngineMissing,
    EngineNetwork,
    EngineQuota,
    EngineRate,
    EngineRequest,
    EngineTimeout,
)
from trunkline.providers.hosted_engine import HostedEngine
from trunkline.providers.protocols import ListenOptions
from trunkline.providers.stt.assemblyai import AssemblyAI
from trunkline.providers.stt.azure import AzureRecogniser
from trunkline.providers.stt.deepgram import Deepgram
from trunkline.providers.stt.gemini import GeminiTranscribe
from trunkline.providers.stt.openai_realtime import OpenAIRealtime
from trunkline.providers.stt_failover import FailoverSpeechToText

pytest.importorskip("websockets")
pytest.importorskip("httpx")


@dataclass(frozen=True)
class Kind:
    """A service's server and its engine, with the options that the suite wants."""

    server: Callable[[], HearingServer]
    engine: Callable[..., Any]
    key_env: str
    extra: str
    options: dict[str, Any]
    wrong: dict[str, Any]
    """An option that is refused at start."""


KINDS = {
    "assemblyai": Kind(
        AssemblyAIEars, AssemblyAI, "ASSEMBLYAI_API_KEY", "assemblyai", {}, {"end_of_turn_confidence": 2}
    ),
    "azure": Kind(
        AzureEars, AzureRecogniser, "AZURE_SPEECH_KEY", "azure", {"verify": False}, {"segmentation_ms": 1}
    ),
    "gemini": Kind(GeminiEars, GeminiTranscribe, "GEMINI_API_KEY", "gemini", {}, {"mode": "loud"}),
    "openai": Kind(OpenAIEars, OpenAIRealtime, "OPENAI_API_KEY", "openai", {}, {"answer_s": 0}),
    "nova": Kind(DeepgramEars, Deepgram, "DEEPGRAM_API_KEY", "deepgram", {}, {"eot_timeout_ms": 1}),
    "flux": Kind(
        DeepgramEars,
        Deepgram,
        "DEEPGRAM_API_KEY",
        "deepgram",
        {"model": "flux-general-en"},
        {"eot_threshold": 0.2},
    ),
}


class Vendor:
    """A running server and how to make its engine."""

    def __init__(self, name: str, server: HearingServer) -> None:
        self.name = name
        self.kind = KINDS[name]
        self.server = server

    def engine(self, **options: Any) -> Any:
        given = {"base_url": self.server.address, **self.kind.options, **options}
        return self.kind.engine(clock=SystemClock(), **given)

    async def started(self, **options: Any) -> Any:
        engine = self.engine(**options)
        await engine.start()
        return engine


@pytest.fixture(params=sorted(KINDS))
async def vendor(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Vendor, None]:
    kind = KINDS[request.param]
    monkeypatch.setenv(kind.key_env, "secret-1")
    async with kind.server() as server:
        yield Vendor(request.param, server)


async def test_it_conforms(vendor: Vendor) -> None:
    engine = await vendor.started()
    await assert_conforms(engine)
    await engine.close()
    assert any("secret-1" in " ".join(headers.values()) for headers in vendor.server.headers)


async def test_words_have_times(vendor: Vendor) -> None:
    engine = await vendor.started()
    await assert_words_have_times(engine)
    await engine.close()


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
async def test_it_takes_the_legs_rate(vendor: Vendor, rate: int) -> None:
    engine = await vendor.started()
    recognition = await engine.open(ListenOptions(rate=rate))
    await recognition.close()
    with pytest.raises(EngineRequest, match="12345"):
        await engine.open(ListenOptions(rate=12345))
    await engine.close()


async def test_a_service_that_begins_slowly_is_waited_for(vendor: Vendor) -> None:
    vendor.server.faults.append("late")
    engine = await vendor.started()
    await assert_hears_again(engine)
    await engine.close()


async def test_a_service_that_stops_reading_holds_nothing_up(vendor: Vendor) -> None:
    engine = await vendor.started()
    await assert_bounded(engine, vendor.server)
    await engine.close()


async def test_closing_tells_the_service(vendor: Vendor) -> None:
    engine = await vendor.started()
    await assert_closing_tells_the_service(engine, vendor.server)
    await engine.close()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("cut", EngineNetwork),
        ("garbage", EngineDown),
        ("odd", EngineDown),
        ("error", EngineDown),
        ("quota", EngineQuota),
    ],
)
async def test_failures_fall_in_our_tree_and_the_next_call_is_heard(
    vendor: Vendor, fault: str, kind: type[EngineError]
) -> None:
    vendor.server.faults.append(fault)
    engine = await vendor.started()
    error = await failure_of(engine)
    assert type(error) is kind
    assert "secret-1" not in str(error)
    await assert_hears_again(engine)
    await engine.close()


@pytest.mark.parametrize("fault", ["cut", "garbage"])
async def test_a_stream_that_breaks_in_an_utterance_loses_no_words(vendor: Vendor, fault: str) -> None:
    vendor.server.faults.append(fault)
    told: list[str] = []
    row = FailoverSpeechToText([vendor.engine()], SystemClock(), tell=lambda name, error: told.append(name))
    await row.start()
    async with listening(row) as (recognition, ear):
        await speak(recognition, recording(LINE), SystemClock(), SystemClock().now(), paced=False)
        recognition.finalise()
        await ear.until_finals(1)
    await row.close()
    assert len(told) == 1
    assert not ear.errors
    assert ear.finals[0].text.lower().startswith("yes that is right")


async def test_many_calls_share_an_engine_and_it_closes_them(vendor: Vendor) -> None:
    engine = await vendor.started()
    await asyncio.gather(*(assert_hears_again(engine) for _ in range(4)))
    left = await engine.open(ListenOptions())
    await engine.close()
    assert left.closed
    with pytest.raises(EngineDown, match="not started"):
        await engine.open(ListenOptions())


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"err_msg": "Invalid credentials."}, EngineKeyWrong),
        (402, {"err_msg": "no money"}, EngineQuota),
        (400, {"err_msg": "no such model"}, EngineRequest),
        (429, {"err_msg": "slow down"}, EngineRate),
        (503, {}, EngineDown),
    ],
)
async def test_refusals_at_the_start_and_on_opening(
    vendor: Vendor, status: int, body: Any, kind: type[EngineError]
) -> None:
    engine: HostedEngine = await vendor.started(verify=False)
    vendor.server.refuse = (status, body)
    with pytest.raises(EngineError) as raised:
        await engine.open(ListenOptions())  # type: ignore[attr-defined]
    assert type(raised.value) is kind
    assert "secret-1" not in str(raised.value)
    if engine._card():
        with pytest.raises(EngineError) as raised:
            await vendor.started()
        assert type(raised.value) is kind
    await engine.close()


async def test_what_a_refusal_repeats_is_not_for_the_log(vendor: Vendor) -> None:
    engine: HostedEngine = await vendor.started(verify=False)
    vendor.server.refuse = (400, {"err_msg": SAID})
    with pytest.raises(EngineError) as raised:
        await engine.open(ListenOptions())  # type: ignore[attr-defined]
    assert_is_not_for_the_log(raised.value)
    await engine.close()


async def test_what_is_wrong_is_told_at_start(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError):
        await vendor.started(base_url="localhost")
    with pytest.raises(ConfigError):
        await vendor.started(**vendor.kind.wrong)
    with pytest.raises(ConfigError):
        await vendor.started(connect_s=0)
    monkeypatch.setitem(__import__("sys").modules, "httpx", None)
    with pytest.raises(EngineMissing, match=rf"pip install 'trunkline\[{vendor.kind.extra}\]'"):
        await vendor.started()
    monkeypatch.delenv(vendor.kind.key_env)
    if vendor.name != "openai":  # there a server of one's own needs none
        with pytest.raises(EngineKeyWrong, match=f"Set {vendor.kind.key_env}"):
            await vendor.started()


async def test_a_service_that_never_begins_is_given_up(vendor: Vendor) -> None:
    if vendor.name in ("nova", "azure"):  # they say nothing first
        return
    vendor.server.faults.append("late")
    engine = await vendor.started(connect_s=0.1)
    with pytest.raises(EngineTimeout):
        await engine.open(ListenOptions())
    await engine.close()
