"""The recognisers' servers are true. Vendors' SDKs and LiveKit's plugins read them."""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
from typing import Any

import pytest

from providers.hosted_stt_conformance import LINE
from providers.servers.assemblyai_ears import AssemblyAIEars
from providers.servers.azure_ears import PATH, AzureEars
from providers.servers.deepgram_ears import DeepgramEars
from providers.servers.openai_ears import OpenAIEars, OpenAIFiles
from providers.stt_conformance import LIMIT, recording
from trunkline.audio.codecs.pcmu import encode
from trunkline.audio.resample import resampled
from trunkline.providers.stt.openai_file import _wav

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]

SILENCE = bytes(16000)
SOUND = SILENCE + recording(LINE) + SILENCE
WORDS = "yes that is right"


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size].ljust(size, b"\0") for at in range(0, len(data), size)]


def needed(module: str) -> Any:
    return pytest.importorskip(module, reason=f"{module} is not installed: make test-peers has it")


@pytest.mark.parametrize("flux", [False, True])
async def test_deepgrams_sdk_reads_the_server(flux: bool) -> None:
    sdk = needed("deepgram")
    kinds_of = needed("deepgram.core.events").EventType
    environments = needed("deepgram.environment").DeepgramClientEnvironment
    async with DeepgramEars() as server:
        socket = server.address.replace("http", "ws")
        fields = {"base": server.address, "production": socket, "agent": socket, "agent_rest": server.address}
        known = environments.__init__.__code__.co_varnames
        environment = environments(**{k: v for k, v in fields.items() if k in known})
        client = sdk.AsyncDeepgramClient(api_key="secret-1", environment=environment)
        listening = client.listen.v2 if flux else client.listen.v1
        options: dict[str, Any] = {"encoding": "mulaw", "sample_rate": 8000 if flux else "8000"}
        heard: list[Any] = []
        model = "flux-general-en" if flux else "nova-3"
        async with asyncio.timeout(LIMIT), listening.connect(model=model, **options) as connection:
            connection.on(kinds_of.MESSAGE, heard.append)
            reading = asyncio.create_task(connection.start_listening())
            for piece in pieces(encode(SOUND), 640):
                await connection.send_media(piece)
            if not flux:
                await connection.send_finalize()
            await connection.send_close_stream()
            await reading
        kinds = {type(each).__name__ for each in heard}
        if flux:
            turns = [each for each in heard if type(each).__name__ == "ListenV2TurnInfo"]
            assert [turn.transcript for turn in turns if turn.event == "EndOfTurn"] == [WORDS]
            assert next(turn for turn in turns if turn.words).words[0].word == "yes"
        else:
            assert {"ListenV1Results", "ListenV1SpeechStarted", "ListenV1Metadata"} <= kinds
            finals = [each for each in heard if type(each).__name__ == "ListenV1Results" and each.is_final]
            assert finals[0].channel.alternatives[0].transcript == WORDS
        assert "secret-1" in server.headers[-1]["authorization"]


async def test_livekits_plugin_reads_flux() -> None:
    plugin, rtc = needed("livekit.plugins.deepgram"), needed("livekit.rtc")
    aiohttp = needed("aiohttp")
    async with DeepgramEars() as server, aiohttp.ClientSession() as session:
        engine = plugin.STTv2(
            api_key="secret-1",
            http_session=session,
            sample_rate=8000,
            base_url=f"{server.address.replace('http', 'ws')}/v2/listen",
        )
        assert await heard_by(engine.stream(), rtc, 8000, SOUND) == WORDS
        await engine.aclose()


