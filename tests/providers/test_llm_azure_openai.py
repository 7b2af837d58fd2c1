"""OpenAI's models in Azure, driven by the vendor's SDK against a local server of both of its addresses."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from providers.llm_conformance import (
    answer,
    assert_closes_twice,
    assert_closing_early_leaves_nothing,
    assert_in_order,
)
from providers.servers.http_server import HttpServer, Reply, refused
from providers.servers.openai_server import finish_chunk, text_chunk, usage_chunk
from trunkline.clock import SystemClock
from trunkline.errors import ConfigError, EngineError, EngineKeyWrong, EngineQuota, EngineRate, EngineRequest
from trunkline.prompt import Token, Usage
from trunkline.providers.llm.azure_openai import AzureOpenAILanguageModel

pytest.importorskip("openai")

# Azure's first chunk carries only its content filter's findings, and no choice.
FILTERED = {"choices": [], "id": "", "object": "", "created": 0, "model": "", "prompt_filter_results": []}
CHUNKS = [FILTERED, text_chunk("Hel"), text_chunk("lo."), finish_chunk(), usage_chunk(20, 2, 16)]


def stream(*chunks: dict[str, Any], end: str = "done") -> Reply:
    lines: list[bytes | float] = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]
    if end == "done":
        lines.append(b"data: [DONE]\n\n")
    return Reply(lines, end, kind="text/event-stream")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "secret-1")
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)


@pytest.fixture
async def server() -> AsyncGenerator[HttpServer, None]:
    async with HttpServer() as running:
        listed = Reply([b'{"object": "list", "data": []}'])
        running.cards = {"GET /openai/v1/models": listed, "GET /openai/models": listed}
        yield running


def make(server: HttpServer, **options: Any) -> AzureOpenAILanguageModel:
    return AzureOpenAILanguageModel(
        clock=SystemClock(), endpoint=f"{server.address}/", **{"model": "my-deployment", **options}
    )


async def test_the_address_without_a_version(server: HttpServer) -> None:
    engine = make(server, priced_as="gpt-4.1-mini")
    await engine.start()
    server.replies.append(stream(*CHUNKS))
    deltas = await answer(engine)
    assert_in_order(deltas)
    assert deltas == [Token("Hel"), Token("lo."), Usage(20, 2, 16)]
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/openai/v1/chat/completions")
    assert server.connections == 1, "the start's connection is kept"
    assert asked.headers["authorization"] == "Bearer secret-1"
    assert (asked.json["model"], asked.json["max_completion_tokens"]) == ("my-deployment", 200)
    assert engine.name == "gpt-4.1-mini"
    await assert_closes_twice(engine)


async def test_the_address_with_a_version(server: HttpServer) -> None:
    engine = make(server, api_version="2024-10-21")
    await engine.start()
    server.replies.append(stream(*CHUNKS))
    assert (await answer(engine))[0] == Token("Hel")
    (asked,) = server.asked
    assert asked.path == "/openai/deployments/my-deployment/chat/completions"
    assert asked.query == {"api-version": "2024-10-21"}
    assert asked.headers["api-key"] == "secret-1"
    assert [each.query for each in server.looked_up] == [asked.query]
    await engine.close()


async def test_a_key_that_is_refused_is_told_at_start(server: HttpServer) -> None:
    server.cards["GET /openai/v1/models"] = refused(401)
    with pytest.raises(EngineKeyWrong, match="AZURE_OPENAI_API_KEY"):
        await make(server).start()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "401", EngineKeyWrong),
        (404, "DeploymentNotFound", EngineRequest),
        (400, "content_filter", EngineRequest),
        (429, "429", EngineRate),
        (429, "insufficient_quota", EngineQuota),
    ],
)
async def test_refusals_fall_in_our_tree(
    server: HttpServer, status: int, code: str, kind: type[EngineError]
) -> None:
    engine = make(server)
    await engine.start()
    server.replies.append(refused(status, {"error": {"code": code, "message": "m"}}))
    with pytest.raises(EngineError) as raised:
        await answer(engine)
    assert type(raised.value) is kind
    await engine.close()


async def test_closing_early(server: HttpServer) -> None:
    engine = make(server)
    await engine.start()
    server.replies.append(stream(text_chunk("Hi"), end="hang"))
    await assert_closing_early_leaves_nothing(engine)
    await server.dropped.wait()
    await engine.close()


async def test_what_is_missing_is_told_at_start(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no endpoint"):
        await AzureOpenAILanguageModel(clock=SystemClock(), model="x").start()
    with pytest.raises(ConfigError, match="not a web address"):
        await AzureOpenAILanguageModel(clock=SystemClock(), model="x", endpoint="my-resource").start()
    with pytest.raises(ConfigError, match="no deployment"):
        await make(server, model="").start()
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.address)
    engine = AzureOpenAILanguageModel(clock=SystemClock(), model="x")
    await engine.start()
    await engine.close()
    monkeypatch.delenv("AZURE_OPENAI_API_KEY")
    with pytest.raises(EngineKeyWrong, match="Set AZURE_OPENAI_API_KEY"):
        await make(server).start()
