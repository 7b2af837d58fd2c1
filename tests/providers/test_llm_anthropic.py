"""Anthropic's models, driven by the vendor's SDK against a local server that speaks the protocol."""

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
from providers.servers.anthropic_server import (
    AnthropicServer,
    arguments,
    block_stop,
    hello,
    sse,
    start,
    stop,
    text,
    text_start,
    thinking,
    tool_start,
)
from providers.servers.http_server import Reply, refused
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
from trunkline.prompt import Message, Prompt, Token, Tool, ToolCall, Usage
from trunkline.providers import warmth
from trunkline.providers.llm.anthropic import AnthropicLanguageModel
from trunkline.providers.llm.anthropic_wire import request_of

pytest.importorskip("anthropic")


@pytest.fixture
async def server() -> AsyncGenerator[AnthropicServer, None]:
    async with AnthropicServer() as running:
        yield running


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret-1")


@pytest.fixture
async def model(server: AnthropicServer) -> AsyncGenerator[AnthropicLanguageModel, None]:
    engine = make(server)
    await engine.start()
    yield engine
    await engine.close()


def make(server: AnthropicServer, **options: Any) -> AnthropicLanguageModel:
    return AnthropicLanguageModel(
        clock=SystemClock(), base_url=server.address, **{"model": "test", **options}
    )


async def test_tokens_in_order_then_usage(server: AnthropicServer, model: AnthropicLanguageModel) -> None:
    server.stream(hello())
    deltas = await answer(model)
    assert_in_order(deltas)
    assert deltas == [Token("Hel"), Token("lo."), Usage(20, 5, 16)]


async def test_the_connection_is_open_before_the_first_turn_and_kept(
    server: AnthropicServer, model: AnthropicLanguageModel
) -> None:
    assert server.looked_up[0].headers["authorization"] == "Bearer secret-1"
    for _ in range(3):
        server.stream(hello())
        await answer(model)
    assert server.connections == 1


async def test_the_request(server: AnthropicServer, model: AnthropicLanguageModel) -> None:
    server.stream(hello())
    server.stream(hello())
    call = ToolCall("from another|engine", "set_field", {"name": "city", "value": "Köln"})
    prompt = Prompt(
        (
            Message("system", "Be brief."),
            Message("assistant", "Hello, this is Anna."),
            Message("user", "I live in"),
            Message("user", "Köln."),
            Message("system", "Step: city."),
            Message("assistant", "", tool_calls=(call,)),
            Message("tool", "done", tool_call_id="from another|engine"),
        ),
        tools=(Tool("set_field", "Set it", {"type": "object", "properties": {}}), Tool("end", "End it", {})),
        temperature=0.3,
        max_tokens=99,
    )
    await answer(model, prompt)
    await answer(model, prompt)
    assert server.asked[0].body == server.asked[1].body
    sent = server.asked[0].json
    assert sent["system"] == [
        {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "Step: city."},
    ]
    assert [message["role"] for message in sent["messages"]] == [
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
    ]
    assert [block["text"] for block in sent["messages"][2]["content"]] == ["I live in", "Köln."]
    use, result = sent["messages"][3]["content"][0], sent["messages"][4]["content"][0]
    assert use == {
        "type": "tool_use",
        "id": "from_another_engine",
        "name": "set_field",
        "input": call.arguments,
    }
    assert result == {"type": "tool_result", "tool_use_id": "from_another_engine", "content": "done"}
    assert [tool["name"] for tool in sent["tools"]] == ["set_field", "end"]
    assert sent["tools"][1]["input_schema"] == {"type": "object", "properties": {}}
    assert (sent["max_tokens"], sent["stream"]) == (99, True)
    assert "temperature" not in sent


def test_words_of_the_agent_at_the_end_are_not_left_for_the_model_to_continue() -> None:
    prompt = Prompt((Message("system", "x"), Message("user", "Hi"), Message("assistant", "Are you there?")))
    assert request_of(prompt, "m")["messages"][-1]["role"] == "user"


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("claude-haiku-5-5", {"thinking": {"type": "disabled"}}),
        ("claude-sonnet-5-5", {"thinking": {"type": "between_tools"}}),
        ("claude-opus-5-5", {"output_config": {"effort": "low"}}),
        ("claude-haiku-4-5", {}),
    ],
)
def test_a_model_is_told_to_think_as_little_as_it_can(name: str, sent: dict[str, Any]) -> None:
    least, default = request_of(PROMPT, name), request_of(PROMPT, name, thinking="default")
    assert {key: least[key] for key in sent} == sent
    assert {"thinking", "output_config"} & least.keys() == sent.keys()
    assert not {"thinking", "output_config"} & default.keys()


