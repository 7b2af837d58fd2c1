"""The local Gemini Live servers are true: Google's own SDK holds its sessions on them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from providers.hosted_stt_conformance import LINE
from providers.servers.gemini_live_ears import GeminiEars
from providers.stt_conformance import LIMIT, recording
from trunkline.audio.resample import resampled

pytestmark = [pytest.mark.filterwarnings("ignore")]

genai: Any = pytest.importorskip("google.genai", reason="google-genai is not installed")
types: Any = pytest.importorskip("google.genai.types")


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
