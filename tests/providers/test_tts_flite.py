"""flite for real, where this machine has it."""

import asyncio
import ctypes
from collections.abc import AsyncGenerator

import pytest

from providers import tts_conformance as conformance
from trunkline.clock import SystemClock
from trunkline.errors import ConfigError, EngineDown, EngineMissing, EngineRequest
from trunkline.providers.protocols import Voice, VoiceOptions
from trunkline.providers.tts import embedded, flite, libflite


def _installed() -> bool:
    try:
        ctypes.CDLL("libflite.so.1")
    except OSError:
        return False
    return True


needs_flite = pytest.mark.skipif(not _installed(), reason="libflite is not installed here")


@pytest.fixture
async def engine() -> AsyncGenerator[flite.Flite, None]:
    running = flite.Flite(clock=SystemClock())
    await running.start()
    yield running
    await running.close()


@pytest.fixture
async def voice(engine: flite.Flite) -> Voice:
    return await engine.open(VoiceOptions())


@needs_flite
class TestFlite:
    async def test_it_speaks(self, voice: Voice) -> None:
        await conformance.assert_speaks(voice)

    async def test_it_pauses_at_punctuation(self, voice: Voice) -> None:
        await conformance.assert_pauses_at_punctuation(voice)

    async def test_it_survives_odd_text(self, voice: Voice) -> None:
        await conformance.assert_survives_odd_text(voice)

    async def test_closing_early(self, voice: Voice) -> None:
        await conformance.assert_closing_early_stops(voice)

    async def test_cancelling(self, voice: Voice) -> None:
        await conformance.assert_cancelling_stops(voice)

    async def test_many_calls(self, engine: flite.Flite) -> None:
        await conformance.assert_voices_share_the_engine(engine)

    async def test_closed_is_closed(self, engine: flite.Flite) -> None:
        await conformance.assert_closed_is_closed(engine)

    async def test_closing_the_engine_ends_what_is_spoken(self, engine: flite.Flite, voice: Voice) -> None:
        speaking = [asyncio.create_task(conformance.say(voice, text)) for text in conformance.HELD_OUT]
        await asyncio.sleep(0)
        await engine.close()
        async with asyncio.timeout(20):
            results = await asyncio.gather(*speaking, return_exceptions=True)
        assert all(isinstance(result, EngineDown) for result in results)

    async def test_the_default_pace(self, voice: Voice) -> None:
        assert 150 <= await conformance.measured_pace(voice) <= 170

    @pytest.mark.parametrize("name", libflite.VOICES)
    @pytest.mark.parametrize("wanted", [130, 190])
    async def test_the_pace_of_every_voice(self, engine: flite.Flite, name: str, wanted: int) -> None:
        if name not in flite.voices():
            pytest.skip(f"voice {name} is not installed here")
        voice = await engine.open(VoiceOptions(voice=name, words_per_minute=wanted))
        assert await conformance.measured_pace(voice) == pytest.approx(wanted, rel=0.12)

    async def test_a_voice_by_its_long_name(self, engine: flite.Flite) -> None:
        await engine.open(VoiceOptions(voice="cmu_us_rms"))

    @pytest.mark.parametrize("name", ["nobody", "../../tmp/x", ""])
    async def test_a_voice_that_is_not_there(self, name: str) -> None:
        with pytest.raises(EngineMissing, match="Known ones are"):
            await flite.Flite(clock=SystemClock(), voice=name).start()

    async def test_another_language(self, engine: flite.Flite) -> None:
        with pytest.raises(EngineRequest, match="espeak"):
            await engine.open(VoiceOptions(language="de"))

    async def test_embedded_takes_it(self) -> None:
        engine = embedded.Embedded(clock=SystemClock())
        async with conformance.opened(engine) as voice:
            assert engine.name == "embedded (flite)"
            assert (await conformance.say(voice, "Hello.")).pcm


async def test_settings_that_cannot_be() -> None:
    with pytest.raises(ConfigError):
        await flite.Flite(clock=SystemClock(), threads=0).start()


async def test_a_machine_without_flite(monkeypatch: pytest.MonkeyPatch) -> None:
    libflite.load.cache_clear()
    monkeypatch.setattr(libflite, "_open", lambda name: None)
    with pytest.raises(EngineMissing, match="apt install libflite1"):
        await flite.Flite(clock=SystemClock()).start()
    engine = embedded.Embedded(clock=SystemClock())
    async with conformance.opened(engine) as voice:
        assert engine.name == "embedded (espeak)"
        assert (await conformance.say(voice, "Hello.")).pcm
