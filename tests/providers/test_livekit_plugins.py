"""LiveKit's plugins as engines, against our local servers, where they are installed; what is said where not.

With plugins that nobody here wrote these tests also prove the servers: `peer`.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any
from unittest import mock

import pytest

from providers.hosted_stt_conformance import LINE, failure_of
from providers.llm_conformance import PROMPT, answer, text_of
from providers.servers.assemblyai_ears import AssemblyAIEars
from providers.servers.deepgram_ears import DeepgramEars
from providers.servers.openai_server import Answer, OpenAIServer, finish_chunk, text_chunk, usage_chunk
from providers.servers.voice_sockets import DeepgramServer
from providers.stt_conformance import (
    assert_closes_at_any_time,
    assert_expects_at_any_time,
    assert_hears_without_hints,
    assert_takes_odd_frames,
    listening,
    recording,
    speak,
)
from providers.tts_conformance import SENTENCE, say
from trunkline.clock import SystemClock
from trunkline.errors import (
    ConfigError,
    EngineDown,
    EngineError,
    EngineKeyWrong,
    EngineMissing,
    EngineNetwork,
)
from trunkline.events import Partial
from trunkline.prompt import Usage
from trunkline.providers.protocols import ListenOptions, VoiceOptions
from trunkline.providers.registry import make_llm, make_stt, make_tts

CLOCK = SystemClock()
PLUGINS = ("deepgram", "assemblyai", "openai")
installed = importlib.util.find_spec("livekit") is not None and all(
    importlib.util.find_spec(f"livekit.plugins.{name}") is not None for name in PLUGINS
)
peer = [
    pytest.mark.peer,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(not installed, reason="livekit-plugins-… are not installed: make test-peers has them"),
]


def marked(test: Any) -> Any:
    for mark in peer:
        test = mark(test)
    return test


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PLUGINS:
        monkeypatch.setenv(f"{name.upper()}_API_KEY", "secret-1")


@marked
async def test_a_recognisers_plugin_conforms() -> None:
    pcm = recording(LINE)
    async with DeepgramEars() as server:
        engine = make_stt(f"livekit:deepgram,base_url={server.address}/v1/listen,sample_rate=8000", CLOCK)
        await engine.start()
        assert engine.name == "livekit/deepgram"
        await assert_hears_without_hints(engine, pcm, CLOCK, paced=False)
        await assert_closes_at_any_time(engine, pcm, CLOCK)
        await assert_takes_odd_frames(engine, CLOCK)
        await assert_expects_at_any_time(engine, pcm, CLOCK, paced=False)
        async with listening(engine) as (recognition, ear):
            began = CLOCK.now()
            ended = await speak(recognition, pcm, CLOCK, began, paced=False)
            await ear.until_finals(1)
        assert ear.finals[0].text.lower().startswith("yes that")
        assert any(isinstance(each, Partial) for each in ear.heard)
        bounds = [bound for word in ear.finals[0].words for bound in (word.start, word.end)]
        assert bounds == sorted(bounds)
        assert all(began - 1e-6 <= bound <= ended + 1e-6 for bound in bounds)
        await engine.close()


@marked
@pytest.mark.parametrize(("fault", "kind"), [("cut", EngineNetwork)])
async def test_a_plugins_failure_falls_in_our_tree(fault: str, kind: type[EngineError]) -> None:
    async with DeepgramEars() as server:
        server.faults.append(fault)
        engine = make_stt(f"livekit:deepgram,base_url={server.address}/v1/listen,sample_rate=8000", CLOCK)
        await engine.start()
        error = await failure_of(engine)
        assert type(error) is kind
        await engine.close()


@marked
async def test_another_vendors_plugin_hears() -> None:
    async with AssemblyAIEars() as server:
        address = server.address.replace("http", "ws")
        spec = f"livekit:assemblyai,base_url={address},sample_rate=8000,model=universal-streaming-english"
        engine = make_stt(spec, CLOCK)
        await engine.start()
        async with listening(engine) as (recognition, ear):
            await speak(recognition, recording(LINE), CLOCK, CLOCK.now(), paced=False)
            await ear.until_finals(1)
        assert "yes that" in " ".join(final.text for final in ear.finals).lower()
        await engine.close()


@marked
async def test_a_voices_plugin_speaks() -> None:
    async with DeepgramServer() as server:
        engine = make_tts(f"livekit:deepgram,base_url={server.address}/v1/speak,sample_rate=24000", CLOCK)
        await engine.start()
        voice = await engine.open(VoiceOptions())
        assert voice.rate == 24000
        said = await say(voice, SENTENCE)
        assert abs(said.seconds - 0.3 * len(SENTENCE.split())) < 0.2
        stream = voice.say(SENTENCE)
        await anext(stream)
        await stream.aclose()
        await voice.close()
        with pytest.raises(EngineDown):
            await say(voice, SENTENCE)
        await engine.close()


@marked
async def test_a_models_plugin_answers() -> None:
    async with OpenAIServer() as server:
        server.answers.append(Answer([text_chunk("Hi."), finish_chunk(), usage_chunk(5, 2, 1)]))
        engine = make_llm(f"livekit:openai,base_url={server.base_url},model=m", CLOCK)
        await engine.start()
        deltas = await answer(engine, PROMPT)
        assert text_of(deltas) == "Hi."
        assert deltas[-1] == Usage(5, 2, 1)
        await engine.close()


@marked
async def test_what_is_wrong_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no option 'mode_l'"):
        await make_stt("livekit:deepgram,mode_l=x", CLOCK).start()
    with pytest.raises(EngineMissing, match="livekit-plugins-no-such"):
        await make_stt("livekit:no_such", CLOCK).start()
    monkeypatch.delenv("ASSEMBLYAI_API_KEY")
    with pytest.raises(EngineKeyWrong):
        await make_stt("livekit:assemblyai", CLOCK).start()


async def test_a_missing_package_says_what_to_type() -> None:
    with mock.patch("trunkline.providers.livekit_plugins.find_spec", return_value=None):
        for made in (make_stt, make_llm, make_tts):
            hint = r"pip install 'trunkline\[livekit\]' livekit-plugins-speechmatics"
            with pytest.raises(EngineMissing, match=hint):
                await made("livekit:speechmatics", CLOCK).start()
    assert "livekit.plugins.speechmatics" not in sys.modules
    with pytest.raises(EngineDown, match="not started"):
        await make_stt("livekit:speechmatics", CLOCK).open(ListenOptions())


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("livekit", "Write livekit:NAME"),
        ("deepgram:x", "Write deepgram"),
        ("livekit:a-b", "no plugin's name"),
    ],
)
def test_a_spec_that_names_no_plugin_is_told(spec: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make_stt(spec, CLOCK)
