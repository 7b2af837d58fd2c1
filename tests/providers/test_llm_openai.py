"""The client for hosted models, driven by the real SDK against a local server."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from providers.llm_conformance import (
    PROMPT,
    answer,
    assert_closes_twice,
    assert_closing_early_leaves_nothing,
    assert_in_order,
    text_of,
)
from providers.said_in_errors import SAID, assert_is_not_for_the_log
from providers.servers.openai_server import (
    MODEL,
    Answer,
    OpenAIServer,
    finish_chunk,
    text_chunk,
    tool_chunk,
    usage_chunk,
)
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
    Verdict,
)
from trunkline.prompt import Message, Prompt, Token, Tool, ToolCall, Usage
from trunkline.providers import warmth
from trunkline.providers.llm.openai import OpenAILanguageModel

HELLO = [text_chunk(""), text_chunk("Hel"), text_chunk("lo."), finish_chunk(), usage_chunk(20, 2, 16)]


@pytest.fixture
async def server() -> AsyncGenerator[OpenAIServer, None]:
    async with OpenAIServer() as running:
        yield running


@pytest.fixture
async def model(server: OpenAIServer) -> AsyncGenerator[OpenAILanguageModel, None]:
    engine = make(server)
    await engine.start()
    yield engine
    await engine.close()


def make(server: OpenAIServer, **options: Any) -> OpenAILanguageModel:
    return OpenAILanguageModel(clock=SystemClock(), base_url=server.base_url, model="test", **options)


async def test_tokens_in_order_then_usage(server: OpenAIServer, model: OpenAILanguageModel) -> None:
    server.answers.append(Answer(HELLO))
    deltas = await answer(model)
    assert_in_order(deltas)
    assert deltas == [Token("Hel"), Token("lo."), Usage(20, 2, 16)]


async def test_what_an_open_model_thinks_aloud_is_not_said(
    server: OpenAIServer, model: OpenAILanguageModel
) -> None:
    pieces = ("<thi", "nk>\nThey want a price.\n</", "think>\n", "\nIt is ", "$20.")
    server.answers.append(Answer([*map(text_chunk, pieces), finish_chunk(), usage_chunk(20, 9, 0)]))
    assert await answer(model) == [Token("It is "), Token("$20."), Usage(20, 9, 0)]


async def test_a_model_that_only_thinks_has_failed(server: OpenAIServer, model: OpenAILanguageModel) -> None:
    server.answers.append(Answer([text_chunk("<think>Let me see. "), text_chunk("Hm."), finish_chunk()]))
    with pytest.raises(EngineDown, match="said nothing"):
        await answer(model)


async def test_a_model_that_thinks_and_calls_a_tool_has_not(
    server: OpenAIServer, model: OpenAILanguageModel
) -> None:
    called = tool_chunk(0, call_id="c1", name="go_on", arguments="{}")
    server.answers.append(Answer([text_chunk("<think>Let me see.</think>"), called, finish_chunk()]))
    assert (await answer(model))[0] == ToolCall("c1", "go_on", {})


async def test_the_request_keeps_the_prompts_order(server: OpenAIServer, model: OpenAILanguageModel) -> None:
    server.answers += [Answer(HELLO), Answer(HELLO)]
    call = ToolCall("c1", "set_field", {"name": "city", "value": "Köln"})
    prompt = Prompt(
        (
            Message("system", "Be brief."),
            Message("user", "I live in Köln."),
            Message("assistant", "", tool_calls=(call,)),
            Message("tool", "done", tool_call_id="c1"),
        ),
        tools=(Tool("set_field", "Set it", {"type": "object", "properties": {}}), Tool("end", "End it", {})),
        temperature=0.3,
        max_tokens=99,
    )
    await answer(model, prompt)
    await answer(model, prompt)
    sent = server.requests[0]
    assert server.bodies[0] == server.bodies[1]
    assert [message["role"] for message in sent["messages"]] == ["system", "user", "assistant", "tool"]
    assert sent["messages"][2]["tool_calls"][0]["function"] == {
        "name": "set_field",
        "arguments": '{"name": "city", "value": "Köln"}',
    }
    assert sent["messages"][3]["tool_call_id"] == "c1"
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["set_field", "end"]
    assert (sent["temperature"], sent["max_tokens"], sent["stream"]) == (0.3, 99, True)
    assert sent["stream_options"] == {"include_usage": True}


async def test_tool_calls_split_over_many_pieces(server: OpenAIServer, model: OpenAILanguageModel) -> None:
    server.answers.append(
        Answer(
            [
                text_chunk("One moment."),
                tool_chunk(0, call_id="a", name="set_field"),
                tool_chunk(0, arguments='{"na'),
                tool_chunk(1, call_id="b", name="end_call"),
                tool_chunk(0, arguments='me": "x"}'),
                finish_chunk("tool_calls"),
                usage_chunk(5, 5, 0),
            ]
        )
    )
    deltas = await answer(model)
    assert_in_order(deltas)
    assert deltas[1:-1] == [ToolCall("a", "set_field", {"name": "x"}), ToolCall("b", "end_call", {})]


@pytest.mark.parametrize("arguments", ['{"a": ', "[1]", "12", '"x"', "[" * 50_000])
async def test_broken_tool_arguments(
    server: OpenAIServer, model: OpenAILanguageModel, arguments: str
) -> None:
    server.answers.append(Answer([tool_chunk(0, call_id="a", name="t", arguments=arguments), finish_chunk()]))
    with pytest.raises(EngineDown, match="broken arguments"):
        await answer(model)


async def test_a_server_without_usage(server: OpenAIServer, model: OpenAILanguageModel) -> None:
    server.answers.append(Answer([text_chunk("Hi."), finish_chunk()]))
    assert await answer(model) == [Token("Hi."), Usage()]


async def test_an_answer_that_is_complete_but_never_closed(
    server: OpenAIServer, model: OpenAILanguageModel
) -> None:
    server.answers.append(Answer([text_chunk("Hi."), finish_chunk()], end="hang"))
    assert await answer(model) == [Token("Hi."), Usage()]
    async with asyncio.timeout(5):
        await server.dropped.wait()


@pytest.mark.parametrize(
    ("status", "body", "kind", "verdict"),
    [
        (400, None, EngineRequest, Verdict.FAIL_OVER),
        (401, None, EngineKeyWrong, Verdict.FAIL_OVER),
        (403, None, EngineKeyWrong, Verdict.FAIL_OVER),
        (404, None, EngineRequest, Verdict.FAIL_OVER),
        (429, None, EngineRate, Verdict.RETRY),
        (429, {"error": {"message": "m", "code": "insufficient_quota"}}, EngineQuota, Verdict.FAIL_OVER),
        (500, None, EngineDown, Verdict.FAIL_OVER),
        (503, "not an object", EngineDown, Verdict.FAIL_OVER),
    ],
)
async def test_refusals_fall_in_our_tree(
    server: OpenAIServer,
    model: OpenAILanguageModel,
    status: int,
    body: Any,
    kind: type[EngineError],
    verdict: Verdict,
) -> None:
    server.answers.append(Answer(status=status, body=body))
    with pytest.raises(kind) as raised:
        await answer(model)
    assert type(raised.value) is kind
    assert raised.value.verdict is verdict
    assert len(server.requests) == 1, "nothing is retried behind the caller's back"
    if kind is EngineKeyWrong:
        assert "OPENAI_API_KEY" in str(raised.value)


@pytest.mark.parametrize(
    ("events", "end", "kind"),
    [
        ([text_chunk("Hi")], "cut", EngineNetwork),
        ([text_chunk("Hi")], "done", EngineDown),
        (["{ not json"], "done", EngineDown),
        ([b"data: \xff\xfe\n\n"], "done", EngineDown),
        (['"a string"'], "done", EngineDown),
        ([{"error": {"message": "overloaded"}}], "done", EngineDown),
        ([{"choices": [{"delta": 5}]}], "done", EngineDown),
        ([{"choices": "x"}], "done", EngineDown),
    ],
)
async def test_garbage_and_broken_streams(
    server: OpenAIServer, model: OpenAILanguageModel, events: list[Any], end: str, kind: type[EngineError]
) -> None:
    server.answers.append(Answer(events, end=end))
    with pytest.raises(EngineError) as raised:
        await answer(model)
    assert type(raised.value) is kind


async def test_what_came_before_a_break_is_given(server: OpenAIServer, model: OpenAILanguageModel) -> None:
    server.answers.append(Answer([text_chunk("Hi"), text_chunk(" there"), 0.05], end="cut"))
    async with aclosing(model.stream(PROMPT)) as stream:
        assert text_of([await anext(stream), await anext(stream)]) == "Hi there"
        with pytest.raises(EngineNetwork):
            await anext(stream)


async def test_a_slow_start_and_a_stall_run_into_their_limits(server: OpenAIServer) -> None:
    engine = make(server, first_token_s=0.1, between_tokens_s=0.1)
    await engine.start()
    for events in ([], [text_chunk("")], [text_chunk("Hi")]):
        server.answers.append(Answer(list(events), end="hang"))
        server.dropped.clear()
        with pytest.raises(EngineTimeout):
            await answer(engine)
        async with asyncio.timeout(5):
            await server.dropped.wait()
    await engine.close()


async def test_closing_early_closes_the_connection(server: OpenAIServer, model: OpenAILanguageModel) -> None:
    server.answers.append(Answer([text_chunk("Hi")], end="hang"))
    await assert_closing_early_leaves_nothing(model)
    async with asyncio.timeout(5):
        await server.dropped.wait()


@pytest.mark.parametrize("events", [[], [text_chunk("Hi")]])
async def test_cancelling_the_reader_closes_the_connection(
    server: OpenAIServer, model: OpenAILanguageModel, events: list[Any]
) -> None:
    server.answers.append(Answer(events, end="hang"))
    reading = asyncio.create_task(answer(model))
    async with asyncio.timeout(5):
        await server.asked.wait()
        await asyncio.sleep(0.02)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await server.dropped.wait()


async def test_nobody_listens_there() -> None:
    nowhere: dict[str, Any] = {"clock": SystemClock(), "base_url": "http://127.0.0.1:9/v1", "model": "test"}
    with pytest.raises(EngineNetwork, match="base_url"):
        await OpenAILanguageModel(**nowhere).start()
    engine = OpenAILanguageModel(**nowhere, verify=False)
    await engine.start()
    with pytest.raises(EngineNetwork, match="base_url"):
        await answer(engine)
    await engine.close()


async def test_the_connection_is_open_before_the_first_turn(server: OpenAIServer) -> None:
    engine = make(server)
    await engine.start()
    assert (server.looked_up, server.connections) == (["/v1/models"], 1)
    server.answers.append(Answer(HELLO))
    await answer(engine)
    assert server.connections == 1
    await engine.close()


async def test_a_call_after_a_silence_finds_a_connection_open(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make(server)
    await engine.start()
    server.answers += [Answer(HELLO), Answer(HELLO)]
    await answer(engine)  # this server closes the connection then
    await engine.warm()
    assert (len(server.looked_up), server.connections) == (1, 1), "it was spoken to just now"
    monkeypatch.setattr(warmth, "IDLE_SECONDS", 0.0)
    await engine.warm()
    assert (len(server.looked_up), server.connections) == (2, 2)
    await answer(engine)
    assert server.connections == 2
    server.models = Answer(status=401)
    await engine.warm()  # it is told when it is asked in earnest
    await engine.close()
    await engine.warm()


async def test_what_is_not_to_be_looked_at_is_not(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warmth, "IDLE_SECONDS", 0.0)
    engine = make(server, verify=False)
    await engine.start()
    await engine.warm()
    assert server.looked_up == []
    await engine.close()


@pytest.mark.parametrize(
    ("models", "kind"),
    [
        (Answer(status=401), EngineKeyWrong),
        (Answer(status=403), EngineKeyWrong),
        (Answer(end="hang"), EngineTimeout),
    ],
)
async def test_a_server_that_would_not_answer_is_told_at_start(
    server: OpenAIServer, models: Answer, kind: type[EngineError]
) -> None:
    server.models = models
    engine = make(server, first_token_s=0.3)
    with pytest.raises(kind):
        await engine.start()
    with pytest.raises(EngineDown):
        await answer(engine)


SCOPES = {"error": {"message": "You have insufficient permissions. Missing scopes: api.model.read."}}
"""What a key is told that may be used for answers alone."""


@pytest.mark.parametrize(
    "models",
    [
        Answer(status=404),
        Answer(status=503),
        Answer(body="models? none"),
        Answer(status=403, body=SCOPES),
        Answer(status=401, body=SCOPES),
    ],
)
async def test_a_server_need_not_list_its_models(server: OpenAIServer, models: Answer) -> None:
    server.models = models
    engine = make(server)
    await engine.start()
    server.answers.append(Answer(HELLO))
    assert text_of(await answer(engine)) == "Hello."
    await engine.close()


@pytest.mark.parametrize(("card", "kind"), [(Answer(body=MODEL), None), (Answer(status=404), EngineRequest)])
async def test_the_vendor_is_asked_for_the_models_card(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, card: Answer, kind: type[EngineError] | None
) -> None:
    monkeypatch.setattr("trunkline.providers.llm.openai._OFFICIAL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "secret-1")
    server.models = card
    engine = OpenAILanguageModel(clock=SystemClock(), model="test")
    if kind is None:
        await engine.start()
    else:
        with pytest.raises(kind, match="no such model"):
            await engine.start()
    assert server.looked_up == ["/v1/models/test"]
    await engine.close()


async def test_the_key_is_read_at_start_and_sent(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "secret-1")
    engine = make(server, key_env="MY_KEY")
    await engine.start()
    server.answers.append(Answer(HELLO))
    await answer(engine)
    assert server.keys == ["bearer secret-1"]
    await engine.close()


async def test_a_missing_key_is_told_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(EngineKeyWrong, match="Set OPENAI_API_KEY"):
        await OpenAILanguageModel(clock=SystemClock()).start()


async def test_a_missing_package_is_told_at_start(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(EngineMissing, match=r"pip install 'trunkline\[openai\]'"):
        await make(server).start()


async def test_settings_that_cannot_be(server: OpenAIServer) -> None:
    with pytest.raises(ConfigError, match="not a web address"):
        await OpenAILanguageModel(clock=SystemClock(), base_url="localhost:8000").start()
    with pytest.raises(ConfigError, match="not positive"):
        await make(server, first_token_s=0).start()


async def test_before_start_and_after_close(server: OpenAIServer, model: OpenAILanguageModel) -> None:
    with pytest.raises(EngineDown):
        await answer(make(server))
    await assert_closes_twice(model)
    with pytest.raises(EngineDown):
        await answer(model)


async def test_what_a_refusal_repeats_is_not_for_the_log(
    server: OpenAIServer, model: OpenAILanguageModel
) -> None:
    server.answers.append(Answer(status=400, body={"error": {"message": SAID}}))
    with pytest.raises(EngineError) as raised:
        await answer(model)
    assert_is_not_for_the_log(raised.value)
