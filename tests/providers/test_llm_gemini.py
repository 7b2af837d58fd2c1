"""Gemini against a local server that speaks its protocol; the server is shown to be true by the
vendor's own SDK."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from providers.hosted_llm_conformance import assert_closing_early_stops
from providers.llm_conformance import (
    PROMPT,
    answer,
    assert_closes_twice,
    assert_in_order,
)
from providers.said_in_errors import SAID, assert_is_not_for_the_log
from providers.servers.gemini_server import HELLO, GeminiServer, call, chunk, text
from providers.servers.http_server import Reply, refused
from trunkline.clock import SystemClock
from trunkline.errors import (
    ConfigError,
    EngineDown,
    EngineError,
    EngineKeyWrong,
    EngineNetwork,
    EngineQuota,
    EngineRate,
    EngineRequest,
    EngineTimeout,
)
from trunkline.prompt import Message, Prompt, Token, Tool, ToolCall, Usage
from trunkline.providers import warmth
from trunkline.providers.llm.gemini import GeminiLanguageModel
from trunkline.providers.llm.gemini_wire import Signatures, request_of

pytest.importorskip("httpx")


@pytest.fixture
async def server() -> AsyncGenerator[GeminiServer, None]:
    async with GeminiServer() as running:
        yield running


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "secret-1")


@pytest.fixture
async def model(server: GeminiServer) -> AsyncGenerator[GeminiLanguageModel, None]:
    engine = make(server)
    await engine.start()
    yield engine
    await engine.close()


def make(server: GeminiServer, **options: Any) -> GeminiLanguageModel:
    return GeminiLanguageModel(clock=SystemClock(), base_url=server.address, **{"model": "test", **options})


async def test_tokens_in_order_then_usage(server: GeminiServer, model: GeminiLanguageModel) -> None:
    server.stream(chunk(text("I think", thought=True)), *HELLO)
    deltas = await answer(model)
    assert_in_order(deltas)
    assert deltas == [Token("Hel"), Token("lo."), Usage(20, 5, 16, {"thought_tokens": 3})]


async def test_the_connection_is_open_before_the_first_turn_and_kept(
    server: GeminiServer, model: GeminiLanguageModel
) -> None:
    assert server.looked_up[0].headers["x-goog-api-key"] == "secret-1"
    for _ in range(3):
        server.stream(*HELLO)
        await answer(model)
    assert server.connections == 1


async def test_a_tool_call_and_its_answer(server: GeminiServer, model: GeminiLanguageModel) -> None:
    server.stream(
        chunk(text("One moment.")),
        chunk(call("set_field", {"name": "city"}, "c2ln"), call("end_call", {})),
        chunk(finish="STOP", usage=(5, 5, 0, 0)),
    )
    deltas = await answer(model)
    assert_in_order(deltas)
    first, second = (delta for delta in deltas if isinstance(delta, ToolCall))
    assert (first.name, first.arguments) == ("set_field", {"name": "city"})
    assert first.id != second.id
    other = ToolCall("from-elsewhere", "look_up", {})
    prompt = Prompt(
        (
            Message("system", "Be brief."),
            Message("assistant", "Hello."),
            Message("user", "I live in Köln."),
            Message("system", "Step: city."),
            Message("assistant", "", tool_calls=(other,)),
            Message("tool", "found", tool_call_id="from-elsewhere"),
            Message("assistant", "", tool_calls=(first,)),
            Message("tool", "done", tool_call_id=first.id),
        ),
        tools=(
            Tool("set_field", "Set it", {"type": "object", "properties": {}}),
            Tool("end_call", "End", {}),
        ),
        temperature=0.3,
        max_tokens=99,
    )
    server.stream(*HELLO)
    server.stream(*HELLO)
    await answer(model, prompt)
    await answer(model, prompt)
    assert server.asked[1].body == server.asked[2].body
    sent = server.asked[1].json
    assert sent["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "Step: city."}]}
    assert [content["role"] for content in sent["contents"]] == [
        "user", "model", "user", "model", "user", "model", "user",
    ]  # fmt: skip
    assert sent["contents"][3]["parts"][0]["thoughtSignature"] == "skip_thought_signature_validator"
    assert sent["contents"][5]["parts"][0]["thoughtSignature"] == "c2ln"
    assert sent["contents"][6]["parts"] == [
        {"functionResponse": {"name": "set_field", "response": {"result": "done"}}}
    ]
    assert sent["generationConfig"] == {"temperature": 0.3, "maxOutputTokens": 99}
    assert [tool["name"] for tool in sent["tools"][0]["functionDeclarations"]] == ["set_field", "end_call"]


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("gemini-3.8-flash", {"thinkingLevel": "low"}),
        ("gemini-3-flash-preview", {"thinkingLevel": "minimal"}),
        ("gemini-3.1-flash-lite", {"thinkingLevel": "minimal"}),
        ("gemini-4-argon", {"thinkingLevel": "low"}),
        ("gemini-2.5-flash", {"thinkingBudget": 0}),
        ("gemini-2.0-flash", None),
    ],
)
def test_a_model_is_told_to_think_as_little_as_it_can(name: str, sent: dict[str, Any] | None) -> None:
    assert request_of(PROMPT, name, Signatures())["generationConfig"].get("thinkingConfig") == sent
    assert (
        "thinkingConfig" not in request_of(PROMPT, name, Signatures(), thinking="default")["generationConfig"]
    )


def test_signatures_are_kept_for_the_latest_calls_alone() -> None:
    kept = Signatures()
    for number in range(5000):
        kept.keep(str(number), "s")
    assert kept.of("4999") == "s"
    assert kept.of("0") != "s"


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (400, "API key not valid. Please pass a valid API key.", EngineKeyWrong),
        (400, "Invalid argument", EngineRequest),
        (403, "denied", EngineKeyWrong),
        (404, "not found", EngineRequest),
        (429, "Resource has been exhausted", EngineRate),
        (429, "You exceeded your current quota", EngineQuota),
        (500, "x", EngineDown),
        (503, "The model is overloaded", EngineDown),
        (504, "x", EngineTimeout),
    ],
)
async def test_refusals_fall_in_our_tree(
    server: GeminiServer, model: GeminiLanguageModel, status: int, message: str, error: type[EngineError]
) -> None:
    server.replies.append(refused(status, {"error": {"code": status, "message": message}}))
    with pytest.raises(EngineError) as raised:
        await answer(model)
    assert type(raised.value) is error
    assert "secret-1" not in str(raised.value)
    assert len(server.asked) == 1, "nothing is retried behind the caller's back"


async def test_what_a_refusal_repeats_is_not_for_the_log(
    server: GeminiServer, model: GeminiLanguageModel
) -> None:
    server.replies.append(refused(400, {"error": {"code": 400, "message": SAID}}))
    server.stream({"error": {"message": SAID}})
    for _ in range(2):
        with pytest.raises(EngineError) as raised:
            await answer(model)
        assert_is_not_for_the_log(raised.value)


@pytest.mark.parametrize(
    ("events", "end", "kind"),
    [
        ([chunk(text("Hi"))], "cut", EngineNetwork),
        ([chunk(text("Hi"))], "done", EngineDown),
        ([chunk(text("Hi"), finish="SAFETY")], "done", EngineRequest),
        ([{"promptFeedback": {"blockReason": "SAFETY"}}], "done", EngineRequest),
        ([{"error": {"message": "internal"}}], "done", EngineDown),
        ([b"data: { not json\n\n"], "done", EngineDown),
        ([b"data: " + b"[" * 50_000 + b"\n\n"], "done", EngineDown),
        ([b"data: \xff\xfe\n\n"], "done", EngineDown),
        ([b'data: {"candidates": 5}\n\n'], "done", EngineDown),
        ([b'data: {"candidates": ["x"]}\n\n'], "done", EngineDown),
        ([chunk({"functionCall": {"name": "t", "args": [1]}})], "done", EngineDown),
        ([chunk(*[call("t", {})] * 40)], "done", EngineDown),
    ],
)
async def test_garbage_and_broken_streams(
    server: GeminiServer,
    model: GeminiLanguageModel,
    events: list[Any],
    end: str,
    kind: type[EngineError],
) -> None:
    server.stream(*events, end=end)
    with pytest.raises(EngineError) as raised:
        await answer(model)
    assert type(raised.value) is kind


async def test_a_slow_start_and_a_stall_run_into_their_limits(server: GeminiServer) -> None:
    engine = make(server, first_token_s=0.15, between_tokens_s=0.15)
    await engine.start()
    for events in ([], [chunk(text("Hi"))]):
        server.stream(*events, end="hang")
        server.dropped.clear()
        with pytest.raises(EngineTimeout):
            await answer(engine)
        async with asyncio.timeout(5):
            await server.dropped.wait()
    await engine.close()


async def test_an_answer_that_is_complete_but_never_closed(
    server: GeminiServer, model: GeminiLanguageModel
) -> None:
    server.stream(*HELLO, end="hang")
    assert (await answer(model))[1] == Token("lo.")
    async with asyncio.timeout(5):
        await server.dropped.wait()


async def test_closing_early_closes_the_connection(server: GeminiServer, model: GeminiLanguageModel) -> None:
    server.stream(chunk(text("Hi")), end="hang")
    await assert_closing_early_stops(model)
    async with asyncio.timeout(5):
        await server.dropped.wait()


@pytest.mark.parametrize("events", [[], [chunk(text("Hi"))]])
async def test_cancelling_the_reader_closes_the_connection(
    server: GeminiServer, model: GeminiLanguageModel, events: list[Any]
) -> None:
    server.stream(*events, end="hang")
    reading = asyncio.create_task(answer(model))
    async with asyncio.timeout(5):
        await server.got_one.wait()
        await asyncio.sleep(0.02)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await server.dropped.wait()


async def test_what_is_wrong_is_told_at_start(server: GeminiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineRequest, match="knows no such model"):
        await make(server, model="nonesuch").start()
    server.cards["GET /v1beta/models/test"] = refused(400, {"error": {"message": "API key not valid."}})
    with pytest.raises(EngineKeyWrong, match="Check GEMINI_API_KEY"):
        await make(server).start()
    server.cards["GET /v1beta/models/test"] = Reply([], "hang")
    with pytest.raises(EngineTimeout):
        await make(server, first_token_s=0.1).start()
    with pytest.raises(EngineNetwork, match="base_url"):
        await GeminiLanguageModel(clock=SystemClock(), base_url="http://127.0.0.1:9").start()
    for options in ({"base_url": "localhost:80"}, {"first_token_s": 0.0}, {"thinking": "much"}):
        with pytest.raises(ConfigError):
            await GeminiLanguageModel(clock=SystemClock(), **options).start()
    monkeypatch.setenv("GEMINI_API_KEY", "")
    with pytest.raises(EngineKeyWrong, match="Set GEMINI_API_KEY"):
        await make(server).start()
    monkeypatch.setenv("GEMINI_API_KEY", "a\nb")
    with pytest.raises(EngineKeyWrong, match="letters"):
        await make(server).start()


async def test_before_start_and_after_close(server: GeminiServer, model: GeminiLanguageModel) -> None:
    with pytest.raises(EngineDown):
        await answer(make(server))
    await assert_closes_twice(model)
    with pytest.raises(EngineDown):
        await answer(model)


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_the_vendors_own_client_reads_the_server(server: GeminiServer) -> None:
    genai = pytest.importorskip("google.genai", reason="google-genai is not installed here")
    client = genai.Client(api_key="k", http_options={"base_url": server.address, "api_version": "v1beta"})
    server.stream(*HELLO)
    stream = await client.aio.models.generate_content_stream(model="test", contents="Hello?")
    chunks = [piece async for piece in stream]
    assert "".join(piece.text or "" for piece in chunks) == "Hello."
    assert chunks[-1].usage_metadata.cached_content_token_count == 16
    await client.aio.aclose()
    client.close()


async def test_a_call_after_a_silence_finds_a_connection_open(
    server: GeminiServer, model: GeminiLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    await model.warm()
    assert len(server.looked_up) == 1, "it was spoken to just now"
    monkeypatch.setattr(warmth, "IDLE_SECONDS", 0.0)
    await model.warm()
    assert len(server.looked_up) == 2
    server.cards = dict.fromkeys(server.cards, refused(500))
    await model.warm()  # it is told when it is asked in earnest
    await model.close()
    await model.warm()
    assert len(server.looked_up) == 3
