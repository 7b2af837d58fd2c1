"""OpenAI's, Azure's and Google's voices against local servers of their protocols: one suite for all."""

import asyncio
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
from providers.servers.http_server import Reply, refused
from providers.servers.voice_http import (
    AzureVoiceServer,
    GoogleVoiceServer,
    OpenAIVoiceServer,
    VoiceHttpServer,
)
from providers.tts_conformance import (
    SENTENCE,
    assert_closed_is_closed,
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
from trunkline.providers.tts.azure import AzureVoices, ssml_of
from trunkline.providers.tts.google import GoogleVoices
from trunkline.providers.tts.hosted import VoiceCard
from trunkline.providers.tts.http_voice import without_wav_header
from trunkline.providers.tts.openai import OpenAIVoices
from trunkline.providers.tts.playht import PlayHT

pytest.importorskip("httpx")

SCOPES = "You have insufficient permissions for this operation. Missing scopes: model.request."
"""What a key is told that is made for other things."""
Engine = OpenAIVoices | AzureVoices | GoogleVoices
KINDS: dict[str, tuple[type[VoiceHttpServer], type[Engine], str]] = {
    "openai": (OpenAIVoiceServer, OpenAIVoices, "OPENAI_API_KEY"),
    "azure": (AzureVoiceServer, AzureVoices, "AZURE_SPEECH_KEY"),
    "google": (GoogleVoiceServer, GoogleVoices, "GOOGLE_API_KEY"),
}


class Vendor:
    """A server and how to make its engine."""

    def __init__(self, name: str, server: VoiceHttpServer) -> None:
        self.name = name
        self.server = server
        self.key_env = KINDS[name][2]

    def engine(self, **options: Any) -> Engine:
        return KINDS[self.name][1](clock=SystemClock(), **{"base_url": self.server.address, **options})


@pytest.fixture(params=sorted(KINDS))
async def vendor(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Vendor, None]:
    for _, _, variable in KINDS.values():
        monkeypatch.setenv(variable, "secret-1")
    async with KINDS[request.param][0]() as server:
        yield Vendor(request.param, server)


async def test_it_speaks(vendor: Vendor) -> None:
    async with opened(vendor.engine()) as voice:
        assert voice.rate == (24000 if vendor.name == "openai" else 8000)
        await assert_speaks(voice, marked=False)
    assert "secret-1" in " ".join(vendor.server.asked[-1].headers.values())


async def test_it_speaks_wideband_on_wideband_legs(vendor: Vendor) -> None:
    async with opened(vendor.engine(), rate=16000) as voice:
        assert voice.rate == (24000 if vendor.name == "openai" else 16000)
        await assert_speaks(voice, marked=False)


async def test_the_connection_is_kept(vendor: Vendor) -> None:
    async with opened(vendor.engine()) as voice:
        for _ in range(3):
            await say(voice, SENTENCE)
        assert vendor.server.connections == 1


async def test_odd_texts(vendor: Vendor) -> None:
    async with opened(vendor.engine()) as voice:
        await assert_asks_only_for_words(voice, vendor.server.texts)


async def test_closing_early_closes_the_connection(vendor: Vendor) -> None:
    if vendor.name == "google":  # its answer comes whole
        return
    vendor.server.faults.append("hang")
    async with opened(vendor.engine()) as voice:
        stream = voice.say(SENTENCE)
        await anext(stream)
        await stream.aclose()
        async with asyncio.timeout(5):
            await vendor.server.dropped.wait()
        assert (await say(voice, "Next.")).pcm


async def test_a_silent_service_can_be_cancelled(vendor: Vendor) -> None:
    vendor.server.faults.append("silent")
    async with opened(vendor.engine()) as voice:
        await assert_cancelled_in_silence_stops(voice)
        async with asyncio.timeout(5):
            await vendor.server.dropped.wait()


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
    ("fault", "kind"), [("silent", EngineTimeout), ("hang", EngineTimeout), ("cut", EngineNetwork)]
)
async def test_failures_fall_in_our_tree_and_the_next_sentence_is_spoken(
    vendor: Vendor, fault: str, kind: type[EngineError]
) -> None:
    vendor.server.faults.append(fault)
    limits = {"first_audio_s": 0.3} | ({} if vendor.name == "google" else {"between_audio_s": 0.3})
    async with opened(vendor.engine(**limits)) as voice:
        error = await failure_of(voice)
        assert type(error) is kind
        assert abs((await say(voice, "One two.")).seconds - 0.6) < 0.1


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": {"message": "bad voice"}}, EngineRequest),
        (401, {"error": {"message": "invalid key"}}, EngineKeyWrong),
        (400, {"error": {"message": "API key not valid. Please pass a valid API key."}}, EngineKeyWrong),
        (401, {"error": {"message": SCOPES}}, EngineKeyWrong),
        (402, {}, EngineQuota),
        (403, {"error": {"message": "denied"}}, EngineKeyWrong),
        (404, {}, EngineRequest),
        (429, {"error": {"message": "You exceeded your current quota"}}, EngineQuota),
        (429, {"error": {"message": "slow down"}}, EngineRate),
        (500, "<html>sorry</html>", EngineDown),
    ],
)
async def test_refusals_fall_in_our_tree(
    vendor: Vendor, status: int, body: Any, kind: type[EngineError]
) -> None:
    async with opened(vendor.engine()) as voice:
        vendor.server.replies.append(refused(status, body))
        error = await failure_of(voice)
        assert type(error) is kind
        assert "secret-1" not in str(error)
        assert "<html>" not in str(error)


