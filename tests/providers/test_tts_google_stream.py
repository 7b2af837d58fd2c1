"""Google's streamed voices against a local server of the vendor's own messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import pytest

pytest.importorskip("google.cloud.texttospeech_v1", reason="google-cloud-texttospeech is not here")

import grpc
import pytest_asyncio

from providers.hosted_tts_conformance import (
    assert_asks_only_for_words,
    assert_cancelled_in_silence_stops,
    assert_speaks,
    failure_of,
)
from providers.servers.google_voice_stream import GoogleVoiceStream
from providers.servers.voice_http import GoogleVoiceServer
from providers.tts_conformance import (
    SENTENCE,
    assert_closed_is_closed,
    assert_voices_share_the_engine,
    say,
)
from trunkline.clock import SystemClock
from trunkline.errors import (
    ConfigError,
    EngineDown,
    EngineError,
    EngineKeyWrong,
    EngineMissing,
    EngineNetwork,
    EngineRate,
    EngineRequest,
    EngineTimeout,
)
from trunkline.providers.protocols import Voice, VoiceOptions
from trunkline.providers.tts.google import GoogleVoices
from trunkline.providers.tts.google_stream import StreamedVoice
from trunkline.providers.tts.http_voice import HttpVoice

pytestmark = pytest.mark.asyncio(loop_scope="module")
CHIRP = "en-GB-Chirp3-HD-Aoede"


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def library() -> None:
    """What the library and the loop keep for as long as they live is there before each test."""
    grpc.aio.init_grpc_aio()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOOGLE_API_KEY", "secret-1")
        async with running() as (engine, _):
            await say(await engine.open(VoiceOptions()), "Hello.")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "secret-1")


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[tuple[GoogleVoices, GoogleVoiceStream]]:
    async with GoogleVoiceServer() as rest, GoogleVoiceStream() as server:
        addresses = {"base_url": rest.address, "stream_url": server.address}
        engine = GoogleVoices(clock=SystemClock(), **{"voice": CHIRP, **addresses, **options})
        await engine.start()
        try:
            yield engine, server
        finally:
            await engine.close()


@asynccontextmanager
async def speaking(**options: Any) -> AsyncIterator[tuple[Voice, GoogleVoiceStream]]:
    async with running(**options) as (engine, server):
        yield await engine.open(VoiceOptions()), server


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
async def test_it_speaks(rate: int) -> None:
    async with running() as (engine, server):
        voice = await engine.open(VoiceOptions(rate=rate))
        assert voice.rate == min(rate, 24000)
        await assert_speaks(voice, marked=False)
        assert server.keys == ["secret-1"]


async def test_the_sound_comes_before_all_of_it_is_made() -> None:
    async with speaking() as (voice, server):
        server.faults.append("hang")
        stream = voice.say(SENTENCE)
        assert (await anext(stream)).pcm
        await stream.aclose()
        async with asyncio.timeout(5):
            await server.dropped.wait()
        assert (await say(voice, "Next.")).pcm


async def test_it_can_be_cancelled_at_any_time() -> None:
    async with speaking() as (voice, server):
        for _ in range(20):
            stream = voice.say(SENTENCE)
            assert (await anext(stream)).pcm
            await stream.aclose()
        server.faults.append("silent")
        await assert_cancelled_in_silence_stops(voice)


async def test_odd_texts() -> None:
    async with speaking() as (voice, server):
        await assert_asks_only_for_words(voice, server.texts)


async def test_many_calls_share_an_engine_and_closed_is_closed() -> None:
    async with running() as (engine, _):
        await assert_voices_share_the_engine(engine)
        await assert_closed_is_closed(engine)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("silent", EngineTimeout),
        ("hang", EngineTimeout),
        ("cut", EngineNetwork),
        ("garbage", EngineDown),
        ("endless", EngineDown),
        ("key", EngineKeyWrong),
        ("denied", EngineKeyWrong),
        ("quota", EngineRate),
        ("voice", EngineRequest),
        ("error", EngineDown),
    ],
)
async def test_failures_fall_in_our_tree_and_the_next_sentence_is_spoken(
    fault: str, kind: type[EngineError]
) -> None:
    async with speaking(first_audio_s=0.5, between_audio_s=0.5) as (voice, server):
        server.faults.append(fault)
        error = await failure_of(voice)
        assert type(error) is kind
        assert "secret-1" not in str(error)
        if kind is EngineKeyWrong:
            assert "GOOGLE_API_KEY" in error.hint
        assert abs((await say(voice, "One two.")).seconds - 0.6) < 0.1


async def test_what_it_is_asked() -> None:
    async with running() as (engine, server):
        voice = await engine.open(VoiceOptions(words_per_minute=192))
        await say(voice, "Hello.")
        (config,) = server.configs
        assert (config.voice.language_code, config.voice.name) == ("en-GB", CHIRP)
        assert config.streaming_audio_config.sample_rate_hertz == 8000
        assert config.streaming_audio_config.speaking_rate == pytest.approx(1.2)
        assert server.texts == ["Hello."]


@pytest.mark.parametrize(
    ("options", "voice", "kind"),
    [
        ({}, "", StreamedVoice),
        ({}, "en-US-Neural2-F", HttpVoice),
        ({"voice": "en-US-Neural2-F"}, CHIRP, StreamedVoice),
        ({"streamed": False}, CHIRP, HttpVoice),
    ],
)
async def test_voices_that_can_are_streamed(options: dict[str, Any], voice: str, kind: type) -> None:
    async with running(**options) as (engine, _):
        assert type(await engine.open(VoiceOptions(voice=voice))) is kind


async def test_what_is_wrong_is_told_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineNetwork, match="in its time"):
        async with running(stream_url="http://127.0.0.1:9", connect_s=0.3):
            pass
    with pytest.raises(ConfigError, match="stream_url"):
        async with running(stream_url="nowhere"):
            pass
    monkeypatch.setitem(__import__("sys").modules, "google.cloud.texttospeech_v1.types", None)
    with pytest.raises(EngineMissing, match=r"pip install 'trunkline\[google\]'"):
        async with running():
            pass


# --- the servers are true: read by the vendor's own client ------------------------------------------


@pytest.mark.peer
async def test_the_vendors_client_reads_the_streams_server() -> None:
    sdk = import_module("google.cloud.texttospeech_v1")
    transports = import_module("google.cloud.texttospeech_v1.services.text_to_speech.transports")

    async with GoogleVoiceStream() as server, grpc.aio.insecure_channel(server.address[7:]) as channel:
        transport = transports.TextToSpeechGrpcAsyncIOTransport(channel=channel)
        client = sdk.TextToSpeechAsyncClient(transport=transport)

        async def asked() -> AsyncIterator[Any]:
            config = sdk.StreamingSynthesizeConfig(
                voice=sdk.VoiceSelectionParams(language_code="en-GB", name=CHIRP),
                streaming_audio_config=sdk.StreamingAudioConfig(
                    audio_encoding=sdk.AudioEncoding.MULAW, sample_rate_hertz=8000
                ),
            )
            yield sdk.StreamingSynthesizeRequest(streaming_config=config)
            yield sdk.StreamingSynthesizeRequest(input=sdk.StreamingSynthesisInput(text="One two."))

        answers = await client.streaming_synthesize(requests=asked())
        sound = b"".join([answer.audio_content async for answer in answers])
    assert len(sound) == 8000 * (2 * 0.3 + 2 * 0.2)


@pytest.mark.peer
async def test_the_vendors_client_reads_the_rest_server() -> None:
    sdk = import_module("google.cloud.texttospeech_v1")
    transports = import_module("google.cloud.texttospeech_v1.services.text_to_speech.transports")

    def ask(host: str) -> tuple[Any, Any]:
        nobody = import_module("google.auth.credentials").AnonymousCredentials
        transport = transports.TextToSpeechRestTransport(host=host, url_scheme="http", credentials=nobody())
        with sdk.TextToSpeechClient(transport=transport) as client:
            spoken = client.synthesize_speech(
                input=sdk.SynthesisInput(text="One two."),
                voice=sdk.VoiceSelectionParams(language_code="en-US", name="en-US-Neural2-F"),
                audio_config=sdk.AudioConfig(audio_encoding="MULAW", sample_rate_hertz=8000),
            )
            return spoken, client.list_voices()

    async with GoogleVoiceServer() as server:
        spoken, listed = await asyncio.to_thread(ask, server.address[7:])
    assert spoken.audio_content.startswith(b"RIFF")
    assert len(spoken.audio_content) > 8000 * (2 * 0.3 + 2 * 0.2)
    assert [(voice.name, voice.ssml_gender.name) for voice in listed.voices] == [
        ("en-US-Neural2-F", "FEMALE")
    ]