async def test_a_temperature_asks_for_the_older_version(server: AnthropicServer) -> None:
    engine = make(server, temperature=0.4)
    await engine.start()
    server.stream(hello())
    await answer(engine)
    assert server.asked[0].json["temperature"] == 0.4
    assert server.asked[0].headers["anthropic-version"] == "2023-06-01"
    await engine.close()


async def test_tool_calls_in_pieces_and_thinking_left_out(
    server: AnthropicServer, model: AnthropicLanguageModel
) -> None:
    server.stream(
        sse(
            start(),
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "thinking", "thinking": "", "signature": ""},
            },
            thinking("Hmm."),
            block_stop(0),
            text_start(1),
            text("One moment.", 1),
            block_stop(1),
            tool_start(2, "toolu_a", "set_field"),
            arguments('{"na', 2),
            arguments('me": "x"}', 2),
            block_stop(2),
            tool_start(3, "toolu_b", "end_call"),
            arguments("", 3),
            block_stop(3),
            *stop("tool_use"),
        )
    )
    deltas = await answer(model)
    assert_in_order(deltas)
    assert deltas[:-1] == [
        Token("One moment."),
        ToolCall("toolu_a", "set_field", {"name": "x"}),
        ToolCall("toolu_b", "end_call", {}),
    ]


async def test_a_call_cut_off_at_the_limit_is_not_carried_out(
    server: AnthropicServer, model: AnthropicLanguageModel
) -> None:
    server.stream(
        sse(
            start(),
            text_start(),
            text("Ok."),
            tool_start(1, "a", "t"),
            arguments('{"x": ', 1),
            *stop("max_tokens"),
        )
    )
    assert (await answer(model))[:-1] == [Token("Ok.")]


@pytest.mark.parametrize("piece", ['{"a": ', "[1]", "12", "[" * 50_000])
async def test_broken_tool_arguments(
    server: AnthropicServer, model: AnthropicLanguageModel, piece: str
) -> None:
    server.stream(sse(start(), tool_start(0, "a", "t"), arguments(piece, 0), *stop("tool_use")))
    with pytest.raises(EngineDown, match="broken arguments"):
        await answer(model)


@pytest.mark.parametrize(
    ("status", "kind", "words", "error"),
    [
        (400, "invalid_request_error", "x", EngineRequest),
        (400, "invalid_request_error", "Your credit balance is too low", EngineRequest),
        (401, "authentication_error", "invalid x-api-key", EngineKeyWrong),
        (402, "billing_error", "x", EngineQuota),
        (403, "permission_error", "x", EngineKeyWrong),
        (404, "not_found_error", "model: x", EngineRequest),
        (413, "request_too_large", "x", EngineRequest),
        (429, "rate_limit_error", "x", EngineRate),
        (500, "api_error", "x", EngineDown),
        (504, "timeout_error", "x", EngineTimeout),
        (529, "overloaded_error", "x", EngineRate),
    ],
)
async def test_refusals_fall_in_our_tree(
    server: AnthropicServer,
    model: AnthropicLanguageModel,
    status: int,
    kind: str,
    words: str,
    error: type[EngineError],
) -> None:
    server.replies.append(refused(status, {"type": "error", "error": {"type": kind, "message": words}}))
    with pytest.raises(EngineError) as raised:
        await answer(model)
    assert type(raised.value) is error
    assert "secret-1" not in str(raised.value)
    assert len(server.asked) == 1, "nothing is retried behind the caller's back"
    if error is EngineKeyWrong:
        assert "ANTHROPIC_API_KEY" in str(raised.value)


async def test_what_a_refusal_repeats_is_not_for_the_log(
    server: AnthropicServer, model: AnthropicLanguageModel
) -> None:
    kind = "invalid_request_error"
    server.replies.append(refused(400, {"type": "error", "error": {"type": kind, "message": SAID}}))
    with pytest.raises(EngineError) as raised:
        await answer(model)
    assert_is_not_for_the_log(raised.value)


