"""ElevenLabs, Cartesia and Deepgram against local servers of their protocols: one suite for all."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from providers.hosted_tts_conformance import (
    assert_asks_only_for_words,
    assert_cancelled_in_silence_stops,
    assert_speaks,
    failure_of,
)
from providers.said_in_errors import SAID, assert_is_not_for_the_log
from providers.servers.voice_sockets import (
    CartesiaServer,
    DeepgramServer,
    ElevenLabsServer,
    VoiceSocketServer,
)
from providers.tts_conformance import (
    SENTENCE,
    assert_closed_is_closed,
    assert_closing_early_stops,
    assert_voices_share_the_engine,
    opened,
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
    EngineQuota,
    EngineRate,
    EngineRequest,
    EngineTimeout,
)
from trunkline.providers.protocols import VoiceOptions
from trunkline.providers.tts.cartesia import Cartesia
from trunkline.providers.tts.deepgram import Deepgram
from trunkline.providers.tts.elevenlabs import ElevenLabs
from trunkline.providers.tts.hosted import VoiceCard

pytest.importorskip("websockets")
pytest.importorskip("httpx")

Engine = ElevenLabs | Cartesia | Deepgram
KINDS: dict[str, tuple[type[VoiceSocketServer], type[Engine], str]] = {
    "elevenlabs": (ElevenLabsServer, ElevenLabs, "ELEVENLABS_API_KEY"),
    "cartesia": (CartesiaServer, Cartesia, "CARTESIA_API_KEY"),
    "deepgram": (DeepgramServer, Deepgram, "DEEPGRAM_API_KEY"),
}


class Vendor:
    """A server and how to make its engine."""

    def __init__(self, name: str, server: VoiceSocketServer) -> None:
        self.name = name
        self.server = server
        self.key_env = KINDS[name][2]

    def engine(self, **options: Any) -> Engine:
        return KINDS[self.name][1](clock=SystemClock(), **{"base_url": self.server.address, **options})


@pytest.fixture(params=sorted(KINDS))
async def vendor(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Vendor, None]:
    monkeypatch.setenv(KINDS[request.param][2], "secret-1")
    async with KINDS[request.param][0]() as server:
        yield Vendor(request.param, server)


async def test_it_speaks_telephone_sound_with_marks(vendor: Vendor) -> None:
    async with opened(vendor.engine()) as voice:
        assert voice.rate == 8000
        await assert_speaks(voice, marked=vendor.name != "deepgram")
    assert "secret-1" in " ".join(vendor.server.headers[-1].values())


@pytest.mark.parametrize(("leg", "rate"), [(16000, 16000), (48000, 24000)])
async def test_it_speaks_wideband_on_wideband_legs(vendor: Vendor, leg: int, rate: int) -> None:
    async with opened(vendor.engine(), rate=leg) as voice:
        assert voice.rate == rate
        await assert_speaks(voice, marked=vendor.name != "deepgram")


async def test_the_socket_is_open_before_the_first_sentence_and_kept(vendor: Vendor) -> None:
    async with opened(vendor.engine()) as voice:
        assert len(vendor.server.paths) == 1
        assert vendor.server.texts == []
        for _ in range(3):
            await say(voice, SENTENCE)
        assert len(vendor.server.paths) == 1


async def test_odd_texts(vendor: Vendor) -> None:
    async with opened(vendor.engine()) as voice:
        await assert_asks_only_for_words(voice, vendor.server.texts)


async def test_closing_early_keeps_the_socket_and_nothing_old_is_heard(vendor: Vendor) -> None:
    async with opened(vendor.engine()) as voice:
        stream = voice.say(SENTENCE)
        await anext(stream)
        await stream.aclose()
        assert abs((await say(voice, "One two.")).seconds - 0.6) < 0.1
        assert len(vendor.server.paths) == 1
        if vendor.name != "elevenlabs":  # there a sentence cannot be called back
            async with asyncio.timeout(5):
                await vendor.server.something_cancelled.wait()


async def test_closing_early_again_and_again(vendor: Vendor) -> None:
    async with opened(vendor.engine()) as voice:
        if vendor.name == "deepgram":  # 20 sentences a minute
            return
        await assert_closing_early_stops(voice)


async def test_a_silent_service_can_be_cancelled(vendor: Vendor) -> None:
    vendor.server.faults.append("silent")
    async with opened(vendor.engine()) as voice:
        await assert_cancelled_in_silence_stops(voice)


async def test_many_calls_share_an_engine(vendor: Vendor) -> None:
    engine = vendor.engine()
    await engine.start()
    await assert_voices_share_the_engine(engine)
    await engine.close()


async def test_closed_is_closed(vendor: Vendor) -> None:
    engine = vendor.engine()
    with pytest.raises(EngineDown):
        await engine.open(VoiceOptions())
    await engine.start()
    await assert_closed_is_closed(engine)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("silent", EngineTimeout),
        ("hang", EngineTimeout),
        ("cut", EngineNetwork),
        ("garbage", EngineDown),
        ("quota", EngineQuota),
    ],
)
async def test_failures_fall_in_our_tree_and_the_next_sentence_is_spoken(
    vendor: Vendor, fault: str, kind: type[EngineError]
) -> None:
    vendor.server.faults.append(fault)
    async with opened(vendor.engine(first_audio_s=0.3, between_audio_s=0.3)) as voice:
        error = await failure_of(voice)
        assert type(error) is kind
        assert "secret-1" not in str(error)
        assert abs((await say(voice, "One two.")).seconds - 0.6) < 0.1
        assert len(vendor.server.paths) == 2, "after a failure the next sentence has a socket of its own"


async def test_what_the_service_tells(vendor: Vendor) -> None:
    vendor.server.faults.append("error")
    async with opened(vendor.engine()) as voice:
        error = await failure_of(voice)
        kinds = {"elevenlabs": EngineRequest, "cartesia": EngineRequest, "deepgram": EngineDown}
        assert type(error) is kinds[vendor.name]


async def test_a_socket_that_broke_between_sentences_is_opened_again(vendor: Vendor) -> None:
    async with opened(vendor.engine()) as voice:
        await say(voice, "One.")
        socket = voice._socket  # type: ignore[attr-defined]
        socket.transport.abort()
        await socket.wait_closed()
        assert (await say(voice, "Two.")).pcm
        assert len(vendor.server.paths) == 2


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"detail": {"message": "invalid key"}}, EngineKeyWrong),
        (401, {"detail": {"message": "quota exceeded"}}, EngineQuota),
        (402, {}, EngineQuota),
        (404, {}, EngineRequest),
        (429, {"err_msg": "slow down"}, EngineRate),
        (503, {}, EngineDown),
    ],
)
async def test_refusals_at_the_start_and_on_opening(
    vendor: Vendor, status: int, body: Any, kind: type[EngineError]
) -> None:
    engine = vendor.engine(verify=False)
    await engine.start()
    vendor.server.refuse = (status, body)
    for attempt in (engine.open(VoiceOptions()), vendor.engine().start()):
        with pytest.raises(EngineError) as raised:
            await attempt
        assert type(raised.value) is kind
        assert "secret-1" not in str(raised.value)
    await engine.close()


async def test_what_a_refusal_repeats_is_not_for_the_log(vendor: Vendor) -> None:
    engine = vendor.engine(verify=False)
    await engine.start()
    vendor.server.refuse = (400, {"err_msg": SAID})
    with pytest.raises(EngineError) as raised:
        await engine.open(VoiceOptions())
    assert_is_not_for_the_log(raised.value)
    await engine.close()


async def test_what_is_wrong_is_told_at_start(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError):
        await vendor.engine(base_url="localhost").start()
    with pytest.raises(ConfigError):
        await vendor.engine(first_audio_s=0).start()
    with pytest.raises(EngineNetwork, match="base_url"):
        await vendor.engine(base_url="http://127.0.0.1:9").start()
    monkeypatch.setitem(__import__("sys").modules, "httpx", None)
    with pytest.raises(EngineMissing, match=rf"pip install 'trunkline\[{vendor.name}\]'"):
        await vendor.engine().start()
    monkeypatch.delenv(vendor.key_env)
    with pytest.raises(EngineKeyWrong, match=f"Set {vendor.key_env}"):
        await vendor.engine().start()


async def test_the_voices(vendor: Vendor) -> None:
    engine = vendor.engine()
    await engine.start()
    expected = {
        "elevenlabs": VoiceCard("v1", "Rachel", "en", "cloned"),
        "cartesia": VoiceCard("v1", "Katie", "en", "warm"),
        "deepgram": VoiceCard("aura-2-thalia-en", "thalia", "en, en-US", "feminine"),
    }
    assert await engine.voices() == [expected[vendor.name]]
    for path in vendor.server.cards:
        vendor.server.cards[path] = {"voices": 5, "data": 5, "tts": 5}
    with pytest.raises(EngineDown, match="list of voices"):
        await engine.voices()
    await engine.close()


# --- what each vendor is asked ---------------------------------------------------------------------


async def test_what_elevenlabs_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", "secret-1")
    async with ElevenLabsServer() as server:
        engine = ElevenLabs(clock=SystemClock(), base_url=server.address, stability=0.4, language="en")
        async with opened(engine, voice="my/clone", words_per_minute=176) as voice:
            await say(voice, "Hello.")
        assert server.paths == ["/v1/text-to-speech/my%2Fclone/multi-stream-input"]
        (query,) = server.queries
        assert (query["model_id"], query["output_format"]) == ("eleven_flash_v2_5", "ulaw_8000")
        assert (query["auto_mode"], query["language_code"]) == ("true", "en")
        assert server.headers[-1]["xi-api-key"] == "secret-1"
        assert server.messages == [
            {"text": " ", "context_id": "sentence-1", "voice_settings": {"stability": 0.4, "speed": 1.1}},
            {"text": "Hello. ", "flush": True, "context_id": "sentence-1"},
            {"close_context": True, "context_id": "sentence-1"},
        ]


async def test_what_cartesia_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTESIA_API_KEY", "secret-1")
    async with CartesiaServer() as server:
        engine = Cartesia(clock=SystemClock(), base_url=server.address, emotion="calm")
        async with opened(engine, voice="my-clone", words_per_minute=192, language="en-GB") as voice:
            await say(voice, "Hello.")
        assert server.paths == ["/tts/websocket"]
        assert server.queries == [{"cartesia_version": "2026-03-01"}]
        assert server.messages == [
            {
                "model_id": "sonic-3",
                "voice": {"mode": "id", "id": "my-clone"},
                "language": "en",
                "output_format": {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000},
                "add_timestamps": True,
                "continue": False,
                "generation_config": {"speed": 1.2, "emotion": "calm"},
                "transcript": "Hello.",
                "context_id": "sentence-1",
            }
        ]


async def test_what_deepgram_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "secret-1")
    async with (
        DeepgramServer() as server,
        opened(Deepgram(clock=SystemClock(), base_url=server.address)) as voice,
    ):
        await say(voice, "Hello.")
        assert server.headers[-1]["authorization"] == "Token secret-1"
        assert server.queries == [{"model": "aura-2-thalia-en", "encoding": "mulaw", "sample_rate": "8000"}]
        assert server.messages == [{"type": "Speak", "text": "Hello."}, {"type": "Flush"}]
        for _ in range(19):
            await say(voice, "Hello.")
        with pytest.raises(EngineRate, match="Flush"):
            await say(voice, "Hello.")


# --- the servers are true: read by clients that nobody here wrote ------------------------------------


async def spoken_by(stream: Any, rate: int) -> float:
    """Seconds of sound that a LiveKit plugin's stream gives for the sentence."""
    stream.push_text(SENTENCE)
    stream.end_input()
    seconds = 0.0
    async for event in stream:
        assert event.frame.sample_rate == rate
        seconds += event.frame.duration
    await stream.aclose()
    return seconds


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
async def test_livekits_plugins_read_the_servers(vendor: Vendor) -> None:
    reason = "livekit-plugins-… are not installed here"
    plugin = pytest.importorskip(f"livekit.plugins.{vendor.name}", reason=reason)
    aiohttp = pytest.importorskip("aiohttp")
    async with aiohttp.ClientSession() as session:
        address = vendor.server.address
        per_vendor: dict[str, dict[str, Any]] = {
            "elevenlabs": {"base_url": f"{address}/v1", "encoding": "pcm_24000"},
            "cartesia": {"base_url": address, "sample_rate": 24000},
            "deepgram": {"base_url": f"{address}/v1/speak", "sample_rate": 24000},
        }
        engine = plugin.TTS(api_key="secret-1", http_session=session, **per_vendor[vendor.name])
        async with asyncio.timeout(20):
            seconds = await spoken_by(engine.stream(), 24000)
            await engine.aclose()
    # The servers' sound with its silences; LiveKit's plugins may ask sentence by sentence.
    words = 0.3 * len(SENTENCE.split())
    assert words + 0.35 < seconds < words + 1.0
    assert " ".join(json.dumps(text) for text in vendor.server.texts).count("account") == 1
