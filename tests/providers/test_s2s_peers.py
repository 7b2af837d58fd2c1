"""The servers that hear and speak are true: vendors' own clients and types read them, and what we send."""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
from typing import Any

import pytest

from providers.hosted_stt_conformance import LINE as SPOKEN
from providers.s2s_conformance import LINE, Sounds, all_of, session_of
from providers.servers.openai_sessions import REPLY, OpenAISessions
from providers.stt_conformance import LIMIT, Ear, recording, speak
from trunkline.audio.codecs.pcmu import encode
from trunkline.clock import SystemClock
from trunkline.prompt import Message, Prompt, Tool, ToolCall
from trunkline.providers.s2s.openai import OpenAISession

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]

WORDS = "yes that is right"


def needed(module: str) -> Any:
    return pytest.importorskip(module, reason=f"{module} is not installed: make test-peers has it")


def typed(name: str) -> Any:
    """A checker of one of the vendor's own types: it refuses what is not of that type."""
    module, _, kind = name.rpartition(".")
    adapter = needed("pydantic").TypeAdapter
    return adapter(getattr(needed(f"openai.types.realtime.{module}"), kind))


async def test_openais_sdk_reads_a_session_that_speaks() -> None:
    openai = needed("openai")
    event_type = typed("realtime_server_event.RealtimeServerEvent")
    sound = {"type": "audio/pcmu"}
    session = {
        "type": "realtime",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": sound,
                "turn_detection": None,
                "transcription": {"model": "gpt-live-transcribe"},
            },
            "output": {"format": sound, "voice": "marin"},
        },
    }
    async with OpenAISessions() as server:
        server.replies.append((REPLY, [("look_up", {"id": 7})]))
        client = openai.AsyncOpenAI(api_key="secret-1", base_url=server.address)
        said, transcript, names, done = b"", "", [], None  # type: bytes, str, list[str], Any
        async with asyncio.timeout(LIMIT), client.realtime.connect(model="gpt-realtime-2") as connection:
            await connection.session.update(session=session)
            data = encode(recording(SPOKEN))
            for start in range(0, len(data), 800):
                piece = base64.b64encode(data[start : start + 800]).decode()
                await connection.input_audio_buffer.append(audio=piece)
            await connection.input_audio_buffer.commit()
            while done is None:
                raw = await connection.recv_bytes()
                event = event_type.validate_json(raw)
                names.append(event.type)
                match event.type:
                    case "conversation.item.input_audio_transcription.completed":
                        assert event.transcript == WORDS
                        reference = {"type": "item_reference", "id": event.item_id}
                        await connection.response.create(
                            response={
                                "conversation": "none",
                                "instructions": "You are Anna.",
                                "input": [reference],
                                "tools": [],
                                "max_output_tokens": 400,
                                "metadata": {"answer": "a1"},
                            }
                        )
                    case "response.output_audio.delta":
                        said += base64.b64decode(event.delta)
                    case "response.output_audio_transcript.delta":
                        transcript += event.delta
                    case "response.function_call_arguments.done":
                        assert (event.name, json.loads(event.arguments)) == ("look_up", {"id": 7})
                    case "response.done":
                        done = event.response
            await connection.response.cancel(response_id=done.id)
            while (event := event_type.validate_json(await connection.recv_bytes())).type != "error":
                pass
            assert event.error.code == "response_cancel_not_active"
        await client.close()
    assert transcript == REPLY
    assert len(said) > 8000
    assert done.status == "completed"
    assert done.metadata == {"answer": "a1"}
    assert done.usage.output_token_details.audio_tokens > 0
    assert names.index("response.created") < names.index("response.output_audio.delta")


async def test_what_we_send_is_what_openais_types_say(monkeypatch: pytest.MonkeyPatch) -> None:
    any_event = typed("realtime_client_event_param.RealtimeClientEventParam")
    asking = typed("response_create_event_with_references_param.ResponseCreateEventWithReferencesParam")
    monkeypatch.setenv("OPENAI_API_KEY", "secret-1")
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
    )
    async with OpenAISessions() as server:
        engine = OpenAISession(clock=SystemClock(), base_url=server.address, effort="low")
        await engine.start()
        async with session_of(engine) as session:
            ear = Ear()
            listening = asyncio.create_task(ear.listen(session))
            await speak(session, recording(SPOKEN), SystemClock(), SystemClock().now(), paced=False)
            await ear.until_finals(1)
            await all_of(session.respond(prompt, Sounds()))
            await all_of(session.read(LINE, Sounds()))
            server.answer_faults.append("hang")
            stream = session.respond(prompt, sounds := Sounds())
            async with asyncio.timeout(LIMIT):
                await anext(stream)
                await sounds.first.wait()
                await stream.aclose()
                await server.something_cancelled.wait()
            await session.close()
            await listening
        await engine.close()
    kinds = {message["type"] for message in server.messages}
    assert kinds == {"session.update", "input_audio_buffer.commit", "response.create", "response.cancel"}
    item, reference, tool = (
        typed("conversation_item_param.ConversationItemParam"),
        typed("response_item_reference_param.ResponseItemReferenceParam"),
        typed("realtime_function_tool_param.RealtimeFunctionToolParam"),
    )
    for message in server.messages:
        if message["type"] != "response.create":
            any_event.validate_python(message)
            continue
        asking.validate_python(message)
        # Their lists are checked when they are read, which is here.
        for each in message["response"]["input"]:
            checked = (reference if each["type"] == "item_reference" else item).validate_python(each)
            list(checked.get("content", ()))
        for each in message["response"]["tools"]:
            tool.validate_python(each)
    assert {each["type"] for each in server.asked[0]["input"]} >= {"item_reference", "function_call_output"}
    with pytest.raises(importlib.import_module("pydantic").ValidationError):
        item.validate_python({"type": "function_call_output", "output": "to no call"})