async def heard_by(stream: Any, rtc: Any, rate: int, pcm: bytes) -> str:
    """The final words that a LiveKit plugin's stream gives for the line."""
    for piece in pieces(pcm, rate // 10 * 2):
        stream.push_frame(rtc.AudioFrame(piece, rate, 1, len(piece) // 2))
    stream.end_input()
    finals = []
    async with asyncio.timeout(LIMIT):
        async for event in stream:
            if event.type.value == "final_transcript":
                finals.append(event.alternatives[0].text)
                break
        await stream.aclose()
    return " ".join(finals)


async def test_assemblyais_sdk_reads_the_server() -> None:
    streaming = needed("assemblyai.streaming.v3")
    models = importlib.import_module("assemblyai.streaming.v3.models")
    async with AssemblyAIEars() as server:
        events = [
            {"type": "Begin", "id": "s", "expires_at": 1795000000},
        ]
        assert models.BeginEvent(**events[0])
        # The SDK insists on TLS, so its models read what the server says to a plain socket.
        websockets = needed("websockets.asyncio.client")
        query = (
            "sample_rate=8000&encoding=pcm_mulaw&speech_model=universal-streaming-english&format_turns=true"
        )
        url = f"{server.address.replace('http', 'ws')}/v3/ws?{query}"
        turns: list[Any] = []
        async with asyncio.timeout(LIMIT), websockets.connect(url) as socket:
            for piece in pieces(encode(SOUND), 800):
                await socket.send(piece)
            await socket.send(models.TerminateSession().json())
            async for message in socket:
                said = json.loads(message)
                kind = {"Begin": models.BeginEvent, "Turn": models.TurnEvent}.get(said["type"])
                kind = kind or {"Termination": models.TerminationEvent}.get(said["type"])
                kind = kind or models.SpeechStartedEvent
                turns.append(kind(**said))
        assert streaming.TurnEvent is models.TurnEvent
        finals = [each for each in turns if isinstance(each, models.TurnEvent) and each.turn_is_formatted]
        assert finals[0].transcript.lower() == WORDS
        assert isinstance(turns[-1], models.TerminationEvent)


async def test_openais_sdk_reads_the_files_server() -> None:
    openai = needed("openai")
    async with OpenAIFiles() as server:
        client = openai.AsyncOpenAI(api_key="secret-1", base_url=server.address)
        told = await client.audio.transcriptions.create(
            model="whisper-1",
            file=("a.wav", _wav(SOUND, 8000)),
            response_format="verbose_json",
            timestamp_granularities=["word"],
        )
        await client.close()
        assert told.text == WORDS
        assert told.words[0].word == "yes"


async def test_openais_sdk_reads_the_realtime_server() -> None:
    openai = needed("openai")
    async with OpenAIEars() as server:
        client = openai.AsyncOpenAI(api_key="secret-1", base_url=server.address)
        events: list[Any] = []
        async with (
            asyncio.timeout(LIMIT),
            client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
        ):
            listening = {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "gpt-live-transcribe"},
                "turn_detection": None,
            }
            session = {"type": "transcription", "audio": {"input": listening}}
            await connection.session.update(session=session)
            for piece in pieces(resampled(SOUND, 8000, 24000), 4800):
                await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
            await connection.input_audio_buffer.commit()
            async for event in connection:
                events.append(event)
                if event.type.endswith(".completed"):
                    break
        await client.close()
        assert events[-1].transcript == WORDS
        deltas = [event.delta for event in events if event.type.endswith("transcription.delta")]
        assert "".join(deltas) == WORDS


async def test_livekits_plugin_reads_the_realtime_server() -> None:
    plugin, rtc = needed("livekit.plugins.openai"), needed("livekit.rtc")
    http_context = needed("livekit.agents.utils.http_context")
    async with OpenAIEars() as server, http_context.open():
        engine = plugin.STT(
            api_key="secret-1",
            base_url=server.address,
            use_realtime=True,
            model="gpt-4o-transcribe",
            language="en",
        )
        stream = engine.stream()
        # It leaves the cutting to the service, which here waits for a commit: what it asks for is read.
        for _ in range(4):
            stream.push_frame(rtc.AudioFrame(bytes(4800), 24000, 1, 2400))
        async with asyncio.timeout(LIMIT):
            await server.first_sound.wait()
        await stream.aclose()
        await engine.aclose()
        assert server.sessions[0]["audio"]["input"]["transcription"]["model"] == "gpt-4o-transcribe"


async def test_azures_sdk_reads_the_server() -> None:
    speech = needed("azure.cognitiveservices.speech")
    async with AzureEars() as server:
        address = f"{server.address.replace('http', 'ws')}{PATH}"

        def recognise() -> list[Any]:
            config = speech.SpeechConfig(endpoint=address, subscription="secret-1")
            config.speech_recognition_language = "en-US"
            config.output_format = speech.OutputFormat.Detailed
            config.request_word_level_timestamps()
            form = speech.audio.AudioStreamFormat(samples_per_second=8000, bits_per_sample=16, channels=1)
            stream = speech.audio.PushAudioInputStream(form)
            recogniser = speech.SpeechRecognizer(config, speech.audio.AudioConfig(stream=stream))
            stream.write(SOUND)
            stream.close()
            result = recogniser.recognize_once_async().get()
            return [result.text, result.reason, str(getattr(result, "cancellation_details", ""))]

        async with asyncio.timeout(LIMIT):
            text, reason, details = await asyncio.to_thread(recognise)
        assert reason == speech.ResultReason.RecognizedSpeech, details
        assert text.lower().startswith(WORDS)
        assert server.headers[-1]["ocp-apim-subscription-key"] == "secret-1"