async def test_what_a_refusal_repeats_is_not_for_the_log(vendor: Vendor) -> None:
    async with opened(vendor.engine()) as voice:
        vendor.server.replies.append(refused(400, {"error": {"message": SAID}}))
        assert_is_not_for_the_log(await failure_of(voice))


async def test_an_endless_sentence(vendor: Vendor) -> None:
    async with opened(vendor.engine()) as voice:
        vendor.server.replies.append(Reply([bytes(1_000_000)] * 40))
        assert type(await failure_of(voice)) is EngineDown


async def test_what_is_wrong_is_told_at_start(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError):
        await vendor.engine(base_url="localhost").start()
    with pytest.raises(ConfigError):
        await vendor.engine(first_audio_s=0).start()
    if vendor.name != "openai":  # a server of one's own is met with the first sentence
        with pytest.raises(EngineNetwork, match="base_url"):
            await vendor.engine(base_url="http://127.0.0.1:9").start()
        monkeypatch.delenv(vendor.key_env)
        with pytest.raises(EngineKeyWrong, match=f"Set {vendor.key_env}"):
            await vendor.engine().start()
    monkeypatch.setenv(vendor.key_env, "secret-1")
    monkeypatch.setitem(__import__("sys").modules, "httpx", None)
    with pytest.raises(EngineMissing, match=rf"pip install 'trunkline\[{vendor.name}\]'"):
        await vendor.engine().start()


async def test_a_key_that_may_not_look_may_still_speak(vendor: Vendor) -> None:
    vendor.server.cards = dict.fromkeys(vendor.server.cards, refused(403, {"error": {"message": SCOPES}}))
    async with opened(vendor.engine()) as voice:
        assert (await say(voice, SENTENCE)).pcm


async def test_the_voices(vendor: Vendor) -> None:
    engine = vendor.engine()
    await engine.start()
    expected = {
        "openai": VoiceCard("alloy"),
        "azure": VoiceCard("en-US-JennyNeural", "Jenny", "en-US", "styles: chat"),
        "google": VoiceCard("en-US-Neural2-F", "", "en-US", "female"),
    }
    assert (await engine.voices())[0] == expected[vendor.name]
    await engine.close()


# --- what each vendor is asked ---------------------------------------------------------------------


async def test_what_openai_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(EngineKeyWrong, match="Set OPENAI_API_KEY"):
        await OpenAIVoices(clock=SystemClock()).start()
    async with OpenAIVoiceServer() as server:
        engine = OpenAIVoices(clock=SystemClock(), base_url=server.address, instructions="Warmly.")
        async with opened(engine, words_per_minute=192) as voice:
            await say(voice, "Hello.")
        assert server.asked[0].json == {
            "model": "gpt-4o-mini-tts",
            "voice": "coral",
            "response_format": "pcm",
            "instructions": "Warmly.",
            "speed": 1.2,
            "input": "Hello.",
        }
        assert "authorization" not in server.asked[0].headers