def told(kind: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": "m"}}


@pytest.mark.parametrize(
    ("parts", "end", "kind"),
    [
        (sse(start(), text_start(), text("Hi")), "cut", EngineNetwork),
        (sse(start(), text_start(), text("Hi")), "done", EngineDown),
        (sse(start(), text_start(), text("Hi"), told("overloaded_error")), "done", EngineRate),
        (sse(start(), told("api_error")), "done", EngineDown),
        (sse(start(), arguments("{}", 7)), "done", EngineDown),
        (sse(start(), *stop("refusal")), "done", EngineRequest),
        ([b"event: message_start\ndata: { not json\n\n"], "done", EngineDown),
        ([b"event: content_block_delta\ndata: 5\n\n"], "done", EngineDown),
        ([b"event: message_start\ndata: \xff\xfe\n\n"], "done", EngineDown),
    ],
)
async def test_garbage_and_broken_streams(
    server: AnthropicServer,
    model: AnthropicLanguageModel,
    parts: list[bytes | float],
    end: str,
    kind: type[EngineError],
) -> None:
    server.stream(parts, end)
    with pytest.raises(EngineError) as raised:
        await answer(model)
    assert type(raised.value) is kind


async def test_a_slow_start_and_a_stall_run_into_their_limits(server: AnthropicServer) -> None:
    engine = make(server, first_token_s=0.15, between_tokens_s=0.15)
    await engine.start()
    for events in ([], [start()], [start(), text_start(), text("Hi")]):
        server.stream(sse(*events), "hang")
        server.dropped.clear()
        with pytest.raises(EngineTimeout):
            await answer(engine)
        async with asyncio.timeout(5):
            await server.dropped.wait()
    await engine.close()


async def test_an_answer_that_is_complete_but_never_closed(
    server: AnthropicServer, model: AnthropicLanguageModel
) -> None:
    server.stream(hello(), "hang")
    assert (await answer(model))[-1] == Usage(20, 5, 16)


async def test_closing_early_closes_the_connection(
    server: AnthropicServer, model: AnthropicLanguageModel
) -> None:
    server.stream(sse(start(), text_start(), text("Hi")), "hang")
    await assert_closing_early_stops(model)
    async with asyncio.timeout(5):
        await server.dropped.wait()


@pytest.mark.parametrize("events", [[], [start(), text_start(), text("Hi")]])
async def test_cancelling_the_reader_closes_the_connection(
    server: AnthropicServer, model: AnthropicLanguageModel, events: list[Any]
) -> None:
    server.stream(sse(*events), "hang")
    reading = asyncio.create_task(answer(model))
    async with asyncio.timeout(5):
        await server.got_one.wait()
        await asyncio.sleep(0.02)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await server.dropped.wait()


async def test_what_is_wrong_is_told_at_start(
    server: AnthropicServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineRequest, match="knows no such model"):
        await make(server, model="nonesuch").start()
    server.cards["GET /v1/models/test"] = refused(401)
    with pytest.raises(EngineKeyWrong):
        await make(server).start()
    server.cards["GET /v1/models/test"] = Reply([], "hang")
    with pytest.raises(EngineTimeout):
        await make(server, first_token_s=0.1).start()
    with pytest.raises(EngineNetwork, match="base_url"):
        await AnthropicLanguageModel(clock=SystemClock(), base_url="http://127.0.0.1:9").start()
    for options in ({"base_url": "localhost:80"}, {"first_token_s": 0.0}, {"thinking": "much"}):
        with pytest.raises(ConfigError):
            await AnthropicLanguageModel(clock=SystemClock(), **options).start()
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(EngineKeyWrong, match="Set ANTHROPIC_API_KEY"):
        await make(server).start()


async def test_a_missing_package_is_told_at_start(
    server: AnthropicServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "anthropic", None)
    with pytest.raises(EngineMissing, match=r"pip install 'trunkline\[anthropic\]'"):
        await make(server).start()


async def test_before_start_and_after_close(server: AnthropicServer, model: AnthropicLanguageModel) -> None:
    with pytest.raises(EngineDown):
        await answer(make(server))
    await assert_closes_twice(model)
    with pytest.raises(EngineDown):
        await answer(model)


async def test_a_call_after_a_silence_finds_a_connection_open(
    server: AnthropicServer, model: AnthropicLanguageModel, monkeypatch: pytest.MonkeyPatch
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
