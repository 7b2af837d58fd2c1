"""OpenAI Realtime as it hears and speaks: what it is asked, what it tells, and what befalls it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from providers import hosted_stt_conformance as stt
from providers.s2s_conformance import (
    LIMIT,
    LINE,
    PROMPT,
    Ears,
    Sounds,
    all_of,
    assert_conforms,
    failure_of,
    session_of,
    text_of,
)
from providers.servers.openai_sessions import REPLY, OpenAISessions
from providers.stt_conformance import Ear, recording, speak
from trunkline.clock import SystemClock
from trunkline.errors import (
    ConfigError,
    EngineDown,
    EngineError,
    EngineKeyWrong,
    EngineNetwork,
    EngineRequest,
)
from trunkline.prompt import Message, Prompt, Token, Tool, ToolCall, Usage
from trunkline.providers.protocols import ListenOptions, VoiceOptions
from trunkline.providers.s2s.openai import OpenAISession
from trunkline.providers.s2s.openai_wire import SessionWire
from trunkline.providers.stt.line_sound import SoundFormat
from trunkline.providers.stt.socket_recognition import Moment
from trunkline.providers.stt.timeline import Timeline

pytest.importorskip("websockets")

CLOCK = SystemClock()
NOW = Moment(100.0, Timeline())
WORDS = "yes that is right"
"""What the server hears first."""


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[OpenAISessions, None]:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-1")
    async with OpenAISessions() as running:
        yield running


async def started(server: OpenAISessions, **options: Any) -> OpenAISession:
    engine = OpenAISession(clock=CLOCK, base_url=server.address, **options)
    await engine.start()
    return engine


async def test_it_conforms(server: OpenAISessions) -> None:
    server.answer_faults.extend(["slow"] * 20)
    await assert_conforms(await started(server), REPLY)
    assert server.headers[-1]["authorization"] == "Bearer secret-1"


async def test_it_hears_as_recognisers_do(server: OpenAISessions) -> None:
    ears = Ears(await started(server))
    await stt.assert_conforms(ears)
    await stt.assert_words_have_times(ears)
    await stt.assert_bounded(ears, server)
    await stt.assert_closing_tells_the_service(ears, server)
    await ears.close()


async def test_what_it_is_asked(server: OpenAISessions) -> None:
    engine = await started(server, voice="cedar", effort="low", keyterms="Clearline")
    prompt = Prompt(
        (
            Message("system", "You are Anna."),
            Message("assistant", "How many are you?"),
            Message("user", WORDS),
            Message("system", "Step: size."),
            Message("assistant", "", (ToolCall("c1", "set_field", {"name": "team"}),)),
            Message("tool", "Refused: no.", tool_call_id="c1"),
        ),
        (Tool("set_field", "Sets it.", {"type": "object"}),),
        max_tokens=200,
    )
    async with session_of(engine) as session:
        assert session.rate == 8000
        ear = Ear()
        listening = asyncio.create_task(ear.listen(session))
        await speak(session, recording(stt.LINE), CLOCK, CLOCK.now(), paced=False)
        await ear.until_finals(1)
        await all_of(session.respond(prompt, Sounds()))
        await session.close()
        await listening
    await engine.close()
    assert server.queries[-1] == {"model": "gpt-realtime-2"}
    (session_update,) = server.sessions
    assert session_update == {
        "type": "realtime",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": {"type": "audio/pcmu"},
                "transcription": {
                    "model": "gpt-live-transcribe",
                    "keywords": ["Clearline"],
                    "languages": ["en"],
                },
                "turn_detection": None,
            },
            "output": {"format": {"type": "audio/pcmu"}, "voice": "cedar"},
        },
    }
    (asked,) = server.asked
    assert asked == {
        "instructions": "You are Anna.",
        "input": [
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "How many are you?"}],
            },
            {"type": "item_reference", "id": "item_1"},
            {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Step: size."}]},
            {"type": "function_call", "call_id": "c1", "name": "set_field", "arguments": '{"name": "team"}'},
            {"type": "function_call_output", "call_id": "c1", "output": "Refused: no."},
        ],
        "tools": [
            {
                "type": "function",
                "name": "set_field",
                "description": "Sets it.",
                "parameters": {"type": "object"},
            }
        ],
        "max_output_tokens": 1600,
        "conversation": "none",
        "output_modalities": ["audio"],
        "metadata": {"answer": "a1"},
        "reasoning": {"effort": "low"},
    }


async def test_a_wide_leg_has_pcm_at_24_khz(server: OpenAISessions) -> None:
    engine = await started(server)
    async with session_of(engine, rate=16000) as session:
        assert session.rate == 24000
        ear = Sounds()
        await all_of(session.respond(PROMPT, ear))
        assert len(ear.pcm) / 2 / 24000 > 1.0
    await engine.close()
    assert server.sessions[0]["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24000}


async def test_tools_are_called_and_usage_tells_sound_from_text(server: OpenAISessions) -> None:
    engine = await started(server)
    server.replies.append(("One moment.", [("look_up", {"id": 7}), ("note", {})]))
    async with session_of(engine) as session:
        deltas = await all_of(session.respond(PROMPT, Sounds()))
    await engine.close()
    calls = [delta for delta in deltas if isinstance(delta, ToolCall)]
    assert [(call.name, call.arguments) for call in calls] == [("look_up", {"id": 7}), ("note", {})]
    assert len({call.id for call in calls}) == 2
    usage = deltas[-1]
    assert isinstance(usage, Usage)
    assert (usage.input_tokens, usage.cached_tokens, usage.audio_input_tokens) == (120, 64, 20)
    assert usage.audio_output_tokens == usage.output_tokens - 10


async def test_closing_an_answer_cancels_it_and_tells_what_it_cost(server: OpenAISessions) -> None:
    server.answer_faults.append("hang")
    engine, late = await started(server), list[Usage]()
    async with session_of(engine, late) as session:
        ear = Sounds()
        stream = session.respond(PROMPT, ear)
        async with asyncio.timeout(LIMIT):
            await anext(stream)
            await ear.first.wait()
            await stream.aclose()
            await server.something_cancelled.wait()
            assert server.cancelled == ["resp_1"]
            await all_of(session.respond(PROMPT, Sounds()))  # what the service said first was read by now
        assert late == [
            Usage(120, 15, 64, audio_input_tokens=20, audio_output_tokens=5, audio_cached_tokens=0)
        ]
    await engine.close()


ALONE = {
    "failed": EngineDown,
    "refused": EngineRequest,
    "arguments": EngineDown,
    "cancelled": EngineDown,
}
BREAKS = {"cut": EngineNetwork, "garbage": EngineDown, "odd": EngineDown}


@pytest.mark.parametrize(("fault", "kind"), ALONE.items())
async def test_an_answers_failure_is_that_answers_alone(
    server: OpenAISessions, fault: str, kind: type[EngineError]
) -> None:
    server.answer_faults.append(fault)
    if fault == "arguments":
        server.replies.append(("", [("look_up", {"id": 7})]))
    engine = await started(server)
    async with session_of(engine) as session:
        assert type(await failure_of(session, Sounds())) is kind
        assert not session.closed
        assert text_of(await all_of(session.respond(PROMPT, Sounds()))) == REPLY
    await engine.close()


@pytest.mark.parametrize(("fault", "kind"), BREAKS.items())
async def test_a_session_that_breaks_fails_whatever_is_going_on(
    server: OpenAISessions, fault: str, kind: type[EngineError]
) -> None:
    engine = await started(server)
    server.answer_faults.extend(["hang", fault])
    async with session_of(engine) as session:
        ear = Ear()
        listening = asyncio.create_task(ear.listen(session))
        first = asyncio.create_task(failure_of(session, one := Sounds()))
        async with asyncio.timeout(LIMIT):
            await one.first.wait()
            assert type(await failure_of(session, Sounds())) is kind
            assert type(await first) is kind
            await listening
        assert [type(error) for error in ear.errors] == [kind]
        assert session.closed
    async with session_of(engine) as session:  # the next one is none the worse
        assert text_of(await all_of(session.respond(PROMPT, Sounds()))) == REPLY
    await engine.close()


async def test_an_answer_without_sound_is_an_answer(server: OpenAISessions) -> None:
    server.answer_faults.append("text")
    engine = await started(server)
    async with session_of(engine) as session:
        ear = Sounds()
        assert text_of(await all_of(session.respond(PROMPT, ear))) == REPLY
        assert (ear.pcm, ear.ends) == (b"", 1)
    await engine.close()


async def test_refusals_and_what_is_wrong_at_start(
    server: OpenAISessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="effort"):
        await started(server, effort="huge")
    engine = await started(server)
    server.refuse = (401, {"error": {"message": "Incorrect API key provided"}})
    with pytest.raises(EngineKeyWrong):
        await engine.open(ListenOptions(), VoiceOptions(), lambda _: None)
    with pytest.raises(EngineKeyWrong):
        await started(server)
    await engine.close()
    with pytest.raises(EngineDown):
        await engine.open(ListenOptions(), VoiceOptions(), lambda _: None)
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(EngineKeyWrong, match="no key"):
        await OpenAISession(clock=CLOCK).start()


# --- the wire, by itself ------------------------------------------------------------------------------


class Noted:
    """Notes what came of an answer."""

    def __init__(self) -> None:
        self.deltas: list[Any] = []
        self.ended: list[EngineError | None] = []

    def delta(self, delta: Any) -> None:
        self.deltas.append(delta)

    def sound(self, pcm: bytes) -> None:
        self.deltas.append(pcm)

    def over(self, error: EngineError | None) -> None:
        self.ended.append(error)


def wire() -> SessionWire:
    return SessionWire("t", "en", "", "", SoundFormat(8000, mulaw=True), "OPENAI_API_KEY", "marin", "")


def heard(talk: SessionWire, item: str, words: str) -> None:
    talk.begin_utterance(90.0, own=False)
    talk.sound(bytes(8000))
    talk.end_utterance(91.0, 91.1)
    talk.read(json.dumps({"type": "input_audio_buffer.committed", "item_id": item}), NOW)
    kind = "conversation.item.input_audio_transcription.completed"
    talk.read(json.dumps({"type": kind, "item_id": item, "transcript": words}), NOW)


def created(mark: str, name: str, kind: str = "created", **more: Any) -> str:
    response = {"id": name, "metadata": {"answer": mark}, **more}
    return json.dumps({"type": f"response.{kind}", "response": response})


def items_for(talk: SessionWire, words: str) -> list[dict[str, Any]]:
    _, (message,) = talk.ask(Prompt((Message("user", words),)), Noted())
    found: list[dict[str, Any]] = json.loads(str(message))["response"]["input"]
    return found


def test_the_callers_turn_is_pointed_to_where_its_words_are_known() -> None:
    talk = wire()
    heard(talk, "i1", "Before.")
    heard(talk, "i2", "I would like")
    heard(talk, "i3", "to know, please.")
    names = [{"type": "item_reference", "id": name} for name in ("i2", "i3")]
    assert items_for(talk, "i would like to know please") == names
    assert items_for(talk, "to know please") == names[1:]
    for other in ("I would like to go please", "know please", "", "and before I would like to know please"):
        assert not [item for item in items_for(talk, other) if item["type"] == "item_reference"], other


def test_an_answer_that_nobody_wants_before_it_began_is_cancelled_when_it_begins() -> None:
    talk = wire()
    mark, _ = talk.ask(PROMPT, noted := Noted())
    assert talk.give_up(mark) == []
    talk.read(created(mark, "resp_1"), NOW)
    (cancel,) = talk.to_send
    assert json.loads(str(cancel))["response_id"] == "resp_1"
    too_late = {"type": "invalid_request_error", "code": "response_cancel_not_active", "message": "none"}
    talk.read(json.dumps({"type": "error", "error": too_late}), NOW)  # the session lives on
    usage = {"input_tokens": 5, "output_tokens": 2}
    talk.read(created(mark, "resp_1", "done", status="cancelled", usage=usage), NOW)
    assert talk.late == [Usage(5, 2)]
    assert (noted.deltas, noted.ended) == ([], [])
    assert talk.give_up(mark) == []


def test_what_belongs_to_no_answer_of_ours_is_passed_over() -> None:
    talk = wire()
    mark, _ = talk.ask(PROMPT, noted := Noted())
    talk.read(json.dumps({"type": "response.output_audio.delta", "response_id": "x", "delta": "AAAA"}), NOW)
    talk.read(created("a99", "resp_9"), NOW)
    talk.read(json.dumps({"type": "response.created", "response": {"id": "r", "metadata": None}}), NOW)
    talk.read(json.dumps({"type": "response.something.new", "response_id": "r"}), NOW)
    assert noted.deltas == []
    talk.read(created(mark, "resp_1"), NOW)
    delta = {"type": "response.output_audio_transcript.delta", "response_id": "resp_1", "delta": "Yes."}
    talk.read(json.dumps(delta), NOW)
    talk.read(created(mark, "resp_1", "done", status="completed"), NOW)
    assert noted.deltas == [Token("Yes."), Usage()]
    assert noted.ended == [None]


async def test_a_line_that_is_read_otherwise_is_told_as_it_was_read(server: OpenAISessions) -> None:
    server.strays = True
    engine = await started(server)
    async with session_of(engine) as session, aclosing(session.read(LINE, Sounds())) as deltas:
        text = "".join([delta.text async for delta in deltas if isinstance(delta, Token)])
    await engine.close()
    assert text.strip() == f"Of course! {LINE}"