async def test_a_custom_voice_of_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_SPEECH_KEY", "secret-1")
    monkeypatch.delenv("AZURE_SPEECH_REGION", raising=False)
    with pytest.raises(ConfigError, match="no region"):
        await AzureVoices(clock=SystemClock()).start()
    with pytest.raises(ConfigError, match="style_degree"):
        await AzureVoices(clock=SystemClock(), region="x", style_degree=3).start()
    async with AzureVoiceServer() as server:
        engine = AzureVoices(clock=SystemClock(), base_url=server.address, deployment="d/1", voice="My Voice")
        async with opened(engine) as voice:
            await say(voice, "Hello.")
        assert server.asked[0].query == {"deploymentId": "d/1"}
        assert server.asked[0].headers["x-microsoft-outputformat"] == "raw-8khz-8bit-mono-mulaw"
        assert b'<voice name="My Voice">' in server.asked[0].body
        assert not server.looked_up


def test_text_stays_text_in_ssml() -> None:
    made = ssml_of('</voice><break time="9s"/> & "x"', 'a"b', "en", "chat", 1.5, 0.9)
    assert "&lt;/voice&gt;&lt;break" in made
    assert "name='a\"b'" in made
    assert '<mstts:express-as style="chat" styledegree="1.5"><prosody rate="-10%">' in made


async def test_what_google_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "secret-1")
    async with GoogleVoiceServer() as server:
        engine = GoogleVoices(clock=SystemClock(), base_url=server.address, streamed=False)
        async with opened(engine, voice="en-GB-Chirp3-HD-Aoede", words_per_minute=192) as voice:
            await say(voice, "Hello.")
        assert server.asked[0].json == {
            "voice": {"languageCode": "en-GB", "name": "en-GB-Chirp3-HD-Aoede"},
            "audioConfig": {"audioEncoding": "MULAW", "sampleRateHertz": 8000, "speakingRate": 1.2},
            "input": {"text": "Hello."},
        }
        for body in (b"{ not json", b"[]", b'{"audioContent": 5}', b'{"audioContent": "?"}'):
            async with opened(engine) as voice:
                server.replies.append(Reply([body]))
                assert type(await failure_of(voice)) is EngineDown


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_header_cut_anywhere_does_no_harm(cut: int) -> None:
    header = (
        b"RIFF\x00\x00\x00\x00WAVEfmt \x04\x00\x00\x00abcdLIST\x03\x00\x00\x00xyz\x00data\x04\x00\x00\x00"
    )
    assert without_wav_header(header + b"1234") == b"1234"
    assert without_wav_header(b"1234") == b"1234"
    assert isinstance(without_wav_header((header + b"1234")[:cut]), bytes)


async def test_the_service_that_has_ended_says_so() -> None:
    engine = PlayHT(clock=SystemClock(), voice="x")
    with pytest.raises(EngineDown, match="ended on 31 December 2025"):
        await engine.start()
    await engine.close()


# --- the servers are true: read by clients that nobody here wrote ------------------------------------


@pytest.mark.peer
async def test_openais_own_client_reads_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    openai = pytest.importorskip("openai", reason="openai is not installed here")
    async with OpenAIVoiceServer() as server:
        async with openai.AsyncOpenAI(api_key="k", base_url=server.address) as client:
            asked = client.audio.speech.with_streaming_response.create(
                model="gpt-4o-mini-tts", voice="coral", input="One two.", response_format="pcm"
            )
            async with asked as response:
                sound = b"".join([piece async for piece in response.iter_bytes()])
        assert len(sound) == 2 * 24000 * (2 * 0.3 + 2 * 0.2)


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
async def test_livekits_plugin_reads_azures_server() -> None:
    reason = "livekit-plugins-azure is not installed here"
    plugin = pytest.importorskip("livekit.plugins.azure", reason=reason)
    aiohttp = pytest.importorskip("aiohttp")
    async with AzureVoiceServer() as server, aiohttp.ClientSession() as session:
        endpoint = f"{server.address}/cognitiveservices/v1"
        engine = plugin.TTS(speech_key="k", speech_endpoint=endpoint, sample_rate=24000, http_session=session)
        seconds = 0.0
        async for event in engine.synthesize("One two."):
            seconds += event.frame.duration
        await engine.aclose()
    assert abs(seconds - 1.0) < 0.05
