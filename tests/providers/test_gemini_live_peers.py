"""The local Gemini Live servers are true: Google's own SDK holds its sessions on them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from providers.hosted_stt_conformance import LINE
from providers.servers.gemini_live_ears import GeminiEars
from providers.servers.gemini_sessions import REPLY, USAGE_INPUT, GeminiSessions
from providers.stt_conformance import LIMIT, recording
from trunkline.audio.resample import resampled
from trunkline.prompt import Message, Prompt, Tool
from trunkline.providers.gemini_live_messages import Sounds, activity_start
from trunkline.providers.s2s.gemini_live_wire import Manner, to_answer, to_read
from trunkline.providers.stt.gemini_wire import TranscribeWire

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]

genai: Any = pytest.importorskip("google.genai", reason="google-genai is not installed")
types: Any = pytest.importorskip("google.genai.types")
TYPES = {
    "setup": types.LiveClientSetup,
    "clientContent": types.LiveClientContent,
    "realtimeInput": types.LiveClientRealtimeInput,
}


def assert_typed(message: str | bytes) -> None:
    ((kind, body),) = json.loads(message).items()
    if kind == "setup":  # the SDK has it in its configuration, and sends it beside the others
        types.RealtimeInputConfig.model_validate(body.pop("realtimeInputConfig"))
    TYPES[kind].model_validate(body)


def client(address: str) -> Any:
    """A client of the local server, which speaks without TLS; the SDK would not."""
    made = genai.Client(
        api_key="secret-1", http_options=types.HttpOptions(base_url=address, api_version="v1beta")
    )
    made._api_client._websocket_base_url = lambda *_: address.replace("http", "ws")
    made._api_client._websocket_ssl_ctx = {}
    return made


@pytest.mark.parametrize("ours", [True, False], ids=["our turns", "its turns"])
async def test_googles_sdk_reads_the_transcription(ours: bool) -> None:
    detection = types.AutomaticActivityDetection(disabled=ours)
    config = types.LiveConnectConfig(
        response_modalities=["TEXT"],
        input_audio_transcription=types.AudioTranscriptionConfig(language_codes=["en-US"]),
        realtime_input_config=types.RealtimeInputConfig(automatic_activity_detection=detection),
    )
    sound = resampled(recording(LINE), 8000, 16000)
    interim, final = "", ""
    async with GeminiEars() as server, asyncio.timeout(LIMIT):
        live = client(server.address).aio.live
        async with live.connect(model="gemini-3.5-transcribe-live", config=config) as session:
            if ours:
                await session.send_realtime_input(activity_start=types.ActivityStart())
            for at in range(0, len(sound), 3200):
                blob = types.Blob(data=sound[at : at + 3200], mime_type="audio/pcm;rate=16000")
                await session.send_realtime_input(audio=blob)
            end = {"activity_end": types.ActivityEnd()} if ours else {"audio_stream_end": True}
            await session.send_realtime_input(**end)
            async for message in session.receive():
                content = message.server_content
                if content and content.interim_input_transcription:
                    interim = content.interim_input_transcription.text
                if content and content.input_transcription:
                    final += content.input_transcription.text
                if content and content.generation_complete:
                    break
        assert interim == final == " yes that is right"
        assert server.headers[-1]["x-goog-api-key"] == "secret-1"
        assert server.setups[0]["inputAudioTranscription"] == {"languageCodes": ["en-US"]}


async def test_googles_sdk_holds_a_conversation() -> None:
    look_up = types.FunctionDeclaration(name="look_up", description="Looks up.")
    config = types.LiveConnectConfig(
        response_modalities=["AUDIO"],
        system_instruction="You are Anna.",
        tools=[types.Tool(function_declarations=[look_up])],
        output_audio_transcription=types.AudioTranscriptionConfig(),
        history_config=types.HistoryConfig(initial_history_in_client_content=True),
        realtime_input_config=types.RealtimeInputConfig(
            automatic_activity_detection=types.AutomaticActivityDetection(disabled=True)
        ),
    )
    said, sound, names, usage = "", b"", [], None  # type: str, bytes, list[str], Any
    async with GeminiSessions() as server, asyncio.timeout(LIMIT):
        server.replies.append((REPLY, [("look_up", {"id": 7})]))
        live = client(server.address).aio.live
        async with live.connect(model="gemini-3.8-live", config=config) as session:
            turns = [
                types.Content(role="user", parts=[types.Part(text="Hello?")]),
                types.Content(role="model", parts=[types.Part(text="Hello.")]),
            ]
            await session.send_client_content(turns=turns, turn_complete=True)
            await session.send_realtime_input(activity_start=types.ActivityStart())
            blob = types.Blob(data=resampled(recording(LINE), 8000, 16000), mime_type="audio/pcm;rate=16000")
            await session.send_realtime_input(audio=blob)
            await session.send_realtime_input(activity_end=types.ActivityEnd())
            async for message in session.receive():
                content = message.server_content
                if content and content.output_transcription:
                    said += content.output_transcription.text
                sound += message.data or b""
                if message.tool_call:
                    names += [call.name for call in message.tool_call.function_calls]
                usage = message.usage_metadata or usage
                if names and said.split() == REPLY.split():
                    break
        (talk,) = server.asked
        assert [turn["role"] for turn in talk.turns] == ["user", "model"]
        assert talk.sound == resampled(recording(LINE), 8000, 16000)
        assert names == ["look_up"]
        assert len(sound) / 2 / 24000 > 1.0
        assert usage.prompt_token_count == USAGE_INPUT
        assert {each.modality.value for each in usage.prompt_tokens_details} == {"TEXT", "AUDIO"}


async def test_what_we_send_is_what_googles_types_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every message of an answer is of the SDK's own types, which refuse fields that they do not know."""
    monkeypatch.setenv("GEMINI_API_KEY", "secret-1")
    prompt = Prompt(
        (
            Message("system", "You are Anna."),
            Message("assistant", "Hello."),
            Message("user", "Hi."),
            Message("system", "s"),
        ),
        (Tool("set_field", "Sets it.", {"type": "object"}),),
    )
    manner = Manner("gemini-3.8-live", voice="Kore", thinking="low")
    for sound in (b"", bytes(64000)):
        asked = to_answer(prompt, manner, sound, 16000)
        for message in (asked.setup, *asked.messages, to_read("Hello.", manner).setup, activity_start()):
            assert_typed(message)
    wire = TranscribeWire("gemini-3.5-transcribe-live", "en-US", "verbatim", Sounds())
    (setup,) = wire.begin(("Clearline",))
    assert_typed(setup)
    with pytest.raises(ValueError, match="nonsense"):
        TYPES["setup"].model_validate({"nonsense": 1})
